package simstash

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

const (
	cookieName = "session"
	// maxChain is how often one hook of one plugin may appear in the chain that
	// a session cookie carries before Stash stops it.
	maxChain = 10
)

// visit is one run of a plugin's hook in a chain of hooks.
type visit struct {
	Plugin string `json:"p"`
	Hook   string `json:"h"`
}

// identity is who a request comes from: the user, and the hooks that led to it.
type identity struct {
	user    string
	visited []visit
}

type sessionData struct {
	User    string  `json:"u"`
	Visited []visit `json:"v,omitempty"`
	At      int64   `json:"t"` // milliseconds
}

func (s *Server) secured() bool { return s.opts.Username != "" && s.opts.Password != "" }

// seal makes the value of a session cookie that holds from now on.
func (s *Server) seal(who identity) string {
	data, _ := json.Marshal(sessionData{User: who.user, Visited: who.visited, At: s.now().UnixMilli()})
	mac := hmac.New(sha256.New, s.secret)
	mac.Write(data)
	enc := base64.RawURLEncoding
	return enc.EncodeToString(data) + "." + enc.EncodeToString(mac.Sum(nil))
}

func (s *Server) open(value string) (identity, bool) {
	enc := base64.RawURLEncoding
	left, right, _ := strings.Cut(value, ".")
	data, err1 := enc.DecodeString(left)
	sum, err2 := enc.DecodeString(right)
	mac := hmac.New(sha256.New, s.secret)
	mac.Write(data)
	var d sessionData
	if err1 != nil || err2 != nil || !hmac.Equal(sum, mac.Sum(nil)) || json.Unmarshal(data, &d) != nil {
		return identity{}, false
	}
	if s.now().Sub(time.UnixMilli(d.At)) > s.opts.MaxSessionAge {
		return identity{}, false
	}
	return identity{d.User, d.Visited}, true
}

func (s *Server) browserCookie(who identity) *http.Cookie {
	return &http.Cookie{
		Name: cookieName, Value: s.seal(who), Path: "/",
		MaxAge: int(s.opts.MaxSessionAge / time.Second), SameSite: http.SameSiteLaxMode,
	}
}

// pluginCookie is the cookie of a server_connection: a name and a value, no
// attributes.
func (s *Server) pluginCookie(who identity) *http.Cookie {
	return &http.Cookie{Name: cookieName, Value: s.seal(who)}
}

// SessionCookie makes a fresh cookie of a logged-in person, as a plugin gets
// it.
func (s *Server) SessionCookie() *http.Cookie {
	return s.pluginCookie(identity{user: s.opts.Username})
}

// identify reads the API key or the session cookie of a request. A valid
// session is renewed: its answer carries a fresh Set-Cookie. An expired or
// forged cookie counts as none. A wrong API key is refused even where no
// authentication is on.
func (s *Server) identify(w http.ResponseWriter, r *http.Request) (who identity, wrongKey bool) {
	key := r.Header.Get("ApiKey")
	if key == "" {
		key = r.URL.Query().Get("apikey")
	}
	if key != "" {
		if s.opts.APIKey == "" || key != s.opts.APIKey {
			return identity{}, true
		}
		who.user = s.opts.Username
		return who, false
	}
	c, err := r.Cookie(cookieName)
	if err != nil {
		return who, false
	}
	who, ok := s.open(c.Value)
	if ok {
		http.SetCookie(w, s.browserCookie(who))
	}
	return who, false
}
