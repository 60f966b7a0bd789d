package tools

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// diskNeeded is what all builds together take at the most, with Go's caches.
const diskNeeded = 15 << 30

// Build builds those of the tools that are not there yet, and says so on w with
// a line for each. modules is lab/tools. Two clones that build at once wait for
// each other.
func Build(ctx context.Context, w io.Writer, modules string, wanted []Tool) error {
	var missing []Tool
	for _, t := range wanted {
		there, err := t.built(modules)
		if err != nil {
			return err
		}
		if !there && !t.takeFromPath(ctx, modules) {
			missing = append(missing, t)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if err := enough(); err != nil {
		return err
	}
	for i, t := range missing {
		if err := t.buildLocked(ctx, w, modules, fmt.Sprintf("[%d/%d]", i+1, len(missing))); err != nil {
			return err
		}
	}
	return nil
}

// enough checks the toolchain and the disk before minutes of work.
func enough() error {
	if _, err := exec.LookPath("go"); err != nil {
		return errors.New("no `go` on PATH: install Go from https://go.dev/dl/")
	}
	cache, err := Cache()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return fmt.Errorf("making the cache folder: %w", err)
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(cache, &fs); err != nil {
		return fmt.Errorf("asking for the free space of %s: %w", cache, err)
	}
	if free := fs.Bavail * uint64(fs.Bsize); free < diskNeeded {
		return fmt.Errorf("%s has %d GiB free, a first build takes %d: free some, or set XDG_CACHE_HOME to another disk",
			cache, free>>30, uint64(diskNeeded)>>30)
	}
	return nil
}

func (t Tool) built(modules string) (bool, error) {
	folder, err := t.Folder(modules)
	if err != nil {
		return false, err
	}
	for name := range t.Programs {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			return false, nil
		}
	}
	return true, nil
}

// takeFromPath links the program that is on PATH into the cache if it is of
// the very version.
func (t Tool) takeFromPath(ctx context.Context, modules string) bool {
	if len(t.Own) == 0 {
		return false
	}
	path, err := exec.LookPath(t.Own[0])
	if err != nil {
		return false
	}
	last := len(t.Own) - 1
	out, err := exec.CommandContext(ctx, path, t.Own[1:last]...).Output()
	first, _, _ := strings.Cut(string(out), "\n")
	if err != nil || strings.TrimSpace(first) != t.Own[last] {
		return false
	}
	folder, err := t.Folder(modules)
	if err != nil || os.MkdirAll(folder, 0o755) != nil {
		return false
	}
	return os.Symlink(path, filepath.Join(folder, t.Own[0])) == nil
}

func (t Tool) buildLocked(ctx context.Context, w io.Writer, modules, count string) error {
	folder, err := t.Folder(modules)
	if err != nil {
		return err
	}
	lock, err := os.OpenFile(folder+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("locking the build of %s: %w", t.Name, err)
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("locking the build of %s: %w", t.Name, err)
	}
	if there, err := t.built(modules); err != nil || there {
		return err
	}
	fmt.Fprintf(w, "%s building %s %s\n", count, t.Name, t.Version)
	start := time.Now()
	if err := t.build(ctx, modules, folder); err != nil {
		return err
	}
	fmt.Fprintf(w, "%s %s built in %.0f s\n", count, t.Name, time.Since(start).Seconds())
	return nil
}

// build builds into a folder beside the final one, which appears at once.
func (t Tool) build(ctx context.Context, modules, folder string) error {
	temp, err := os.MkdirTemp(filepath.Dir(folder), t.Name+".")
	if err != nil {
		return fmt.Errorf("making a folder to build %s in: %w", t.Name, err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	module := filepath.Join(modules, t.Name)
	flags := t.flags()
	if len(t.Patches) > 0 {
		gomod, err := t.patched(ctx, module, temp)
		if err != nil {
			return err
		}
		flags = append(flags, "-modfile="+gomod)
	}
	out := filepath.Join(temp, "bin")
	if err := buildPrograms(ctx, module, out, t.Programs, flags); err != nil {
		return fmt.Errorf("building %s %s: %w", t.Name, t.Version, err)
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	return os.Rename(out, folder)
}

// buildPrograms builds programs of one module, given by name the package of each.
// All at once: one is linked while others are compiled.
func buildPrograms(ctx context.Context, module, out string, programs map[string]string, flags []string) error {
	args := slices.Concat([]string{"build"}, flags, []string{"-o", out + string(filepath.Separator)}, slices.Sorted(maps.Values(programs)))
	if err := run(ctx, module, args...); err != nil {
		return err
	}
	for name, pkg := range programs {
		if err := os.Rename(filepath.Join(out, binaryName(pkg)), filepath.Join(out, name)); err != nil {
			return err
		}
	}
	return nil
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// binaryName is how go names the program that it builds from a package
// (https://pkg.go.dev/cmd/go#hdr-Compile_packages_and_dependencies).
func binaryName(pkg string) string {
	if name := path.Base(pkg); !majorVersion.MatchString(name) {
		return name
	}
	return path.Base(path.Dir(pkg))
}

// patched writes a go.mod that takes the upstream modules from copies in which
// the tool's own files stand in place of theirs: files of the module cache itself
// may not be replaced. It gives the go.mod's name.
func (t Tool) patched(ctx context.Context, module, temp string) (string, error) {
	gomod := filepath.Join(temp, "go.mod")
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(module, name))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(temp, name), data, 0o600); err != nil {
			return "", err
		}
	}
	copies := map[string]string{}
	for upstream, own := range t.Patches {
		name, file := upstream[0], upstream[1]
		if copies[name] == "" {
			copies[name] = filepath.Join(temp, strings.ReplaceAll(name, "/", "-"))
			if err := copyModule(ctx, module, name, copies[name]); err != nil {
				return "", err
			}
			if err := run(ctx, module, "mod", "edit", "-replace="+name+"="+copies[name], gomod); err != nil {
				return "", err
			}
		}
		if own != "" {
			own = filepath.Join(module, own)
		}
		if err := replaceFile(filepath.Join(copies[name], filepath.FromSlash(file)), own); err != nil {
			return "", fmt.Errorf("patching %s: %w", name, err)
		}
	}
	return gomod, nil
}

// replaceFile replaces an upstream file by an own one, or by none.
func replaceFile(upstream, own string) error {
	if err := os.Remove(upstream); err != nil || own == "" {
		return err
	}
	data, err := os.ReadFile(own)
	if err != nil {
		return err
	}
	return os.WriteFile(upstream, data, 0o600)
}

// copyModule copies an upstream module, as the go.mod in the folder pins it.
func copyModule(ctx context.Context, folder, name, dest string) error {
	if err := run(ctx, folder, "mod", "download", name); err != nil {
		return fmt.Errorf("fetching %s: %w", name, err)
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", name)
	cmd.Dir = folder
	dir, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("finding %s: %w", name, err)
	}
	if err := os.CopyFS(dest, os.DirFS(strings.TrimSpace(string(dir)))); err != nil {
		return fmt.Errorf("copying %s: %w", name, err)
	}
	return nil
}

// run runs go. Its error is what the compiler, or the module proxy, said last.
func run(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		lines := strings.Split(strings.TrimSpace(output.String()), "\n")
		return fmt.Errorf("%s (%w)", strings.Join(lines[max(0, len(lines)-5):], "; "), err)
	}
	return nil
}
