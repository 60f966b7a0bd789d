package harbor

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const adminPassword = "the-Admin-of-the-tests-1"

// lab is a server of a test and the means to talk to it.
type lab struct {
	t      *testing.T
	server *Server
	http   *httptest.Server
	dir    string
	log    bytes.Buffer
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir()}
	l.start(func() (string, error) { return adminPassword, nil })
	return l
}

// start opens the server on the test's folder, as after a restart.
func (l *lab) start(password func() (string, error)) {
	l.t.Helper()
	server, err := New(Options{
		Dir: l.dir, ExternalURL: "https://harbor.platform.test", AdminPassword: password,
		Log: slog.New(slog.NewTextHandler(&l.log, nil)),
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.server = server
	l.http = httptest.NewTLSServer(server.Handler())
	l.t.Cleanup(l.http.Close)
}

// restart is what a kill -9 and a new start are: nothing is told to the server.
// Nobody is asked for the password any more.
func (l *lab) restart() {
	l.t.Helper()
	l.start(func() (string, error) { return "", errors.New("must not be asked again") })
}

type login struct{ user, password string }

var (
	asAdmin  = login{adminName, adminPassword}
	asNobody = login{}
)

type answer struct {
	status int
	header http.Header
	text   string
}

// json decodes the answer.
func (a answer) json(t *testing.T, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.text), into); err != nil {
		t.Fatalf("%v in %s", err, a.text)
	}
}

// object is the answer as a JSON object.
func (a answer) object(t *testing.T) map[string]any {
	t.Helper()
	var o map[string]any
	a.json(t, &o)
	return o
}

func (l *lab) send(who login, method, path, body string) answer {
	l.t.Helper()
	r, err := http.NewRequest(method, l.http.URL+path, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if who != asNobody {
		r.SetBasicAuth(who.user, who.password)
	}
	return l.do(r)
}

func (l *lab) do(r *http.Request) answer {
	l.t.Helper()
	resp, err := l.http.Client().Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// call is send below the API's path, with the status and a part of the body that
// have to come back.
func (l *lab) call(who login, method, path, body string, status int, part string) answer {
	l.t.Helper()
	a := l.send(who, method, api+path, body)
	if a.status != status || !strings.Contains(a.text, part) {
		l.t.Fatalf("%s %s %s: %d %s, want %d %s", method, path, body, a.status, a.text, status, part)
	}
	return a
}

// create is a POST. It gives the id as the provider makes it from the Location.
func (l *lab) create(who login, path, body string) (id string, a answer) {
	l.t.Helper()
	a = l.call(who, http.MethodPost, path, body, http.StatusCreated, "")
	id, ok := strings.CutPrefix(a.header.Get("Location"), api)
	if !ok || !strings.HasPrefix(id, path+"/") {
		l.t.Fatalf("Location %q", a.header.Get("Location"))
	}
	return id, a
}

const (
	get   = http.MethodGet
	post  = http.MethodPost
	put   = http.MethodPut
	patch = http.MethodPatch
	del   = http.MethodDelete
)
