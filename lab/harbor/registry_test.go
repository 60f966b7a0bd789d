package harbor

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// registry makes a request with a token.
func (l *lab) registry(token, method, path string) answer {
	l.t.Helper()
	r, err := http.NewRequest(method, l.http.URL+path, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return l.do(r)
}

func (l *lab) token(who login, scope string) string {
	l.t.Helper()
	a := l.send(who, get, "/service/token?service=harbor-registry&scope="+scope, "")
	if a.status != 200 {
		l.t.Fatalf("%d %s", a.status, a.text)
	}
	return a.object(l.t)["token"].(string)
}

func TestRegistryLogin(t *testing.T) {
	l := newLab(t)
	a := l.send(asNobody, get, "/v2/", "")
	want := `Bearer realm="https://harbor.platform.test/service/token",service="harbor-registry"`
	if a.status != 401 || a.header.Get("Www-Authenticate") != want || a.header.Get("Docker-Distribution-Api-Version") != "registry/2.0" {
		t.Errorf("%d %v", a.status, a.header)
	}
	for who, status := range map[login]int{asAdmin: 200, {adminName, "wrong"}: 401, {"robot$nobody", "x"}: 401} {
		if a := l.send(who, get, "/v2/", ""); a.status != status {
			t.Errorf("%s: %d", who.user, a.status)
		}
		if a := l.send(who, get, "/service/token?service=harbor-registry", ""); a.status != status {
			t.Errorf("a token for %s: %d", who.user, a.status)
		}
	}
	if a := l.send(asAdmin, get, "/service/token?service=other", ""); a.status != 400 {
		t.Errorf("another service: %d", a.status)
	}
	if a := l.send(asAdmin, get, "/service/token?service=harbor-registry&scope=nonsense", ""); a.status != 400 {
		t.Errorf("a scope of another form: %d", a.status)
	}
}

func TestTokenCoversTheRobotsProject(t *testing.T) {
	l := newLab(t)
	for _, name := range []string{"team", "other"} {
		l.create(asAdmin, "/projects", `{"project_name":"`+name+`"}`)
	}
	_, made := l.create(asAdmin, "/robots", pullRobot("pull", "team"))
	robot := login{"robot$team+pull", made.object(t)["secret"].(string)}

	all := l.token(robot, "repository:team/app:pull,push&scope=repository:other/app:pull&scope=registry:catalog:*")
	claims, err := l.server.verify(all)
	if err != nil || claims.Subject != robot.user || len(claims.Access) != 3 || strings.Join(claims.Access[0].Actions, ",") != "pull" ||
		len(claims.Access[1].Actions) != 0 || len(claims.Access[2].Actions) != 0 {
		t.Errorf("%+v %v", claims, err)
	}
	for _, c := range []struct {
		token, method, path string
		status              int
	}{
		{all, get, "/v2/", 200},
		{all, get, "/v2/team/app/manifests/latest", 501},
		{all, get, "/v2/team/app/tags/list", 501},
		{all, get, "/v2/team/another/manifests/latest", 401},
		{all, post, "/v2/team/app/blobs/uploads/", 401},
		{all, get, "/v2/other/app/manifests/latest", 401},
		{all, get, "/v2/_catalog", 401},
		{all[:len(all)-2] + "xx", get, "/v2/", 401},
		{"", get, "/v2/team/app/manifests/latest", 401},
		{l.token(asAdmin, "registry:catalog:*"), get, "/v2/_catalog", 501},
		{l.token(asAdmin, "repository:team/app:push"), http.MethodPut, "/v2/team/app/manifests/v1", 501},
		{l.token(asAdmin, "repository:nowhere/app:push"), http.MethodPut, "/v2/nowhere/app/manifests/v1", 401},
		{l.token(asNobody, "repository:library/app:pull,push"), get, "/v2/library/app/manifests/v1", 501},
		{l.token(asNobody, "repository:library/app:pull,push"), http.MethodPut, "/v2/library/app/manifests/v1", 401},
		{l.token(asNobody, "repository:team/app:pull"), get, "/v2/team/app/manifests/v1", 401},
	} {
		a := l.registry(c.token, c.method, c.path)
		if a.status != c.status {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, a.status, a.text, c.status)
		}
		if a.status == 401 && c.path != "/v2/" && !strings.Contains(a.header.Get("Www-Authenticate"), "scope=") {
			t.Errorf("%s: no scope in %q", c.path, a.header.Get("Www-Authenticate"))
		}
	}
	if a := l.send(robot, get, "/v2/other/app/manifests/v1", ""); a.status != 401 {
		t.Errorf("Basic in another project: %d", a.status)
	}
	if a := l.send(robot, get, "/v2/team/app/manifests/v1", ""); a.status != 501 {
		t.Errorf("Basic in its project: %d", a.status)
	}
	old, err := l.server.sign(tokenClaims{Expires: time.Now().Unix()})
	if err != nil {
		t.Fatal(err)
	}
	if a := l.registry(old, get, "/v2/"); a.status != 401 {
		t.Errorf("a token whose time is over: %d", a.status)
	}
}
