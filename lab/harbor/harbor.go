// Package harbor plays a Harbor 2.15 server: the part of its REST API that the
// Pulumi Harbor provider, a person and a script use, and the log-in of container
// engines at its registry.
//
// It answers as the product does: a robot's secret is told once, and ignored in
// the creation like its being disabled; every object's place is a path in the
// header Location; lists end with an empty page; what belongs to a project goes
// with it, and a project with images does not go. Routes, fields and parameters
// that are not known here answer 501 and are logged, so a gap is seen at once.
//
// Left out: images themselves (the registry checks who may pull or push and then
// answers 501), people other than admin, proxy caches, replication, scanners,
// retention and web hooks.
//
// Facts are taken from https://github.com/goharbor/harbor (api/v2.0/swagger.yaml,
// src/server/v2.0/handler, src/common/rbac) and from what the provider expects.
package harbor

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"platform/lab/statefile"
)

// Version is what /systeminfo reports to someone who is logged in.
const Version = "v2.15.1"

// Options say where a server keeps its files and how the outside reaches it.
type Options struct {
	// Dir holds the state file. It is made with mode 0700.
	Dir string
	// ExternalURL is the address that clients know, https://harbor.platform.test.
	ExternalURL string
	// AdminPassword gives the first password of admin, as the installation does.
	// It is asked until it gives one, and never again: later changes of what it
	// reads have no effect, as in Harbor. Until then every request answers 503.
	AdminPassword func() (string, error)
	// Log gets warnings about what is not known here.
	Log *slog.Logger
}

// Server is one Harbor. Its state survives a restart and a kill -9: every answer
// to a write is sent after the write is on disk.
type Server struct {
	store         *statefile.File[data]
	external      *url.URL
	adminPassword func() (string, error)
	log           *slog.Logger
	secrets       *secrets
	// tokenKey signs the registry's tokens; they end with this process, and
	// clients fetch others.
	tokenKey []byte

	installing sync.Mutex
	waitReason string
}

// New opens the server whose files are in o.Dir, or makes one that waits for its
// admin's password.
func New(o Options) (*Server, error) {
	external, err := url.Parse(o.ExternalURL)
	if err != nil || external.Host == "" {
		return nil, fmt.Errorf("external URL %q of Harbor is not of the form https://host", o.ExternalURL)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making Harbor's folder: %w", err)
	}
	st, err := statefile.Open(filepath.Join(o.Dir, "state.json"), firstData)
	if err != nil {
		return nil, fmt.Errorf("opening Harbor's state: %w", err)
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	return &Server{
		store: st, external: external, adminPassword: o.AdminPassword, log: o.Log,
		secrets: newSecrets(key), tokenKey: key,
	}, nil
}

// Handler serves the API below /api/v2.0, the registry's /v2/ and the tokens for
// it at /service/token.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.Handle(r.pattern, s.serve(r))
	}
	mux.HandleFunc("GET /service/token", s.serveToken)
	mux.HandleFunc("/v2/", s.serveRegistry)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, unknown("the route %s %s", r.Method, r.URL.Path))
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.install(); err != nil {
			http.Error(w, "Harbor is not installed: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// install takes the admin's password over once it is there.
func (s *Server) install() error {
	if s.installed() {
		return nil
	}
	s.installing.Lock()
	defer s.installing.Unlock()
	if s.installed() {
		return nil
	}
	password, err := s.adminPassword()
	if err == nil && password == "" {
		err = errors.New("the admin's password is empty")
	}
	if err != nil {
		if s.waitReason != err.Error() {
			s.waitReason = err.Error()
			s.log.Info("waiting for the admin's password", "reason", err)
		}
		return errors.New("its admin has no password yet")
	}
	hash, err := s.secrets.hash(password)
	if err != nil {
		return err
	}
	s.log.Info("installed")
	return s.store.Update(func(d *data) error {
		d.AdminHash = hash
		return nil
	})
}

func (s *Server) installed() (yes bool) {
	_ = s.store.View(func(d *data) error {
		yes = d.AdminHash != ""
		return nil
	})
	return yes
}

// AddRepository stands for a push, which the registry here does not take: the
// project then holds an image.
func (s *Server) AddRepository(projectName, name string) error {
	return s.store.Update(func(d *data) error {
		p := d.projectNamed(projectName)
		if p == nil {
			return fmt.Errorf("no project %s", projectName)
		}
		p.Repositories = append(p.Repositories, name)
		return nil
	})
}
