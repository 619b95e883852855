package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

const secret = "s3cret+/value"

// document wraps args in a connection.
func document(args string) string {
	return `{"server_connection":{"Scheme":"http","Host":"0.0.0.0","Port":9999,"SessionCookie":{"Name":"session","Value":"` + secret +
		`"},"Dir":"/stash","PluginDir":"plugins/plexsync"},"args":` + args + `}`
}

func TestTheRecordedDocumentsAreRead(t *testing.T) {
	files, err := filepath.Glob("testdata/hooks/*.json")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d recordings, %v", len(files), err)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		in, err := Read(f)
		f.Close()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if in.Conn.URL() != "http://127.0.0.1:9999" || in.Conn.Dir != "/root/.stash" || in.Conn.Cookie.Name != "session" {
			t.Errorf("%s: connection %+v", name, in.Conn)
		}
		base := filepath.Base(name)
		if strings.HasPrefix(base, "_") {
			if in.Hook != nil || in.Args["mode"] == nil {
				t.Errorf("%s: hook %v, args %v", name, in.Hook, in.Args)
			}
			continue
		}
		var recorded struct {
			Args struct {
				HookContext struct {
					ID          int64
					InputFields []string
				}
			}
		}
		data, err := os.ReadFile(name)
		if err == nil {
			err = json.Unmarshal(data, &recorded)
		}
		if err != nil {
			t.Fatal(err)
		}
		want := &Hook{recorded.Args.HookContext.ID, strings.Join(strings.Split(base, ".")[:3], "."), recorded.Args.HookContext.InputFields}
		if !reflect.DeepEqual(in.Hook, want) || in.Hook.ID < 1 || in.Args != nil {
			t.Errorf("%s: hook %+v, want %+v", name, in.Hook, want)
		}
	}
}

func TestAHookAndATaskAreTold(t *testing.T) {
	in, err := Read(strings.NewReader(document(`{"hookContext":{"id":20,"type":"Scene.Update.Post","input":{"id":""},"inputFields":["id","title"]}}`)))
	if err != nil || !reflect.DeepEqual(in.Hook, &Hook{20, "Scene.Update.Post", []string{"id", "title"}}) || in.Args != nil {
		t.Errorf("%+v, %v", in, err)
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if in.Conn.PluginDir != filepath.Join(wd, "plugins/plexsync") {
		t.Errorf("PluginDir %s is not made absolute", in.Conn.PluginDir)
	}
	in, err = Read(strings.NewReader(document(`{"mode":"echo","big":9007199254740993,"o":{"x":[1,{"y":"z"}]}}`) + "\n  \n"))
	if err != nil || in.Hook != nil || in.Args["big"] != json.Number("9007199254740993") {
		t.Errorf("%+v, %v", in, err)
	}
	for _, none := range []string{"{}", "null"} {
		if in, err := Read(strings.NewReader(document(none))); err != nil || len(in.Args) != 0 {
			t.Errorf("args %s: %+v, %v", none, in, err)
		}
	}
}

func TestABadDocumentGivesOneClearSentence(t *testing.T) {
	for text, says := range map[string]string{
		"":                           "stdin is empty",
		"   ":                        "stdin is empty",
		"{":                          "cut off",
		document(`{"mode":"x"`)[:90]: "cut off",
		"hello":                      "not a JSON document",
		"[]":                         "must be a JSON object",
		"null":                       "must be a JSON object",
		`{"server_connection":7}`:    "server_connection has the wrong type: a JSON number",
		`{"later":[{}],"args":{}}`:   "server_connection is missing",
		`{"args":{},"args" 1}`:       "not a JSON document",
		`{}`:                         "server_connection is missing",
		`{"server_connection":null}`: "server_connection is missing",
		`{"server_connection":{"Port":0,"Dir":"/x"}}`:                                                        "Port is 0",
		`{"server_connection":{"Port":70000,"Dir":"/x"}}`:                                                    "Port is 70000",
		`{"server_connection":{"Port":"9999","Dir":"/x"}}`:                                                   "server_connection.Port has the wrong type",
		`{"server_connection":{"Port":9999.25,"Dir":"/x"}}`:                                                  "server_connection.Port has the wrong type: a JSON number",
		`{"server_connection":{"Port":1,"Dir":"/x","SessionCookie":"` + secret + `"}}`:                       "server_connection.SessionCookie has the wrong type: a JSON string",
		`{"server_connection":{"Port":1}}`:                                                                   "Dir is missing",
		`{"server_connection":{"Port":1,"Dir":"/x\u0000y"}}`:                                                 "server_connection.Dir is not a path",
		`{"server_connection":{"Port":1,"Dir":"/x","PluginDir":"` + strings.Repeat("y", 2*maxString) + `"}}`: "server_connection.PluginDir is not a path",
		"{\"a\":\"x\x00y\"}": "not a JSON document",
		"\xef\xbb\xbf{}":     "not a JSON document",
		`{"server_connection":{"Port":1,"Dir":"/x","Scheme":"ftp"}}`:                      "Scheme must be http or https",
		document(`{"hookContext":{"type":"Scene.Update.Post"}}`):                          "hookContext.id is missing",
		document(`{"hookContext":{"id":1}}`):                                              "hookContext.type is missing",
		document(`{"hookContext":{"id":1.5,"type":"Scene.Update.Post"}}`):                 "must be a positive integer",
		document(`{"hookContext":{"id":"` + secret + `","type":"Scene.Update.Post"}}`):    "must be a positive integer",
		document(`{"hookContext":{"id":0,"type":"Scene.Update.Post"}}`):                   "must be a positive integer",
		document(`{"hookContext":{"id":null,"type":"Scene.Update.Post"}}`):                "hookContext.id is missing",
		document(`{"hookContext":{"id":1,"type":[]}}`):                                    "args.hookContext.type has the wrong type: a JSON array",
		document(`{"hookContext":7}`):                                                     "wrong type",
		document(`[1]`):                                                                   "wrong type",
		document(`{"a":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`): "stdin:",
	} {
		_, err := Read(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "9999.25") || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60q: error %v, want one with %q", text, err, says)
		}
	}
}

