package charts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// module is a Go module in the module cache, as `go mod download -json` tells
// (https://go.dev/ref/mod#go-mod-download).
type module struct {
	Path, Version, Dir, Sum string
	// Error is why the module could not be had.
	Error string
}

// download gives the modules that the go.mod in sources requires, by their
// path. Go checks them against go.sum, and fetches those that the module cache
// does not hold.
func download(ctx context.Context, sources string) (map[string]module, error) {
	command := exec.CommandContext(ctx, "go", "mod", "download", "-json")
	command.Dir = sources
	// The pins are a module of their own, whatever the caller works in.
	command.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	var out, problems bytes.Buffer
	command.Stdout, command.Stderr = &out, &problems
	failure := command.Run()

	modules := map[string]module{}
	for decoder := json.NewDecoder(&out); ; {
		var m module
		err := decoder.Decode(&m)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading what `go mod download` says: %w", err)
		}
		if m.Error != "" {
			return nil, fmt.Errorf("fetching module %s@%s: %s", m.Path, m.Version, m.Error)
		}
		modules[m.Path] = m
	}
	if failure != nil {
		return nil, fmt.Errorf("fetching the charts' modules (`go mod download` in %s): %w: %s", sources, failure,
			bytes.TrimSpace(problems.Bytes()))
	}
	return modules, nil
}
