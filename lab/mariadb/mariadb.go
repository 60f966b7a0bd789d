// Package mariadb brings the MariaDB server that the full lab runs: the
// machine's own, or Debian's packages unpacked in the user's cache folder.
package mariadb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// packages hold the server with mariadb-install-db, and the client
// (https://packages.debian.org/stable/mariadb-server-core).
var packages = []string{"mariadb-server-core", "mariadb-client-core"}

// Server is where a MariaDB is: "/" when it is installed, or a folder with
// unpacked packages.
type Server struct{ Root string }

// programs of the server, by the places that Debian's packages give them.
var programs = map[string]string{
	"mariadbd":           "usr/sbin/mariadbd",
	"mariadb-install-db": "usr/bin/mariadb-install-db",
	"mariadb":            "usr/bin/mariadb",
}

// Programs are the names that Program knows.
func Programs() []string { return []string{"mariadbd", "mariadb-install-db", "mariadb"} }

// Program is the path of one of the server's programs.
func (s Server) Program(name string) string { return filepath.Join(s.Root, programs[name]) }

// Env are the variables with which the server's programs, and the entrypoint of
// its container, find what is theirs.
func (s Server) Env() []string {
	env := []string{"MARIADB_ROOT=" + s.Root}
	if libraries, _ := filepath.Glob(filepath.Join(s.Root, "usr/lib/*-linux-gnu")); s.Root != "/" && len(libraries) > 0 {
		env = append(env, "LD_LIBRARY_PATH="+libraries[0])
	}
	return env
}

// Files are what a container needs of the machine beside its system folders.
func (s Server) Files() []string {
	if s.Root == "/" {
		return nil
	}
	return []string{s.Root}
}

// complete tells whether all of the server's programs are there.
func (s Server) complete() bool {
	for name := range programs {
		if _, err := os.Stat(s.Program(name)); err != nil {
			return false
		}
	}
	return true
}

// Find gives the machine's server, or the one that Unpack left in cache. Its
// error is os.ErrNotExist when there is neither.
func Find(cache string) (Server, error) {
	if installed := (Server{Root: "/"}); installed.complete() {
		return installed, nil
	}
	unpacked := Server{Root: folder(cache)}
	if !unpacked.complete() {
		return Server{}, fmt.Errorf("MariaDB is not here yet: run make build (%w)", os.ErrNotExist)
	}
	return unpacked, nil
}

// folder is where packages are unpacked. Its name has no version: which one
// there is, the machine's package lists say.
func folder(cache string) string { return filepath.Join(cache, "mariadb") }

// Unpack makes sure that Find succeeds. It downloads the packages with apt-get,
// which checks their signatures, and needs no root: lists and archives are in
// a folder of its own.
func Unpack(ctx context.Context, w io.Writer, cache string) error {
	if _, err := Find(cache); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, program := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("the full lab needs MariaDB: install its server and client (%s), since this machine has no %s",
				strings.Join(packages, ", "), program)
		}
	}
	_, _ = fmt.Fprintln(w, "downloading MariaDB")
	begin := time.Now()
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(cache, "mariadb-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	if err := download(ctx, work); err != nil {
		return fmt.Errorf("downloading MariaDB: %w", err)
	}
	root := filepath.Join(work, "root")
	if err := extract(ctx, work, root); err != nil {
		return fmt.Errorf("unpacking MariaDB: %w", err)
	}
	if !(Server{Root: root}).complete() {
		return fmt.Errorf("unpacking MariaDB: the packages %s lack a program", strings.Join(packages, ", "))
	}
	if err := os.RemoveAll(folder(cache)); err != nil {
		return err
	}
	if err := os.Rename(root, folder(cache)); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(w, "MariaDB unpacked in %.0f s\n", time.Since(begin).Seconds())
	return nil
}

// download puts the packages, and what they need that is not installed, in
// work/archives (https://manpages.debian.org/stable/apt/apt-get.8.en.html).
func download(ctx context.Context, work string) error {
	for _, dir := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(work, dir), 0o755); err != nil {
			return err
		}
	}
	options := []string{
		"-q", "-y", "-o", "Dir::State::Lists=" + filepath.Join(work, "lists"), "-o", "Dir::Cache=" + work,
		// Nothing of the machine's is changed, so nothing is locked; and the
		// folder is this user's, not that of apt's own.
		"-o", "Debug::NoLocking=true", "-o", "APT::Sandbox::User=",
		"-o", "Acquire::Retries=3",
	}
	install := append([]string{"install", "--download-only", "--no-install-recommends"}, packages...)
	for _, command := range [][]string{{"update"}, install} {
		if err := run(ctx, "apt-get", slices.Concat(options, command)...); err != nil {
			return err
		}
	}
	return nil
}

func extract(ctx context.Context, work, root string) error {
	archives, err := filepath.Glob(filepath.Join(work, "archives", "*.deb"))
	if err != nil {
		return err
	}
	for _, archive := range archives {
		if err := run(ctx, "dpkg-deb", "--extract", archive, root); err != nil {
			return err
		}
	}
	return nil
}

func run(ctx context.Context, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %s (%w)", program, strings.TrimSpace(string(out)), err)
	}
	return nil
}
