package simstash

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// Options configure a Server. The zero value is an open Stash without plugins.
type Options struct {
	// Username and Password switch authentication on when both are set.
	Username, Password string
	// APIKey is Stash's API key; "" = the user never made one.
	APIKey string
	// MaxSessionAge is how long a session cookie holds; 0 = one hour.
	MaxSessionAge time.Duration

	// Host is the configured host, as plugins are told it: unresolved. "" =
	// "0.0.0.0", Stash's default.
	Host string
	// Port is the port that plugins are told before Start; 0 = 9999.
	Port int
	// TLS makes Start serve https with a self-signed certificate.
	TLS bool

	// Dir is the folder of config.yml, as plugins are told it. "" = "/root/.stash",
	// which need not exist.
	Dir string
	// Cwd is Stash's working directory, which plugin processes inherit and
	// relative plugin paths start from. "" = the test's own.
	Cwd string
	// Env is the environment of plugin processes; nil = the test's own.
	Env []string
	// Folders are what the library is made of; nil = "/data".
	Folders []string
	// ParallelTasks is the number of scan workers; 0 = 4.
	ParallelTasks int

	// Version is what the version query answers; "" = "v0.30.1".
	Version string
	// Now is the clock; nil = time.Now.
	Now func() time.Time
	// Location is the zone in which Stash writes its times; nil = UTC.
	Location *time.Location
	// RequestLog is how many requests are remembered; 0 = 10,000.
	RequestLog int

	// OnHook, when set, is called for every hook as if it were one more plugin:
	// with the stdin document, synchronously, ended by ctx where Stash would kill
	// a process. Its error is logged as a plugin's. For tests without processes.
	OnHook func(ctx context.Context, document []byte) error
	// Identify decides what metadataIdentify changes: it returns the fields of
	// sceneUpdate's input for a scene, nil for no change. Called without locks.
	Identify func(Scene) map[string]any
}

// Server is a simulated Stash. Its methods may be called at any time from any
// goroutine. Make one with New, end it with Close.
type Server struct {
	opts   Options
	secret []byte // signs session cookies; Stash keeps it in config.yml, so it outlives a restart

	mu       sync.RWMutex
	lib      library
	disk     disk
	settings map[string]map[string]any // of plugins, by plugin id
	disabled map[string]bool           // plugins switched off

	turns atomic.Uint64
	docs  docCache

	events   eventLog
	logs     logBook
	requests requestBook
	faults   faultBook
	plugins  pluginCache
	queue    queue

	life     context.Context // ends with Close
	end      context.CancelFunc
	work     sync.WaitGroup // processes and jobs
	listener *httptest.Server
	port     atomic.Int64
}

// New makes a server that runs in process until Start is called.
func New(o Options) *Server {
	if o.MaxSessionAge == 0 {
		o.MaxSessionAge = time.Hour
	}
	if o.Folders == nil {
		o.Folders = []string{"/data"}
	}
	if o.Host == "" {
		o.Host = "0.0.0.0"
	}
	if o.Port == 0 {
		o.Port = 9999
	}
	if o.Dir == "" {
		o.Dir = "/root/.stash"
	}
	if o.ParallelTasks == 0 {
		o.ParallelTasks = 4
	}
	if o.Version == "" {
		o.Version = "v0.30.1"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Location == nil {
		o.Location = time.UTC
	}
	if o.RequestLog == 0 {
		o.RequestLog = 10_000
	}
	s := &Server{opts: o, secret: make([]byte, 32), settings: map[string]map[string]any{}, disabled: map[string]bool{}}
	rand.Read(s.secret)
	s.life, s.end = context.WithCancel(context.Background())
	s.port.Store(int64(o.Port))
	s.queue.s = s
	return s
}

// Start listens on a free port of 127.0.0.1 and returns the URL, without a
// slash at its end. A second call returns the same.
func (s *Server) Start() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		return s.listener.URL
	}
	s.listener = httptest.NewUnstartedServer(s)
	if s.opts.TLS {
		s.listener.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){} // Stash has no HTTP/2
		s.listener.StartTLS()
	} else {
		s.listener.Start()
	}
	_, port, _ := net.SplitHostPort(s.listener.Listener.Addr().String())
	n, _ := strconv.ParseInt(port, 10, 64)
	s.port.Store(n)
	return s.listener.URL
}

