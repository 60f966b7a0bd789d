package gitlab

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"slices"
	"time"
)

func tokenRoutes() []route {
	wanted := []param{str("name").must(), str("description"), strs("scopes").must(), str("expires_at")}
	return []route{
		{http.MethodGet, "personal_access_tokens", 200, readingUsers, []param{num("user_id"), str("state"), boolean("revoked")}, listTokens},
		{http.MethodGet, "personal_access_tokens/:token", 200, readingUsers, nil, getToken},
		{http.MethodPost, "users/:user/personal_access_tokens", 201, reigning, wanted, createToken},
		{http.MethodPost, "personal_access_tokens/:token/rotate", 200, access{scopes: []string{"api", "self_rotate"}}, []param{str("expires_at")}, rotateToken},
		{http.MethodDelete, "personal_access_tokens/:token", 204, anyToken, nil, revokeToken},
	}
}

// fault is what is wrong with a record, in GitLab's own words.
type fault string

func (f fault) Error() string { return string(f) }

// check tells what is wrong with a token; the API and the Rails console share
// the rules.
func (t *Token) check() error {
	for _, s := range t.Scopes {
		if !slices.Contains(scopes, s) {
			return fault("Scopes can only contain available scopes")
		}
	}
	latest := time.Now().UTC().AddDate(0, 0, maxTokenDays).Format(time.DateOnly)
	_, err := time.Parse(time.DateOnly, t.Expires)
	switch {
	case len(t.Scopes) == 0:
		return fault("Scopes can't be blank")
	case t.Name == "":
		return fault("Name can't be blank")
	case err != nil:
		return fault("Expiration date can't be blank")
	case t.Expires > latest:
		return fault("Expires at must be before " + latest)
	}
	return nil
}

// newToken adds a token of a value.
func (d *data) newToken(t *Token, value string) (*Token, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	if d.tokenByValue(value) != nil {
		return nil, fault("Token digest has already been taken")
	}
	t.ID, t.Digest, t.CreatedAt = d.next("token"), digest(value), now()
	d.Tokens[t.ID] = t
	return t, nil
}

// randomToken is a value in the form GitLab gives to personal access tokens.
func randomToken() string {
	raw := make([]byte, 15)
	_, _ = rand.Read(raw) // never fails, by its documentation
	return "glpat-" + base64.RawURLEncoding.EncodeToString(raw)
}

func renderToken(t *Token) fields {
	return fields{
		"id": t.ID, "name": t.Name, "description": t.Description, "revoked": t.Revoked, "created_at": t.CreatedAt,
		"scopes": t.Scopes, "user_id": t.User, "last_used_at": t.LastUsed, "active": t.active(), "expires_at": t.Expires,
	}
}

// ownToken is the token in the path, if it is the caller's or he is an
// administrator. "self" is the token he calls with.
func (c *call) ownToken() (*Token, error) {
	if c.path["token"] == "self" {
		return c.token, nil
	}
	t := c.data.Tokens[c.id("token")]
	if t == nil && c.user.Admin {
		return nil, notFound("")
	}
	if t == nil || t.User != c.user.ID && !c.user.Admin {
		return nil, unauthorized
	}
	return t, nil
}

func listTokens(c *call) (any, error) {
	var out []*Token
	for _, t := range sorted(c.data.Tokens) {
		switch {
		case !c.user.Admin && t.User != c.user.ID,
			c.has("user_id") && t.User != c.number("user_id"),
			c.has("revoked") && t.Revoked != c.flag("revoked"),
			c.text("state") == "active" && !t.active(),
			c.text("state") == "inactive" && t.active():
			continue
		}
		out = append(out, t)
	}
	return listOf(out, renderToken), nil
}

func getToken(c *call) (any, error) {
	t, err := c.ownToken()
	if err != nil {
		return nil, err
	}
	return renderToken(t), nil
}

func createToken(c *call) (any, error) {
	u, err := c.pathUser()
	if err != nil {
		return nil, err
	}
	value := randomToken()
	expires := c.textOr("expires_at", time.Now().UTC().AddDate(0, 0, maxTokenDays).Format(time.DateOnly))
	t, err := c.data.newToken(&Token{
		User: u.ID, Name: c.text("name"), Description: c.text("description"), Scopes: c.texts("scopes"), Expires: expires,
	}, value)
	if err != nil {
		return nil, refuse(http.StatusUnprocessableEntity, "%s", err)
	}
	out := renderToken(t)
	out["token"] = value
	return out, nil
}

func rotateToken(c *call) (any, error) {
	old, err := c.ownToken()
	if err != nil {
		return nil, err
	}
	if !c.token.hasAny("api") && old != c.token {
		return nil, insufficientScope([]string{"api"})
	}
	if !old.active() {
		return nil, refuse(http.StatusBadRequest, "400 Bad request - token already revoked")
	}
	value := randomToken()
	expires := c.textOr("expires_at", time.Now().UTC().AddDate(0, 0, 7).Format(time.DateOnly))
	t, err := c.data.newToken(&Token{
		User: old.User, Name: old.Name, Description: old.Description, Scopes: slices.Clone(old.Scopes), Expires: expires,
	}, value)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "400 Bad request - %s", err)
	}
	old.Revoked = true
	out := renderToken(t)
	out["token"] = value
	return out, nil
}

func revokeToken(c *call) (any, error) {
	t, err := c.ownToken()
	if err != nil {
		return nil, err
	}
	if t != c.token && !c.token.hasAny("api") {
		return nil, insufficientScope([]string{"api"})
	}
	t.Revoked = true
	return nil, nil
}
