package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"platform/lab/process"
)

// finding is what a check found. A todo means that something is wrong.
type finding struct {
	says, todo string
}

// checks are what the doctor looks at, in the order that a person would.
var checks = []struct {
	name string
	run  func(context.Context, *project) []finding
}{
	{"go", checkGo},
	{"tools", checkPrograms},
	{"kernel", checkKernel},
	{"disk", checkDisk},
	{"memory", checkMemory},
	{"built", checkBuilt},
	{"plugins", checkPlugins},
	{"stack", checkStack},
	{"lock", checkStackLock},
	{"lab", checkProcesses},
	{"ports", checkPorts},
}

// doctor says how things stand, and fails when something is wrong.
func doctor(ctx context.Context, p *project) error {
	wrong := 0
	for _, c := range checks {
		for _, f := range c.run(ctx, p) {
			if f.todo == "" {
				fmt.Printf("ok     %-8s %s\n", c.name, f.says)
				continue
			}
			wrong++
			fmt.Printf("WRONG  %-8s %s: %s\n", c.name, f.says, f.todo)
		}
	}
	switch wrong {
	case 0:
		return nil
	case 1:
		return errors.New("one thing is wrong, see above")
	default:
		return fmt.Errorf("%d things are wrong, see above", wrong)
	}
}

func failed(err error) []finding {
	return []finding{{says: err.Error(), todo: "see what it says"}}
}

// checkGo asks Go itself, which refuses a go.mod that needs a newer one.
func checkGo(ctx context.Context, p *project) []finding {
	var all []finding
	for _, dir := range []string{p.root, p.labModule()} {
		cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			says := strings.TrimSpace(string(out))
			if says == "" {
				says = err.Error()
			}
			return []finding{{says: says, todo: "install Go from https://go.dev/dl/"}}
		}
		all = []finding{{says: strings.TrimSpace(string(out))}}
	}
	return all
}

func checkPrograms(context.Context, *project) []finding {
	var all []finding
	var found []string
	for _, name := range []string{"make", "git"} {
		if file, err := exec.LookPath(name); err == nil {
			found = append(found, file)
			continue
		}
		all = append(all, finding{says: name + " is missing", todo: "install it, on Debian with apt-get install " + name})
	}
	if len(found) > 0 {
		all = append(all, finding{says: strings.Join(found, ", ")})
	}
	return all
}

// checkKernel tries what the lab's kubelet runs containers with: a mount
// namespace, and a user namespace where the caller is not root.
func checkKernel(ctx context.Context, _ *project) []finding {
	cmd := exec.CommandContext(ctx, "/bin/true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	says := "mount namespaces"
	if os.Getuid() != 0 {
		says = "user and mount namespaces"
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	}
	if err := cmd.Run(); err != nil {
		return []finding{{
			says: fmt.Sprintf("no %s here (%v)", says, err),
			todo: "allow them (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, " +
				"kernel.apparmor_restrict_unprivileged_userns), or run as root",
		}}
	}
	return []finding{{says: says}}
}

func checkPlugins(_ context.Context, p *project) []finding {
	chosen, err := choosePlugins(p)
	if err != nil {
		return []finding{{says: err.Error(), todo: "put them there, or unset LAB_PLUGINS"}}
	}
	f := finding{says: chosen.described}
	if _, err := os.Stat(chosen.folder); chosen.folder != "" && err != nil {
		f.says = "the lab's own, not built yet; make build builds them"
	}
	return []finding{f}
}

func checkStack(_ context.Context, p *project) []finding {
	if _, err := os.Stat(p.site.CACert); err != nil {
		return []finding{{says: "stack " + stack + " is not made yet; make up makes it"}}
	}
	file, err := passphraseFile()
	if err != nil {
		return failed(err)
	}
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return []finding{{says: "the passphrase of stack " + stack + " is gone: " + err.Error(), todo: "bring the file back; without it the state cannot be read"}}
	case info.Mode().Perm()&0o077 != 0:
		return []finding{{says: "others can read " + file, todo: "chmod 600 " + file}}
	}
	return []finding{{says: "stack " + stack + " is made, its passphrase is in " + file}}
}

func checkStackLock(_ context.Context, p *project) []finding {
	locks, err := stackLocks(p)
	if err != nil {
		return failed(err)
	}
	var all []finding
	for _, l := range locks {
		says, todo, _ := strings.Cut(l.problem(), ": ")
		all = append(all, finding{says: says, todo: todo})
	}
	if len(all) == 0 {
		all = append(all, finding{says: "no run is under way"})
	}
	return all
}

func checkProcesses(_ context.Context, p *project) []finding {
	list, err := process.List(p.site)
	if err != nil {
		return failed(err)
	}
	var all []finding
	var memory int64
	alive := 0
	for _, s := range list {
		log := p.relative(s.Log)
		if !s.Alive {
			all = append(all, finding{
				says: fmt.Sprintf("%s died, its log is %s", s.Name, log),
				todo: "it is started again by itself within a minute, else run make lab",
			})
			continue
		}
		alive++
		memory += s.RSS
		if s.Restarts > 0 {
			all = append(all, finding{says: fmt.Sprintf("%s died and was started again, restarts: %d; what it died of may be in %s.old", s.Name, s.Restarts, log)})
		}
	}
	if alive == 0 {
		return append(all, finding{says: "nothing runs; make lab starts it"})
	}
	logs := p.relative(filepath.Dir(p.site.Log("")))
	return append(all, finding{says: fmt.Sprintf("%d processes run, %s; a log of each is in %s", alive, mebibytes(memory), logs)})
}
