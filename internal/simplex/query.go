package simplex

import (
	"net/url"
	"strings"
)

// param is one query parameter, decoded.
type param struct {
	key, value string
	// eq: the value began with an unencoded '='. It is the difference between
	// the operator of "title==x" and the text of "title=%3Dx".
	eq bool
}

// parseQuery decodes a query in its order. Unlike net/url it takes ';' for a
// letter; a broken escape is an error.
func parseQuery(raw string) ([]param, error) {
	var params []param
	for piece := range strings.SplitSeq(raw, "&") {
		if piece == "" {
			continue
		}
		k, v, _ := strings.Cut(piece, "=")
		key, err := url.QueryUnescape(k)
		if err != nil {
			return nil, err
		}
		value, err := url.QueryUnescape(v)
		if err != nil {
			return nil, err
		}
		params = append(params, param{key, value, strings.HasPrefix(v, "=")})
	}
	return params, nil
}

// first returns the first value of a key.
func first(params []param, key string) (value string, found bool) {
	for _, p := range params {
		if p.key == key {
			return p.value, true
		}
	}
	return "", false
}
