package gitlab

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"platform/lab/statefile"
)

//go:embed pre-receive.sh
var preReceive string

// oldestGit is the first version that takes all its settings by environment,
// the check of pushes among them.
var oldestGit = [2]int{2, 32}

// findBackend gives the path of `git http-backend`, which some systems package
// apart from git.
func findBackend() (string, error) {
	version, err := exec.Command("git", "version").Output()
	if err != nil {
		return "", fmt.Errorf("looking for git: %w", err)
	}
	var found [2]int
	_, err = fmt.Sscanf(string(version), "git version %d.%d", &found[0], &found[1])
	if err != nil || found[0] < oldestGit[0] || found[0] == oldestGit[0] && found[1] < oldestGit[1] {
		return "", fmt.Errorf("the lab's GitLab needs git %d.%d or newer, not %q", oldestGit[0], oldestGit[1], strings.TrimSpace(string(version)))
	}
	out, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return "", fmt.Errorf("looking for git: %w", err)
	}
	backend := filepath.Join(strings.TrimSpace(string(out)), "git-http-backend")
	if _, err := os.Stat(backend); err != nil {
		return "", fmt.Errorf("git has no http-backend, which GitLab's repositories need (Alpine: package git-daemon): %w", err)
	}
	return backend, nil
}

func (s *Server) hooks() string { return filepath.Join(s.dir, "hooks") }

// writeHooks puts down the check that all repositories share.
func (s *Server) writeHooks() error {
	if err := os.MkdirAll(s.hooks(), 0o700); err != nil {
		return fmt.Errorf("making the folder of Git hooks: %w", err)
	}
	file := filepath.Join(s.hooks(), "pre-receive")
	if err := statefile.Replace(file, []byte(preReceive)); err != nil {
		return fmt.Errorf("writing the check of pushes: %w", err)
	}
	return os.Chmod(file, 0o700)
}

// gitRequest is what a request asks of a repository.
type gitRequest struct {
	project string
	// file is info/refs, git-upload-pack or git-receive-pack.
	file string
	push bool
}

func parseGit(r *http.Request) (gitRequest, bool) {
	for _, file := range []string{"info/refs", "git-upload-pack", "git-receive-pack"} {
		path, ok := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/"), "/"+file)
		if !ok {
			continue
		}
		service := file
		method := http.MethodPost
		if file == "info/refs" {
			service, method = r.URL.Query().Get("service"), http.MethodGet
		}
		known := service == "git-upload-pack" || service == "git-receive-pack"
		return gitRequest{path, file, service == "git-receive-pack"}, known && r.Method == method
	}
	return gitRequest{}, false
}

// gitGrant is what a request was allowed.
type gitGrant struct {
	project int
	user    string
	env     []string
}

