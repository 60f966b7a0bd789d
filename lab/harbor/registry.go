package harbor

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	registryService = "harbor-registry"
	tokenIssuer     = "harbor-token-issuer"
)

// tokenClaims is the content of a registry token
// (https://distribution.github.io/distribution/spec/auth/jwt/).
type tokenClaims struct {
	Issuer   string        `json:"iss"`
	Subject  string        `json:"sub"`
	Audience string        `json:"aud"`
	Expires  int64         `json:"exp"`
	Issued   int64         `json:"iat"`
	Access   []tokenAccess `json:"access"`
}

type tokenAccess struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// tokenHeader is that of every token: they are for this server alone, so one key
// signs and verifies.
const tokenHeader = `{"alg":"HS256","typ":"JWT"}`

func (s *Server) sign(claims tokenClaims) (string, error) {
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(tokenHeader)) + "." + base64.RawURLEncoding.EncodeToString(body)
	return text + "." + s.signature(text), nil
}

func (s *Server) signature(text string) string {
	mac := hmac.New(sha256.New, s.tokenKey)
	_, _ = mac.Write([]byte("token\x00" + text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

var errToken = errors.New("the token is not valid")

func (s *Server) verify(token string) (claims tokenClaims, err error) {
	dot := strings.LastIndexByte(token, '.')
	if dot < 0 || !hmac.Equal([]byte(token[dot+1:]), []byte(s.signature(token[:dot]))) {
		return claims, errToken
	}
	_, encoded, _ := strings.Cut(token[:dot], ".")
	body, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || json.Unmarshal(body, &claims) != nil || time.Now().Unix() >= claims.Expires {
		return tokenClaims{}, errToken
	}
	return claims, nil
}

// serveToken gives a token with those of the wanted accesses that the caller
// has. Nobody known gets one, too, for what is public; wrong credentials do not.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if query.Get("service") != registryService {
		s.fail(w, r, badRequest("unable to handle service: %s", query.Get("service")))
		return
	}
	claims := tokenClaims{Issuer: tokenIssuer, Audience: registryService, Access: []tokenAccess{}}
	lifetime := 0
	err := s.store.View(func(d *data) error {
		c := &call{server: s, request: r, data: d, who: s.identify(d, r)}
		user, _, tried := r.BasicAuth()
		if tried && c.who.anonymous() {
			return c.denied()
		}
		claims.Subject = user
		lifetime = d.tokenLifetime()
		for _, scopes := range query["scope"] {
			for _, scope := range strings.Fields(scopes) {
				a, err := c.tokenAccess(scope)
				if err != nil {
					return err
				}
				claims.Access = append(claims.Access, a)
			}
		}
		return nil
	})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	now := time.Now()
	claims.Issued, claims.Expires = now.Unix(), now.Add(time.Duration(lifetime)*time.Second).Unix()
	token, err := s.sign(claims)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, fields{
		"token": token, "expires_in": lifetime, "issued_at": now.UTC().Format(time.RFC3339),
	})
}

// tokenLifetime is in seconds, the setting in minutes.
func (d *data) tokenLifetime() int {
	minutes := settings["token_expiration"].first.(int)
	if set, ok := d.Settings["token_expiration"].(float64); ok {
		minutes = int(set)
	}
	return minutes * 60
}

// tokenAccess takes a scope apart, "repository:team/app:pull,push", and leaves
// the actions that the caller may do.
func (c *call) tokenAccess(scope string) (tokenAccess, error) {
	kind, rest, _ := strings.Cut(scope, ":")
	colon := strings.LastIndexByte(rest, ':')
	if colon < 0 || kind != "repository" && kind != "registry" {
		return tokenAccess{}, badRequest("invalid scope: %s", scope)
	}
	a := tokenAccess{Type: kind, Name: rest[:colon], Actions: []string{}}
	name, _, _ := strings.Cut(a.Name, "/")
	p := c.data.projectNamed(name)
	for _, action := range strings.Split(rest[colon+1:], ",") {
		switch {
		case kind == "registry":
			if a.Name == "catalog" && c.may(nil, "catalog", "read") {
				a.Actions = append(a.Actions, action)
			}
		case p != nil && slices.Contains([]string{"pull", "push", "delete"}, action) && c.may(p, "repository", action):
			a.Actions = append(a.Actions, action)
		}
	}
	return a, nil
}

// serveRegistry checks who may do what a request asks of the registry, and then
// says that there are no images here.
func (s *Server) serveRegistry(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	want := wanted(r)
	err := s.store.View(func(d *data) error {
		return s.authorize(d, r, want)
	})
	if err != nil {
		challenge := fmt.Sprintf("Bearer realm=%q,service=%q", s.external.JoinPath("service/token"), registryService)
		if want != nil {
			challenge += fmt.Sprintf(",scope=%q", want.Type+":"+want.Name+":"+want.Actions[0])
		}
		w.Header().Set("Www-Authenticate", challenge)
		s.fail(w, r, err)
		return
	}
	if want == nil {
		writeJSON(w, http.StatusOK, fields{})
		return
	}
	s.fail(w, r, unknown("images: it has no registry behind it"))
}

// wanted is what a request to the registry needs; nil for the check of a log-in.
func wanted(r *http.Request) *tokenAccess {
	path := strings.TrimPrefix(r.URL.Path, "/v2/")
	if path == "" {
		return nil
	}
	if path == "_catalog" {
		return &tokenAccess{Type: "registry", Name: "catalog", Actions: []string{"*"}}
	}
	name := path
	for _, part := range []string{"/manifests/", "/blobs/", "/tags/", "/referrers/"} {
		if i := strings.LastIndex(path, part); i >= 0 {
			name = path[:i]
		}
	}
	action := "push"
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		action = "pull"
	case http.MethodDelete:
		action = "delete"
	}
	return &tokenAccess{Type: "repository", Name: name, Actions: []string{action}}
}

// authorize takes a token for what was wanted, or Basic credentials of someone
// who would get one.
func (s *Server) authorize(d *data, r *http.Request, want *tokenAccess) error {
	denied := func(reason string) error {
		return refuse(http.StatusUnauthorized, "UNAUTHORIZED", "unauthorized to access repository: %s", reason)
	}
	var granted []tokenAccess
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		claims, err := s.verify(token)
		if err != nil {
			return denied(err.Error())
		}
		granted = claims.Access
	} else {
		c := &call{server: s, request: r, data: d, who: s.identify(d, r)}
		if c.who.anonymous() {
			return refuse(http.StatusUnauthorized, "UNAUTHORIZED", "unauthorized: unauthorized")
		}
		if want != nil {
			a, err := c.tokenAccess(want.Type + ":" + want.Name + ":" + want.Actions[0])
			if err != nil {
				return err
			}
			granted = []tokenAccess{a}
		}
	}
	if want == nil || slices.ContainsFunc(granted, func(a tokenAccess) bool {
		return a.Type == want.Type && a.Name == want.Name && slices.Contains(a.Actions, want.Actions[0])
	}) {
		return nil
	}
	return denied(want.Name + ", action: " + want.Actions[0])
}