// Close kills the plugin processes that the server started, ends its jobs,
// closes the listener and waits for all of it. Processes that a plugin has
// detached are not the server's and live on.
func (s *Server) Close() {
	s.end()
	s.queue.stopAll()
	s.faults.clear()
	if s.listener != nil {
		s.listener.CloseClientConnections()
		s.listener.Close()
	}
	s.work.Wait()
}

func (s *Server) now() time.Time { return s.opts.Now() }

// stampNow is the clock as the database keeps it: in whole seconds.
func (s *Server) stampNow() time.Time { return s.now().Truncate(time.Second) }

func (s *Server) formatTime(t time.Time) string {
	return t.In(s.opts.Location).Format(time.RFC3339Nano)
}

// ServeHTTP answers as Stash does, after the fault script had its say.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rw := &countingWriter{ResponseWriter: w}
	req, err := s.readRequest(r)
	if err != nil {
		http.Error(w, "simstash: reading the request: "+err.Error(), http.StatusBadRequest)
		return
	}
	whole := false
	defer func() {
		s.requests.done(req, rw.code, rw.n, !whole || rw.code == 0 || r.Context().Err() != nil)
	}()
	s.requests.begin(req, s.opts.RequestLog)
	if f := s.faults.match(req); f != nil {
		f.serve(rw, r, func(w http.ResponseWriter) { s.serve(w, r, req) })
	} else {
		s.serve(rw, r, req)
	}
	whole = true
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, req *Request) {
	who, ok := s.authenticate(w, r)
	if !ok {
		return
	}
	switch {
	case r.URL.Path == "/healthz":
		io.WriteString(w, ".")
	case r.URL.Path == "/graphql":
		s.serveGraphQL(w, r, req, who)
	case r.URL.Path == "/login":
		s.serveLogin(w, r)
	case s.serveImage(w, r):
	default:
		http.Error(w, "simstash: nothing is simulated at "+r.URL.Path, http.StatusNotFound)
	}
}

// readRequest takes the body in, so that faults can look at it and so that
// net/http notices a client that goes away.
func (s *Server) readRequest(r *http.Request) (*Request, error) {
	req := &Request{At: s.now(), Method: r.Method, Path: r.URL.Path, Header: r.Header.Clone()}
	for _, secret := range []string{"Cookie", "Apikey", "Authorization"} {
		if req.Header.Get(secret) != "" {
			req.Header.Set(secret, "<redacted>")
		}
	}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		req.body = body
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	if r.URL.Path == "/graphql" && r.Method == http.MethodPost {
		req.parseBody()
		if doc, _ := s.docs.load(req.Query); doc != nil {
			req.Fields = rootFields(doc, req.OperationName)
		}
	}
	return req, nil
}

func rootFields(doc *ast.QueryDocument, name string) (out []string) {
	op := doc.Operations.ForName(name)
	if op == nil {
		return nil
	}
	var walk func(ast.SelectionSet)
	walk = func(set ast.SelectionSet) {
		for _, sel := range set {
			switch sel := sel.(type) {
			case *ast.Field:
				out = append(out, sel.Name)
			case *ast.InlineFragment:
				walk(sel.SelectionSet)
			case *ast.FragmentSpread:
				walk(sel.Definition.SelectionSet)
			}
		}
	}
	walk(op.SelectionSet)
	return out
}

// docCache keeps parsed and validated queries; Stash keeps 1,000 as well.
type docCache struct {
	mu   sync.Mutex
	byID map[string]*ast.QueryDocument
}

func (d *docCache) load(query string) (*ast.QueryDocument, []gqlError) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if doc := d.byID[query]; doc != nil {
		return doc, nil
	}
	doc, err := parser.ParseQuery(&ast.Source{Input: query})
	if err != nil {
		return nil, convertErrors(err, "GRAPHQL_PARSE_FAILED")
	}
	if errs := validator.ValidateWithRules(schema(), doc, rules.NewDefaultRules()); len(errs) > 0 {
		return nil, convertErrors(errs, "GRAPHQL_VALIDATION_FAILED")
	}
	if len(d.byID) >= 1000 || d.byID == nil {
		d.byID = map[string]*ast.QueryDocument{}
	}
	d.byID[query] = doc
	return doc, nil
}

