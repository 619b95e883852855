package simstash

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// plugin is a loaded manifest.
type plugin struct {
	id, path string // path of the yml as Stash found it: relative if the plugins path is

	name, description, url, version string
	exec                            []string
	errLog                          Level
	errLogNone                      bool
	tasks                           []*operation
	hooks                           []*operation
	settings                        []setting
}

// operation is a task or a hook of a manifest.
type operation struct {
	name, description string
	execArgs          []string
	defaultArgs       map[string]string
	triggeredBy       []string
}

type setting struct{ name, kind, displayName, description string }

func (p *plugin) dir() string { return filepath.Dir(p.path) }

func (p *plugin) title() string {
	if p.name != "" {
		return p.name
	}
	return p.id
}

// parseManifest reads a plugin's yml as strictly as Stash: an unknown key or a
// type in lower case is an error. Unknown hook names are accepted.
func parseManifest(text string) (*plugin, error) {
	root, err := parseYAML(text)
	if err != nil {
		return nil, err
	}
	p := &plugin{errLog: LevelError}
	iface := "raw"
	var uiErr error
	err = root.fields("plugin.Config", map[string]func(*node) error{
		"name":        str(&p.name),
		"description": str(&p.description),
		"url":         str(&p.url),
		"version":     str(&p.version),
		"interface":   str(&iface),
		"exec":        strList(&p.exec),
		"errLog": func(n *node) error {
			levels := map[string]Level{"trace": LevelTrace, "debug": LevelDebug, "info": LevelInfo, "warning": LevelWarning, "error": LevelError}
			l, ok := levels[n.scalar]
			if ok {
				p.errLog = l
			}
			p.errLogNone = n.scalar == "none"
			return nil // an unknown name means error (source)
		},
		"tasks": func(n *node) error { return operations(n, "plugin.OperationConfig", &p.tasks) },
		"hooks": func(n *node) error { return operations(n, "plugin.HookConfig", &p.hooks) },
		"ui": func(n *node) error {
			uiErr = checkUI(n)
			return uiErr
		},
		"settings": func(n *node) error {
			return n.each(func(name string, v *node) error {
				s := setting{name: name, kind: "STRING"}
				if err := v.fields("plugin.SettingConfig", map[string]func(*node) error{
					"type": str(&s.kind), "displayName": str(&s.displayName), "description": str(&s.description),
				}); err != nil {
					return err
				}
				if s.kind != "STRING" && s.kind != "NUMBER" && s.kind != "BOOLEAN" {
					return fmt.Errorf("invalid type %s for setting %s", s.name, s.kind)
				}
				p.settings = append(p.settings, s)
				return nil
			})
		},
	})
	if err != nil {
		return nil, err
	}
	switch iface {
	case "raw", "":
	case "rpc", "js":
		return nil, fmt.Errorf("simstash: the interface %s is not simulated", iface)
	default:
		return nil, fmt.Errorf("invalid interface type %s", iface)
	}
	slices.SortFunc(p.settings, func(a, b setting) int { return strings.Compare(a.name, b.name) })
	return p, nil
}

func checkUI(n *node) error {
	var ignore []string
	list := strList(&ignore)
	return n.fields("plugin.UIConfig", map[string]func(*node) error{
		"requires": list, "javascript": list, "css": list,
		"assets": func(n *node) error { return n.each(func(_ string, v *node) error { return str(new(string))(v) }) },
		"csp": func(n *node) error {
			return n.fields("plugin.PluginCSP", map[string]func(*node) error{"script-src": list, "style-src": list, "connect-src": list})
		},
	})
}

func operations(n *node, typ string, out *[]*operation) error {
	return n.items(func(v *node) error {
		o := &operation{}
		known := map[string]func(*node) error{
			"name": str(&o.name), "description": str(&o.description), "execArgs": strList(&o.execArgs),
			"defaultArgs": func(n *node) error {
				o.defaultArgs = map[string]string{}
				return n.each(func(k string, v *node) error {
					var s string
					err := str(&s)(v)
					o.defaultArgs[k] = s
					return err
				})
			},
		}
		if typ == "plugin.HookConfig" {
			known["triggeredBy"] = strList(&o.triggeredBy)
		}
		*out = append(*out, o)
		return v.fields(typ, known)
	})
}

// node is a value of the YAML subset that manifests use: block mappings and
// sequences, flow collections of scalars, plain and quoted scalars, block scalars
// (| and >), comments. Anchors, tags, nested flows and several documents are
// refused rather than misread.
type node struct {
	line   int
	kind   byte // 's'calar, 'm'apping, 'l'ist, 0 for null
	scalar string
	keys   []string
	vals   []*node
}

