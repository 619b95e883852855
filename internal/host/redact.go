package host

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Redactor replaces secrets in texts. It is the last line of defense for Stash's
// cookie and Plex's token, behind types that do not print themselves: it also finds
// what a library or a server has copied into an error. The zero value knows no
// secret. It may be used by several goroutines.
type Redactor struct {
	mu    sync.RWMutex
	forms []string // longest first
}

// minSecret is how long a secret must be to be replaced: shorter ones would turn
// ordinary words into noise.
const minSecret = 4

// replacement is what a secret becomes. It needs no escape in JSON.
const replacement = "[secret]"

// NewRedactor returns a redactor that knows secrets.
func NewRedactor(secrets ...string) *Redactor {
	r := new(Redactor)
	for _, s := range secrets {
		r.Add(s)
	}
	return r
}

// Add makes secret known: as it is, and as URLs, base64, JSON and Go's quotes write
// it. One shorter than four bytes is not taken.
func (r *Redactor) Add(secret string) {
	if len(secret) < minSecret {
		return
	}
	raw, quoted := []byte(secret), strconv.Quote(secret)
	forms := []string{secret, url.QueryEscape(secret), url.PathEscape(secret), quoted[1 : len(quoted)-1],
		base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw),
		base64.URLEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw)}
	if data, err := json.Marshal(secret); err == nil {
		forms = append(forms, string(data[1:len(data)-1]))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, form := range forms {
		if !slices.Contains(r.forms, form) {
			r.forms = append(r.forms, form)
		}
	}
	// One form may contain another, and leave its ends if that goes first.
	slices.SortStableFunc(r.forms, func(a, b string) int { return len(b) - len(a) })
}

// Redact replaces the secrets in text.
func (r *Redactor) Redact(text string) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, form := range r.forms {
		text = strings.ReplaceAll(text, form, replacement)
	}
	return text
}

// redactJSON replaces the secrets in the strings, names and numbers of a JSON
// value. A secret that reads like a piece of JSON's own writing does not break it.
func (r *Redactor) redactJSON(data []byte) ([]byte, error) {
	if text := string(data); r.Redact(text) == text {
		return data, nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	return json.Marshal(r.redactValue(value))
}

func (r *Redactor) redactValue(value any) any {
	switch v := value.(type) {
	case string:
		return r.Redact(v)
	case json.Number:
		if text := r.Redact(v.String()); text != v.String() {
			return text
		}
	case []any:
		for i := range v {
			v[i] = r.redactValue(v[i])
		}
	case map[string]any:
		clean := make(map[string]any, len(v))
		for key, x := range v {
			clean[r.Redact(key)] = r.redactValue(x)
		}
		return clean
	}
	return value
}