// serveGit speaks Git's smart HTTP protocol by git's own CGI program, after it
// has checked who asks and what for.
func (s *Server) serveGit(w http.ResponseWriter, r *http.Request) {
	req, ok := parseGit(r)
	if !ok {
		s.unknown(w, r, "route")
		return
	}
	name, hasSuffix := strings.CutSuffix(req.project, ".git")
	if !hasSuffix {
		to := "/" + req.project + ".git/" + req.file
		if r.URL.RawQuery != "" {
			to += "?" + r.URL.RawQuery
		}
		http.Redirect(w, r, to, http.StatusMovedPermanently)
		return
	}
	if err := s.settle(); err != nil {
		s.fail(w, r, err)
		return
	}
	var grant gitGrant
	var refusal error
	_ = s.store.View(func(d *data) error { grant, refusal = s.allowGit(d, r, name, req.push); return nil })
	var known *apiError
	if errors.As(refusal, &known) {
		if known.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="GitLab"`)
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(known.status)
		_, _ = fmt.Fprintln(w, known.body)
		return
	}
	if err := s.runBackend(w, r, req.file, grant); err != nil {
		s.fail(w, r, err)
		return
	}
	if req.push && req.file != "info/refs" {
		s.pushed(grant.project)
	}
}

// pushed does the work that follows a push.
func (s *Server) pushed(project int) {
	err := s.store.Update(func(d *data) error {
		if p := d.Projects[project]; p != nil {
			s.afterPush(d, p)
		}
		return nil
	})
	if err != nil {
		s.log.Error("saving what a push changed", "project", project, "error", err)
	}
}

const deniedText = "HTTP Basic: Access denied. If a password was provided for Git authentication, the password was incorrect " +
	"or you're required to use a token instead of a password."

// allowGit finds the user by his token, which is the password; any user name
// goes. Nobody learns of a project he may not see.
func (s *Server) allowGit(d *data, r *http.Request, path string, push bool) (gitGrant, error) {
	plain := func(status int, text string) (gitGrant, error) { return gitGrant{}, &apiError{status, text} }
	var user *User
	if _, password, given := r.BasicAuth(); given {
		t := d.tokenByValue(password)
		if t == nil || !t.active() || d.Users[t.User] == nil || d.Users[t.User].State != "active" ||
			!t.hasAny("api", "read_api", "read_repository", "write_repository") {
			return plain(http.StatusUnauthorized, deniedText)
		}
		user = d.Users[t.User]
		switch {
		case push && !t.hasAny("api", "write_repository"):
			return plain(http.StatusForbidden, "You are not allowed to upload code.")
		case !push && !t.hasAny("api", "read_repository", "write_repository"):
			return plain(http.StatusForbidden, "You are not allowed to download code.")
		}
	}
	p := d.projectByPath(path)
	seen := p != nil && d.canSeeProject(p, user)
	switch {
	case user == nil && (push || !seen || !d.canReadCode(p, nil)):
		return plain(http.StatusUnauthorized, deniedText)
	case !seen:
		return plain(http.StatusNotFound, "The project you were looking for could not be found or you don't have permission to view it.")
	case p.Import.pending():
		return plain(http.StatusForbidden, "The repository is being imported; try again in a moment.")
	case !d.canReadCode(p, user):
		return plain(http.StatusForbidden, "You are not allowed to download code from this project.")
	case push && p.Archived:
		return plain(http.StatusForbidden, "You can't push code to an archived project.")
	case push && !atLeast(user, d.projectLevel(p, user), developer):
		return plain(http.StatusForbidden, "You are not allowed to push code to this project.")
	}
	grant := gitGrant{project: p.ID}
	if push {
		grant.user = user.Username
		grant.env = s.pushEnv(d, p, user)
	}
	return grant, nil
}

// pushEnv tells the hook what the user may do, one line a protection.
func (s *Server) pushEnv(d *data, p *Project, u *User) []string {
	word := func(b bool) string { return map[bool]string{true: "yes", false: "no"}[b] }
	var rules strings.Builder
	for _, r := range d.rules(p, u) {
		fmt.Fprintf(&rules, "%s %s %s\n", word(r.push), word(r.force), r.pattern)
	}
	return []string{
		"GITLAB_RULES=" + rules.String(),
		"GITLAB_DEFAULT_BRANCH=" + p.DefaultBranch,
		"GITLAB_MAY_START=" + word(!s.repository(p.ID).empty() || d.mayStart(p, u)),
		"GITLAB_MAY_MOVE_TAGS=" + word(atLeast(u, d.projectLevel(p, u), maintainer)),
	}
}

// runBackend hands the request to git. CGI knows no bodies without a length,
// which git sends when a push is large, so such a body is stored first.
func (s *Server) runBackend(w http.ResponseWriter, r *http.Request, file string, grant gitGrant) error {
	r = r.Clone(r.Context())
	r.Header.Del("Authorization")
	if r.ContentLength < 0 {
		body, err := os.CreateTemp(s.dir, "push-*")
		if err != nil {
			return fmt.Errorf("storing a push: %w", err)
		}
		defer func() { _ = os.Remove(body.Name()) }()
		defer func() { _ = body.Close() }()
		size, err := io.Copy(body, r.Body)
		if err == nil {
			_, err = body.Seek(0, io.SeekStart)
		}
		if err != nil {
			return fmt.Errorf("storing a push: %w", err)
		}
		r.Body, r.ContentLength, r.TransferEncoding = body, size, nil
	}
	r.URL.Path = "/" + filepath.Base(s.repository(grant.project).dir) + "/" + file
	env := gitConfig("core.hooksPath", s.hooks(), "receive.denyDeleteCurrent", "ignore", "gc.auto", "0", "maintenance.auto", "false")
	env = append(env, "GIT_PROJECT_ROOT="+s.repositories(), "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER="+grant.user)
	handler := cgi.Handler{
		Path: s.backend, Root: "/", Dir: s.dir,
		Env:    gitEnv(append(env, grant.env...)...),
		Stderr: logWriter{s, "git http-backend"},
	}
	handler.ServeHTTP(w, r)
	return nil
}

// logWriter sends a program's complaints to the log.
type logWriter struct {
	server *Server
	what   string
}

func (l logWriter) Write(p []byte) (int, error) {
	l.server.log.Warn(l.what, "text", strings.TrimSpace(string(p)))
	return len(p), nil
}
