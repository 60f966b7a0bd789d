package gitlab

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

func instanceRoutes() []route {
	return []route{
		{http.MethodGet, "version", 200, readingUsers, nil, func(*call) (any, error) {
			return fields{"version": Version, "revision": "lab"}, nil
		}},
		{http.MethodGet, "metadata", 200, readingUsers, nil, func(c *call) (any, error) {
			return fields{
				"version": Version, "revision": "lab", "enterprise": false,
				"kas": fields{"enabled": false, "externalUrl": nil, "externalK8sProxyUrl": nil, "version": nil},
			}, nil
		}},
		{http.MethodGet, "application/settings", 200, reigning, nil, func(*call) (any, error) {
			return fields{
				"id": 1, "default_branch_name": nil, "default_branch_protection": fullProtection,
				"default_branch_protection_defaults": protectionDefaults(fullProtection),
				"default_project_visibility":         "private", "default_group_visibility": "private",
				"signup_enabled": false, "password_authentication_enabled_for_web": true,
				"require_personal_access_token_expiry": true,
			}, nil
		}},
	}
}

var userParams = []param{
	str("name"), str("username"), str("email"), str("password"), str("note"),
	boolean("admin"), boolean("external"), boolean("can_create_group"), num("projects_limit"),
	boolean("skip_confirmation"), boolean("skip_reconfirmation"), boolean("reset_password"), boolean("force_random_password"),
}

func userRoutes() []route {
	routes := []route{
		{http.MethodGet, "user", 200, readingUsers, nil, func(c *call) (any, error) { return c.renderAccount(c.user), nil }},
		{http.MethodGet, "users", 200, readingUsers, []param{str("username"), str("search"), boolean("active"), boolean("humans")}, listUsers},
		{http.MethodGet, "users/:user", 200, readingUsers, nil, getUser},
		{http.MethodPost, "users", 201, reigning, userParams, createUser},
		{http.MethodPut, "users/:user", 200, reigning, userParams, updateUser},
		{http.MethodDelete, "users/:user", 204, reigning, []param{boolean("hard_delete")}, deleteUser},
	}
	for _, change := range []struct{ verb, from, to string }{
		{"block", "active deactivated", "blocked"}, {"unblock", "blocked", "active"},
		{"deactivate", "active", "deactivated"}, {"activate", "active deactivated", "active"},
	} {
		routes = append(routes, route{http.MethodPost, "users/:user/" + change.verb, 201, reigning, nil, func(c *call) (any, error) {
			u, err := c.pathUser()
			if err != nil {
				return nil, err
			}
			if !slices.Contains(strings.Fields(change.from), u.State) {
				return nil, forbidden("A " + u.State + " user cannot be " + change.to + " by the API")
			}
			u.State = change.to
			return true, nil
		}})
	}
	return routes
}

func (c *call) pathUser() (*User, error) {
	if u := c.data.Users[c.id("user")]; u != nil {
		return u, nil
	}
	return nil, notFound("User")
}

func (d *data) userByIDOrName(ref string) *User {
	if id, err := strconv.Atoi(ref); err == nil {
		return d.Users[id]
	}
	return d.userByName(ref)
}

func listUsers(c *call) (any, error) {
	var out []*User
	wanted := strings.ToLower(c.text("search"))
	for _, u := range sorted(c.data.Users) {
		switch {
		case c.has("username") && !strings.EqualFold(u.Username, c.text("username")),
			c.flag("active") && u.State != "active",
			!strings.Contains(strings.ToLower(u.Username+" "+u.Name+" "+u.Email), wanted):
			continue
		}
		out = append(out, u)
	}
	slices.Reverse(out)
	return listOf(out, c.renderUser), nil
}

func getUser(c *call) (any, error) {
	u, err := c.pathUser()
	if err != nil {
		return nil, err
	}
	return c.renderUser(u), nil
}