func (n *node) errorf(format string, a ...any) error {
	return fmt.Errorf("yaml: line %d: %s", n.line, fmt.Sprintf(format, a...))
}

func (n *node) each(f func(key string, v *node) error) error {
	if n.kind == 0 {
		return nil
	}
	if n.kind != 'm' {
		return n.errorf("cannot unmarshal into a map")
	}
	for i, k := range n.keys {
		if err := f(k, n.vals[i]); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) items(f func(v *node) error) error {
	if n.kind == 0 {
		return nil
	}
	if n.kind != 'l' {
		return n.errorf("cannot unmarshal into a list")
	}
	for _, v := range n.vals {
		if err := f(v); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) fields(typ string, known map[string]func(*node) error) error {
	return n.each(func(k string, v *node) error {
		f := known[k]
		if f == nil {
			return v.errorf("field %s not found in type %s", k, typ)
		}
		return f(v)
	})
}

func str(out *string) func(*node) error {
	return func(n *node) error {
		if n.kind != 's' && n.kind != 0 {
			return n.errorf("cannot unmarshal into string")
		}
		*out = n.scalar
		return nil
	}
}

func strList(out *[]string) func(*node) error {
	return func(n *node) error {
		return n.items(func(v *node) error {
			var s string
			err := str(&s)(v)
			*out = append(*out, s)
			return err
		})
	}
}

type yamlLine struct {
	number, indent int
	text           string // without indentation and comment
	raw            string
}

type yamlReader struct {
	lines []yamlLine
	pos   int
}

var yamlKey = regexp.MustCompile(`^("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'\[\]{}#&*!|>%@,?-][^:]*?|[^\s"'\[\]{}#&*!|>%@,?][^:]*?)\s*:(?:\s+(.*))?$`)

func parseYAML(text string) (*node, error) {
	r := &yamlReader{}
	for i, raw := range strings.Split(strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n"), "\n") {
		body := strings.TrimLeft(raw, " ")
		if strings.HasPrefix(body, "\t") {
			return nil, fmt.Errorf("yaml: line %d: found character that cannot start any token", i+1)
		}
		r.lines = append(r.lines, yamlLine{i + 1, len(raw) - len(body), strings.TrimSpace(stripComment(body)), raw})
	}
	if l := r.peek(); l != nil && l.text == "---" {
		r.pos++
	}
	root := &node{line: 1}
	if l := r.peek(); l != nil {
		var err error
		if root, err = r.block(l.indent); err != nil {
			return nil, err
		}
	}
	if l := r.peek(); l != nil {
		return nil, fmt.Errorf("yaml: line %d: did not find expected key", l.number)
	}
	return root, nil
}

// stripComment cuts a comment off a line, minding quotes.
func stripComment(s string) string {
	var quote byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote == '"' && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case (c == '"' || c == '\'') && (i == 0 || strings.IndexByte(" [,", s[i-1]) >= 0):
			quote = c
		case c == '#' && (i == 0 || s[i-1] == ' ' || s[i-1] == '\t'):
			return s[:i]
		}
	}
	return s
}

// peek is the next line that is not empty; nil at the end.
func (r *yamlReader) peek() *yamlLine {
	for r.pos < len(r.lines) {
		if r.lines[r.pos].text != "" {
			return &r.lines[r.pos]
		}
		r.pos++
	}
	return nil
}

func (r *yamlReader) block(indent int) (*node, error) {
	l := r.peek()
	if l.text == "-" || strings.HasPrefix(l.text, "- ") {
		return r.sequence(indent)
	}
	if yamlKey.MatchString(l.text) {
		return r.mapping(indent)
	}
	r.pos++
	return r.value(l, l.text, indent)
}

func (r *yamlReader) sequence(indent int) (*node, error) {
	out := &node{line: r.peek().number, kind: 'l'}
	for {
		l := r.peek()
		if l == nil || l.indent < indent {
			return out, nil
		}
		if l.indent != indent || l.text != "-" && !strings.HasPrefix(l.text, "- ") {
			if l.indent == indent {
				return out, nil // the next key of a mapping at the same depth
			}
			return nil, fmt.Errorf("yaml: line %d: did not find expected '-' indicator", l.number)
		}
		rest := strings.TrimLeft(l.text[1:], " ")
		var v *node
		var err error
		switch {
		case rest == "":
			r.pos++
			v, err = r.nested(l, indent+1)
		case rest == "-" || strings.HasPrefix(rest, "- ") || yamlKey.MatchString(rest):
			// A mapping or a list that starts on the dash's line.
			deeper := indent + len(l.text) - len(rest)
			r.lines[r.pos].indent, r.lines[r.pos].text = deeper, rest
			v, err = r.block(deeper)
		default:
			r.pos++
			v, err = r.value(l, rest, indent)
		}
		if err != nil {
			return nil, err
		}
		out.vals = append(out.vals, v)
	}
}

