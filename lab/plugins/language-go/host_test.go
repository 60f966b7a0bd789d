package main

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// folder makes a folder of files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// modules of a program: each is found beside it.
var modulesOfTheTest = map[string]string{
	"go.mod": `module test

go 1.24

require (
	example.com/old v1.2.3
	example.com/own v1.0.0
	example.com/plain v1.0.0
	example.com/component v1.0.0
)

require example.com/indirect v1.0.0 // indirect

replace (
	example.com/old => ./old
	example.com/own => ./own
	example.com/plain => ./plain
	example.com/component => ./component
	example.com/indirect => ./indirect
)
`,
	"old/go.mod":                    "module example.com/old\n",
	"old/pulumi-plugin.json":        `{"resource": true, "name": "old", "server": "https://plugins.example.com"}`,
	"own/go.mod":                    "module example.com/own\n",
	"own/go/own/pulumi-plugin.json": `{"resource": true, "name": "own", "version": "4.5.6"}`,
	"plain/go.mod":                  "module example.com/plain\n",
	"component/go.mod":              "module example.com/component\n",
	"component/pulumi-plugin.json":  `{"resource": false, "name": "component"}`,
	"indirect/go.mod":               "module example.com/indirect\n",
	"indirect/pulumi-plugin.json":   `{"resource": true, "name": "indirect"}`,
}

func TestRequiredPackages(t *testing.T) {
	info := &pulumirpc.ProgramInfo{ProgramDirectory: folder(t, modulesOfTheTest)}
	response, err := (&host{}).GetRequiredPackages(t.Context(), &pulumirpc.GetRequiredPackagesRequest{Info: info})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range response.GetPackages() {
		got = append(got, strings.Join([]string{p.GetKind(), p.GetName(), p.GetVersion(), p.GetServer()}, " "))
	}
	want := []string{"resource old v1.2.3 https://plugins.example.com", "resource own v4.5.6 "}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("packages %q, want %q", got, want)
	}
	dependencies, err := (&host{}).GetProgramDependencies(t.Context(), &pulumirpc.GetProgramDependenciesRequest{Info: info})
	if err != nil || len(dependencies.GetDependencies()) != 4 {
		t.Errorf("dependencies %v, %v", dependencies, err)
	}
}

func TestBrokenModulesAreReported(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"no go.mod":     {map[string]string{"main.go": "package main\n"}, "go.mod"},
		"broken go.mod": {map[string]string{"go.mod": "module\n"}, "go.mod"},
		"broken plugin": {map[string]string{
			"go.mod":   "module test\n\ngo 1.24\n\nrequire example.com/a v1.0.0\n\nreplace example.com/a => ./a\n",
			"a/go.mod": "module example.com/a\n", "a/pulumi-plugin.json": "{",
		}, "pulumi-plugin.json"},
	} {
		request := &pulumirpc.GetRequiredPackagesRequest{Info: &pulumirpc.ProgramInfo{ProgramDirectory: folder(t, c.files)}}
		if _, err := (&host{}).GetRequiredPackages(t.Context(), request); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestAbout(t *testing.T) {
	about, err := (&host{}).About(t.Context(), &pulumirpc.AboutRequest{})
	if err != nil || !strings.Contains(about.GetVersion(), runtime.Version()) {
		t.Errorf("%v, %v", about, err)
	}
}
