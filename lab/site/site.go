// Package site holds what every part of one lab has to agree on: the folder it
// keeps its files in, the port of each server, the host names and the CA.
package site

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// Clusters are the three Kubernetes clusters, in the order they start in.
var Clusters = []string{"control-plane", "dev", "prod"}

// Site is one lab. Two clones on one machine have two Sites, whose folders and
// ports differ.
type Site struct {
	// Dir holds all that the lab writes: ports, certificates, data, logs.
	Dir string
	// Domain is the domain of the control plane's host names: gitlab.<Domain>.
	Domain string
	// CACert and CAKey are the PEM files of the platform's CA, which
	// `make stack` makes before the lab starts.
	CACert, CAKey string

	mu    sync.Mutex
	ports map[string]int
}

// Open reads the lab at dir, or makes an empty one there, with mode 0700.
func Open(dir, domain, caCert, caKey string) (*Site, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the lab's folder: %w", err)
	}
	s := &Site{Dir: dir, Domain: domain, CACert: caCert, CAKey: caKey}
	return s, s.locked(func() error { return nil })
}

// Path is a path below the lab's folder. Folders on the way are made.
func (s *Site) Path(elem ...string) string {
	p := filepath.Join(append([]string{s.Dir}, elem...)...)
	_ = os.MkdirAll(filepath.Dir(p), 0o700)
	return p
}

// Log is the log file of the process called name.
func (s *Site) Log(name string) string { return s.Path("logs", name+".log") }

// Kubeconfig is the administrator's kubeconfig of a cluster.
func (s *Site) Kubeconfig(cluster string) string { return s.Path("kubeconfigs", cluster+".yaml") }

// Host is the host name of a system of the control plane.
func (s *Site) Host(system string) string { return system + "." + s.Domain }

// Port is the loopback port of the server called name. It is chosen free the
// first time and kept, so kubeconfigs stay valid over restarts.
func (s *Site) Port(name string) (int, error) {
	var port int
	err := s.locked(func() error {
		if p, ok := s.ports[name]; ok {
			port = p
			return nil
		}
		p, err := s.free()
		if err != nil {
			return fmt.Errorf("choosing a port for %s: %w", name, err)
		}
		s.ports[name], port = p, p
		return s.savePorts()
	})
	return port, err
}

// Forget drops the port of a server whose port another program has taken, so
// that the next Port chooses another.
func (s *Site) Forget(name string) error {
	return s.locked(func() error {
		delete(s.ports, name)
		return s.savePorts()
	})
}

// Ports is a copy of the ports given so far.
func (s *Site) Ports() map[string]int {
	out := map[string]int{}
	_ = s.locked(func() error {
		for k, v := range s.ports {
			out[k] = v
		}
		return nil
	})
	return out
}

// locked runs f with the ports as they are on disk: several processes of one
// lab share the file.
func (s *Site) locked(f func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	lock, err := os.OpenFile(s.Path("ports.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	s.ports = map[string]int{}
	data, err := os.ReadFile(s.Path("ports.json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &s.ports); err != nil {
			return fmt.Errorf("reading %s (remove it to choose ports anew): %w", s.Path("ports.json"), err)
		}
	}
	return f()
}

func (s *Site) savePorts() error {
	data, err := json.MarshalIndent(s.ports, "", "  ")
	if err != nil {
		return err
	}
	tmp := s.Path("ports.json.new")
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, s.Path("ports.json"))
}

func (s *Site) free() (int, error) {
	taken := map[int]bool{}
	for _, p := range s.ports {
		taken[p] = true
	}
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		p := l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
		if !taken[p] {
			return p, nil
		}
	}
	return 0, errors.New("no free port on 127.0.0.1")
}
