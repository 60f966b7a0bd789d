package tools

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The table's versions are those of the modules that are built.
func TestVersionsArePinned(t *testing.T) {
	modules := map[string]string{
		"etcd": "go.etcd.io/etcd/server/v3", "pulumi": "github.com/pulumi/pulumi/pkg/v3",
		"kubernetes": "k8s.io/kubernetes", "vault": "github.com/hashicorp/vault",
		"cert-manager": "github.com/cert-manager/cert-manager", "gatekeeper": "github.com/open-policy-agent/gatekeeper/v3",
		"kine": "github.com/k3s-io/kine", "mariadb-operator": "github.com/mariadb-operator/mariadb-operator",
		"vcluster": "github.com/loft-sh/vcluster", "argo-cd": "github.com/argoproj/argo-cd/v3",
		"external-secrets": "github.com/external-secrets/external-secrets",
	}
	for _, tool := range all() {
		data, err := os.ReadFile(filepath.Join(tool.Name, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		if want := modules[tool.Name] + " " + tool.Version; !strings.Contains(string(data), want+"\n") && !strings.Contains(string(data), want+" ") {
			t.Errorf("%s/go.mod does not require %s", tool.Name, want)
		}
		for name, pkg := range tool.Programs {
			if !strings.HasPrefix(pkg+"/", modules[tool.Name]+"/") && name != "kwok" {
				t.Errorf("%s is built from %s, which is not of the module %s", name, pkg, modules[tool.Name])
			}
		}
		for _, own := range tool.Patches {
			if own == "" {
				continue
			}
			if _, err := os.Stat(filepath.Join(tool.Name, own)); err != nil {
				t.Error(err)
			}
		}
	}
}

// The plugins' folder must change with all the sources they are built from.
func TestPluginFolderCoversTheSources(t *testing.T) {
	args := []string{"list", "-deps", "-f", "{{with .Module}}{{if .Main}}{{$.ImportPath}}{{end}}{{end}}"}
	for _, pkg := range Plugins {
		args = append(args, pkg)
	}
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.FieldsSeq(string(out)) {
		root, _, _ := strings.Cut(strings.TrimPrefix(pkg, "platform/lab/"), "/")
		if !slices.Contains(pluginSources, root) {
			t.Errorf("the plugins need %s, whose changes PluginFolder does not see", pkg)
		}
	}
}

func TestPluginFolder(t *testing.T) {
	lab := t.TempDir()
	write(t, filepath.Join(lab, "go.sum"), "")
	for _, source := range pluginSources {
		write(t, filepath.Join(lab, source, "a.go"), "package "+source+"\n")
	}
	write(t, filepath.Join(lab, "plugins", "tls", "main.go"), "package main\n")
	folder := func() string {
		t.Helper()
		f, err := PluginFolder(lab)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	first := folder()
	write(t, filepath.Join(lab, "plugins", "tls", "main_test.go"), "package main\n")
	if folder() != first {
		t.Error("a test changes the folder")
	}
	write(t, filepath.Join(lab, "plugins", "tls", "main.go"), "package main // changed\n")
	if folder() == first {
		t.Error("a changed source does not change the folder")
	}
	if _, err := PluginFolder(t.TempDir()); err == nil {
		t.Error("no error without the lab's module")
	}
}

// Of clones that build the plugins at the same time, one does.
func TestBuildPluginsAtOnce(t *testing.T) {
	newModules(t) // for the empty cache
	lab := t.TempDir()
	write(t, filepath.Join(lab, "go.mod"), "module platform/lab\n\ngo 1.24\n")
	write(t, filepath.Join(lab, "go.sum"), "")
	write(t, filepath.Join(lab, "statefile", "a.go"), "package statefile\n")
	for _, pkg := range Plugins {
		write(t, filepath.Join(lab, pkg, "main.go"), "package main\n\nfunc main() {}\n")
	}
	outputs, errs := make([]bytes.Buffer, 2), make([]error, 2)
	var group sync.WaitGroup
	for i := range outputs {
		group.Go(func() { errs[i] = BuildPlugins(t.Context(), &outputs[i], lab) })
	}
	group.Wait()
	all := outputs[0].String() + outputs[1].String()
	if err := errors.Join(errs...); err != nil || strings.Count(all, "building") != 1 {
		t.Errorf("%v, %q", err, all)
	}
	folder, err := PluginFolder(lab)
	if err != nil {
		t.Fatal(err)
	}
	for name := range Plugins {
		if info, err := os.Stat(filepath.Join(folder, name)); err != nil || info.Mode().Perm()&0o111 == 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// A file of the tool's own, or none, takes the place of the upstream module's.
func TestPatched(t *testing.T) {
	modules := newModules(t)
	upstream := servedModule(t, "example.com/up", map[string]string{
		"go.mod": "module example.com/up\n", "up.go": "package up\n\nfunc Name() string { return \"upstream\" + other }\n",
		"other.go": "package up\n\nconst other = \" whole\"\n", "more.go": "package up\n\nimport _ \"example.com/absent\"\n",
	})
	module(t, modules, "module example.com/hello\n\ngo 1.24\n\nrequire example.com/up v1.0.0\n",
		"package main\n\nimport \"example.com/up\"\n\nfunc main() { println(\"hello\", up.Name()) }\n")
	t.Setenv("GOPROXY", "file://"+upstream)
	t.Setenv("GONOSUMDB", "*")
	t.Setenv("GOMODCACHE", moduleCache(t))
	write(t, filepath.Join(modules, "hello", "up.go.txt"), "package up\n\nfunc Name() string { return \"own\" + other }\n")
	// go.sum, which the folder's name depends on, is whole before the build.
	if err := run(t.Context(), filepath.Join(modules, "hello"), "mod", "download", "example.com/up"); err != nil {
		t.Fatal(err)
	}
	hello := hello
	hello.Patches = map[[2]string]string{{"example.com/up", "up.go"}: "up.go.txt", {"example.com/up", "more.go"}: ""}
	if err := Build(t.Context(), t.Output(), modules, []Tool{hello}); err != nil {
		t.Fatal(err)
	}
	if got := say(t, hello, modules); got != "hello own whole" {
		t.Errorf("the program says %q", got)
	}
}

// moduleCache is an empty one, whose read-only files go with the test.
func moduleCache(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() {
		err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				err = os.Chmod(path, 0o700)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	return dir
}
