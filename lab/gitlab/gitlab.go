// Package gitlab plays a GitLab Community Edition 17.11 server: the part of its
// REST API that the Pulumi GitLab provider, Argo CD and a person with a token
// use, and Git over HTTPS on real bare repositories.
//
// It answers as the product does: 404 for what the caller may not see, 403 for
// what he may not do, groups and projects that live on for a moment after their
// deletion was accepted, forks that are copied in the background, a default
// branch whose protection arrives a little after it. Routes and parameters that
// are not known here answer 501 and are logged, so a gap is seen at once.
//
// Left out: SSH (deploy keys are kept and listed, nothing listens for them), the
// delivery of web hooks, CI, issues, Git LFS and everything of the paid editions,
// whose routes answer 404 as they do in the Community Edition.
//
// Facts are taken from https://docs.gitlab.com/17.11/ee/api/ and from what the
// provider expects (terraform-provider-gitlab v17.11.0, client-go v0.127.0).
package gitlab

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"platform/lab/statefile"
)

// Version is what /version and /metadata report. Without "-ee" at the end,
// clients take the server for the Community Edition.
const Version = "17.11.0"

const (
	// protectionDelay is how long a new default branch stays unprotected:
	// GitLab protects it in a background job.
	protectionDelay = 300 * time.Millisecond
	// deletionDelay is how long a group or project is still answered after
	// its DELETE got 202.
	deletionDelay = 1500 * time.Millisecond
)

// Options say where a server keeps its files and how the outside reaches it.
type Options struct {
	// Dir holds the state file and the repositories. It is made with mode 0700.
	Dir string
	// ExternalURL is the address in links, e.g. https://gitlab.platform.test.
	ExternalURL string
	// Log gets warnings about unknown routes and failed background work.
	Log *slog.Logger
}

// Server is one GitLab. Its state survives a restart and a kill -9: every answer
// to a write is sent after the write is on disk.
type Server struct {
	store    *statefile.File[data]
	external *url.URL
	dir      string
	log      *slog.Logger
	routes   []route
	backend  string

	// background is cancelled by Close; work counts what runs in it.
	background context.Context
	cancel     context.CancelFunc
	work       sync.WaitGroup
}

// New opens the server whose files are in o.Dir, or makes one with a single
// administrator, root, who has no token. Work that a killed server left undone
// is taken up again.
func New(o Options) (*Server, error) {
	external, err := url.Parse(o.ExternalURL)
	if err != nil || external.Host == "" {
		return nil, fmt.Errorf("GitLab's external URL %q is not of the form https://host", o.ExternalURL)
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(o.Dir, "repositories"), 0o700); err != nil {
		return nil, fmt.Errorf("making GitLab's folder: %w", err)
	}
	backend, err := findBackend()
	if err != nil {
		return nil, err
	}
	st, err := statefile.Open(filepath.Join(o.Dir, "state.json"), firstData)
	if err != nil {
		return nil, fmt.Errorf("opening GitLab's state: %w", err)
	}
	s := &Server{store: st, external: external, dir: o.Dir, log: o.Log, backend: backend}
	s.routes = routes()
	s.background, s.cancel = context.WithCancel(context.Background())
	if err := s.writeHooks(); err != nil {
		return nil, err
	}
	return s, s.recover()
}

// Close stops background work and waits for it.
func (s *Server) Close() {
	s.cancel()
	s.work.Wait()
}

// Handler serves the API below /api/v4, Git below /<project>.git and the health
// checks /-/health, /-/liveness and /-/readiness.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/api/v4/"):
			s.serveAPI(w, r)
		case strings.HasPrefix(r.URL.Path, "/-/"):
			s.serveHealth(w, r)
		default:
			s.serveGit(w, r)
		}
	})
}

func (s *Server) serveHealth(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/-/health":
		_, _ = w.Write([]byte("GitLab OK"))
	case "/-/liveness":
		writeJSON(w, http.StatusOK, fields{"status": "ok"})
	case "/-/readiness":
		writeJSON(w, http.StatusOK, fields{"status": "ok", "master_check": []fields{{"status": "ok"}}})
	default:
		s.unknown(w, r, "route")
	}
}

// recover finishes what a killed server had begun: repositories without a
// project are removed, forks copied again, new default branches protected and
// merge requests closed whose merge reached the repository only.
func (s *Server) recover() error {
	if err := s.removeOrphans(); err != nil {
		return err
	}
	var forks []int
	err := s.store.Update(func(d *data) error {
		for _, p := range d.Projects {
			switch {
			case p.Import.pending():
				forks = append(forks, p.ID)
			case p.Import.Status != "failed":
				s.followBranches(d, p)
			}
		}
		return nil
	})
	for _, id := range forks {
		s.startFork(id)
	}
	return err
}

// removeOrphans deletes what a killed server left behind: repositories that no
// project has, half a push, and locks of a git killed with it.
func (s *Server) removeOrphans() error {
	wanted := map[string]bool{}
	_ = s.store.View(func(d *data) error {
		for id := range d.Projects {
			wanted[s.repository(id).dir] = true
		}
		return nil
	})
	stale, err := filepath.Glob(filepath.Join(s.repositories(), "*"))
	if err != nil {
		return err
	}
	stale = slices.DeleteFunc(stale, func(dir string) bool { return wanted[dir] })
	for _, pattern := range []string{"push-*", "repositories/*.git/index-*"} {
		found, err := filepath.Glob(filepath.Join(s.dir, pattern))
		if err != nil {
			return err
		}
		stale = append(stale, found...)
	}
	err = filepath.WalkDir(s.repositories(), func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && e.Name() == "objects":
			return fs.SkipDir
		case !e.IsDir() && strings.HasSuffix(path, ".lock"):
			stale = append(stale, path)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading GitLab's repositories: %w", err)
	}
	for _, path := range stale {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("removing what a killed server left: %w", err)
		}
	}
	return nil
}

// settle does the delayed work that has become due: protections of new default
// branches and deletions.
func (s *Server) settle() error {
	now, due := time.Now(), false
	_ = s.store.View(func(d *data) error { due = d.due(now); return nil })
	if !due {
		return nil
	}
	var gone []int
	err := s.store.Update(func(d *data) error {
		for _, p := range d.Projects {
			if reached(p.ProtectAt, now) {
				p.ProtectAt = nil
				d.protectDefaultBranch(p)
			}
			if reached(p.DeleteAt, now) {
				gone = append(gone, d.removeProject(p.ID))
			}
		}
		for _, g := range d.Groups {
			if reached(g.DeleteAt, now) {
				gone = append(gone, d.removeGroup(g.ID)...)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range gone {
		if err := os.RemoveAll(s.repository(id).dir); err != nil {
			return fmt.Errorf("removing the repository of project %d: %w", id, err)
		}
	}
	return nil
}

func reached(t *time.Time, now time.Time) bool { return t != nil && !now.Before(*t) }
