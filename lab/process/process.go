// Package process starts and stops the lab's servers as processes that outlive
// the command that started them.
//
// Each has a record in the lab's folder run/ and a log in logs/. A record names
// its process by pid, start time and boot, so a pid that the kernel has given to
// another program is never taken for the lab's, and never signalled. It also holds
// what is needed to start the process again, which a Keeper does when it has died.
package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"platform/lab/site"
)

const (
	// readyTimeout is for a kube-apiserver on a machine that starts three.
	readyTimeout = 3 * time.Minute
	defaultGrace = 10 * time.Second
	pollInterval = 50 * time.Millisecond
)

// Spec says how to run a server.
type Spec struct {
	// Name is unique in the lab, and names the record and the log.
	Name string `json:"name"`
	// Path is the program.
	Path string   `json:"path"`
	Args []string `json:"args"`
	// Env is added to the environment of the caller.
	Env []string `json:"env"`
	// Dir is the working directory, the lab's folder when empty.
	Dir string `json:"dir"`
	// Ready says with nil that the server serves. It is asked again and again,
	// and may be nil itself.
	Ready func(context.Context) error `json:"-"`
	// Root: where the caller is an ordinary user, the server runs as root of a
	// user namespace, with no right that the user lacks outside of it.
	Root bool `json:"root"`
	// Grace is the time between SIGTERM and SIGKILL, 10 s when zero.
	Grace time.Duration `json:"grace"`
}

// Start runs the server and waits until it is ready. One that runs already is
// left alone, unless it runs another command line or its program was built
// anew since: then it is stopped first. When ctx ends the server goes on, so
// that the next Start takes up from there.
func Start(ctx context.Context, s *site.Site, spec Spec) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, readyTimeout)
		defer cancel()
	}
	exited, err := launch(s, spec)
	if err != nil {
		return fmt.Errorf("starting %s: %w", spec.Name, err)
	}
	if err := waitReady(ctx, s, spec, exited); err != nil {
		return fmt.Errorf("starting %s: %w", spec.Name, err)
	}
	return nil
}

// launch makes sure that the server runs. The function given back says whether
// it has exited since.
func launch(s *site.Site, spec Spec) (exited func() bool, err error) {
	unlock, err := lock(s, spec.Name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if halted(s) {
		return nil, errors.New("the lab was stopped meanwhile")
	}

	command, err := digest(spec)
	if err != nil {
		return nil, err
	}
	old, err := readRecord(s, spec.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case old.running() && old.Command == command:
		return func() bool { return !old.running() }, nil
	default:
		if err := stop(s, old); err != nil {
			return nil, err
		}
	}
	log, err := newLog(s.Log(spec.Name))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	return spawn(s, record{Spec: spec, Command: command}, log)
}

// spawn runs the server of a record, and completes and writes the record.
func spawn(s *site.Site, r record, log *os.File) (exited func() bool, err error) {
	// What this command inherited (a pipe of make, say) must not stay open as
	// long as the server lives. An old kernel without the call keeps it open,
	// which only delays the reader.
	_ = unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC)

	cmd := exec.Command(r.Path, r.Args...)
	cmd.Env = append(os.Environ(), r.Env...)
	cmd.Dir = r.Dir
	if cmd.Dir == "" {
		cmd.Dir = s.Dir
	}
	cmd.Stdout, cmd.Stderr = log, log
	// A session of its own: no terminal, and Ctrl-C does not reach it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if uid := os.Getuid(); r.Root && uid != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if err = r.names(cmd.Process.Pid); err == nil {
		err = r.write(s)
	}
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, err
	}
	// Waiting reaps it if it ends before this command does.
	go func() { _ = cmd.Wait() }()
	return func() bool { return !r.running() }, nil
}

func waitReady(ctx context.Context, s *site.Site, spec Spec, exited func() bool) error {
	for {
		var notReady error
		if spec.Ready != nil {
			notReady = spec.Ready(ctx)
		}
		// Asked after Ready: an answer may come from another program on the port.
		if exited() {
			return fmt.Errorf("it ended at once; %s", lastWords(s.Log(spec.Name)))
		}
		if notReady == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return fmt.Errorf("it runs but is not ready: %w; %s", notReady, lastWords(s.Log(spec.Name)))
		case <-time.After(2 * pollInterval):
		}
	}
}

// Stop ends the server called name and all that it started: SIGTERM, and
// SIGKILL after its grace. Stopping what does not run is no error.
func Stop(s *site.Site, name string) error {
	unlock, err := lock(s, name)
	if err != nil {
		return err
	}
	defer unlock()
	r, err := readRecord(s, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = stop(s, r)
	}
	if err != nil {
		return fmt.Errorf("stopping %s: %w", name, err)
	}
	return nil
}

func stop(s *site.Site, r *record) error {
	if err := r.end(); err != nil {
		return err
	}
	return r.remove(s)
}

// end ends the server and all that it started.
func (r *record) end() error {
	if r.running() {
		_ = syscall.Kill(r.PID, syscall.SIGTERM)
		grace := r.Grace
		if grace == 0 {
			grace = defaultGrace
		}
		r.wait(grace)
	}
	// The server if it is still there, and what it left behind.
	for _, pid := range r.session() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	if !r.wait(defaultGrace) {
		return fmt.Errorf("process %d does not end", r.PID)
	}
	return nil
}

// digest stands for all that Start would run. A program built anew has another
// inode, as the one that runs still holds the old one; its time says nothing,
// since go build touches a program that is up to date.
func digest(spec Spec) (string, error) {
	var program syscall.Stat_t
	if err := syscall.Stat(spec.Path, &program); err != nil {
		return "", fmt.Errorf("looking for %s: %w", spec.Path, err)
	}
	h := sha256.New()
	_, _ = fmt.Fprintln(h, spec.Path, program.Ino, program.Size, spec.Dir, spec.Root, spec.Grace)
	_, _ = fmt.Fprintln(h, strings.Join(spec.Args, "\x00"))
	_, _ = fmt.Fprintln(h, strings.Join(spec.Env, "\x00"))
	return hex.EncodeToString(h.Sum(nil)), nil
}