func (r *yamlReader) mapping(indent int) (*node, error) {
	out := &node{line: r.peek().number, kind: 'm'}
	for {
		l := r.peek()
		if l == nil || l.indent < indent {
			return out, nil
		}
		m := yamlKey.FindStringSubmatch(l.text)
		if l.indent != indent || m == nil {
			return nil, fmt.Errorf("yaml: line %d: did not find expected key", l.number)
		}
		key, err := yamlScalar(l, m[1])
		if err != nil {
			return nil, err
		}
		if slices.Contains(out.keys, key.scalar) {
			return nil, fmt.Errorf("yaml: line %d: key %q already set in map", l.number, key.scalar)
		}
		r.pos++
		var v *node
		if m[2] == "" {
			next := r.peek()
			if next != nil && next.indent == indent && (next.text == "-" || strings.HasPrefix(next.text, "- ")) {
				v, err = r.sequence(indent)
			} else {
				v, err = r.nested(l, indent+1)
			}
		} else {
			v, err = r.value(l, m[2], indent)
		}
		if err != nil {
			return nil, err
		}
		out.keys, out.vals = append(out.keys, key.scalar), append(out.vals, v)
	}
}

// nested is the block below a key or dash, null if there is none.
func (r *yamlReader) nested(l *yamlLine, least int) (*node, error) {
	if next := r.peek(); next != nil && next.indent >= least {
		return r.block(next.indent)
	}
	return &node{line: l.number}, nil
}

// value is a scalar or a flow sequence; parent is the indentation of the line
// that it stands on.
func (r *yamlReader) value(l *yamlLine, text string, parent int) (*node, error) {
	switch text[0] {
	case '|', '>':
		return r.blockScalar(l, text, parent)
	case '[', '{':
		closing := string(text[0] + 2)          // of [ and of { alike
		for !strings.HasSuffix(text, closing) { // over several lines
			next := r.peek()
			if next == nil {
				return nil, fmt.Errorf("yaml: line %d: did not find expected ',' or '%s'", l.number, closing)
			}
			text += " " + next.text
			r.pos++
		}
		return flow(l, text)
	case '&', '*', '!', '%', '@', '`':
		return nil, fmt.Errorf("simstash: yaml: line %d: %q is outside of the subset that is read here", l.number, text)
	}
	if text[0] != '"' && text[0] != '\'' { // a plain scalar may go on, deeper
		for next := r.peek(); next != nil && next.indent > parent; next = r.peek() {
			if yamlKey.MatchString(next.text) {
				return nil, fmt.Errorf("yaml: line %d: mapping values are not allowed in this context", next.number)
			}
			text += " " + next.text
			r.pos++
		}
		if strings.Contains(text, ": ") || strings.HasSuffix(text, ":") {
			return nil, fmt.Errorf("yaml: line %d: mapping values are not allowed in this context", l.number)
		}
	}
	return yamlScalar(l, text)
}

func (r *yamlReader) blockScalar(l *yamlLine, head string, parent int) (*node, error) {
	if !slices.Contains([]string{"|", "|-", "|+", ">", ">-", ">+"}, head) {
		return nil, fmt.Errorf("simstash: yaml: line %d: block scalar %q is outside of the subset that is read here", l.number, head)
	}
	var lines []string
	depth := -1
	for ; r.pos < len(r.lines); r.pos++ {
		raw := r.lines[r.pos].raw
		if strings.TrimSpace(raw) == "" {
			lines = append(lines, "")
			continue
		}
		if r.lines[r.pos].indent <= parent {
			break
		}
		if depth < 0 {
			depth = r.lines[r.pos].indent
		}
		lines = append(lines, raw[min(depth, len(raw)):])
	}
	glue := "\n"
	if head[0] == '>' {
		glue = " "
	}
	text := strings.TrimRight(strings.Join(lines, glue), "\n ")
	if !strings.HasSuffix(head, "-") {
		text += "\n"
	}
	return &node{line: l.number, kind: 's', scalar: text}, nil
}

