package mariadb

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFind: a server counts when all of its programs are there.
func TestFind(t *testing.T) {
	if (Server{Root: "/"}).complete() {
		t.Skip("this machine has a MariaDB installed, which goes first")
	}
	cache := t.TempDir()
	if _, err := Find(cache); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty cache: %v", err)
	}
	for i, name := range Programs() {
		path := (Server{Root: folder(cache)}).Program(name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o755); err != nil {
			t.Fatal(err)
		}
		server, err := Find(cache)
		if last := i == len(Programs())-1; (err == nil) != last || last && server.Root != folder(cache) {
			t.Errorf("with the first %d programs: %v, %v", i+1, server, err)
		}
	}
}

func TestEnvLeadsToTheLibraries(t *testing.T) {
	root := t.TempDir()
	libraries := filepath.Join(root, "usr/lib/x86_64-linux-gnu")
	if err := os.MkdirAll(libraries, 0o755); err != nil {
		t.Fatal(err)
	}
	want := []string{"MARIADB_ROOT=" + root, "LD_LIBRARY_PATH=" + libraries}
	if got := (Server{Root: root}).Env(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := (Server{Root: "/"}).Env(); !slices.Equal(got, []string{"MARIADB_ROOT=/"}) {
		t.Errorf("the machine's own has %q", got)
	}
}

// TestUnpackWithoutApt says what to install instead, and leaves nothing.
func TestUnpackWithoutApt(t *testing.T) {
	if (Server{Root: "/"}).complete() {
		t.Skip("this machine has a MariaDB installed: nothing is downloaded")
	}
	cache := t.TempDir()
	t.Setenv("PATH", t.TempDir())
	err := Unpack(t.Context(), io.Discard, cache)
	if err == nil || !strings.Contains(err.Error(), "install its server and client (mariadb-server-core, mariadb-client-core)") {
		t.Errorf("error %v", err)
	}
	if left, _ := os.ReadDir(cache); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