func createUser(c *call) (any, error) {
	for _, name := range []string{"email", "name", "username"} {
		if c.text(name) == "" {
			return nil, &apiError{http.StatusBadRequest, fields{"error": name + " is missing"}}
		}
	}
	if !c.flag("reset_password") && !c.flag("force_random_password") && c.text("password") == "" {
		return nil, &apiError{http.StatusBadRequest, fields{"error": "password, reset_password, force_random_password are missing, at least one parameter must be provided"}}
	}
	if err := c.userConflict(nil); err != nil {
		return nil, err
	}
	u := c.data.addUser(&User{})
	c.applyUser(u)
	return c.renderAccount(u), nil
}

func updateUser(c *call) (any, error) {
	u, err := c.pathUser()
	if err != nil {
		return nil, err
	}
	if err := c.userConflict(u); err != nil {
		return nil, err
	}
	c.applyUser(u)
	return c.renderAccount(u), nil
}

// userConflict checks name and address against the other users and the groups.
func (c *call) userConflict(self *User) error {
	if c.has("username") && !validPath(c.text("username")) {
		return invalid("username", "can contain only letters, digits, '_', '-' and '.'. Cannot start with '-' or end in '.', '.git' or '.atom'.")
	}
	for _, u := range c.data.Users {
		switch {
		case u == self:
		case strings.EqualFold(u.Email, c.text("email")):
			return refuse(http.StatusConflict, "Email has already been taken")
		case strings.EqualFold(u.Username, c.text("username")):
			return refuse(http.StatusConflict, "Username has already been taken")
		}
	}
	if g := c.data.groupByPath(c.text("username")); g != nil {
		return refuse(http.StatusConflict, "Username has already been taken")
	}
	return nil
}

func (c *call) applyUser(u *User) {
	for name, into := range map[string]*string{"name": &u.Name, "username": &u.Username, "email": &u.Email, "note": &u.Note} {
		if c.has(name) {
			*into = c.text(name)
		}
	}
	for name, into := range map[string]*bool{"admin": &u.Admin, "external": &u.External, "can_create_group": &u.CanCreateGroup} {
		if c.has(name) {
			*into = c.flag(name)
		}
	}
	if c.has("projects_limit") {
		u.ProjectsLimit = c.number("projects_limit")
	}
}

// deleteUser takes the account, its memberships, its tokens and its personal
// projects away at once; GitLab needs a moment for it.
func deleteUser(c *call) (any, error) {
	u, err := c.pathUser()
	if err != nil {
		return nil, err
	}
	for _, g := range c.data.Groups {
		delete(g.Members, u.ID)
	}
	for _, p := range c.data.Projects {
		delete(p.Members, u.ID)
		if p.Namespace == u.Namespace {
			at := time.Now()
			p.DeleteAt = &at
		}
	}
	for id, t := range c.data.Tokens {
		if t.User == u.ID {
			delete(c.data.Tokens, id)
		}
	}
	delete(c.data.Users, u.ID)
	return nil, nil
}

// brief is how a user appears inside of other objects; nil when he is gone.
func (c *call) brief(id int) any {
	u := c.data.Users[id]
	if u == nil {
		return nil
	}
	return c.briefFields(u)
}

func (c *call) briefFields(u *User) fields {
	return fields{
		"id": u.ID, "username": u.Username, "name": u.Name, "state": u.State, "locked": false,
		"avatar_url": nil, "web_url": c.server.link(u.Username), "public_email": "",
	}
}

// renderUser shows a user to others, and in full to administrators.
func (c *call) renderUser(u *User) fields {
	if c.user.Admin {
		return c.renderAccount(u)
	}
	out := c.briefFields(u)
	out["created_at"], out["bio"], out["bot"] = u.CreatedAt, "", false
	return out
}

func (c *call) renderAccount(u *User) fields {
	out := c.briefFields(u)
	for k, v := range (fields{
		"created_at": u.CreatedAt, "confirmed_at": u.CreatedAt, "bio": "", "bot": false, "email": u.Email, "commit_email": u.Email,
		"is_admin": u.Admin, "external": u.External, "note": u.Note, "can_create_group": u.CanCreateGroup,
		"can_create_project": u.ProjectsLimit > 0, "projects_limit": u.ProjectsLimit, "namespace_id": u.Namespace,
		"two_factor_enabled": false, "private_profile": false, "identities": []any{}, "theme_id": 3, "color_scheme_id": 1,
	}) {
		out[k] = v
	}
	return out
}
