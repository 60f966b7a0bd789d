package tools

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// hello is a tool whose module needs nothing from the network.
var hello = Tool{
	Name: "hello", Version: "v1.2.3", Programs: map[string]string{"hello": "example.com/hello"},
	Variables: map[string]string{"main.version": "v1.2.3"},
	Own:       []string{"hello", "version", "v1.2.3"},
}

const helloSource = `package main

var version = "unset"

func main() { println("hello", version) }
`

// newModules is a folder as lab/tools is, with the module of hello, and an
// empty cache.
func newModules(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"GOCACHE", "GOMODCACHE"} { // which else follow XDG_CACHE_HOME and HOME
		out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv(name, strings.TrimSpace(string(out)))
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("GOPROXY", "off")
	if err := enough(); err != nil {
		t.Skip(err)
	}
	modules := t.TempDir()
	module(t, modules, "module example.com/hello\n\ngo 1.24\n", helloSource)
	return modules
}

// module writes the module of hello. Its go.sum knows one that nobody serves.
func module(t *testing.T, modules, gomod, source string) {
	t.Helper()
	const sum = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
	write(t, filepath.Join(modules, "hello", "go.mod"), gomod)
	write(t, filepath.Join(modules, "hello", "go.sum"), "example.com/absent v1.0.0 "+sum+"example.com/absent v1.0.0/go.mod "+sum)
	write(t, filepath.Join(modules, "hello", "main.go"), source)
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

// say runs the built program.
func say(t *testing.T, tool Tool, modules string) string {
	t.Helper()
	folder, err := tool.Folder(modules)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(folder, "hello")).CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// leftovers are what lies in the cache beside tools and their locks.
func leftovers(t *testing.T) []string {
	t.Helper()
	cache, err := Cache()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "hello-v1.2.3-") {
			left = append(left, e.Name())
		}
	}
	return left
}

func TestBuild(t *testing.T) {
	modules := newModules(t)
	var first, second bytes.Buffer
	if err := Build(t.Context(), &first, modules, []Tool{hello}); err != nil {
		t.Fatal(err)
	}
	if lines := first.String(); !strings.HasPrefix(lines, "[1/1] building hello v1.2.3\n[1/1] hello built in ") || !strings.HasSuffix(lines, " s\n") {
		t.Errorf("progress: %q", lines)
	}
	if got := say(t, hello, modules); got != "hello v1.2.3" {
		t.Errorf("the program says %q", got)
	}
	if err := Build(t.Context(), &second, modules, []Tool{hello}); err != nil || second.Len() > 0 {
		t.Errorf("again: %v, %q", err, &second)
	}
	if left := leftovers(t); len(left) > 0 {
		t.Errorf("left in the cache: %v", left)
	}
}

// Of clones that build at the same time, one does.
func TestBuildAtOnce(t *testing.T) {
	modules := newModules(t)
	outputs, errs := make([]bytes.Buffer, 3), make([]error, 3)
	var group sync.WaitGroup
	for i := range outputs {
		group.Go(func() { errs[i] = Build(t.Context(), &outputs[i], modules, []Tool{hello}) })
	}
	group.Wait()
	var all string
	for i := range outputs {
		all += outputs[i].String()
	}
	if err := errors.Join(errs...); err != nil || strings.Count(all, "building") != 1 {
		t.Errorf("%v, %q", err, all)
	}
}

func TestBuildFails(t *testing.T) {
	const gomod = "module example.com/hello\n\ngo 1.24\n"
	for _, test := range []struct{ name, gomod, source, want string }{
		{"source", gomod, "package main\n\nfunc main() { missing() }\n", "undefined: missing"},
		{"module", gomod + "\nrequire example.com/absent v1.0.0\n", "package main\n\nimport _ \"example.com/absent\"\n", "downloading example.com/absent v1.0.0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			modules := newModules(t)
			module(t, modules, test.gomod, test.source)
			var out bytes.Buffer
			err := Build(t.Context(), &out, modules, []Tool{hello})
			if err == nil || !strings.HasPrefix(err.Error(), "building hello v1.2.3: ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if strings.Contains(out.String(), "built") || len(leftovers(t)) > 0 {
				t.Errorf("progress %q, left in the cache: %v", &out, leftovers(t))
			}
			module(t, modules, gomod, helloSource)
			if err := Build(t.Context(), &out, modules, []Tool{hello}); err != nil {
				t.Errorf("once put right: %v", err)
			}
		})
	}
}

