package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"platform/lab/process"
)

func wrong(all []finding) []string {
	var texts []string
	for _, f := range all {
		if f.todo != "" {
			texts = append(texts, f.says+": "+f.todo)
		}
	}
	return texts
}

func TestDoctorFindsDeadProcesses(t *testing.T) {
	p := testProject(t)
	if got := wrong(checkProcesses(t.Context(), p)); len(got) > 0 {
		t.Errorf("before the first start: %v", got)
	}
	t.Cleanup(func() {
		if err := down(context.Background(), p, false); err != nil {
			t.Error(err)
		}
	})
	if err := process.Start(t.Context(), p.site, process.Spec{Name: "dev-kwok", Path: "/bin/sleep", Args: []string{"60"}}); err != nil {
		t.Fatal(err)
	}
	if got := wrong(checkProcesses(t.Context(), p)); len(got) > 0 {
		t.Errorf("while it runs: %v", got)
	}
	list, err := process.List(p.site)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(list[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var got []string
	for end := time.Now().Add(5 * time.Second); len(got) == 0 && time.Now().Before(end); {
		got = wrong(checkProcesses(t.Context(), p))
	}
	if len(got) != 1 || !strings.Contains(got[0], "dev-kwok died") || !strings.Contains(got[0], "run make lab") || !strings.Contains(got[0], p.site.Log("dev-kwok")) {
		t.Errorf("after its death: %v", got)
	}
}

func TestDoctorLooksAtThePassphrase(t *testing.T) {
	p := testProject(t)
	config := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", config)
	if got := wrong(checkStack(t.Context(), p)); len(got) != 1 || !strings.Contains(got[0], "gone") {
		t.Errorf("without it: %v", got)
	}
	file := writeFile(t, filepath.Join(config, "platform", "dev.passphrase"), "secret")
	if got := wrong(checkStack(t.Context(), p)); len(got) > 0 {
		t.Errorf("with it: %v", got)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if got := wrong(checkStack(t.Context(), p)); len(got) != 1 || !strings.Contains(got[0], "chmod 600") {
		t.Errorf("when others can read it: %v", got)
	}
}

func TestTakenPortsAreChosenAnew(t *testing.T) {
	p := testProject(t)
	kept, err := p.site.Port("proxy")
	if err != nil {
		t.Fatal(err)
	}
	port, err := p.site.Port("etcd")
	if err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	if err := dropTakenPorts(p); err != nil {
		t.Fatal(err)
	}
	if again, err := p.site.Port("etcd"); err != nil || again == port {
		t.Errorf("etcd keeps port %d that another program has (%v)", again, err)
	}
	if again, err := p.site.Port("proxy"); err != nil || again != kept {
		t.Errorf("the proxy's free port %d became %d (%v)", kept, again, err)
	}
}

func TestDownRemovesDataOnlyWhenAsked(t *testing.T) {
	p := testProject(t)
	file := writeFile(t, p.site.Path("data", "etcd", "member"), "data")
	if err := down(t.Context(), p, false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	if err := down(t.Context(), p, true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p.site.Dir); err == nil {
		t.Error("the data is still there")
	}
}

func TestRoutes(t *testing.T) {
	p := testProject(t)
	table, err := routes(p.site)
	if err != nil {
		t.Fatal(err)
	}
	vault, err := loopback(p.site, "vault")
	if err != nil {
		t.Fatal(err)
	}
	ingress, err := loopback(p.site, ingressName)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		cluster, host, port, address string
		known                        bool
	}{
		{"", "vault.platform.test", "443", vault, true},
		{"control-plane", "vault-0.vault-internal.vault.svc", "8200", vault, true},
		{"dev", "vault.vault.svc", "8200", "", true},
		{"", "checkout.dev.platform.test", "443", ingress, true},
		{"", "nobody.platform.test", "443", "", true},
		{"", "proxy.golang.org", "443", "", false},
	} {
		address, known := table.Route(c.cluster, c.host, c.port)
		if address != c.address || known != c.known {
			t.Errorf("%s:%s from %q leads to %q, %v, want %q, %v", c.host, c.port, c.cluster, address, known, c.address, c.known)
		}
	}
}
