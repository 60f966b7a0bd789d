// Package e2e runs the whole platform, as a person would, on a lab of its own.
package e2e

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"platform/lab/site"
)

// platform is a copy of the project, with a state and a lab of its own.
type platform struct {
	t    *testing.T
	root string
	site *site.Site
	env  []string
}

// Modes of the lab, see the README.
const (
	thin = "thin"
	full = "full"
)

// newPlatform copies what Git knows of the project, or would, and starts a lab
// there in a mode, which ends with the test.
func newPlatform(t *testing.T, mode string) *platform {
	t.Helper()
	source, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	p := &platform{t: t, root: t.TempDir()}
	p.env = append(os.Environ(), "LAB="+mode, "XDG_CONFIG_HOME="+filepath.Join(t.TempDir(), "config"))
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = source
	list, err := cmd.Output()
	if err != nil {
		t.Fatalf("listing the project's files: %v", err)
	}
	for _, name := range strings.Split(strings.Trim(string(list), "\x00"), "\x00") {
		copyFile(t, filepath.Join(source, name), filepath.Join(p.root, name))
	}
	p.dropSalt()
	p.must("go", "build", "-C", "lab", "-o", "../state/bin/lab", "./cmd/lab")
	p.site, err = site.Open(p.path("state/lab"), "platform.test", p.path("state/dev/ca.crt"), p.path("state/dev/ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	p.lab("build")
	p.lab("with-tools", "--", "go", "run", "./cmd/stack", "dev")
	t.Cleanup(func() {
		if out, err := p.try(p.path("state/bin/lab"), "down", "--data"); err != nil {
			t.Errorf("stopping the lab: %v\n%s", err, out)
		}
	})
	p.lab("up")
	return p
}

// dropSalt takes the line out of the stack's file that Git never sees: it belongs
// to the passphrase of the clone that was copied.
func (p *platform) dropSalt() {
	p.t.Helper()
	file := p.path("Pulumi.dev.yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, saltLine.ReplaceAll(data, nil), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

var saltLine = regexp.MustCompile(`(?m)^encryptionsalt:.*\n`)

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return // removed, but not yet so in Git's index
	}
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, info.Mode().Perm()); err != nil {
		t.Fatal(err)
	}
}

func (p *platform) path(name string) string { return filepath.Join(p.root, filepath.FromSlash(name)) }

// try runs a command in the project and gives what it printed.
func (p *platform) try(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 25*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = p.root, p.env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

func (p *platform) must(name string, args ...string) string {
	p.t.Helper()
	begin := time.Now()
	out, err := p.try(name, args...)
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, tail(out, 60))
	}
	p.t.Logf("%s %s: %.1f s", filepath.Base(name), strings.Join(args, " "), time.Since(begin).Seconds())
	return out
}

func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func (p *platform) lab(args ...string) string {
	p.t.Helper()
	return p.must(p.path("state/bin/lab"), args...)
}

// pulumi runs the CLI as in `make shell`.
func (p *platform) pulumi(args ...string) string {
	p.t.Helper()
	return p.lab(append([]string{"exec", "--", "pulumi"}, args...)...)
}

func (p *platform) tryPulumi(args ...string) (string, error) {
	return p.try(p.path("state/bin/lab"), append([]string{"exec", "--", "pulumi"}, args...)...)
}

// changes are the numbers that an operation ends with, by verb: created,
// updated, deleted, replaced, unchanged.
type changes map[string]int

var changeLine = regexp.MustCompile(`(?m)^\s+(?:[-+~]+\s*)*(\d+) (created|updated|deleted|replaced|unchanged)\s*$`)

func changesOf(out string) changes {
	c := changes{}
	for _, m := range changeLine.FindAllStringSubmatch(out, -1) {
		n, err := strconv.Atoi(m[1])
		if err == nil {
			c[m[2]] = n
		}
	}
	return c
}

// up runs `pulumi up` and gives what it changed.
func (p *platform) up() changes {
	p.t.Helper()
	return changesOf(p.pulumi("up", "--yes", "--skip-preview", "--non-interactive", "--suppress-outputs"))
}

func (p *platform) wantChanges(got, want changes) {
	p.t.Helper()
	for _, verb := range []string{"created", "updated", "deleted", "replaced"} {
		if got[verb] != want[verb] {
			p.t.Fatalf("%d resources were %s, want %d (all: %v)", got[verb], verb, want[verb], got)
		}
	}
}

// edit changes the stack's file.
func (p *platform) edit(old, replacement string) {
	p.t.Helper()
	file := p.path("Pulumi.dev.yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		p.t.Fatal(err)
	}
	if !strings.Contains(string(data), old) {
		p.t.Fatalf("Pulumi.dev.yaml does not hold %q", old)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(data), old, replacement, 1)), 0o644); err != nil {
		p.t.Fatal(err)
	}
}