func TestBuildInterrupted(t *testing.T) {
	modules := newModules(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	if err := Build(ctx, &out, modules, []Tool{hello}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if left := leftovers(t); len(left) > 0 {
		t.Errorf("left in the cache: %v", left)
	}
}

func TestBuildWithoutGo(t *testing.T) {
	modules := newModules(t)
	t.Setenv("PATH", t.TempDir())
	err := Build(t.Context(), &bytes.Buffer{}, modules, []Tool{hello})
	if err == nil || !strings.Contains(err.Error(), "https://go.dev/dl/") {
		t.Errorf("error %v", err)
	}
}

// A program on PATH is taken if it is of the very version.
func TestBuildTakesFromPath(t *testing.T) {
	for version, want := range map[string]string{"v1.2.3": "hello from PATH", "v1.2.30": "hello v1.2.3"} {
		modules := newModules(t)
		bin := t.TempDir()
		write(t, filepath.Join(bin, "hello"), "#!/bin/sh\nif [ \"$1\" = version ]; then echo "+version+"; else echo hello from PATH; fi\n")
		t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
		if err := Build(t.Context(), &bytes.Buffer{}, modules, []Tool{hello}); err != nil {
			t.Fatal(err)
		}
		if got := say(t, hello, modules); got != want {
			t.Errorf("with %s on PATH the program says %q, want %q", version, got, want)
		}
	}
}

// Programs of one tool are built together, each under its own name.
func TestBuildManyPrograms(t *testing.T) {
	modules := newModules(t)
	for _, pkg := range []string{"cmd/one", "cmd/two/v2"} {
		source := strings.Replace(helloSource, "\"hello\"", "\""+pkg+"\"", 1)
		write(t, filepath.Join(modules, "hello", filepath.FromSlash(pkg), "main.go"), source)
	}
	many := hello
	many.Programs = map[string]string{
		"hello": "example.com/hello", "first": "example.com/hello/cmd/one", "second": "example.com/hello/cmd/two/v2",
	}
	if err := Build(t.Context(), t.Output(), modules, []Tool{many}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"hello": "hello", "first": "cmd/one", "second": "cmd/two/v2"} {
		folder, err := many.Folder(modules)
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), filepath.Join(folder, name)).CombinedOutput()
		if err != nil || string(out) != want+" v1.2.3\n" {
			t.Errorf("%s says %q (%v), want %q", name, out, err, want)
		}
	}
}

// What a tool is built from decides on its folder.
func TestFolder(t *testing.T) {
	modules := newModules(t)
	folder := func(tool Tool) string {
		t.Helper()
		f, err := tool.Folder(modules)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	seen := map[string]string{"at first": folder(hello)}
	if again := folder(hello); again != seen["at first"] {
		t.Errorf("first %s, then %s", seen["at first"], again)
	}
	tagged, patched := hello, hello
	tagged.Tags = "minimal"
	patched.Patches = map[[2]string]string{{"example.com/up", "up.go"}: "main.go"}
	seen["with a tag"], seen["with a patch"] = folder(tagged), folder(patched)
	write(t, filepath.Join(modules, "hello", "go.sum"), "example.com/up v1.0.0 h1:x=\n")
	seen["with another go.sum"] = folder(hello)
	folders := slices.Sorted(maps.Values(seen))
	if len(slices.Compact(folders)) != len(seen) {
		t.Errorf("the same folder for different builds: %v", seen)
	}
}

func TestProgram(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for name, want := range map[string]string{"etcd": "etcd is not built yet: run make build", "emacs": "no tool has a program called emacs"} {
		if _, err := Program(".", name); err == nil || err.Error() != want {
			t.Errorf("Program(%s): error %v, want %q", name, err, want)
		}
	}
	folder, err := Servers[0].Folder(".")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "etcd"), "")
	if path, err := Program(".", "etcd"); err != nil || path != filepath.Join(folder, "etcd") {
		t.Errorf("Program(etcd) = %s, %v", path, err)
	}
}
