package tools

import (
	"archive/zip"
	"os"
	"path/filepath"
	"testing"
)

// servedModule makes a folder that serves version v1.0.0 of a module, as
// GOPROXY=file://… reads it (https://go.dev/ref/mod#goproxy-protocol).
func servedModule(t *testing.T, path string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	version := filepath.Join(dir, filepath.FromSlash(path), "@v")
	write(t, filepath.Join(version, "v1.0.0.info"), `{"Version":"v1.0.0"}`)
	write(t, filepath.Join(version, "v1.0.0.mod"), files["go.mod"])
	file, err := os.Create(filepath.Join(version, "v1.0.0.zip"))
	if err != nil {
		t.Fatal(err)
	}
	archive := zip.NewWriter(file)
	for name, content := range files {
		w, err := archive.Create(path + "@v1.0.0/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}
