package gitlab

import (
	"crypto/rand"
	"encoding/pem"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// clone is a work tree of a test.
type clone struct {
	t   *testing.T
	dir string
	env []string
}

func (l *lab) gitEnv() []string {
	ca := filepath.Join(l.t.TempDir(), "ca.crt")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: l.http.Certificate().Raw}
	if err := os.WriteFile(ca, pem.EncodeToMemory(block), 0o600); err != nil {
		l.t.Fatal(err)
	}
	return append(gitEnv(
		"GIT_SSL_CAINFO="+ca, "GIT_AUTHOR_NAME=T", "GIT_AUTHOR_EMAIL=t@x.test", "GIT_COMMITTER_NAME=T", "GIT_COMMITTER_EMAIL=t@x.test",
		"no_proxy=*", "GIT_ASKPASS=true"), "HOME="+l.t.TempDir())
}

// url of a repository; no token makes it anonymous.
func (l *lab) url(token, path string) string {
	u, err := url.Parse(l.http.URL + "/" + path)
	if err != nil {
		l.t.Fatal(err)
	}
	if token != "" {
		u.User = url.UserPassword("oauth2", token)
	}
	return u.String()
}

// clone gives the work tree, or what git says when it is refused.
func (l *lab) clone(token, path string) (clone, string) {
	l.t.Helper()
	c := clone{l.t, filepath.Join(l.t.TempDir(), "work"), l.gitEnv()}
	cmd := exec.Command("git", "clone", "--quiet", l.url(token, path), c.dir)
	cmd.Env = c.env
	if out, err := cmd.CombinedOutput(); err != nil {
		return c, string(out)
	}
	return c, ""
}