func convertErrors(err error, code string) []gqlError {
	list, ok := err.(gqlerror.List)
	if !ok {
		one, ok := err.(*gqlerror.Error)
		if !ok {
			one = gqlerror.Wrap(err)
		}
		list = gqlerror.List{one}
	}
	var out []gqlError
	for _, e := range list {
		g := gqlError{Message: e.Message, Extensions: map[string]any{"code": code}}
		for _, l := range e.Locations {
			g.Locations = append(g.Locations, gqlLocation{l.Line, l.Column})
		}
		for _, p := range e.Path {
			switch p := p.(type) {
			case ast.PathName:
				g.Path = append(g.Path, string(p))
			case ast.PathIndex:
				g.Path = append(g.Path, int(p))
			}
		}
		out = append(out, g)
	}
	return out
}

// acceptsGraphQLResponse tells whether the client's Accept header selects the
// media type application/graphql-response+json, with which an invalid query is
// a 400 instead of a 422. Observed for "*/*"; the rest from the library that
// Stash uses.
func acceptsGraphQLResponse(r *http.Request) bool {
	for _, part := range strings.Split(r.Header.Get("Accept"), ",") {
		switch t, _, _ := mime.ParseMediaType(strings.TrimSpace(part)); t {
		case "application/json":
			return false
		case "*/*", "application/*", "application/graphql-response+json":
			return true
		}
	}
	return false
}

func (s *Server) serveGraphQL(w http.ResponseWriter, r *http.Request, req *Request, who identity) {
	invalid, kind := http.StatusUnprocessableEntity, "application/json"
	if acceptsGraphQLResponse(r) {
		invalid, kind = http.StatusBadRequest, "application/graphql-response+json"
	}
	answer := func(status int, data any, errs []gqlError) {
		body := object{}
		if len(errs) > 0 {
			body = append(body, member{"errors", errs})
		}
		body = append(body, member{"data", data})
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		w.Write(toJSON(body))
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method != http.MethodPost || media != "application/json" {
		answer(http.StatusBadRequest, nil, []gqlError{{Message: "transport not supported"}})
		return
	}
	if req.bad != nil {
		answer(http.StatusBadRequest, nil, []gqlError{{Message: "json request body could not be decoded: " + req.bad.Error()}})
		return
	}
	if req.Query == "" {
		answer(invalid, nil, []gqlError{{Message: "no operation provided", Extensions: map[string]any{"code": "GRAPHQL_VALIDATION_FAILED"}}})
		return
	}
	doc, errs := s.docs.load(req.Query)
	if errs != nil {
		answer(invalid, nil, errs)
		return
	}
	op := doc.Operations.ForName(req.OperationName)
	if op == nil {
		answer(invalid, nil, []gqlError{{Message: "operation " + req.OperationName + " not found", Extensions: map[string]any{"code": "GRAPHQL_VALIDATION_FAILED"}}})
		return
	}
	if op.Operation == ast.Subscription {
		answer(http.StatusBadRequest, nil, []gqlError{{Message: "simstash: subscriptions are not simulated"}})
		return
	}
	given, err := req.variables()
	if err != nil {
		answer(http.StatusBadRequest, nil, []gqlError{{Message: "json request body could not be decoded: " + err.Error()}})
		return
	}
	vars, err := validator.VariableValues(schema(), op, given)
	if err != nil {
		answer(invalid, nil, convertErrors(err, "GRAPHQL_VALIDATION_FAILED"))
		return
	}
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" || s.opts.TLS {
		scheme = "https"
	}
	c := &call{
		s: s, ctx: r.Context(), base: scheme + "://" + r.Host, user: who.user, visited: who.visited,
		turn: s.turns.Add(1), op: op, vars: vars,
	}
	data := c.run()
	answer(http.StatusOK, data, c.errors)
}

func (r *Request) parseBody() {
	var body struct {
		Query         string          `json:"query"`
		OperationName string          `json:"operationName"`
		Variables     json.RawMessage `json:"variables"`
		Extensions    json.RawMessage `json:"extensions"`
	}
	if err := json.Unmarshal(r.body, &body); err != nil {
		r.bad = err
		return
	}
	r.Query, r.OperationName, r.Variables = body.Query, body.OperationName, body.Variables
}

func (r *Request) variables() (map[string]any, error) {
	if len(r.Variables) == 0 {
		return nil, nil
	}
	dec := json.NewDecoder(strings.NewReader(string(r.Variables)))
	dec.UseNumber()
	var out map[string]any
	if err := dec.Decode(&out); err != nil {
		return nil, fmt.Errorf("variables: %w", err)
	}
	return out, nil
}

