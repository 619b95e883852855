package config

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// How to find what the two settings want, for their messages.
const (
	urlExample = "for example http://192.168.1.10:32400"
	tokenFrom  = "Signing in with Plex on PlexSync's page finds it. By hand: in Plex Web, open an item, choose Get Info, then View XML: the token is at the end of the address, after X-Plex-Token="
)

// pasted is s without what comes along when it is copied from a page, a chat or a
// file: blanks, characters that nobody sees, and quotes around it.
func pasted(s string) string {
	return strings.TrimFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.In(r, unicode.Cf, unicode.Cc, unicode.Variation_Selector) || strings.ContainsRune("\"'`“”„‘’‚«»‹›<>", r)
	})
}

// plexURL reads Plex's address, also as a browser shows it while one of Plex's pages is
// open. Scheme and port may be left out: what a person types is often just the host.
// Plex itself listens on 32400, which is taken for http and for the names that Plex
// gives a server (plex.direct); another https address without a port is a proxy's and
// means 443. What was typed may hold a token or a password, so no message quotes it.
func (r *reader) plexURL(name string) string {
	s, ok := asText(r.settings[name])
	s = strings.ReplaceAll(pasted(s), `\`, "/")
	switch {
	case !ok:
		r.fatal(name, "is not text; enter Plex's address, %s", urlExample)
		return ""
	case s == "":
		r.fatal(name, "is empty; set it to the address at which Stash reaches Plex, %s", urlExample)
		return ""
	case strings.Contains(strings.ToLower(s), "plex-token"):
		r.fatal(name, "must be only the address, %s; the token belongs in plexToken", urlExample)
		return ""
	case strings.Contains(s, "@"):
		r.fatal(name, "must be only the address, %s, without a user name or password; the token belongs in plexToken", urlExample)
		return ""
	case strings.HasPrefix(s, "//"):
		s = "http:" + s
	case !hasScheme(s):
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err != nil || !hostname(u.Hostname()) {
		r.fatal(name, "is not an address; a valid one is, %s", urlExample)
		return ""
	}
	host, port, path := strings.ToLower(u.Hostname()), u.Port(), u.EscapedPath()
	if p, rest, _ := strings.Cut(strings.TrimPrefix(path, "/:"), "/"); port == "" && strings.HasPrefix(path, "/:") {
		port, path = p, "/"+rest // "http://nas/:32400"
	}
	path, isPage := server(path)
	isPage = isPage || strings.HasPrefix(u.Fragment, "!")
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		r.fatal(name, "begins with %s://, but must begin with http:// or https://, %s", u.Scheme, urlExample)
	case host == "plex.tv" || strings.HasSuffix(host, ".plex.tv"):
		r.fatal(name, "is Plex's website, not your server; set it to the address at which Stash reaches the server itself, %s", urlExample)
	case !isPage && (u.RawQuery != "" || u.Fragment != ""):
		r.fatal(name, "must be only the address, %s; the token belongs in plexToken", urlExample)
	case !validPort(port):
		r.fatal(name, "has an invalid port: it must be from 1 to 65535. Plex's is 32400")
	default:
		if port == "" && (u.Scheme == "http" || strings.HasSuffix(host, ".plex.direct")) {
			port = "32400"
		}
		host = u.Hostname()
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		if port != "" {
			host += ":" + port
		}
		return u.Scheme + "://" + host + path
	}
	return ""
}

// hasScheme reports whether s begins with letters and "://".
func hasScheme(s string) bool {
	scheme, _, ok := strings.Cut(s, "://")
	return ok && scheme != "" && !strings.ContainsFunc(scheme, func(c rune) bool { return !unicode.IsLetter(c) })
}

// server is the path below which the server is, of the path of one of Plex's pages; and
// whether it is that of a page. It has no slash at its end.
func server(path string) (below string, isPage bool) {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		api := (p == "library" || p == "status") && i+1 < len(parts) && parts[i+1] != ""
		if p == "web" || p == "desktop" || p == "identity" || api {
			parts, isPage = parts[:i], true
			break
		}
	}
	return strings.TrimRight(strings.Join(parts, "/"), "/"), isPage
}

// hostname reports whether s can be a host. "http" is the rest of a mistyped or
// doubled scheme, "http:/nas".
func hostname(s string) bool {
	return s != "" && s != "http" && s != "https" && !strings.ContainsFunc(s, func(c rune) bool {
		return c == unicode.ReplacementChar || !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("-._:", c)
	})
}

func validPort(p string) bool {
	if p == "" {
		return true
	}
	n, err := strconv.Atoi(p)
	return err == nil && n >= 1 && n <= 65535 && !strings.HasPrefix(p, "+")
}

// token reads Plex's token, also with what surrounds it where people copy it from: an
// address, a header, Plex's Preferences.xml, an answer of plex.tv. No message holds any
// of it.
func (r *reader) token(name string) Secret {
	text, ok := asText(r.settings[name])
	s, found := tokenIn(text)
	if !found {
		s = strings.TrimLeft(pasted(text), "&?=:")
		if !hasScheme(s) {
			s, _, _ = strings.Cut(s, "&")
		}
	}
	switch s = pasted(s); {
	case !ok:
		r.fatal(name, "is not text; paste the X-Plex-Token of the server's owner")
	case s == "" && found:
		r.fatal(name, "has nothing after the word token. %s", tokenFrom)
	case s == "":
		r.fatal(name, "is empty; sign in with Plex on PlexSync's page, or set it to the X-Plex-Token of the server's owner")
	case strings.HasPrefix(strings.ToLower(s), "claim-"):
		r.fatal(name, "is a claim token, which only links a new server to an account; use the X-Plex-Token of the server's owner. %s", tokenFrom)
	case hasScheme(s):
		r.fatal(name, "is an address without a token in it. %s", tokenFrom)
	case strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7F }):
		r.fatal(name, "contains characters that no token has; paste only the X-Plex-Token")
	default:
		return Secret(s)
	}
	return ""
}

// tokenIn is what stands in text as the value of something whose name ends in "token",
// as in X-Plex-Token=…, PlexOnlineToken="…" or "authToken": "…"; and whether there is
// such a name. Of several, the last.
func tokenIn(text string) (value string, ok bool) {
	// Compiled here, as a hook reads no token.
	all := regexp.MustCompile(`(?i)(?:token["'“”‘’]?\s*(?:[=:]|%3d)|PLEX_CLAIM=)\s*["'“”‘’]?([^\s&#"'“”‘’<>,;{}]*)`).FindAllStringSubmatch(text, -1)
	for _, m := range slices.Backward(all) {
		if value, ok = m[1], true; value != "" {
			break
		}
	}
	return value, ok
}
