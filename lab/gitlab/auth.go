package gitlab

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// scopes are what a personal access token of the Community Edition may have.
// https://docs.gitlab.com/17.11/ee/user/profile/personal_access_tokens/#personal-access-token-scopes
var scopes = []string{
	"api", "read_user", "read_api", "read_repository", "write_repository", "read_registry", "write_registry",
	"sudo", "admin_mode", "create_runner", "manage_runner", "ai_features", "k8s_proxy", "read_service_ping",
	"self_rotate", "read_virtual_registry", "write_virtual_registry",
}

// maxTokenDays is how far ahead a token may end.
const maxTokenDays = 365

func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// tokenByValue finds a token, also one that is no longer good.
func (d *data) tokenByValue(value string) *Token {
	if value == "" {
		return nil
	}
	wanted := digest(value)
	for _, t := range d.Tokens {
		if t.Digest == wanted {
			return t
		}
	}
	return nil
}

func (t *Token) expired() bool { return t.Expires != "" && t.Expires <= today() }

func (t *Token) active() bool { return !t.Revoked && !t.expired() }

func (t *Token) hasAny(scopes ...string) bool {
	return slices.ContainsFunc(scopes, func(s string) bool { return slices.Contains(t.Scopes, s) })
}

func today() string { return time.Now().UTC().Format(time.DateOnly) }

// presented is the token a request carries, in one of the places GitLab looks at.
// https://docs.gitlab.com/17.11/ee/api/rest/authentication/
func presented(r *http.Request) string {
	if v := r.Header.Get("PRIVATE-TOKEN"); v != "" {
		return v
	}
	if v, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return v
	}
	q := r.URL.Query()
	if v := q.Get("private_token"); v != "" {
		return v
	}
	return q.Get("access_token")
}

var unauthorized = refuse(http.StatusUnauthorized, "401 Unauthorized")

// authenticate finds out who calls and whether his token may come to the route.
func (c *call) authenticate() error {
	value := presented(c.request)
	if value == "" {
		if c.route.access.anonymous {
			return nil
		}
		return unauthorized
	}
	c.token = c.data.tokenByValue(value)
	if c.token == nil {
		return unauthorized
	}
	if err := c.token.usable(); err != nil {
		return err
	}
	c.user = c.data.Users[c.token.User]
	if c.user == nil {
		return unauthorized
	}
	if c.user.State != "active" {
		return forbidden("Your account has been blocked.")
	}
	if needed := c.route.access.scopes; needed != nil && !c.token.hasAny(needed...) {
		return insufficientScope(needed)
	}
	if err := c.actAs(); err != nil {
		return err
	}
	if c.route.access.admin && !c.user.Admin {
		return forbidden("")
	}
	return nil
}

// usable says why a token is not taken any more.
func (t *Token) usable() error {
	problem := func(text string) error {
		return &apiError{http.StatusUnauthorized, fields{"error": "invalid_token", "error_description": text}}
	}
	switch {
	case t.Revoked:
		return problem("Token was revoked. You have to re-authorize from the user.")
	case t.expired():
		return problem("Token is expired. You can either do re-authorization or token refresh.")
	}
	return nil
}

func insufficientScope(needed []string) error {
	return &apiError{http.StatusForbidden, fields{
		"error":             "insufficient_scope",
		"error_description": "The request requires higher privileges than provided by the access token.",
		"scope":             strings.Join(needed, " "),
	}}
}

// actAs makes an administrator another user when he asks for it.
// https://docs.gitlab.com/17.11/ee/api/rest/authentication/#sudo
func (c *call) actAs() error {
	name := c.request.Header.Get("Sudo")
	if name == "" {
		name = c.request.URL.Query().Get("sudo")
	}
	if name == "" {
		return nil
	}
	if !c.user.Admin {
		return forbidden("Must be admin to use sudo")
	}
	if !c.token.hasAny("sudo") {
		return insufficientScope([]string{"sudo"})
	}
	other := c.data.userByIDOrName(name)
	if other == nil {
		return refuse(http.StatusNotFound, "404 User with ID or username '%s' Not Found", name)
	}
	c.user = other
	return nil
}
