package gitlab

import (
	"encoding/json"
	"net/http"
)

// ServiceAccount is what the platform's bootstrap script asks of the Rails
// console: an administrator of that name who has a token of that value.
type ServiceAccount struct {
	Username string `json:"username"`
	// Name is the token's.
	Name   string   `json:"name"`
	Token  string   `json:"token"`
	Scopes []string `json:"scopes"`
	// Expires is a day, YYYY-MM-DD.
	Expires string `json:"expires"`
}

// Rails serves what a process inside GitLab's pods can do to the database: the
// one thing that the platform's bootstrap script does there. The caller listens
// on a unix socket that only the lab's user can open. A fault is answered with
// 422 and the words of GitLab's model.
func (s *Server) Rails() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /service-account", func(w http.ResponseWriter, r *http.Request) {
		var wanted ServiceAccount
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&wanted); err != nil {
			writeJSON(w, http.StatusBadRequest, fields{"error": err.Error()})
			return
		}
		if err := s.store.Update(func(d *data) error { return d.ensureServiceAccount(wanted, s.external.Hostname()) }); err != nil {
			writeJSON(w, http.StatusUnprocessableEntity, fields{"error": err.Error()})
			return
		}
		writeJSON(w, http.StatusOK, fields{"username": wanted.Username})
	})
	return mux
}

// ensureServiceAccount makes what is missing, revokes older tokens of the same
// name and leaves everything alone when all is as wanted.
func (d *data) ensureServiceAccount(wanted ServiceAccount, host string) error {
	switch {
	case !validPath(wanted.Username):
		return fault("Username can contain only letters, digits, '_', '-' and '.'")
	case len(wanted.Token) < 20:
		return fault("Token is too short (minimum is 20 characters)")
	case d.groupByPath(wanted.Username) != nil:
		return fault("Username has already been taken")
	}
	u := d.userByName(wanted.Username)
	if u == nil {
		u = d.addUser(&User{Username: wanted.Username, Email: wanted.Username + "@noreply." + host, Name: "Platform (" + wanted.Username + ")"})
	}
	if u.State != "active" {
		return fault(u.Username + " is not active but " + u.State)
	}
	u.Admin = true
	t, err := d.tokenByValue(wanted.Token), error(nil)
	switch {
	case t == nil:
		t, err = d.newToken(&Token{User: u.ID, Name: wanted.Name, Scopes: wanted.Scopes, Expires: wanted.Expires}, wanted.Token)
	case t.User != u.ID:
		return fault("another account has this token")
	case t.Revoked:
		return fault("this token was revoked; let the program choose another")
	default:
		t.Name, t.Scopes, t.Expires = wanted.Name, wanted.Scopes, wanted.Expires
		err = t.check()
	}
	if err != nil {
		return err
	}
	for _, other := range d.Tokens {
		if other.User == u.ID && other.Name == wanted.Name && other != t {
			other.Revoked = true
		}
	}
	return nil
}
