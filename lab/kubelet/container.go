package kubelet

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// containerSpec is all that RunContainer needs to start a container's process.
type containerSpec struct {
	Command []string
	Env     []string
	Dir     string
	// Mounts lead paths in the container to paths of this machine.
	Mounts []mount
	// Programs by name: what PATH finds first.
	Programs map[string]string
	// Links lead paths to programs.
	Links map[string]string
	// declared are the variables that a command may name as $(NAME).
	declared []string
	// Networked: the process enters the network namespace in file descriptor 4.
	Networked bool
	network   *attachment
	// Entered: the process enters the container that has its mount namespace and
	// root in the last two file descriptors, instead of making one.
	Entered bool
	// inside is a process of that container.
	inside int
	// grace is the time to end in; at zero the process is killed at once.
	grace time.Duration
	// started, if not nil, is told the process.
	started func(pid int)
}

type mount struct {
	Source, Target string
	ReadOnly       bool
}

// programFolder is where a container finds its image's programs.
const programFolder = "/lab/bin"

func (k *Kubelet) containerSpec(ctx context.Context, pod *corev1.Pod, c *corev1.Container, v *volumes, image Image, command []string,
) (*containerSpec, error) {
	if len(command) == 0 {
		return nil, fmt.Errorf("container %s has no command", c.Name)
	}
	if err := k.refresh(ctx, pod, v); err != nil {
		return nil, err
	}
	declared, err := k.environment(ctx, pod, c, v.address)
	if err != nil {
		return nil, err
	}
	env := slices.Concat(imageEnvironment(pod), declared, image.Env)
	spec := &containerSpec{
		Command: command, Env: lastOfEach(env), Dir: c.WorkingDir, Programs: map[string]string{}, declared: declared,
	}
	for _, m := range c.VolumeMounts {
		source, ok := v.folders[m.Name]
		if !ok {
			return nil, fmt.Errorf("container %s mounts the unknown volume %s", c.Name, m.Name)
		}
		source = filepath.Join(source, m.SubPath)
		if m.SubPath != "" && writable(pod, m.Name) {
			if err := os.MkdirAll(source, 0o700); err != nil {
				return nil, fmt.Errorf("volume %s: %w", m.Name, err)
			}
		}
		spec.Mounts = append(spec.Mounts, mount{source, m.MountPath, m.ReadOnly || !writable(pod, m.Name)})
	}
	spec.Mounts = append(spec.Mounts,
		mount{filepath.Join(v.root, resolvConfFile), "/etc/resolv.conf", true},
		mount{filepath.Join(v.root, hostsFile), "/etc/hosts", true})
	for _, file := range image.Files {
		spec.Mounts = append(spec.Mounts, mount{Source: file, Target: file})
	}
	for _, name := range image.Programs {
		if spec.Programs[name], err = k.Program(name); err != nil {
			return nil, err
		}
	}
	for _, name := range image.Paths {
		if spec.Programs[name], err = k.Program(name); err != nil {
			return nil, err
		}
	}
	spec.Links = image.Paths
	return spec, nil
}

// writable says whether a volume is the pod's own: Secrets, ConfigMaps and
// projected volumes are always mounted read-only.
func writable(pod *corev1.Pod, volume string) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.Name == volume && (v.EmptyDir != nil || v.PersistentVolumeClaim != nil)
	})
}

// lastOfEach leaves the last value of each variable: what the container says
// stands before what the lab or envFrom gives.
func lastOfEach(env []string) []string {
	var out []string
	at := map[string]int{}
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if i, ok := at[name]; ok {
			out[i] = e
			continue
		}
		at[name] = len(out)
		out = append(out, e)
	}
	return out
}

// imageEnvironment is what a container has before its pod says anything.
func imageEnvironment(pod *corev1.Pod) []string {
	return []string{
		"PATH=" + programFolder + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOSTNAME=" + pod.Name,
	}
}

// RunContainerCommand is the hidden subcommand of the lab's own program that
// calls RunContainer.
const RunContainerCommand = "run-container"

// run starts this very program again, which makes the container's view of the
// files in namespaces of its own and becomes the container's process. The spec
// goes by a file descriptor: it may hold secrets. When ctx ends, so do the
// process and all that it started: it is the first of a PID namespace.
func (spec *containerSpec) run(ctx context.Context, in io.Reader, out, errOut io.Writer) error {
	spec.Networked, spec.Entered = spec.network != nil, spec.inside != 0
	data, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = read.Close() }()
	go func() {
		_, _ = write.Write(data)
		_ = write.Close()
	}()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", RunContainerCommand)
	cmd.Env = []string{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, errOut
	cmd.ExtraFiles = []*os.File{read}
	if spec.Networked {
		cmd.ExtraFiles = append(cmd.ExtraFiles, spec.network.Pod.File())
	}
	cmd.WaitDelay = time.Second
	if spec.grace > 0 {
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.WaitDelay = spec.grace
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	if spec.Entered {
		files, err := spec.container()
		if err != nil {
			return err
		}
		defer closeAll(files)
		cmd.ExtraFiles = append(cmd.ExtraFiles, files...)
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if spec.started != nil {
		spec.started(cmd.Process.Pid)
	}
	return cmd.Wait()
}

// container opens what RunContainer needs to enter the one that runs.
func (spec *containerSpec) container() ([]*os.File, error) {
	var files []*os.File
	for _, name := range []string{"ns/mnt", "root"} {
		f, err := os.Open(fmt.Sprintf("/proc/%d/%s", spec.inside, name))
		if err != nil {
			closeAll(files)
			return nil, fmt.Errorf("opening the container: %w", err)
		}
		files = append(files, f)
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}
