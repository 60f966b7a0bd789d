package kubelet

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// systemPaths of the machine that every container sees: its shell and tools.
var systemPaths = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/dev", "/proc"}

// RunContainer makes the root folder of a container, in the mount namespace that
// it was started in, and becomes the container's process. It reads the spec from
// file descriptor 3 and returns only on an error.
func RunContainer() error {
	file := os.NewFile(3, "spec")
	var spec containerSpec
	if err := json.NewDecoder(file).Decode(&spec); err != nil {
		return fmt.Errorf("reading the container's spec: %w", err)
	}
	_ = file.Close()
	root, err := spec.root()
	if err != nil {
		return err
	}
	if err := syscall.Chroot(root); err != nil {
		return fmt.Errorf("entering the container: %w", err)
	}
	dir := spec.Dir
	if dir == "" {
		dir = "/"
	}
	if err := os.Chdir(dir); err != nil {
		return fmt.Errorf("entering the container's folder: %w", err)
	}
	for _, e := range spec.Env {
		if path, ok := strings.CutPrefix(e, "PATH="); ok {
			if err := os.Setenv("PATH", path); err != nil {
				return err
			}
		}
	}
	path, err := exec.LookPath(spec.Command[0])
	if err != nil {
		return err
	}
	return fmt.Errorf("running %s: %w", path, syscall.Exec(path, spec.Command, spec.Env))
}

// root builds the container's files on a tmpfs: the machine's system folders,
// the image's programs and the volumes.
func (spec *containerSpec) root() (string, error) {
	if err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""); err != nil {
		return "", fmt.Errorf("leaving the machine's mounts: %w", err)
	}
	// Any folder will do: the tmpfs is seen in this namespace alone.
	root := "/tmp"
	sources, err := spec.open()
	if err != nil {
		return "", err
	}
	if err := syscall.Mount("tmpfs", root, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=0755,size=64m"); err != nil {
		return "", fmt.Errorf("making the container's root: %w", err)
	}
	for _, path := range systemPaths {
		if err := share(root, path); err != nil {
			return "", err
		}
	}
	for _, folder := range []string{"/tmp", programFolder} {
		if err := os.MkdirAll(root+folder, 0o755); err != nil {
			return "", err
		}
	}
	for target, source := range sources {
		if err := bind(fmt.Sprintf("/proc/self/fd/%d", source.Fd()), filepath.Join(root, target)); err != nil {
			return "", err
		}
		_ = source.Close()
	}
	return root, nil
}

// open opens what will be mounted, by the path in the container: a source may
// lie below the folder that the root covers.
func (spec *containerSpec) open() (map[string]*os.File, error) {
	sources := map[string]*os.File{}
	add := func(source, target string) error {
		f, err := os.Open(source)
		if err != nil {
			return fmt.Errorf("opening %s for %s: %w", source, target, err)
		}
		sources[target] = f
		return nil
	}
	for _, m := range spec.Mounts {
		if err := add(m.Source, m.Target); err != nil {
			return nil, err
		}
	}
	for name, path := range spec.Programs {
		if err := add(path, filepath.Join(programFolder, name)); err != nil {
			return nil, err
		}
	}
	return sources, nil
}

// share shows a path of the machine under the same name; links stay links.
func share(root, path string) error {
	info, err := os.Lstat(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeSymlink != 0 {
		target, err := os.Readlink(path)
		if err != nil {
			return err
		}
		return os.Symlink(target, root+path)
	}
	return bind(path, root+path)
}

func bind(source, target string) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = os.MkdirAll(target, 0o755)
	} else if err = os.MkdirAll(filepath.Dir(target), 0o755); err == nil {
		err = os.WriteFile(target, nil, 0o600)
	}
	if err != nil {
		return fmt.Errorf("making %s: %w", target, err)
	}
	if err := syscall.Mount(source, target, "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
		return fmt.Errorf("mounting %s: %w", target, err)
	}
	return nil
}