func TestWithAnErrorWhatWasUnderstoodIsTold(t *testing.T) {
	want := Connection{Scheme: "http", Host: "0.0.0.0", Port: 9999, Cookie: Cookie{"session", secret}, Dir: "/stash"}
	whole := document(`{"hookContext":{"id":5,"type":"Scene.Update.Post","inputFields":["title"]}}`)
	for name, text := range map[string]string{
		"cut off in the arguments":  whole[:len(whole)-30],
		"bad arguments":             document(`{"hookContext":{"id":-1}}`),
		"arguments of another type": document(`7`),
	} {
		in, err := Read(strings.NewReader(text))
		in.Conn.PluginDir = ""
		if err == nil || in.Conn != want || in.Hook != nil {
			t.Errorf("%s: %v, %v", name, in, err)
		}
	}
	in, err := Read(strings.NewReader(strings.Replace(whole, "9999", "0", 1)))
	if err == nil || in.Conn.Dir != "/stash" || in.Conn.Cookie != want.Cookie || in.Hook == nil || in.Hook.ID != 5 {
		t.Errorf("a bad port: %v, %v", in, err)
	}
	_, err = Read(io.MultiReader(strings.NewReader(whole[:40]), iotest.ErrReader(os.ErrDeadlineExceeded)))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a broken pipe: %v", err)
	}
}

func TestInWhatPiecesTheDocumentArrivesDoesNotMatter(t *testing.T) {
	long := strings.Repeat(`x\\\"y\u00e9é`, maxString/8)
	text := document(`{"mode":"` + long + `","` + long + `":["` + strings.Repeat("A", 3*maxString) + `",1.50,{"é":"\\"}]}`)
	want, err := Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]io.Reader{
		"a byte at a time":      iotest.OneByteReader(strings.NewReader(text)),
		"halves":                iotest.HalfReader(strings.NewReader(text)),
		"the end with the data": iotest.DataErrReader(strings.NewReader(text)),
	} {
		if got, err := Read(r); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: another input, %v", name, err)
		}
	}
}

// endless is a document with a cover of n bytes, made as it is read.
func endless(n int64) io.Reader {
	head, tail, _ := strings.Cut(document(`{"hookContext":{"id":7,"type":"Scene.Update.Post","input":{"cover_image":"@"},"inputFields":["cover_image"]}}`), "@")
	return io.MultiReader(strings.NewReader(head), io.LimitReader(letters{}, n), strings.NewReader(tail))
}

type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'A'
	}
	return len(p), nil
}

func TestALargeCoverIsNotHeldInMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	in, err := Read(endless(20 << 20))
	runtime.ReadMemStats(&after)
	if err != nil || in.Hook == nil || in.Hook.ID != 7 || len(in.Hook.Fields) != 1 {
		t.Fatalf("%+v, %v", in.Hook, err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("a cover of 20 MiB cost %d KiB of memory", used>>10)
	}
}

func TestAStringIsNeverCutInsideAnEscape(t *testing.T) {
	for pad := range 12 {
		long := strings.Repeat("x", maxString-pad) + strings.Repeat(`\u00e9\\\"`, 50)
		in, err := Read(strings.NewReader(document(`{"mode":"` + long + `","after":true}`)))
		if err != nil || in.Args["after"] != true || !strings.HasPrefix(in.Args["mode"].(string), "xxx") {
			t.Errorf("pad %d: %v", pad, err)
		}
	}
	many := `{"mode":"x","list":[` + strings.Repeat(`"`+strings.Repeat("y", 60000)+`",`, 200) + `""]}`
	if _, err := Read(strings.NewReader(document(many))); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("12 MB of strings: %v", err)
	}
}

func TestStashIsCalledWhereItListens(t *testing.T) {
	for c, want := range map[Connection]string{
		{Scheme: "http", Host: "0.0.0.0", Port: 9999}:    "http://127.0.0.1:9999",
		{Host: "", Port: 80}:                             "http://127.0.0.1:80",
		{Scheme: "https", Host: "::", Port: 9999}:        "https://127.0.0.1:9999",
		{Scheme: "http", Host: "::1", Port: 9999}:        "http://[::1]:9999",
		{Scheme: "http", Host: "[fe80::1]", Port: 9999}:  "http://[fe80::1]:9999",
		{Scheme: "http", Host: "fe80::1%e0", Port: 9999}: "http://[fe80::1%25e0]:9999",
		{Scheme: "http", Host: "0:0:0:0:0:0:0:0"}:        "http://127.0.0.1:0",
		{Scheme: "http", Host: "localhost", Port: 12345}: "http://localhost:12345",
	} {
		if got := c.URL(); got != want {
			t.Errorf("%+v: %s, want %s", c, got, want)
		}
	}
}

func TestTheCookieIsNeverPrinted(t *testing.T) {
	c := Connection{Cookie: Cookie{"session", secret}}
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "cookie", c.Cookie, "conn", c)
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), fmt.Sprintf("%d %x %q", []any{c.Cookie, c, &c}...), string(data), log.String()} {
		if strings.Contains(text, secret) {
			t.Errorf("printed: %s", text)
		}
	}
}

func TestLinesAreWrittenAsStashReadsThem(t *testing.T) {
	var out bytes.Buffer
	h := NewHandler(&out, LevelTrace)
	log := slog.New(h)
	h.AddSecret(secret)
	for _, c := range []struct {
		write func()
		want  string
	}{
		{func() { log.Info("hello") }, "\x01i\x02hello\n"},
		{func() { log.Log(context.Background(), LevelTrace, "a") }, "\x01t\x02a\n"},
		{func() { log.Debug("a") }, "\x01d\x02a\n"},
		{func() { log.Warn("a") }, "\x01w\x02a\n"},
		{func() { log.Error("a") }, "\x01e\x02a\n"},
		{func() { log.Info("two\nlines\x01e\x02forged\r\u2028") }, "\x01i\x02two lines e forged  \n"},
		{func() { log.Info("bad \xff") }, "\x01i\x02bad \uFFFD\n"},
		{func() { log.With("a", 1).WithGroup("g").Info("m", "b", "x y", slog.Group("h", "c", "")) }, "\x01i\x02m a=1 g.b=\"x y\" g.h.c=\"\"\n"},
		{func() { log.Error("token "+secret+" in /?t=s3cret%2B%2Fvalue", "err", errors.New(secret)) }, "\x01e\x02token [secret] in /?t=[secret] err=[secret]\n"},
		{func() { log.WithGroup("").Info("m", slog.Attr{}, slog.Group("none"), slog.Group("", "a", 1)) }, "\x01i\x02m a=1\n"},
		{func() { log.WithGroup("a\nb").Info("m", "c\x02d", nil) }, "\x01i\x02m a b.c d=<nil>\n"},
		{func() { log.Info("m", "k", "a\x01b") }, "\x01i\x02m k=\"a\\x01b\"\n"},
		{func() { h.Progress(0.25) }, "\x01p\x020.2500\n"},
		{func() { h.Progress(0.2501); h.Progress(math.NaN()) }, ""},
		{func() { h.Progress(7) }, "\x01p\x021.0000\n"},
		{func() { h.Progress(math.Inf(-1)) }, "\x01p\x020.0000\n"},
	} {
		out.Reset()
		c.write()
		if out.String() != c.want {
			t.Errorf("%q, want %q", &out, c.want)
		}
	}
	if quiet := NewHandler(&out, nil); quiet.Enabled(context.Background(), slog.LevelDebug) {
		t.Error("debug lines are on by default")
	}
}

