package main

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/getter"
	"helm.sh/helm/v3/pkg/registry"
	"helm.sh/helm/v3/pkg/repo"

	"platform/lab/plugins/provider"
)

// chartCache keeps what a run has fetched: many releases are of one chart.
type chartCache struct {
	indexes  fetches[*repo.IndexFile]
	archives fetches[[]byte]
	definitions
}

// fetches keep what was fetched, by key. Who asks for what is on its way waits
// for that alone.
type fetches[T any] struct {
	mu  sync.Mutex
	all map[string]func() (T, error)
}

func (f *fetches[T]) get(key string, fetch func() (T, error)) (T, error) {
	f.mu.Lock()
	once, ok := f.all[key]
	if !ok {
		once = sync.OnceValues(fetch)
		if f.all == nil {
			f.all = map[string]func() (T, error){}
		}
		f.all[key] = once
	}
	f.mu.Unlock()
	value, err := once()
	if err != nil {
		// The next one tries again.
		f.mu.Lock()
		delete(f.all, key)
		f.mu.Unlock()
	}
	return value, err
}

// load gives the chart of a release: from a repository, from an OCI registry,
// or from a file or folder below the project.
func (c *chartCache) load(in provider.Values) (*chart.Chart, error) {
	name, version := in.String("chart"), in.String("version")
	options, _ := in["repositoryOpts"].(map[string]any)
	repository := provider.Values(options).String("repo")
	if repository == "" && !registry.IsOCI(name) {
		loaded, err := loader.Load(name)
		if err != nil {
			return nil, fmt.Errorf("loading chart %s: %w", name, err)
		}
		return loaded, nil
	}
	archive, err := c.archives.get(repository+" "+name+" "+version, func() ([]byte, error) {
		address, err := c.address(repository, name, version)
		if err != nil {
			return nil, err
		}
		data, err := fetch(address)
		if err != nil {
			return nil, fmt.Errorf("fetching chart %s %s from %s: %w", name, version, address, err)
		}
		return data, nil
	})
	if err != nil {
		return nil, err
	}
	loaded, err := loader.LoadArchive(bytes.NewReader(archive))
	if err != nil {
		return nil, fmt.Errorf("reading chart %s %s: %w", name, version, err)
	}
	return loaded, nil
}

// address is where a chart's archive is.
func (c *chartCache) address(repository, name, version string) (string, error) {
	if registry.IsOCI(name) {
		return name + ":" + version, nil
	}
	index, err := c.indexes.get(repository, func() (*repo.IndexFile, error) { return fetchIndex(repository) })
	if err != nil {
		return "", err
	}
	entry, err := index.Get(name, version)
	if err != nil {
		return "", fmt.Errorf("chart %q version %q is not in %s: %w", name, version, repository, err)
	}
	if len(entry.URLs) == 0 {
		return "", fmt.Errorf("chart %q version %q of %s has no address", name, version, repository)
	}
	return repo.ResolveReferenceURL(repository, entry.URLs[0])
}

// fetchIndex reads a repository's index, which Helm's library takes from a file
// alone.
func fetchIndex(repository string) (*repo.IndexFile, error) {
	data, err := fetch(strings.TrimSuffix(repository, "/") + "/index.yaml")
	if err != nil {
		return nil, fmt.Errorf("fetching the index of %s: %w", repository, err)
	}
	f, err := os.CreateTemp("", "helm-index-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	if _, err := f.Write(data); err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	index, err := repo.LoadIndexFile(f.Name())
	if err != nil {
		return nil, fmt.Errorf("reading the index of %s: %w", repository, err)
	}
	return index, nil
}

func fetch(address string) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	g, err := getter.All(settings()).ByScheme(u.Scheme)
	if err != nil {
		return nil, err
	}
	data, err := g.Get(address)
	if err != nil {
		return nil, err
	}
	return data.Bytes(), nil
}

// settings keep Helm's cache out of the user's own folders.
var settings = sync.OnceValue(func() *cli.EnvSettings {
	s := cli.New()
	cache := filepath.Join(os.TempDir(), fmt.Sprintf("pulumi-resource-kubernetes-%d", os.Getuid()))
	s.RepositoryCache, s.RepositoryConfig = filepath.Join(cache, "repository"), filepath.Join(cache, "repositories.yaml")
	s.RegistryConfig = filepath.Join(cache, "registry.json")
	return s
})
