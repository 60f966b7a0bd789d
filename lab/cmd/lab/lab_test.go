package main

import (
	"os"
	"path/filepath"
	"testing"

	"platform/lab/site"
)

// testProject is this clone with a lab and a CA of the test's own.
func testProject(t *testing.T) *project {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ca := writeFile(t, filepath.Join(dir, "ca.crt"), "the platform's CA\n")
	s, err := site.Open(filepath.Join(dir, "lab"), domain, ca, "")
	if err != nil {
		t.Fatal(err)
	}
	return &project{root: root, site: s}
}

// emptyProject is a clone of nothing but the files that make one.
func emptyProject(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "Pulumi.yaml"), "name: platform\n")
	writeFile(t, filepath.Join(root, "lab", "go.mod"), "module platform/lab\n")
	return root
}

func writeFile(t *testing.T, file, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o700); err != nil {
		t.Fatal(err)
	}
	return file
}
