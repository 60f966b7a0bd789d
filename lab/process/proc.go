package process

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
)

// stat is the part of /proc/PID/stat that the package needs, see proc_pid_stat(5).
type stat struct {
	state   byte
	parent  int
	session int
	started uint64
}

// dead is true of a process that has ended and was not waited for.
func (s stat) dead() bool { return s.state == 'Z' || s.state == 'X' }

func readStat(pid int) (stat, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	return parseStat(string(data))
}

// parseStat counts from the last parenthesis, as a program's name, the field
// before it, may hold spaces and parentheses.
func parseStat(line string) (stat, error) {
	fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
	if len(fields) < 20 {
		return stat{}, fmt.Errorf("unknown form of /proc/PID/stat: %q", line)
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return stat{}, fmt.Errorf("parent in /proc/PID/stat: %w", err)
	}
	session, err := strconv.Atoi(fields[3])
	if err != nil {
		return stat{}, fmt.Errorf("session in /proc/PID/stat: %w", err)
	}
	started, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return stat{}, fmt.Errorf("start time in /proc/PID/stat: %w", err)
	}
	return stat{state: fields[0][0], parent: parent, session: session, started: started}, nil
}

// sessionMembers is the living processes of a session.
func sessionMembers(session int) []int {
	var pids []int
	for pid, s := range allProcesses() {
		if s.session == session && !s.dead() {
			pids = append(pids, pid)
		}
	}
	return pids
}

func allProcesses() map[int]stat {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	all := map[int]stat{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if s, err := readStat(pid); err == nil {
			all[pid] = s
		}
	}
	return all
}

// Resident is the resident memory of processes, in bytes, each with all that it
// started.
func Resident(pids ...int) map[int]int64 {
	children := map[int][]int{}
	for pid, s := range allProcesses() {
		children[s.parent] = append(children[s.parent], pid)
	}
	var of func(pid int) int64
	of = func(pid int) int64 {
		sum := residentBytes(pid)
		for _, child := range children[pid] {
			sum += of(child)
		}
		return sum
	}
	all := map[int]int64{}
	for _, pid := range pids {
		all[pid] = of(pid)
	}
	return all
}

// residentBytes is the resident memory of a process, see proc_pid_statm(5).
func residentBytes(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// bootID tells one boot of the machine from the next.
var bootID = sync.OnceValue(func() string {
	data, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(data))
})