// flow reads [a, b] or {k: v, l: w}, with scalars only.
func flow(l *yamlLine, text string) (*node, error) {
	out := &node{line: l.number, kind: 'l'}
	if text[0] == '{' {
		out.kind = 'm'
	}
	for rest := strings.TrimSpace(text[1 : len(text)-1]); rest != ""; {
		var item string
		item, rest = cutOutsideQuotes(rest, ',')
		if out.kind == 'm' {
			var key string
			key, item = cutOutsideQuotes(item, ':')
			k, err := yamlScalar(l, key)
			if err != nil {
				return nil, err
			}
			if slices.Contains(out.keys, k.scalar) {
				return nil, fmt.Errorf("yaml: line %d: key %q already set in map", l.number, k.scalar)
			}
			out.keys = append(out.keys, k.scalar)
		}
		if item != "" && strings.IndexByte("[{&*!|>%@`", item[0]) >= 0 {
			return nil, fmt.Errorf("simstash: yaml: line %d: %q is outside of the subset that is read here", l.number, item)
		}
		v, err := yamlScalar(l, item)
		if err != nil {
			return nil, err
		}
		out.vals = append(out.vals, v)
	}
	return out, nil
}

// cutOutsideQuotes cuts s around the first sep that is not quoted, and trims
// both parts.
func cutOutsideQuotes(s string, sep byte) (before, after string) {
	var quote byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote == '"' && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == sep:
			return strings.TrimSpace(s[:i]), strings.TrimSpace(s[i+1:])
		}
	}
	return s, ""
}

func yamlScalar(l *yamlLine, text string) (*node, error) {
	n := &node{line: l.number, kind: 's', scalar: text}
	bad := fmt.Errorf("yaml: line %d: found unexpected end of a quoted string", l.number)
	switch {
	case text == "" || text == "~" || text == "null":
		return &node{line: l.number}, nil
	case text[0] == '\'':
		if len(text) < 2 || text[len(text)-1] != '\'' {
			return nil, bad
		}
		n.scalar = strings.ReplaceAll(text[1:len(text)-1], "''", "'")
	case text[0] == '"':
		s, err := strconv.Unquote(text)
		if err != nil {
			return nil, bad
		}
		n.scalar = s
	}
	return n, nil
}

// LoadPlugin loads the plugins of a folder as Stash loads its plugins path:
// every *.yml anywhere below it. A relative folder starts from Options.Cwd and
// makes PluginDir relative. A manifest that Stash would not load is an error
// here and in the log; the good ones are loaded all the same.
func (s *Server) LoadPlugin(folder string) error {
	s.plugins.mu.Lock()
	s.plugins.roots = append(s.plugins.roots, folder)
	s.plugins.mu.Unlock()
	return s.reloadPlugins()
}

// reloadPlugins reads all plugin folders anew.
func (s *Server) reloadPlugins() error {
	s.plugins.mu.Lock()
	roots := slices.Clone(s.plugins.roots)
	s.plugins.mu.Unlock()
	var list []*plugin
	var errs []error
	seen := map[string]bool{}
	for _, root := range roots {
		err := filepath.WalkDir(s.fromCwd(root), func(path string, d os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if filepath.Ext(path) != ".yml" {
				return nil
			}
			rel, _ := filepath.Rel(s.fromCwd(root), path)
			found := filepath.Join(root, rel)
			text, err := os.ReadFile(path)
			var p *plugin
			if err == nil {
				p, err = parseManifest(string(text))
			}
			base := filepath.Base(path)
			id := strings.TrimSuffix(base, ".yml")
			if err == nil && seen[strings.ToLower(id)] {
				err = fmt.Errorf("plugin ID %s already exists", id)
			}
			if err != nil {
				err = fmt.Errorf("Error loading plugin %s: %w", found, err)
				s.logf(LevelError, "", "%v", err)
				errs = append(errs, err)
				return nil
			}
			seen[strings.ToLower(id)] = true
			p.id, p.path = id, found
			list = append(list, p)
			return nil
		})
		if err != nil {
			s.logf(LevelError, "", "Error reading plugin configs: %v", err)
			errs = append(errs, err)
		}
	}
	slices.SortStableFunc(list, func(a, b *plugin) int { return strings.Compare(a.path, b.path) })
	s.plugins.mu.Lock()
	s.plugins.list = list
	s.plugins.mu.Unlock()
	return errors.Join(errs...)
}

func (s *Server) fromCwd(path string) string {
	if filepath.IsAbs(path) || s.opts.Cwd == "" {
		return path
	}
	return filepath.Join(s.opts.Cwd, path)
}