// Query sends a query as an authorized client would, without a connection, and
// decodes its data into out (which may be nil). The first GraphQL error is
// returned.
func (s *Server) Query(ctx context.Context, query string, variables map[string]any, out any) error {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+net.JoinHostPort("127.0.0.1", strconv.FormatInt(s.port.Load(), 10))+"/graphql", strings.NewReader(string(body)))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	req := &Request{Method: r.Method, Path: r.URL.Path, body: body}
	req.parseBody()
	w := httptest.NewRecorder()
	s.serveGraphQL(w, r, req, identity{user: s.opts.Username})
	var answer struct {
		Data   json.RawMessage
		Errors []gqlError
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		return fmt.Errorf("simstash: answer %d without JSON: %w", w.Code, err)
	}
	if len(answer.Errors) > 0 {
		return fmt.Errorf("simstash: %s", answer.Errors[0].Message)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer.Data, out)
}

// EditScene changes a scene as the person at Stash's page does: by the mutation
// sceneUpdate, hooks and all. The fields are those of its input.
func (s *Server) EditScene(id int64, fields map[string]any) error {
	input := map[string]any{"id": strconv.FormatInt(id, 10)}
	for k, v := range fields {
		input[k] = v
	}
	return s.Query(s.life, `mutation($i: SceneUpdateInput!) { sceneUpdate(input: $i) { id } }`, map[string]any{"i": input}, nil)
}

// SetUnreadable breaks the row of a scene's file in the database, or mends it. A query
// that asks for the files of such a scene, or for the scene by findScenes and its id,
// fails whole, whatever else it asks for; what asks for less is answered.
func (s *Server) SetUnreadable(scene int64, unreadable bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lib.scenes.get(scene) == nil {
		panic(fmt.Sprintf("simstash: there is no scene %d", scene))
	}
	if s.lib.unreadable == nil {
		s.lib.unreadable = map[int64]bool{}
	}
	s.lib.unreadable[scene] = unreadable
}

// SetPluginSettings replaces a plugin's settings, as configurePlugin does; nil
// makes them unset.
func (s *Server) SetPluginSettings(plugin string, settings map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if settings == nil {
		delete(s.settings, plugin)
		return
	}
	c := map[string]any{}
	for k, v := range settings {
		c[k] = v
	}
	s.settings[plugin] = c
}

// allowUnauthenticated names what Stash serves without a login.
func allowUnauthenticated(p string) bool {
	return strings.HasPrefix(p, "/login") || p == "/logout" || p == "/css" || p == "/healthz" || strings.HasPrefix(p, "/assets")
}

// authenticate answers the request itself and returns false when it may not
// go on: 401 for /graphql and file-like paths, else a redirect to the login.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request) (identity, bool) {
	who, wrongKey := s.identify(w, r)
	if wrongKey || s.secured() && who.user == "" && !allowUnauthenticated(r.URL.Path) {
		ext := path.Ext(r.URL.Path)
		if wrongKey || r.URL.Path == "/graphql" || ext != "" && ext != ".html" {
			w.Header().Add("WWW-Authenticate", "FormBased")
			w.WriteHeader(http.StatusUnauthorized)
			return who, false
		}
		back := url.URL{Path: r.URL.Path, RawQuery: r.URL.RawQuery}
		login := url.URL{Path: "/login", RawQuery: url.Values{"returnURL": {back.String()}}.Encode()}
		http.Redirect(w, r, login.String(), http.StatusFound)
		return who, false
	}
	return who, true
}

func (s *Server) serveLogin(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		io.WriteString(w, "<html><body>simstash login</body></html>")
		return
	}
	if err := r.ParseForm(); err != nil || r.PostForm.Get("username") != s.opts.Username || r.PostForm.Get("password") != s.opts.Password {
		http.Error(w, "Username or password is invalid", http.StatusUnauthorized)
		return
	}
	http.SetCookie(w, s.browserCookie(identity{user: s.opts.Username}))
	w.WriteHeader(http.StatusOK)
}

// Plugins lists the ids of the loaded plugins that are enabled, in the order
// in which their hooks run.
func (s *Server) Plugins() []string {
	var out []string
	for _, p := range s.enabledPlugins() {
		out = append(out, p.id)
	}
	return slices.Clip(out)
}
