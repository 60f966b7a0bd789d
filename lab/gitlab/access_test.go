package gitlab

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// TestEveryRouteChecksTheToken asks each route without a token, with a false
// one and with one whose scopes do not reach.
func TestEveryRouteChecksTheToken(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id, weak := l.user("weak", "read_registry")
	reader := l.token(id, "read_api")
	for _, r := range l.server.routes {
		path := r.path
		for _, name := range []string{":project", ":group", ":user", ":token", ":source", ":other", ":branch", ":key", ":hook", ":file", ":sha", ":iid"} {
			path = strings.ReplaceAll(path, name, "7")
		}
		if r.status == http.StatusNotFound { // of another edition
			l.do(rootToken, r.method, path, fields{"anything": 1}, 404)
			continue
		}
		switch a := l.send("", r.method, path, nil); {
		case a.status == http.StatusUnauthorized && !r.access.anonymous:
		case a.status < 500 && r.access.anonymous:
		default:
			t.Errorf("%s %s without a token: %d %s", r.method, path, a.status, a.text)
		}
		if a := l.send("no-such-token-anywhere", r.method, path, nil); a.status != http.StatusUnauthorized {
			t.Errorf("%s %s with a false token: %d %s", r.method, path, a.status, a.text)
		}
		if r.access.scopes != nil {
			if a := l.send(weak, r.method, path, nil); a.status != http.StatusForbidden || !strings.Contains(a.text, "insufficient_scope") {
				t.Errorf("%s %s with scope read_registry: %d %s", r.method, path, a.status, a.text)
			}
		}
		if r.method != http.MethodGet && r.access.scopes != nil {
			if a := l.send(reader, r.method, path, nil); a.status != http.StatusForbidden {
				t.Errorf("%s %s with scope read_api: %d %s", r.method, path, a.status, a.text)
			}
		}
		if r.access.admin {
			if a := l.send(l.token(id, "api"), r.method, path, nil); a.status != http.StatusForbidden {
				t.Errorf("%s %s by no administrator: %d %s", r.method, path, a.status, a.text)
			}
		}
	}
}

func TestUnknownIsLoud(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.run([]step{
		{rootToken, "GET", "no/such/route", nil, 501, "GET /api/v4/no/such/route"},
		{rootToken, "PATCH", "groups", nil, 501, "PATCH"},
		{rootToken, "POST", "groups", fields{"name": "a", "path": "a", "colour": "red"}, 501, "colour"},
		{rootToken, "POST", "groups", fields{"name": "a"}, 400, `{"error":"path is missing"}`},
		{rootToken, "POST", "groups", fields{"name": "a", "path": "a", "parent_id": "x"}, 400, `{"error":"parent_id is invalid"}`},
		{rootToken, "POST", "groups", fields{"name": "a", "path": "a", "visibility": "secret"}, 400, `{"error":"visibility does not have a valid value"}`},
	})
	if !strings.Contains(l.log.String(), "unknown route") || !strings.Contains(l.log.String(), "no/such/route") {
		t.Error("the log does not name the unknown route:", l.log)
	}
	if strings.Contains(l.log.String(), rootToken) {
		t.Error("the log holds a token")
	}
}

func TestInstanceAndUsers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id, alice := l.user("alice")
	l.run([]step{
		{alice, "GET", "version", nil, 200, `"version":"17.11.0"`},
		{alice, "GET", "metadata", nil, 200, `"enterprise":false`},
		{alice, "GET", "application/settings", nil, 403, "403 Forbidden"},
		{rootToken, "GET", "application/settings", nil, 200, `"default_branch_protection":2`},
		{alice, "GET", "user", nil, 200, `"is_admin":false`},
		{rootToken, "GET", "user", nil, 200, `"username":"platform"`},
		{alice, "GET", "users?username=ALICE", nil, 200, `"username":"alice"`},
		{alice, "GET", "users?search=nobody", nil, 200, `[]`},
		{alice, "GET", "users/999", nil, 404, "404 User Not Found"},
		{alice, "POST", "users", fields{"username": "x"}, 403, ""},
		{rootToken, "POST", "users", fields{"username": "x"}, 400, "email is missing"},
		{rootToken, "POST", "users", fields{"username": "alice", "name": "a", "email": "b@x.test", "password": "p"}, 409, "Username has already been taken"},
		{rootToken, "POST", "users", fields{"username": "alice2", "name": "a", "email": "ALICE@platform.test", "password": "p"}, 409, "Email has already been taken"},
		{rootToken, "PUT", "users/" + id, fields{"name": "Alice", "note": "n"}, 200, `"name":"Alice"`},
		{rootToken, "POST", "users/" + id + "/block", nil, 201, "true"},
		{alice, "GET", "user", nil, 403, "blocked"},
		{rootToken, "POST", "users/" + id + "/block", nil, 403, ""},
		{rootToken, "POST", "users/" + id + "/unblock", nil, 201, "true"},
		{alice, "GET", "user", nil, 200, "Alice"},
		{rootToken, "GET", "user?sudo=alice", nil, 200, `"username":"alice"`},
		{rootToken, "GET", "user?sudo=nobody", nil, 404, "404 User with ID or username 'nobody' Not Found"},
		{alice, "GET", "user?sudo=root", nil, 403, "Must be admin to use sudo"},
		{rootToken, "DELETE", "users/" + id, nil, 204, ""},
		{alice, "GET", "user", nil, 401, "401 Unauthorized"},
		{rootToken, "GET", "users/" + id, nil, 404, ""},
	})
}

