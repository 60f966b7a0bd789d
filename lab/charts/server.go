package charts

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// indexFile is where Helm clients find the index of a repository.
const indexFile = "index.yaml"

// server gives out the files of a chart repository.
type server struct {
	files map[string]file
}

type file struct {
	data              []byte
	etag, contentType string
}

// newServer reads the repository in folder.
func newServer(folder string) (*server, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("reading the packaged charts: %w", err)
	}
	s := &server{files: map[string]file{}}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(data)
		contentType := "application/gzip"
		if entry.Name() == indexFile {
			contentType = "application/yaml"
		}
		s.files[entry.Name()] = file{data: data, etag: `"` + hex.EncodeToString(sum[:]) + `"`, contentType: contentType}
	}
	return s, nil
}

// ServeHTTP answers GET and HEAD of the index and of each archive.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "a chart repository is only read", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	f, ok := s.files[name]
	if !ok {
		http.Error(w, fmt.Sprintf("%q is not in this chart mirror, which holds:\n%s", name, s.list()), http.StatusNotFound)
		return
	}
	w.Header().Set("ETag", f.etag)
	w.Header().Set("Content-Type", f.contentType)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(f.data))
}

// list names every file, one a line.
func (s *server) list() string {
	var all []string
	for name := range s.files {
		all = append(all, name)
	}
	sort.Strings(all)
	return strings.Join(all, "\n")
}
