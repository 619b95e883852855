package title

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/plexsync/plexsync/internal/fold"
)

// maxLength is the longest template, in characters. A title has less.
const maxLength = 500

const example = "a valid template is, for example, {studio} - {title}"

// Parse reads a template: text with fields in braces, such as "{studio} - {title}".
// The names of fields are those of [Fields], in any case; a brace of the text is
// written twice. Text without anything in it is no template. The error names all that
// is wrong with the template and says what would be right.
func Parse(text string) (Template, error) {
	text = strings.TrimSpace(strings.ToValidUTF8(text, "\uFFFD"))
	if text == "" {
		return Template{}, nil
	}
	if utf8.RuneCountInString(text) > maxLength {
		return Template{}, fmt.Errorf("the template is longer than %d characters", maxLength)
	}
	tokens, err := scan(text)
	if err != nil {
		return Template{}, err
	}
	p := parser{tokens: tokens}
	p.pair()
	return Template{p.sequence(len(tokens))}, nil
}

// token is a field, or a character of the text.
type token struct {
	field string
	text  string
	pair  int // the index of the bracket that closes this one; 0 if it is none
}

// scan cuts a template into its fields and the characters between them.
func scan(text string) (tokens []token, err error) {
	var errs []error
	fields := 0
	for i := 0; i < len(text); {
		rest := text[i:]
		r, size := utf8.DecodeRuneInString(rest)
		switch {
		case strings.HasPrefix(rest, "{{") || strings.HasPrefix(rest, "}}"):
			tokens = append(tokens, token{text: rest[:1]})
			i += 2
		case r == '{':
			end := strings.IndexAny(rest[1:], "{}")
			if end < 0 || rest[1+end] == '{' {
				errs = append(errs, fmt.Errorf("the brace before %q is never closed; %s, and {{ stands for a brace", short(rest[1:]), example))
				return nil, errors.Join(errs...)
			}
			name := rest[1 : 1+end]
			i += 1 + end + 1
			fields++
			key := strings.ToLower(strings.TrimSpace(name))
			if !slices.Contains(Fields(), key) {
				errs = append(errs, unknown(name))
			}
			tokens = append(tokens, token{field: key})
		case r == '}':
			errs = append(errs, fmt.Errorf("the brace after %q was never opened; %s, and }} stands for a brace", tail(text[:i]), example))
			i++
		default:
			if unicode.IsControl(r) {
				rest = " "
			}
			tokens = append(tokens, token{text: rest[:min(size, len(rest))]})
			i += size
		}
	}
	if fields == 0 && len(errs) == 0 {
		hint := ""
		if strings.Contains(text, "{{") {
			hint = " (two braces stand for one of the text: write {title}, not {{title}})"
		}
		errs = append(errs, fmt.Errorf("the template has no field, so all titles would be the same%s; %s", hint, example))
	}
	return tokens, errors.Join(errs...)
}

// unknown is the error about a field that does not exist.
func unknown(name string) error {
	all := strings.Join(Fields(), ", ")
	if strings.TrimSpace(name) == "" {
		return fmt.Errorf("{%s} names no field; the fields are %s", short(name), all)
	}
	guess := ""
	if near := fold.Nearest(name, slices.Values(Fields())); near != "" {
		guess = fmt.Sprintf(" (did you mean {%s}?)", near)
	}
	return fmt.Errorf("{%s} is not a field%s; the fields are %s", short(name), guess, all)
}

// short is the start of s for a message, tail its end.
func short(s string) string {
	if r := []rune(s); len(r) > 20 {
		return string(r[:20]) + "…"
	}
	return s
}

func tail(s string) string {
	if r := []rune(s); len(r) > 20 {
		return "…" + string(r[len(r)-20:])
	}
	return s
}

type parser struct {
	tokens []token
	at     int
}

// closing is the bracket that closes r, 0 if r opens none.
func closing(r rune) rune {
	const pairs = "()[]{}<>«»“”「」『』【】〈〉《》（）［］｛｝"
	all := []rune(pairs)
	if i := slices.Index(all, r); i >= 0 && i%2 == 0 {
		return all[i+1]
	}
	return 0
}

// pair finds the brackets that belong together and have a field between them. Others
// are text like any.
func (p *parser) pair() {
	type opened struct {
		at     int
		closer string
	}
	var open []opened
	for i, t := range p.tokens {
		if t.field != "" {
			continue
		}
		r, _ := utf8.DecodeRuneInString(t.text)
		if c := closing(r); c != 0 {
			open = append(open, opened{i, string(c)})
			continue
		}
		// One that closes an outer pair leaves those inside it open for good.
		for n := len(open) - 1; n >= 0; n-- {
			if open[n].closer != t.text {
				continue
			}
			if slices.ContainsFunc(p.tokens[open[n].at:i], func(t token) bool { return t.field != "" }) {
				p.tokens[open[n].at].pair = i
			}
			open = open[:n]
			break
		}
	}
}

// sequence reads the parts up to the token end.
func (p *parser) sequence(end int) sequence {
	var parts sequence
	var b strings.Builder
	for p.at < end {
		t := p.tokens[p.at]
		p.at++
		next := part{field: t.field}
		switch {
		case t.field != "":
		case t.pair > 0:
			// Blanks next to brackets are the brackets'.
			next.open, next.close = t.text, p.tokens[t.pair].text
			if p.tokens[p.at].text == " " {
				next.open += " "
			}
			if p.tokens[t.pair-1].text == " " {
				next.close = " " + next.close
			}
			next.inner = p.sequence(t.pair)
			p.at = t.pair + 1
		default:
			b.WriteString(t.text)
			continue
		}
		if between := b.String(); len(parts) > 0 {
			parts[len(parts)-1].after, next.separator, next.before = belongs(between)
		} else {
			// At either end a separator separates nothing.
			next.before = strings.TrimLeftFunc(between, edge)
		}
		b.Reset()
		parts = append(parts, next)
	}
	if len(parts) > 0 {
		parts[len(parts)-1].after = strings.TrimRightFunc(b.String(), edge)
	}
	return parts
}

func edge(r rune) bool { return unicode.IsSpace(r) || separates(r) }
