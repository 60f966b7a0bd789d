package main

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"platform/lab/tools"
)

func TestOldPluginsArePruned(t *testing.T) {
	p := testProject(t)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	own, err := tools.PluginFolder(p.labModule())
	if err != nil {
		t.Fatal(err)
	}
	cache := filepath.Dir(own)
	before := time.Now().Add(-pluginsKept)
	aged := func(file string, by time.Duration) {
		t.Helper()
		if err := os.Chtimes(file, before.Add(-by), before.Add(-by)); err != nil {
			t.Fatal(err)
		}
	}
	folder := func(name string, by time.Duration) {
		t.Helper()
		writeFile(t, filepath.Join(cache, name, "pulumi-language-go"), "")
		aged(filepath.Join(cache, name), by)
		aged(writeFile(t, filepath.Join(cache, name+".lock"), ""), by)
	}
	folder("plugins-old", time.Hour)
	folder("plugins-new", -time.Hour)
	folder("plugins-building", time.Hour)
	folder(filepath.Base(own), time.Hour)
	folder("vault-v1.21.0-old", time.Hour)
	aged(writeFile(t, filepath.Join(cache, "plugins-cut.lock"), ""), time.Hour)
	building, err := os.Open(filepath.Join(cache, "plugins-building.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = building.Close() }()
	if err := syscall.Flock(int(building.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}

	if err := usePlugins(p); err != nil {
		t.Fatal(err)
	}
	if err := prunePlugins(before); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	var want []string
	for _, name := range []string{"plugins-new", "plugins-building", filepath.Base(own), "vault-v1.21.0-old"} {
		want = append(want, name, name+".lock")
	}
	slices.Sort(want)
	if !slices.Equal(left, want) {
		t.Errorf("left are %v, want %v", left, want)
	}
}