func TestTokens(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id, alice := l.user("alice")
	_, bob := l.user("bob")
	path := "users/" + id + "/personal_access_tokens"
	created := l.do(rootToken, "POST", path, fields{"name": "n", "scopes": []string{"read_api"}, "expires_at": day(5)}, 201).object(t)
	value, one := created["token"].(string), "personal_access_tokens/"+itoa(int(created["id"].(float64)))
	rotated := l.do(alice, "POST", one+"/rotate", fields{"expires_at": day(9)}, 200).object(t)
	l.run([]step{
		{rootToken, "POST", path, fields{"name": "n", "scopes": []string{"everything"}, "expires_at": day(5)}, 422, "available scopes"},
		{rootToken, "POST", path, fields{"name": "n", "scopes": []string{"api"}, "expires_at": day(400)}, 422, "must be before"},
		{value, "GET", "user", nil, 401, "Token was revoked"},
		{rotated["token"].(string), "GET", "user", nil, 200, "alice"},
		{bob, "GET", one, nil, 401, ""},
		{alice, "GET", one, nil, 200, `"revoked":true`},
		{alice, "POST", one + "/rotate", nil, 400, "already revoked"},
		{alice, "GET", "personal_access_tokens/self", nil, 200, `"expires_at":"` + day(10)},
		{bob, "GET", "personal_access_tokens", nil, 200, `"active":true`},
		{rotated["token"].(string), "DELETE", "personal_access_tokens/self", nil, 204, ""},
		{rotated["token"].(string), "GET", "user", nil, 401, ""},
		{rootToken, "GET", "personal_access_tokens/999", nil, 404, ""},
	})
	expired := l.do(rootToken, "POST", path, fields{"name": "n", "scopes": []string{"api"}, "expires_at": day(0)}, 201).object(t)
	l.do(expired["token"].(string), "GET", "user", nil, 401)
}

