package kubelet

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
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
	// The thread that becomes the process is the one that enters.
	runtime.LockOSThread()
	next := 4
	if spec.Networked {
		next++
		if err := unix.Setns(4, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering the pod's network: %w", err)
		}
		_ = os.NewFile(4, "network").Close()
	}
	if err := spec.enter(next); err != nil {
		return err
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
	// The end with the kubelet is of a thread, and this one need not be that which
	// was started with it (prctl(2)).
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("binding the container to the kubelet: %w", err)
	}
	return fmt.Errorf("running %s: %w", path, syscall.Exec(path, spec.Command, spec.Env))
}

// enter makes the container's files this process's root: those of a new
// container, or of the one that file descriptors from next on lead to.
func (spec *containerSpec) enter(next int) error {
	if !spec.Entered {
		root, err := spec.root()
		if err != nil {
			return err
		}
		if err := syscall.Chroot(root); err != nil {
			return fmt.Errorf("entering the container: %w", err)
		}
		return nil
	}
	mounts, root := next, next+1
	// A mount namespace is entered by a thread that shares its root with none
	// (setns(2)).
	err := unix.Unshare(unix.CLONE_FS)
	if err == nil {
		err = unix.Setns(mounts, unix.CLONE_NEWNS)
	}
	if err == nil {
		err = unix.Fchdir(root)
	}
	if err == nil {
		err = unix.Chroot(".")
	}
	if err != nil {
		return fmt.Errorf("entering the running container: %w", err)
	}
	if _, err := os.Stat(programFolder); err != nil {
		return fmt.Errorf("the container is still being made: %w", err)
	}
	return errors.Join(unix.Close(mounts), unix.Close(root))
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
	// Sorted, a folder comes before what is mounted in it.
	targets := slices.Sorted(maps.Keys(sources))
	links := map[string]string{}
	for path, program := range spec.Links {
		links[linked(path)] = filepath.Join(programFolder, program)
	}
	places := slices.Concat(targets, slices.Collect(maps.Keys(links)))
	for _, path := range systemPaths {
		if err := share(root, path, places); err != nil {
			return "", err
		}
	}
	// The machine's shared memory holds the volumes of all pods.
	if err := hide(root + memory); err != nil {
		return "", err
	}
	for _, folder := range []string{"/tmp", programFolder} {
		if err := os.MkdirAll(root+folder, 0o755); err != nil {
			return "", err
		}
	}
	for _, target := range targets {
		source := sources[target]
		place := filepath.Join(root, target)
		if err := bind(fmt.Sprintf("/proc/self/fd/%d", source.Fd()), place); err != nil {
			return "", err
		}
		if source.readOnly {
			if err := protect(place); err != nil {
				return "", err
			}
		}
		_ = source.Close()
	}
	for path, program := range links {
		place := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
			return "", err
		}
		if err := os.Symlink(program, place); err != nil {
			return "", err
		}
	}
	return root, nil
}

// source is an opened file or folder that will be mounted.
type source struct {
	*os.File
	readOnly bool
}

// open opens what will be mounted, by the path in the container: a source may
// lie below the folder that the root covers.
func (spec *containerSpec) open() (map[string]source, error) {
	sources := map[string]source{}
	add := func(m mount) error {
		f, err := os.Open(m.Source)
		if err != nil {
			return fmt.Errorf("opening %s for %s: %w", m.Source, m.Target, err)
		}
		sources[linked(filepath.Clean(m.Target))] = source{f, m.ReadOnly}
		return nil
	}
	for _, m := range spec.Mounts {
		if err := add(m); err != nil {
			return nil, err
		}
	}
	for name, path := range spec.Programs {
		if err := add(mount{path, filepath.Join(programFolder, name), true}); err != nil {
			return nil, err
		}
	}
	return sources, nil
}

// linked is a path in the container without the links that are system paths of
// the machine, /bin to /usr/bin say.
func linked(target string) string {
	for _, path := range systemPaths {
		rest, below := strings.CutPrefix(target, path+"/")
		if !below {
			continue
		}
		if place, err := filepath.EvalSymlinks(path); err == nil {
			return filepath.Join(place, rest)
		}
	}
	return target
}

// share shows a path of the machine under the same name, read-only; links stay
// links. A folder below which something will be mounted is made anew, with the
// entries of the machine's: no mount point may be made on the machine itself.
func share(root, path string, targets []string) error {
	info, err := os.Lstat(path)
	if os.IsNotExist(err) || slices.Contains(targets, path) {
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
	below := func(target string) bool { return strings.HasPrefix(target, path+"/") }
	if !slices.ContainsFunc(targets, below) {
		if err := bind(path, root+path); err != nil {
			return err
		}
		return protect(root + path)
	}
	return shareEntries(root, path, targets)
}

// machineFolder is where a container finds the machine's own folders, for the
// links of those that are made anew.
const machineFolder = "/lab/machine"

// shareEntries makes a folder anew. Files become links: /usr/bin has more of them
// than one wants mounts.
func shareEntries(root, path string, targets []string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	if err := os.Mkdir(root+path, 0o755); err != nil {
		return err
	}
	original := filepath.Join(root, machineFolder, path)
	if err := bind(path, original); err != nil {
		return err
	}
	if err := protect(original); err != nil {
		return err
	}
	for _, entry := range entries {
		name := filepath.Join(path, entry.Name())
		switch {
		case slices.Contains(targets, name):
		case entry.Type().IsRegular():
			err = os.Symlink(filepath.Join(machineFolder, name), root+name)
		default:
			err = share(root, name, targets)
		}
		if err != nil {
			return err
		}
	}
	return nil
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

// protect makes a mount read-only. The other flags stay: in a user namespace
// they may not be taken away (mount_namespaces(7)).
func protect(target string) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(target, &fs); err != nil {
		return fmt.Errorf("asking for the mount %s: %w", target, err)
	}
	keep := uintptr(fs.Flags) & (syscall.MS_NOSUID | syscall.MS_NODEV | syscall.MS_NOEXEC | syscall.MS_NOATIME | syscall.MS_NODIRATIME)
	if err := syscall.Mount("", target, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY|keep, ""); err != nil {
		return fmt.Errorf("making %s read-only: %w", target, err)
	}
	return nil
}

// hide puts an empty folder in the place of one.
func hide(target string) error {
	if _, err := os.Stat(target); os.IsNotExist(err) {
		return nil
	}
	if err := syscall.Mount("tmpfs", target, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "size=64m"); err != nil {
		return fmt.Errorf("hiding %s: %w", target, err)
	}
	return nil
}
