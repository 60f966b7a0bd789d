package charts

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/getter"
	"helm.sh/helm/v3/pkg/repo"
)

func startServer(t *testing.T) string {
	t.Helper()
	s, err := newServer(repository)
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(s)
	t.Cleanup(listener.Close)
	return listener.URL
}

// TestHelmFindsCharts goes the way of `helm install --repo`.
func TestHelmFindsCharts(t *testing.T) {
	t.Setenv("HELM_CACHE_HOME", t.TempDir())
	address := startServer(t)
	getters := getter.All(cli.New())
	for name, version := range platformPins(t) {
		url, err := repo.FindChartInRepoURL(address, name, version, "", "", "", getters)
		if err != nil {
			t.Errorf("%s %s: %v", name, version, err)
			continue
		}
		response, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		c, err := loader.LoadArchive(response.Body)
		_ = response.Body.Close()
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if c.Name() != name || c.Metadata.Version != version {
			t.Errorf("%s holds %s %s", url, c.Name(), c.Metadata.Version)
		}
	}
}

func TestServer(t *testing.T) {
	address := startServer(t)
	ask := func(method, path, etag string) (*http.Response, string) {
		t.Helper()
		request, err := http.NewRequest(method, address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("If-None-Match", etag)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response, string(body)
	}
	got, body := ask(http.MethodGet, "/index.yaml", "")
	if got.StatusCode != http.StatusOK || !strings.Contains(body, "vault-0.34.1.tgz") {
		t.Errorf("index: %s\n%s", got.Status, body)
	}
	etag := got.Header.Get("ETag")
	if got, body = ask(http.MethodGet, "/index.yaml", etag); got.StatusCode != http.StatusNotModified || body != "" {
		t.Errorf("index with its ETag %s: %s", etag, got.Status)
	}
	if got, _ = ask(http.MethodHead, "/vault-0.34.1.tgz", ""); got.StatusCode != http.StatusOK || got.ContentLength < 1000 {
		t.Errorf("HEAD: %s, %d bytes", got.Status, got.ContentLength)
	}
	got, body = ask(http.MethodGet, "/vault-0.34.2.tgz", "")
	if got.StatusCode != http.StatusNotFound || !strings.Contains(body, "vault-0.34.1.tgz") {
		t.Errorf("unknown chart: %s\n%s", got.Status, body)
	}
	if got, _ = ask(http.MethodGet, "/../charts.go", ""); got.StatusCode != http.StatusNotFound {
		t.Errorf("file outside: %s", got.Status)
	}
	if got, _ = ask(http.MethodPut, "/vault-0.34.1.tgz", ""); got.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("PUT: %s", got.Status)
	}
}

// TestSameInputsSameBytes packages everything a second time, in a folder with
// charts of other inputs.
func TestSameInputsSameBytes(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "0123456789abcdef")
	if err := os.Mkdir(stale, 0o700); err != nil {
		t.Fatal(err)
	}
	again, err := build(context.Background(), dir, "sources")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(stale); err == nil {
		t.Error("the charts of other inputs are still there")
	}
	files, err := os.ReadDir(repository)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		first, err := os.ReadFile(filepath.Join(repository, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		second, err := os.ReadFile(filepath.Join(again, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if string(first) != string(second) {
			t.Errorf("%s differs", f.Name())
		}
	}
}

func TestPackagesOnlyWhenInputsChange(t *testing.T) {
	dir := filepath.Dir(repository)
	mark := filepath.Join(repository, "mark")
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Remove(mark) }()
	folder, err := build(context.Background(), dir, "sources")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(mark); err != nil || folder != repository {
		t.Errorf("packaged again: %v", err)
	}
}

func TestRefusesSourcesThatDiffer(t *testing.T) {
	_, err := Handler(context.Background(), t.TempDir(), t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "pins of the charts' modules") {
		t.Errorf("no pins: %v", err)
	}
	sources := t.TempDir()
	for name, change := range map[string]*strings.Replacer{
		"go.mod": strings.NewReplacer(),
		"go.sum": strings.NewReplacer("vault-helm v0.34.1 h1:2", "vault-helm v0.34.1 h1:3"),
	} {
		data, err := os.ReadFile(filepath.Join("sources", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(sources, name), []byte(change.Replace(string(data))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err = build(context.Background(), t.TempDir(), sources)
	if err == nil || !strings.Contains(err.Error(), "checksum mismatch") {
		t.Errorf("another checksum: %v", err)
	}
}

// TestSourcesArePinned keeps the checksum of every module's files in go.sum:
// `go mod download` itself adds only those of the go.mod files.
func TestSourcesArePinned(t *testing.T) {
	modules, err := download(context.Background(), "sources")
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile("sources/go.sum")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		if line := m.Path + " " + m.Version + " " + m.Sum + "\n"; !strings.Contains(string(sums), line) {
			t.Errorf("sources/go.sum lacks %s", line)
		}
	}
}