func (c clone) try(args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = c.dir, c.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (c clone) git(args ...string) {
	c.t.Helper()
	if out, err := c.try(args...); err != nil {
		c.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// refused runs git and wants it to fail with a text.
func (c clone) refused(text string, args ...string) {
	c.t.Helper()
	if out, err := c.try(args...); err == nil || !strings.Contains(out, text) {
		c.t.Errorf("git %v was to be refused with %q: %v\n%s", args, text, err, out)
	}
}

func (c clone) commit(name string, content []byte) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), content, 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.git("add", name)
	c.git("commit", "--quiet", "-m", name)
}

func TestGitPushAndProtection(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p := l.project(l.group("top", nil), "app")
	id, dev := l.user("dev")
	l.do(rootToken, "POST", "projects/"+p+"/members", fields{"user_id": id, "access_level": 30}, 201)
	work, problem := l.clone(dev, "top/app.git")
	if problem != "" {
		t.Fatal(problem)
	}
	work.commit("a", []byte("a"))
	work.refused("GitLab: You are not allowed to push code to protected branches on this project.", "push", "origin", "main")
	work.git("push", "origin", "HEAD:refs/heads/topic")
	work.git("commit", "--amend", "--quiet", "-m", "again")
	work.git("push", "--force", "origin", "HEAD:refs/heads/topic")
	work.refused("default branch of a project cannot be deleted", "push", "origin", ":main")
	work.refused("not allowed to push to refs/merge-requests/1/head", "push", "origin", "HEAD:refs/merge-requests/1/head")
	work.git("push", "origin", "HEAD:refs/tags/v1")
	work.refused("not allowed to change existing tags", "push", "--force", "origin", "HEAD~1:refs/tags/v1")

	// A maintainer pushes, but does not rewrite; large pushes come in chunks.
	boss, problem := l.clone(rootToken, "top/app.git")
	if problem != "" {
		t.Fatal(problem)
	}
	large := make([]byte, 3<<20)
	_, _ = rand.Read(large)
	boss.commit("large", large)
	boss.git("push", "origin", "main")
	boss.commit("large2", append(large[1<<20:], large...))
	boss.git("-c", "http.version=HTTP/1.1", "push", "origin", "main")
	boss.git("commit", "--amend", "--quiet", "-m", "again")
	boss.refused("You are not allowed to force push code to a protected branch", "push", "--force", "origin", "main")
	l.do(rootToken, "PATCH", "projects/"+p+"/protected_branches/main", fields{"allow_force_push": true}, 200)
	boss.git("push", "--force", "origin", "main")

	// All refs of a push stand or fall together.
	work.refused("protected branches", "push", "--force", "origin", "HEAD:refs/heads/other", "HEAD:refs/heads/main")
	l.do(dev, "GET", "projects/"+p+"/repository/branches/other", nil, 404)

	l.do(rootToken, "POST", "projects/"+p+"/protected_branches", fields{"name": "re*/*", "push_access_level": 0}, 201)
	boss.refused("protected branches", "push", "origin", "HEAD:refs/heads/release/1")
	l.do(rootToken, "POST", "projects/"+p+"/archive", nil, 201)
	work.refused("403", "push", "origin", "HEAD:refs/heads/topic2")
}

func TestGitAccess(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	top := l.group("top", fields{"visibility": "public"})
	p := l.project(top, "app")
	l.do(rootToken, "POST", "projects", fields{"name": "open", "namespace_id": top, "visibility": "public", "initialize_with_readme": true}, 201)
	dev, all := l.user("dev")
	guest, guestToken := l.user("guest")
	_, stranger := l.user("stranger")
	l.do(rootToken, "POST", "projects/"+p+"/members", fields{"user_id": dev, "access_level": 30}, 201)
	l.do(rootToken, "POST", "projects/"+p+"/members", fields{"user_id": guest, "access_level": 10}, 201)
	for _, c := range []struct{ name, token, path, refusal string }{
		{"api", all, "top/app.git", ""},
		{"read_repository", l.token(dev, "read_repository"), "top/app.git", ""},
		{"write_repository", l.token(dev, "write_repository"), "top/app.git", ""},
		{"without .git", all, "top/app", ""},
		{"read_user only", l.token(dev, "read_user"), "top/app.git", "Authentication failed"},
		{"unknown token", "glpat-nothing-like-a-token", "top/app.git", "Authentication failed"},
		{"anonymous", "", "top/app.git", "Authentication failed"},
		{"anonymous, public", "", "top/open.git", ""},
		{"stranger", stranger, "top/app.git", "not found"},
		{"guest", guestToken, "top/app.git", "403"},
		{"no such project", all, "top/none.git", "not found"},
	} {
		_, problem := l.clone(c.token, c.path)
		if problem == "" != (c.refusal == "") || !strings.Contains(problem, c.refusal) {
			t.Errorf("%s: want %q, got: %s", c.name, c.refusal, problem)
		}
	}
	reader, problem := l.clone(l.token(dev, "read_repository"), "top/app.git")
	if problem != "" {
		t.Fatal(problem)
	}
	reader.commit("a", []byte("a"))
	reader.refused("403", "push", "origin", "HEAD:refs/heads/topic")
	anonymous, problem := l.clone("", "top/open.git")
	if problem != "" {
		t.Fatal(problem)
	}
	anonymous.commit("a", []byte("a"))
	anonymous.refused("Authentication failed", "push", "origin", "HEAD:refs/heads/topic")
}

// TestFirstPush: only maintainers begin a repository; its branch becomes the
// default and is protected.
func TestFirstPush(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	top := l.group("top", nil)
	p := l.do(rootToken, "POST", "projects", fields{"name": "app", "namespace_id": top}, 201).id(t)
	id, dev := l.user("dev")
	l.do(rootToken, "POST", "projects/"+p+"/members", fields{"user_id": id, "access_level": 30}, 201)
	work, problem := l.clone(dev, "top/app.git")
	if strings.Contains(problem, "fatal") {
		t.Fatal(problem)
	}
	work.commit("a", []byte("a"))
	work.refused("protected branches", "push", "origin", "HEAD:refs/heads/trunk")
	work.git("push", l.url(rootToken, "top/app.git"), "HEAD:refs/heads/trunk")
	l.run([]step{
		{dev, "GET", "projects/" + p, nil, 200, `"default_branch":"trunk"`},
		{dev, "GET", "projects/" + p + "/repository/branches/trunk", nil, 200, `"protected":true`},
	})
	work.commit("b", []byte("b"))
	work.refused("protected branches", "push", "origin", "HEAD:refs/heads/trunk")
}

// TestPushMergesAndFollows: a push that brings the source to the target closes
// the merge request, one to the source moves it.
func TestPushMergesAndFollows(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p := l.project(l.group("top", nil), "app")
	work, problem := l.clone(rootToken, "top/app.git")
	if problem != "" {
		t.Fatal(problem)
	}
	work.commit("a", []byte("a"))
	work.git("push", "origin", "HEAD:refs/heads/topic")
	l.do(rootToken, "POST", "projects/"+p+"/merge_requests", fields{"source_branch": "topic", "target_branch": "main", "title": "t"}, 201)
	work.commit("b", []byte("b"))
	work.git("push", "origin", "HEAD:refs/heads/topic")
	head, _ := work.try("rev-parse", "HEAD")
	l.run([]step{{rootToken, "GET", "projects/" + p + "/merge_requests/1", nil, 200, `"sha":"` + strings.TrimSpace(head)}})
	work.git("push", "origin", "HEAD:refs/heads/main")
	l.run([]step{{rootToken, "GET", "projects/" + p + "/merge_requests/1", nil, 200, `"state":"merged"`}})
}
