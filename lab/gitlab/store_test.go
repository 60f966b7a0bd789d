package gitlab

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestRestart opens a second server on the files of the first, which is not
// closed: a killed server has no time to.
func TestRestart(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	top := l.group("top", nil)
	p := l.project(top, "app")
	l.do(rootToken, "POST", "projects/"+p+"/variables", fields{"key": "K", "value": "v"}, 201)
	l.do(rootToken, "PUT", "projects/"+p, fields{"ci_default_git_depth": 7, "topics": []string{"x"}}, 200)
	before := l.do(rootToken, "GET", "projects/"+p, nil, 200).text
	late := l.do(rootToken, "POST", "projects", fields{"name": "late", "namespace_id": top, "initialize_with_readme": true}, 201).id(t)
	l.do(rootToken, "DELETE", "groups/"+l.group("gone", nil), nil, 202)
	l.start()
	if after := l.do(rootToken, "GET", "projects/"+p, nil, 200).text; after != before {
		t.Errorf("a restart changed a project:\n%s\n%s", before, after)
	}
	l.wait("what was begun before the restart", func() bool {
		return l.send(rootToken, "GET", "groups/gone", nil).status == 404 &&
			strings.Contains(l.send(rootToken, "GET", "projects/"+late+"/repository/branches/main", nil).text, `"protected":true`)
	})
	if id := l.group("next", nil); id == top {
		t.Error("an id was given twice:", id)
	}
}

func TestForkSurvivesKill(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	top := l.group("top", nil)
	p := l.project(top, "app")
	fork := l.do(rootToken, "POST", "projects/"+p+"/fork", fields{"name": "fork", "path": "fork", "namespace_id": top}, 201).id(t)
	l.server.Close()
	// As if the kill had come in the middle of the copy.
	err := l.server.store.Update(func(d *data) error {
		for _, p := range d.Projects {
			if p.ForkedFrom != 0 {
				p.Import.Status, p.BranchProtected, p.Protected = "started", false, map[string]*Protection{}
				return l.server.repository(p.ID).create("main")
			}
		}
		return errors.New("no fork")
	})
	if err != nil {
		t.Fatal(err)
	}
	l.start()
	l.wait("the copy", func() bool {
		return strings.Contains(l.send(rootToken, "GET", "projects/"+fork+"/import", nil).text, "finished")
	})
	l.do(rootToken, "GET", "projects/"+fork+"/repository/files/README%2Emd", nil, 200)
}

func TestOrphansAreRemoved(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.project(l.group("top", nil), "app")
	orphan := filepath.Join(l.dir, "repositories", "77.git")
	if err := os.Mkdir(orphan, 0o700); err != nil {
		t.Fatal(err)
	}
	lock := filepath.Join(l.dir, "repositories", "1.git", "refs", "heads", "main.lock")
	if err := os.WriteFile(lock, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	change := fields{"branch": "main", "content": "x", "commit_message": "m"}
	l.run([]step{{rootToken, "POST", "projects/1/repository/files/a", change, 400, "Please refresh and try again"}})
	l.start()
	if _, err := os.Stat(orphan); !errors.Is(err, os.ErrNotExist) {
		t.Error("a repository without a project is still there:", err)
	}
	l.do(rootToken, "POST", "projects/1/repository/files/a", change, 201)
	l.do(rootToken, "GET", "projects/1/repository/files/README%2Emd", nil, 200)
}

func TestFailedUpdateLeavesNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	err := l.server.store.Update(func(d *data) error {
		d.Users[1].Name = "changed"
		d.Groups[99] = &Group{ID: 99}
		return errors.New("no")
	})
	if err == nil {
		t.Fatal("the error is lost")
	}
	_ = l.server.store.View(func(d *data) error {
		if d.Users[1].Name == "changed" || d.Groups[99] != nil {
			t.Error("a failed update left something behind")
		}
		return nil
	})
}

func TestDamagedStateIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte(`{"Users":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Dir: dir, ExternalURL: "https://gitlab.platform.test"}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Error(err)
	}
	if _, err := New(Options{Dir: dir, ExternalURL: "gitlab"}); err == nil || !strings.Contains(err.Error(), "https://host") {
		t.Error(err)
	}
}

// TestStateFile: nobody else may read it, and no token is in it.
func TestStateFile(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := filepath.Join(l.dir, "state.json")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	text, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(text), rootToken) {
		t.Error("the state holds a token", err)
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p := l.project(l.group("top", nil), "app")
	var work sync.WaitGroup
	for i := range 20 {
		work.Go(func() {
			name := "f" + itoa(i)
			a := l.send(rootToken, "POST", "projects/"+p+"/repository/files/"+name, fields{"branch": "main", "content": name, "commit_message": "m"})
			b := l.send(rootToken, "POST", "groups", fields{"name": "same", "path": "same"})
			c := l.send(rootToken, "GET", "projects/"+p, nil)
			if a.status != 201 || b.status != 201 && b.status != 400 || c.status != 200 {
				t.Error(a, b, c)
			}
		})
	}
	work.Wait()
	if n := strings.Count(l.do(rootToken, "GET", "projects/"+p+"/repository/tree?per_page=100", nil, 200).text, `"type":"blob"`); n != 21 {
		t.Errorf("%d files, want 21", n)
	}
	if n := strings.Count(l.do(rootToken, "GET", "groups?search=same", nil, 200).text, `"path":"same"`); n != 1 {
		t.Errorf("%d groups of the same path", n)
	}
}

func TestServiceAccount(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	wanted := ServiceAccount{Username: "bot", Name: "pulumi", Token: "a-token-of-some-length-1", Scopes: []string{"api"}, Expires: day(365)}
	l.account(wanted, http.StatusOK)
	l.account(wanted, http.StatusOK)
	l.run([]step{{wanted.Token, "GET", "users", nil, 200, `"username":"bot"`}})
	if n := strings.Count(l.do(rootToken, "GET", "users?username=bot", nil, 200).text, `"username"`); n != 1 {
		t.Error("the account was made", n, "times")
	}
	next := wanted
	next.Token = "a-token-of-some-length-2"
	l.account(next, http.StatusOK)
	l.do(next.Token, "GET", "user", nil, 200)
	l.do(wanted.Token, "GET", "user", nil, 401)
	for _, bad := range []struct {
		change func(*ServiceAccount)
		text   string
	}{
		{func(a *ServiceAccount) { a.Token = wanted.Token }, "was revoked"},
		{func(a *ServiceAccount) { a.Token = rootToken }, "another account"},
		{func(a *ServiceAccount) { a.Token = "short" }, "too short"},
		{func(a *ServiceAccount) { a.Scopes = []string{"all"} }, "available scopes"},
		{func(a *ServiceAccount) { a.Expires = day(366) }, "must be before"},
		{func(a *ServiceAccount) { a.Username = "a b" }, "Username"},
	} {
		a := next
		bad.change(&a)
		if text := l.account(a, http.StatusUnprocessableEntity); !strings.Contains(text, bad.text) {
			t.Errorf("%+v: %s", a, text)
		}
	}
	l.do(next.Token, "GET", "user", nil, 200)
}
