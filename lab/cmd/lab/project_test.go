package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestFindProject(t *testing.T) {
	root := emptyProject(t)
	t.Setenv("LAB_DIR", "")
	t.Chdir(filepath.Join(root, "lab"))
	p, err := findProject()
	if err != nil {
		t.Fatal(err)
	}
	if p.root != root || p.site.Dir != filepath.Join(root, "state", "lab") {
		t.Errorf("root %s, lab %s", p.root, p.site.Dir)
	}
}

func TestFindProjectOutside(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, err := findProject(); err == nil || !strings.Contains(err.Error(), "not in a clone") {
		t.Errorf("error %v", err)
	}
}

// TestLabFolder guards what `lab down --data` removes.
func TestLabFolder(t *testing.T) {
	t.Chdir(emptyProject(t))
	other := t.TempDir()
	writeFile(t, filepath.Join(other, "thesis.txt"), "years of work")
	t.Setenv("LAB_DIR", other)
	if _, err := findProject(); err == nil || !strings.Contains(err.Error(), "neither a lab nor empty") {
		t.Errorf("error %v", err)
	}
	own := filepath.Join(t.TempDir(), "lab")
	t.Setenv("LAB_DIR", own)
	for range 2 {
		p, err := findProject()
		if err != nil {
			t.Fatal(err)
		}
		if p.site.Dir != own {
			t.Errorf("lab in %s, want %s", p.site.Dir, own)
		}
	}
}