// TestWaysToPresentAToken: header of GitLab's own, bearer and query.
func TestWaysToPresentAToken(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, set := range []func(*http.Request){
		func(r *http.Request) { r.Header.Set("PRIVATE-TOKEN", rootToken) },
		func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+rootToken) },
		func(r *http.Request) { r.URL.RawQuery = "private_token=" + rootToken },
		func(r *http.Request) { r.URL.RawQuery = "access_token=" + rootToken },
	} {
		r, _ := http.NewRequest(http.MethodGet, l.http.URL+"/api/v4/user", nil)
		set(r)
		res, err := l.http.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%v: %d", r.URL, res.StatusCode)
		}
	}
	for _, path := range []string{"/-/health", "/-/liveness", "/-/readiness"} {
		res, err := l.http.Client().Get(l.http.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
}

// TestEffectiveLevels: directly, from a group above, and through a share that
// caps what its members have.
func TestEffectiveLevels(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	top := l.group("top", nil)
	sub := l.group("sub", fields{"parent_id": top})
	team := l.group("team", nil)
	p := l.project(sub, "app")
	direct, directToken := l.user("direct")
	above, aboveToken := l.user("above")
	invited, invitedToken := l.user("invited")
	_, strangerToken := l.user("stranger")
	l.do(rootToken, "POST", "projects/"+p+"/members", fields{"user_id": direct, "access_level": 10}, 201)
	l.do(rootToken, "POST", "groups/"+top+"/members", fields{"user_id": above, "access_level": 40}, 201)
	l.do(rootToken, "POST", "groups/"+team+"/members", fields{"user_id": invited, "access_level": 50}, 201)
	share := fields{"group_id": team, "group_access": 30}
	branches, hooks := "projects/"+p+"/repository/branches", "projects/"+p+"/hooks"
	l.run([]step{
		{"", "GET", "projects/" + p, nil, 404, "404 Project Not Found"},
		{strangerToken, "GET", "projects/" + p, nil, 404, "404 Project Not Found"},
		{strangerToken, "PUT", "projects/" + p, fields{"description": "x"}, 404, ""},
		{strangerToken, "GET", "groups/" + top, nil, 404, "404 Group Not Found"},
		{directToken, "GET", "projects/" + p, nil, 200, `"project_access":{"access_level":10`},
		{directToken, "GET", "groups/" + sub, nil, 200, ""},
		{directToken, "GET", branches, nil, 403, ""},
		{directToken, "GET", hooks, nil, 403, ""},
		{aboveToken, "GET", hooks, nil, 200, ""},
		{aboveToken, "DELETE", "projects/" + p, nil, 403, ""},
		{invitedToken, "GET", "projects/" + p, nil, 404, ""},
		{aboveToken, "POST", "projects/" + p + "/share", fields{"group_id": team, "group_access": 20}, 404, "404 Group"},
		{rootToken, "POST", "projects/" + p + "/share", share, 201, `"group_access":30`},
		{rootToken, "POST", "projects/" + p + "/share", share, 409, ""},
		{rootToken, "POST", "projects/" + p + "/share", fields{"group_id": top, "group_access": 30}, 409, ""},
		{rootToken, "POST", "projects/" + p + "/share", fields{"group_id": team, "group_access": 35}, 400, "valid value"},
		{rootToken, "GET", "projects/" + p, nil, 200, `"group_access_level":30`},
		{invitedToken, "GET", branches, nil, 200, `"can_push":false`},
		{invitedToken, "GET", hooks, nil, 403, ""},
		{rootToken, "GET", "projects/" + p + "/members/all", nil, 200, `"username":"invited"`},
		{rootToken, "GET", "projects/" + p + "/members/" + invited, nil, 404, ""},
		{rootToken, "GET", "projects/" + p + "/members/all/" + invited, nil, 200, `"access_level":30`},
		{rootToken, "DELETE", "projects/" + p + "/share/" + team, nil, 204, ""},
		{rootToken, "DELETE", "projects/" + p + "/share/" + team, nil, 404, ""},
		{invitedToken, "GET", branches, nil, 404, ""},
		{rootToken, "POST", "groups/" + top + "/share", share, 201, `"shared_with_groups":[{"expires_at":null,"group_access_level":30,"group_full_path":"team"`},
		{invitedToken, "GET", branches, nil, 200, ""},
		{rootToken, "DELETE", "groups/" + top + "/share/" + team, nil, 204, ""},
		{invitedToken, "GET", branches, nil, 404, ""},
	})
}

func TestMembers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	top := l.group("top", nil)
	p := l.project(top, "app")
	me, boss := l.user("boss")
	id, _ := l.user("alice")
	members, own := "groups/"+top+"/members", "projects/"+p+"/members"
	l.run([]step{
		{rootToken, "POST", members, fields{"user_id": me, "access_level": 40, "expires_at": "", "member_role_id": nil}, 201, `"access_level":40`},
		{rootToken, "POST", members, fields{"user_id": me, "access_level": 40}, 409, "Member already exists"},
		{rootToken, "POST", members, fields{"user_id": 999, "access_level": 40}, 404, "404 User Not Found"},
		{rootToken, "POST", members, fields{"user_id": id, "access_level": 33}, 400, "valid value"},
		{boss, "POST", members, fields{"user_id": id, "access_level": 20}, 403, ""},
		{boss, "POST", own, fields{"user_id": id, "access_level": 50}, 403, ""},
		{boss, "POST", own, fields{"user_id": id, "access_level": 20}, 201, ""},
		{rootToken, "POST", own, fields{"user_id": me, "access_level": 20}, 400, "should be greater than or equal to Maintainer"},
		{boss, "PUT", own + "/" + id, fields{"access_level": 30}, 200, `"access_level":30`},
		{boss, "DELETE", own + "/" + id + "?skip_subresources=false&unassign_issuables=false", nil, 204, ""},
		{boss, "DELETE", own + "/" + id, nil, 404, ""},
		{rootToken, "DELETE", members + "/2", nil, 403, ""},
		{boss, "DELETE", members + "/" + me, nil, 204, ""},
		{boss, "GET", members, nil, 404, ""},
	})
}
