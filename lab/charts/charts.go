// Package charts is the lab's chart mirror: a Helm chart repository over HTTP
// that holds every chart the platform installs, under its real name and
// version (https://helm.sh/docs/topics/chart_repository/).
//
// A chart whose Go module is served is the real one, packaged from that module
// (table upstream). The others are small stand-ins of our own (folder standins):
// they take the values of the real chart, refuse any other, and make the
// objects that the rest of the platform relies on. Their pods are played, never
// run.
//
// Archives are made once for a set of inputs and are the same bytes each time.
package charts

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/repo"
	"sigs.k8s.io/yaml"
)

// sourcesFolder holds the go.mod and go.sum of the upstream modules, in the
// folder of the lab's own module.
const sourcesFolder = "charts/sources"

// standins are the charts of our own. The package's code is embedded beside
// them because archives depend on it as well.
//
//go:embed *.go all:standins
var standins embed.FS

// Handler serves the chart repository kept in dir, a folder of the mirror's
// own. If it is missing or was made from other inputs, it is packaged first, for
// which the upstream modules are fetched unless the module cache has them.
// labRoot is the folder of the lab's Go module.
func Handler(ctx context.Context, dir, labRoot string) (http.Handler, error) {
	folder, err := build(ctx, dir, filepath.Join(labRoot, sourcesFolder))
	if err != nil {
		return nil, fmt.Errorf("chart mirror: %w", err)
	}
	return newServer(folder)
}

// build makes the repository below dir and gives its folder, whose name tells
// the inputs it was made from. Folders of other inputs are removed.
func build(ctx context.Context, dir, sources string) (string, error) {
	digest, err := inputs(sources)
	if err != nil {
		return "", err
	}
	folder := filepath.Join(dir, digest)
	switch _, err := os.Stat(filepath.Join(folder, indexFile)); {
	case err == nil:
		return folder, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", fmt.Errorf("removing the charts of other inputs: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	fresh, err := os.MkdirTemp(dir, "new-")
	if err != nil {
		return "", err
	}
	if err := packageAll(ctx, fresh, sources); err != nil {
		return "", err
	}
	// A folder under its final name is whole, whenever a run is cut off.
	return folder, os.Rename(fresh, folder)
}

// inputs is a digest of all that the archives are made from.
func inputs(sources string) (string, error) {
	hash := sha256.New()
	add := func(name string, data []byte) {
		hash.Write(fmt.Appendf(nil, "%s %d\n", name, len(data)))
		hash.Write(data)
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(sources, name))
		if err != nil {
			return "", fmt.Errorf("reading the pins of the charts' modules: %w", err)
		}
		add(name, data)
	}
	err := fs.WalkDir(standins, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := standins.ReadFile(path)
		add(path, data)
		return err
	})
	return hex.EncodeToString(hash.Sum(nil))[:16], err
}

// packageAll writes every chart's archive and the index into folder.
func packageAll(ctx context.Context, folder, sources string) error {
	modules, err := download(ctx, sources)
	if err != nil {
		return err
	}
	all, err := loadAll(modules)
	if err != nil {
		return err
	}
	index := repo.NewIndexFile()
	for _, c := range all {
		data, err := archive(c)
		if err != nil {
			return fmt.Errorf("packaging %s: %w", c.Name(), err)
		}
		name := archiveName(c)
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		if err := index.MustAdd(c.Metadata, name, "", hex.EncodeToString(sum[:])); err != nil {
			return fmt.Errorf("indexing %s: %w", name, err)
		}
	}
	data, err := encodeIndex(index)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, indexFile), data, 0o600)
}

// loadAll is every chart of the mirror.
func loadAll(modules map[string]module) ([]*chart.Chart, error) {
	var all []*chart.Chart
	for _, u := range upstream {
		c, err := u.load(modules)
		if err != nil {
			return nil, fmt.Errorf("chart %s %s: %w", u.name, u.version, err)
		}
		all = append(all, c)
	}
	folders, err := standins.ReadDir("standins")
	if err != nil {
		return nil, err
	}
	for _, folder := range folders {
		if !folder.IsDir() {
			continue
		}
		c, err := loadStandin(folder.Name(), modules)
		if err != nil {
			return nil, fmt.Errorf("stand-in %s: %w", folder.Name(), err)
		}
		all = append(all, c)
	}
	return all, nil
}

// encodeIndex leaves out the times that Helm notes in an index: the same
// charts give the same bytes.
func encodeIndex(index *repo.IndexFile) ([]byte, error) {
	index.SortEntries()
	index.Generated = time.Time{}
	for _, versions := range index.Entries {
		for _, v := range versions {
			v.Created = time.Time{}
		}
	}
	return yaml.Marshal(index)
}
