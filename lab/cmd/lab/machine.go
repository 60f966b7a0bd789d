package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"platform/lab/process"
)

const gibibyte = 1 << 30

// What a machine needs, measured: what a first build fills the Go caches with,
// what a run writes, and what a lab with two tenants has resident.
var (
	buildDisk = map[mode]int64{thin: 16 * gibibyte, full: 30 * gibibyte}
	labMemory = map[mode]int64{thin: 6 * gibibyte, full: 10 * gibibyte}
)

const runDisk = 2 * gibibyte

// checkDisk looks at each file system that the lab writes to.
func checkDisk(ctx context.Context, p *project) []finding {
	m, err := p.mode()
	if err != nil {
		return failed(err)
	}
	need := map[string]int64{p.site.Dir: runDisk}
	if missing, err := missingTools(p); err != nil || len(missing) > 0 {
		for _, name := range []string{"GOCACHE", "GOMODCACHE"} {
			if out, err := exec.CommandContext(ctx, "go", "env", name).Output(); err == nil {
				need[strings.TrimSpace(string(out))] = buildDisk[m]
			}
		}
	}
	type disk struct{ need, free int64 }
	disks := map[uint64]disk{}
	for folder, bytes := range need {
		device, free, err := diskOf(folder)
		if err != nil {
			return failed(err)
		}
		disks[device] = disk{need: max(bytes, disks[device].need), free: free}
	}
	var all []finding
	for _, d := range disks {
		f := finding{says: fmt.Sprintf("%d GiB free", d.free/gibibyte)}
		if d.free < d.need {
			f.todo = fmt.Sprintf("make room, %d GiB are needed", d.need/gibibyte)
		}
		all = append(all, f)
	}
	return all
}

// diskOf tells of the file system of a folder that may not be there yet.
func diskOf(folder string) (device uint64, free int64, err error) {
	for folder != filepath.Dir(folder) {
		if _, err := os.Stat(folder); err == nil {
			break
		}
		folder = filepath.Dir(folder)
	}
	var file syscall.Stat_t
	if err := syscall.Stat(folder, &file); err != nil {
		return 0, 0, fmt.Errorf("looking at %s: %w", folder, err)
	}
	var system syscall.Statfs_t
	if err := syscall.Statfs(folder, &system); err != nil {
		return 0, 0, fmt.Errorf("looking at the disk of %s: %w", folder, err)
	}
	return file.Dev, int64(system.Bavail) * system.Bsize, nil
}

// checkMemory counts what the lab has already as free.
func checkMemory(_ context.Context, p *project) []finding {
	m, err := p.mode()
	if err != nil {
		return failed(err)
	}
	available, err := availableMemory()
	if err != nil {
		return failed(err)
	}
	list, err := process.List(p.site)
	if err != nil {
		return failed(err)
	}
	for _, s := range list {
		available += s.RSS
	}
	f := finding{says: fmt.Sprintf("%.1f GiB for the lab", float64(available)/gibibyte)}
	if need := labMemory[m]; available < need {
		f.todo = fmt.Sprintf("end other programs, %d GiB are needed", need/gibibyte)
	}
	return []finding{f}
}

func availableMemory() (int64, error) {
	file, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var kibibytes int64
		if n, _ := fmt.Sscanf(lines.Text(), "MemAvailable: %d kB", &kibibytes); n == 1 {
			return kibibytes << 10, nil
		}
	}
	return 0, fmt.Errorf("no MemAvailable in %s", file.Name())
}

// checkBuilt says which tools `lab build` would build.
func checkBuilt(_ context.Context, p *project) []finding {
	missing, err := missingTools(p)
	if err != nil {
		return failed(err)
	}
	if len(missing) > 0 {
		return []finding{{says: "not built yet: " + strings.Join(missing, ", ") + "; make build builds them"}}
	}
	return []finding{{says: "all tools are built"}}
}
