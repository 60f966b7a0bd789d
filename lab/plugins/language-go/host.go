package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
)

// host is the language host of one run of the CLI.
type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	engine string

	mu      sync.Mutex
	program *os.Process
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{}, nil
}

// Cancel interrupts the program.
func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.program != nil {
		_ = h.program.Signal(os.Interrupt) // it may have ended by itself
	}
	return &emptypb.Empty{}, nil
}

// RuntimeOptionsPrompts has no questions to ask.
func (h *host) RuntimeOptionsPrompts(context.Context, *pulumirpc.RuntimeOptionsRequest) (*pulumirpc.RuntimeOptionsResponse, error) {
	return &pulumirpc.RuntimeOptionsResponse{}, nil
}

// InstallDependencies brings the program's modules (`pulumi install`).
func (h *host) InstallDependencies(req *pulumirpc.InstallDependenciesRequest,
	server pulumirpc.LanguageRuntime_InstallDependenciesServer,
) error {
	cmd := exec.CommandContext(server.Context(), "go", "mod", "download")
	cmd.Dir = req.GetInfo().GetProgramDirectory()
	output, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("downloading the program's modules: %w\n%s", err, output)
	}
	return server.Send(&pulumirpc.InstallDependenciesResponse{Stdout: output})
}

// About answers `pulumi about`.
func (h *host) About(ctx context.Context, _ *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return nil, fmt.Errorf("looking for go: %w", err)
	}
	version, err := exec.CommandContext(ctx, path, "version").Output()
	if err != nil {
		return nil, fmt.Errorf("asking go for its version: %w", err)
	}
	return &pulumirpc.AboutResponse{Executable: path, Version: strings.TrimSpace(string(version))}, nil
}

// module is what `go list -m -json` says of one.
type module struct {
	Path, Version, Dir string
	Indirect           bool
	Main               bool
}

// modules are those that the program's go.mod requires directly.
func modules(ctx context.Context, dir string) ([]module, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-mod=readonly", "-m", "-json", "all")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	output, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return nil, fmt.Errorf("listing the program's modules: %s", bytes.TrimSpace(exit.Stderr))
		}
		return nil, fmt.Errorf("listing the program's modules: %w", err)
	}
	var found []module
	for decoder := json.NewDecoder(bytes.NewReader(output)); decoder.More(); {
		var m module
		if err := decoder.Decode(&m); err != nil {
			return nil, fmt.Errorf("reading the list of modules: %w", err)
		}
		if !m.Indirect && !m.Main {
			found = append(found, m)
		}
	}
	return found, nil
}

// GetProgramDependencies answers `pulumi about`.
func (h *host) GetProgramDependencies(ctx context.Context, req *pulumirpc.GetProgramDependenciesRequest,
) (*pulumirpc.GetProgramDependenciesResponse, error) {
	all, err := modules(ctx, req.GetInfo().GetProgramDirectory())
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.GetProgramDependenciesResponse{}
	for _, m := range all {
		response.Dependencies = append(response.Dependencies, &pulumirpc.DependencyInfo{Name: m.Path, Version: m.Version})
	}
	return response, nil
}

// GetRequiredPackages reads what each module says of its plugin: the file
// pulumi-plugin.json in its root, go/ or go/*/.
func (h *host) GetRequiredPackages(ctx context.Context, req *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	all, err := modules(ctx, req.GetInfo().GetProgramDirectory())
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.GetRequiredPackagesResponse{}
	for _, m := range all {
		p, err := pluginOf(m)
		if err != nil {
			return nil, err
		}
		if p != nil {
			response.Packages = append(response.Packages, p)
		}
	}
	return response, nil
}

func pluginOf(m module) (*pulumirpc.PackageDependency, error) {
	if m.Dir == "" {
		return nil, nil
	}
	for _, pattern := range []string{"pulumi-plugin.json", "go/pulumi-plugin.json", "go/*/pulumi-plugin.json", "*/pulumi-plugin.json"} {
		files, err := filepath.Glob(filepath.Join(m.Dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("reading the plugin of %s: %w", m.Path, err)
			}
			var plugin struct {
				Resource              bool
				Name, Version, Server string
			}
			if err := json.Unmarshal(data, &plugin); err != nil {
				return nil, fmt.Errorf("reading %s: %w", file, err)
			}
			if !plugin.Resource {
				continue
			}
			version := m.Version
			if plugin.Version != "" {
				version = "v" + strings.TrimPrefix(plugin.Version, "v")
			}
			return &pulumirpc.PackageDependency{Name: plugin.Name, Kind: "resource", Version: version, Server: plugin.Server}, nil
		}
	}
	return nil, nil
}
