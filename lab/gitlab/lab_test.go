package gitlab

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

const rootToken = "root-token-of-the-tests-0001"

// lab is a server of a test and the means to talk to it.
type lab struct {
	t      *testing.T
	server *Server
	http   *httptest.Server
	dir    string
	log    *bytes.Buffer
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir()}
	l.start()
	l.account(ServiceAccount{Username: "platform", Name: "test", Token: rootToken, Scopes: []string{"api", "sudo"}, Expires: day(30)}, http.StatusOK)
	return l
}

func day(ahead int) string { return time.Now().UTC().AddDate(0, 0, ahead).Format(time.DateOnly) }

// start opens the server on the test's folder, as after a restart.
func (l *lab) start() {
	l.t.Helper()
	l.log = &bytes.Buffer{}
	server, err := New(Options{
		Dir: l.dir, ExternalURL: "https://gitlab.platform.test",
		Log: slog.New(slog.NewTextHandler(&lockedWriter{w: l.log}, nil)),
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.server = server
	l.http = httptest.NewUnstartedServer(server.Handler())
	l.http.EnableHTTP2 = true
	l.http.StartTLS()
	l.t.Cleanup(l.http.Close)
	l.t.Cleanup(server.Close)
}

// account uses the way of the bootstrap script.
func (l *lab) account(a ServiceAccount, status int) string {
	l.t.Helper()
	body, err := json.Marshal(a)
	if err != nil {
		l.t.Fatal(err)
	}
	w := httptest.NewRecorder()
	l.server.Rails().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/service-account", bytes.NewReader(body)))
	if w.Code != status {
		l.t.Fatalf("service account: %d %s, want %d", w.Code, w.Body, status)
	}
	return w.Body.String()
}

// answerOf is what came back for a request.
type answerOf struct {
	status int
	header http.Header
	text   string
}

// send makes a request with a token, the way the provider does it.
func (l *lab) send(token, method, path string, body any) answerOf {
	l.t.Helper()
	var content io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			l.t.Fatal(err)
		}
		content = bytes.NewReader(raw)
	}
	r, err := http.NewRequest(method, l.http.URL+"/api/v4/"+path, content)
	if err != nil {
		l.t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := l.http.Client().Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return answerOf{res.StatusCode, res.Header, string(text)}
}

// do is send with the status that has to come back.
func (l *lab) do(token, method, path string, body any, status int) answerOf {
	l.t.Helper()
	a := l.send(token, method, path, body)
	if a.status != status {
		l.t.Fatalf("%s %s: %d %s, want %d", method, path, a.status, a.text, status)
	}
	return a
}

// object decodes an answer.
func (a answerOf) object(t *testing.T) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(a.text), &out); err != nil {
		t.Fatalf("%s: %v", a.text, err)
	}
	return out
}

func (a answerOf) id(t *testing.T) string {
	t.Helper()
	return itoa(int(a.object(t)["id"].(float64)))
}

// user makes an account and a token of it.
func (l *lab) user(name string, scopes ...string) (id, token string) {
	l.t.Helper()
	if len(scopes) == 0 {
		scopes = []string{"api"}
	}
	id = l.do(rootToken, "POST", "users", fields{
		"username": name, "name": strings.ToUpper(name), "email": name + "@platform.test", "force_random_password": true, "skip_confirmation": true,
	}, 201).id(l.t)
	return id, l.token(id, scopes...)
}

func (l *lab) token(user string, scopes ...string) string {
	l.t.Helper()
	a := l.do(rootToken, "POST", "users/"+user+"/personal_access_tokens", fields{"name": "t", "scopes": scopes, "expires_at": day(10)}, 201)
	return a.object(l.t)["token"].(string)
}

func (l *lab) group(path string, more fields) string {
	l.t.Helper()
	body := fields{"name": path, "path": path}
	for k, v := range more {
		body[k] = v
	}
	return l.do(rootToken, "POST", "groups", body, 201).id(l.t)
}

// project makes a project with a README and waits for its protection.
func (l *lab) project(group, path string) string {
	l.t.Helper()
	id := l.do(rootToken, "POST", "projects", fields{
		"name": path, "path": path, "namespace_id": group, "initialize_with_readme": true,
	}, 201).id(l.t)
	l.wait("protection", func() bool {
		return strings.Contains(l.do(rootToken, "GET", "projects/"+id+"/repository/branches/main", nil, 200).text, `"protected":true`)
	})
	return id
}

func (l *lab) wait(what string, done func() bool) {
	l.t.Helper()
	for range 200 {
		if done() {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	l.t.Fatalf("%s never came", what)
}

// step is one line of a table: who asks what, and what has to come back.
type step struct {
	token, method, path string
	body                any
	status              int
	contains            string
}

func (l *lab) run(steps []step) {
	l.t.Helper()
	for _, s := range steps {
		a := l.send(s.token, s.method, s.path, s.body)
		if a.status != s.status || !strings.Contains(a.text, s.contains) {
			l.t.Errorf("%s %s %v:\n got %d %s\nwant %d with %s", s.method, s.path, s.body, a.status, a.text, s.status, s.contains)
		}
	}
}

func escape(path string) string {
	return strings.ReplaceAll(url.PathEscape(path), ".", "%2E")
}
