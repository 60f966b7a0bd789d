package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"platform/lab/mariadb"
	"platform/lab/tools"
)

// build builds what is missing, brings the real plugins where it can, and says
// which plugins a run will use. Two things at a time: neither keeps all of the
// machine busy, since large packages are compiled one after the other.
func build(ctx context.Context, p *project) error {
	wanted, err := p.wanted()
	if err != nil {
		return err
	}
	if err := together(ctx, func(ctx context.Context) error {
		if err := tools.Build(ctx, os.Stdout, p.tools(), wanted); err != nil {
			return err
		}
		return errors.Join(downloadMariaDB(ctx, p), downloadPlugins(ctx, p))
	}, func(ctx context.Context) error {
		if err := compileProgram(ctx, p); err != nil {
			return err
		}
		// Always: the lab itself runs one of them, the stand-in for GitLab's console.
		return tools.BuildPlugins(ctx, os.Stdout, p.labModule())
	}); err != nil {
		return err
	}
	if err := errors.Join(usePlugins(p), prunePlugins(time.Now().Add(-pluginsKept))); err != nil {
		return err
	}
	chosen, err := choosePlugins(p)
	if err != nil {
		return err
	}
	fmt.Println("plugins:", chosen.described)
	return nil
}

// downloadMariaDB brings the server that the full lab runs.
func downloadMariaDB(ctx context.Context, p *project) error {
	m, err := p.mode()
	if err != nil || m == thin {
		return err
	}
	cache, err := tools.Cache()
	if err != nil {
		return err
	}
	return mariadb.Unpack(ctx, os.Stdout, cache)
}

// compileProgram fills Go's build cache before the first run: what uses it,
// `pulumi up` in the end, takes minutes then without a word.
func compileProgram(ctx context.Context, p *project) error {
	if _, err := os.Stat(p.state("platform")); err == nil {
		return nil // Pulumi has built it before
	}
	fmt.Println("compiling the program")
	begin := time.Now()
	cmd := exec.CommandContext(ctx, "go", "build", "./stacks")
	cmd.Dir = p.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compiling the program: %s (%w)", strings.TrimSpace(string(out)), err)
	}
	fmt.Printf("the program compiled in %.0f s\n", time.Since(begin).Seconds())
	return nil
}

// tools is the folder with the modules that the tools are built from.
func (p *project) tools() string { return filepath.Join(p.labModule(), "tools") }

// missingTools are the programs that are not built yet.
func missingTools(p *project) ([]string, error) {
	wanted, err := p.wanted()
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, t := range wanted {
		folder, err := t.Folder(p.tools())
		if err != nil {
			return nil, err
		}
		for _, name := range slices.Sorted(maps.Keys(t.Programs)) {
			if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
				missing = append(missing, name)
			}
		}
	}
	if m, err := p.mode(); err != nil || m == thin {
		return missing, err
	}
	if _, err := p.program("mariadbd"); errors.Is(err, os.ErrNotExist) {
		missing = append(missing, "MariaDB")
	} else if err != nil {
		return nil, err
	}
	return missing, nil
}

// withTools becomes a command that finds the lab's tools on PATH, and nothing
// else of the lab.
func withTools(p *project, command []string) error {
	folders, err := tools.Folders(p.tools())
	if err != nil {
		return err
	}
	if err := os.Setenv("PATH", joinPath(append(folders, os.Getenv("PATH"))...)); err != nil {
		return err
	}
	return become(command)
}

func joinPath(folders ...string) string { return strings.Join(folders, string(os.PathListSeparator)) }

// become replaces this process, so that signals reach the command directly: it
// may have a state to save.
func become(command []string) error {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	return fmt.Errorf("running %s: %w", path, syscall.Exec(path, command, os.Environ()))
}