// counter counts writes and remembers whether each was one line.
type counter struct{ lines, others int }

func (c *counter) Write(p []byte) (int, error) {
	if bytes.Count(p, []byte("\n")) == 1 && p[0] == 1 && p[len(p)-1] == '\n' {
		c.lines++
	} else {
		c.others++
	}
	return len(p), nil
}

func TestLinesOfManyGoroutinesAreOneWriteEach(t *testing.T) {
	var c counter
	h := NewHandler(&c, nil)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			log := slog.New(h).With("worker", i)
			for n := range 100 {
				log.Info("two\nlines", "n", n)
				h.AddSecret("another secret")
			}
		})
	}
	all.Wait()
	if c != (counter{lines: 800}) {
		t.Errorf("%+v", c)
	}
}

func TestASecretIsFoundInEveryForm(t *testing.T) {
	const odd = `p&q"<r> +/s`
	r := NewRedactor(odd, "abc", "12345678", "12345678-long")
	for text, want := range map[string]string{
		"x " + odd + " y":                     "x [secret] y",
		"/?t=p%26q%22%3Cr%3E+%2B%2Fs&b":       "/?t=[secret]&b",
		"/p&q%22%3Cr%3E%20+%2Fs/b":            "/[secret]/b",
		"cCZxInI8cj4gKy9z":                    "cCZxInI8cj4gKy9z", // another text's base64
		"cCZxIjxyPiArL3M=":                    "[secret]",
		`{"t":"p\u0026q\"\u003cr\u003e +/s"}`: `{"t":"[secret]"}`,
		strconv.Quote(odd):                    `"[secret]"`,
		"12345678-long, abc":                  "[secret], abc",
	} {
		if got := r.Redact(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestASecretThatReadsLikeJSONDoesNotBreakTheOutput(t *testing.T) {
	r := NewRedactor("error", "output", "null", `":"x`, "777777")
	var out bytes.Buffer
	value := map[string]any{"a": "an error", "output": []any{nil, true, 7777770, 1.5, map[string]string{"n": `":"x`}}}
	if err := WriteOutput(&out, r, value, nil); err != nil {
		t.Fatal(err)
	}
	want := `{"error":null,"output":{"[secret]":[null,true,"[secret]0",1.5,{"n":"[secret]"}],"a":"an [secret]"}}` + "\n"
	if out.String() != want {
		t.Errorf("%s, want %s", &out, want)
	}
}

// hostile panics wherever it is asked something.
type hostile struct{}

func (hostile) Error() string                { panic("no text") }
func (hostile) MarshalJSON() ([]byte, error) { panic("no JSON") }

func TestAPanicIsToldInOneLine(t *testing.T) {
	var log, out bytes.Buffer
	h := NewHandler(&log, nil)
	h.AddSecret(secret)
	code := h.Guard(&out, func() (any, error) { panic("boom\n" + secret) })
	line := log.String()
	if code != 1 || !strings.HasPrefix(line, "\x01e\x02internal error: boom [secret]: goroutine ") || strings.Count(line, "\n") != 1 || len(line) > maxLine {
		t.Errorf("code %d, log %.200q", code, line)
	}
	if want := `{"error":"internal error, please report it with the stack from the log: boom\n[secret]","output":null}` + "\n"; out.String() != want {
		t.Errorf("%s, want %s", &out, want)
	}
	if code := h.Guard(full{}, func() (any, error) { return nil, nil }); code != 1 {
		t.Errorf("code %d where stdout is closed", code)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestGuardWritesExactlyOneObject(t *testing.T) {
	for _, c := range []struct {
		name string
		fn   func() (any, error)
		says string // in error; "" = none
		code int
	}{
		{"a value", func() (any, error) { return map[string]int{"n": 1}, nil }, "", 0},
		{"nothing", func() (any, error) { return nil, nil }, "", 0},
		{"an error", func() (any, error) { return 1, errors.New("no room") }, "no room", 1},
		{"an error without a text", func() (any, error) { return nil, errors.New(" ") }, "failed without a reason", 1},
		{"an error with a secret", func() (any, error) { return nil, errors.New("token " + secret) }, "token [secret]", 1},
		{"a panic", func() (any, error) { panic("boom " + secret) }, "internal error", 1},
		{"a panic with nil", func() (any, error) { panic(nil) }, "internal error", 1},
		{"a value that is no JSON", func() (any, error) { return func() {}, nil }, "cannot be written as JSON", 1},
		{"a value that panics as JSON", func() (any, error) { return hostile{}, nil }, "cannot be written as JSON", 1},
		{"a number that JSON lacks", func() (any, error) { return math.NaN(), nil }, "cannot be written as JSON", 1},
		{"an error that panics", func() (any, error) { return nil, hostile{} }, "no text", 1},
		{"an error that is a nil pointer", func() (any, error) { return nil, (*os.PathError)(nil) }, "nil", 1},
		{"a value with a secret", func() (any, error) { return secret, nil }, "", 0},
	} {
		var out bytes.Buffer
		h := NewHandler(io.Discard, nil)
		h.AddSecret(secret)
		code := h.Guard(&out, c.fn)
		var got struct {
			Error  *string
			Output any
		}
		d := json.NewDecoder(&out)
		if err := d.Decode(&got); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if d.More() {
			t.Errorf("%s: more than one object", c.name)
		}
		if code != c.code || (got.Error != nil) != (c.says != "") || got.Error != nil && !strings.Contains(*got.Error, c.says) {
			t.Errorf("%s: code %d, error %v; want %d, %q", c.name, code, got.Error, c.code, c.says)
		}
		if text := fmt.Sprint(got.Output); strings.Contains(text, secret) || got.Error != nil && strings.Contains(*got.Error, secret) {
			t.Errorf("%s: the secret is written", c.name)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(document(`{"hookContext":{"id":1,"type":"Scene.Update.Post"}}`)))
	f.Add([]byte(document(`{"mode":"\ud83d\ude00\\"}`)))
	f.Add([]byte(`{"server_connection":{"Port":1e400}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := Read(bytes.NewReader(data))
		again, errAgain := Read(iotest.OneByteReader(bytes.NewReader(data)))
		if fmt.Sprint(err) != fmt.Sprint(errAgain) || !reflect.DeepEqual(in, again) {
			t.Errorf("%+v, %v; a byte at a time %+v, %v", in, err, again, errAgain)
		}
		if err == nil && (in.Conn.Port < 1 || in.Conn.Dir == "" || in.Hook == nil && in.Args == nil) {
			t.Errorf("taken: %+v", in)
		}
	})
}

func FuzzLine(f *testing.F) {
	f.Add("hello", "value")
	f.Add(strings.Repeat("é", 70000), "\x01e\x02")
	f.Add(strings.Repeat("a\xff", maxLine/2-1), strings.Repeat("\x80", 3*maxLine))
	f.Fuzz(func(t *testing.T, text, value string) {
		var out bytes.Buffer
		slog.New(NewHandler(&out, nil)).Info(text, "key", value)
		line := out.String()
		if len(line) > maxLine || strings.Count(line, "\n") != 1 || !strings.HasPrefix(line, "\x01i\x02") || !strings.HasSuffix(line, "\n") ||
			strings.Count(line, "\x01") != 1 || !utf8.ValidString(line) {
			t.Errorf("a line of %d bytes: %.200q", len(line), line)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	small := document(`{"hookContext":{"id":20,"type":"Scene.Update.Post","input":{"id":"20","title":"New"},"inputFields":["id","title"]}}`)
	b.Run("hook", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Read(strings.NewReader(small)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("hook with a cover of 20 MB", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Read(endless(20_000_000)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestWhatIsPrintedElsewhereTellsNoSecret(t *testing.T) {
	h := NewHandler(io.Discard, nil)
	h.AddSecret("SECRET-1")
	if got := h.Redact("the token SECRET-1"); got != "the token [secret]" {
		t.Errorf("%q", got)
	}
	data, err := h.JSON(map[string]any{"a": []string{"SECRET-1", "b"}, "n": 1})
	if want := `{"a":["[secret]","b"],"n":1}`; err != nil || string(data) != want {
		t.Errorf("%s, %v, want %s", data, err, want)
	}
	if _, err := h.JSON(func() {}); err == nil {
		t.Error("a function is JSON")
	}
}
