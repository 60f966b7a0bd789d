package site

import (
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
)

func open(t *testing.T, dir string) *Site {
	t.Helper()
	s, err := Open(dir, "platform.test", "", "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func port(t *testing.T, s *Site, name string) int {
	t.Helper()
	p, err := s.Port(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPortsStayOverRestarts(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir)
	vault, proxy := port(t, first, "vault"), port(t, first, "proxy")
	if vault == proxy {
		t.Errorf("two servers have port %d", vault)
	}
	again := open(t, dir)
	if port(t, again, "proxy") != proxy || port(t, again, "vault") != vault {
		t.Errorf("ports %v after a restart, want vault %d, proxy %d", again.Ports(), vault, proxy)
	}
}

func TestProcessesOfOneLabAgreeOnPorts(t *testing.T) {
	dir := t.TempDir()
	ports := make([]int, 8)
	var asking sync.WaitGroup
	for i := range ports {
		s := open(t, dir)
		asking.Go(func() {
			p, err := s.Port("ingress")
			if err != nil {
				t.Error(err)
			}
			ports[i] = p
		})
	}
	asking.Wait()
	for _, p := range ports {
		if p != ports[0] || p == 0 {
			t.Fatalf("ports %v, want one", ports)
		}
	}
}

// A port that is in use, by another site's server say, is not chosen.
func TestPortsOfTwoSitesDiffer(t *testing.T) {
	a, b := open(t, t.TempDir()), open(t, t.TempDir())
	taken := map[int]bool{}
	for i := range 20 {
		p := port(t, a, fmt.Sprint("server-", i))
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		taken[p] = true
	}
	for i := range 20 {
		if p := port(t, b, fmt.Sprint("server-", i)); taken[p] {
			t.Errorf("both sites have port %d", p)
		}
	}
}

func TestForgottenPortIsChosenAnew(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	old, kept := port(t, s, "vault"), port(t, s, "proxy")
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", old))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	if err := s.Forget("vault"); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	if p := port(t, again, "vault"); p == old {
		t.Errorf("the taken port %d again", p)
	}
	if p := port(t, again, "proxy"); p != kept {
		t.Errorf("the other server moved from %d to %d", kept, p)
	}
}

func TestBrokenPortsAreNamed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	file := s.Path("ports.json")
	if err := os.WriteFile(file, []byte(`{"vault": 1`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, "platform.test", "", ""); err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("error %v", err)
	}
}

func TestFolderIsPrivate(t *testing.T) {
	s := open(t, t.TempDir()+"/lab")
	port(t, s, "vault")
	for file, want := range map[string]os.FileMode{s.Dir: 0o700, s.Path("ports.json"): 0o600} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want mode %v", file, info.Mode(), err, want)
		}
	}
}
