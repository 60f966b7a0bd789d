package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRequiredPlugins(t *testing.T) {
	all, err := requiredPlugins(testProject(t))
	if err != nil {
		t.Fatal(err)
	}
	servers := map[string]string{}
	for _, g := range all {
		servers[g.name] = g.server
		if !strings.HasPrefix(g.version, "v") {
			t.Errorf("%s has version %q", g.name, g.version)
		}
	}
	want := map[string]string{
		"kubernetes": "", "gitlab": "", "vault": "", "random": "", "tls": "",
		"harbor": "github://api.github.com/pulumiverse/pulumi-harbor",
	}
	if len(servers) != len(want) {
		t.Errorf("plugins %v, want %v", servers, want)
	}
	for name, server := range want {
		if got, ok := servers[name]; !ok || got != server {
			t.Errorf("%s is downloaded from %q, want %q", name, got, server)
		}
	}
}

func TestPluginsOwn(t *testing.T) {
	p := testProject(t)
	outside(t, "")
	chosen, err := choosePlugins(p)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(chosen.described, "lab's own") || !strings.HasPrefix(chosen.folder, os.Getenv("XDG_CACHE_HOME")) {
		t.Errorf("chosen %+v", chosen)
	}
}

func TestPluginsReal(t *testing.T) {
	p := testProject(t)
	outside(t, "")
	required, err := requiredPlugins(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range required {
		file, err := g.installed()
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, file, "#!/bin/sh\n")
	}
	t.Setenv("PATH", t.TempDir())
	chosen, err := choosePlugins(p)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(chosen.folder)
	if err != nil || len(entries) != 1 || entries[0].Name() != languageHost {
		t.Errorf("before the real plugins come on PATH: %v, %v", entries, err)
	}
	if len(chosen.variables) > 0 || !strings.Contains(chosen.described, "the real ones") {
		t.Errorf("chosen %+v", chosen)
	}

	file, _ := required[0].installed()
	if err := os.Rename(file, file+".other"); err != nil {
		t.Fatal(err)
	}
	if chosen, err = choosePlugins(p); err != nil || !strings.Contains(chosen.described, "lab's own") {
		t.Errorf("with one real plugin missing: %+v, %v", chosen, err)
	}
}

// TestPluginsStay: a stack whose objects the lab's own plugins made is not given
// to the real ones when these come, nor the other way.
func TestPluginsStay(t *testing.T) {
	required, err := requiredPlugins(testProject(t))
	if err != nil {
		t.Fatal(err)
	}
	install := func() {
		for _, g := range required {
			file, err := g.installed()
			if err != nil {
				t.Fatal(err)
			}
			writeFile(t, file, "#!/bin/sh\n")
		}
	}
	p := testProject(t)
	outside(t, "")
	if err := keepPlugins(p); err != nil {
		t.Fatal(err)
	}
	install()
	if err := keepPlugins(p); err != nil {
		t.Fatal(err)
	}
	if chosen, err := choosePlugins(p); err != nil || !strings.Contains(chosen.described, "the lab's own, in") {
		t.Errorf("a stack of the lab's own plugins: %+v, %v", chosen, err)
	}

	p = testProject(t)
	if err := keepPlugins(p); err != nil {
		t.Fatal(err)
	}
	outside(t, "") // another home, without them
	if _, err := choosePlugins(p); err == nil || !strings.Contains(err.Error(), "pulumi plugin install resource ") {
		t.Errorf("a stack of real plugins that are gone: %v", err)
	}
}

func TestPluginsNamed(t *testing.T) {
	p := testProject(t)
	outside(t, "")
	folder := t.TempDir()
	t.Setenv("LAB_PLUGINS", folder)
	writeFile(t, filepath.Join(folder, languageHost), "#!/bin/sh\n")
	if _, err := choosePlugins(p); err == nil || !strings.Contains(err.Error(), "has no pulumi-resource-") {
		t.Errorf("error %v", err)
	}
	required, err := requiredPlugins(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range binaries(required) {
		writeFile(t, filepath.Join(folder, name), "#!/bin/sh\n")
	}
	chosen, err := choosePlugins(p)
	if err != nil || chosen.folder != folder || len(chosen.variables) == 0 {
		t.Errorf("chosen %+v, %v", chosen, err)
	}
}
