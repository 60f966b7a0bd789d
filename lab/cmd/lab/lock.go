package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// stackLock is what the Pulumi CLI writes beside the state for as long as it
// works on a stack (pulumi/pkg/v3/backend/diy/lock.go). A killed CLI leaves it.
type stackLock struct {
	PID      int       `json:"pid"`
	Username string    `json:"username"`
	Hostname string    `json:"hostname"`
	Time     time.Time `json:"timestamp"`
}

// stackLocks are the locks on stack dev.
func stackLocks(p *project) ([]stackLock, error) {
	files, err := filepath.Glob(p.state(".pulumi", "locks", "organization", "platform", stack, "*.json"))
	if err != nil {
		return nil, err
	}
	var locks []stackLock
	for _, file := range files {
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // given up meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("reading the lock of stack %s: %w", stack, err)
		}
		var l stackLock
		if err := json.Unmarshal(data, &l); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		locks = append(locks, l)
	}
	return locks, nil
}

// problem says on one line whose lock it is and what to do.
func (l stackLock) problem() string {
	since := l.Time.Local().Format(time.DateTime)
	host, err := os.Hostname()
	switch {
	case err != nil || host != l.Hostname:
		return fmt.Sprintf("stack %s is locked by %s on machine %s since %s: wait for that run, or, if it is dead, "+
			"run `pulumi cancel` in `make shell`", stack, l.Username, l.Hostname, since)
	case l.held():
		return fmt.Sprintf("stack %s is in use by a run of %s, pid %d, since %s: wait for it to end",
			stack, l.Username, l.PID, since)
	default:
		return fmt.Sprintf("stack %s is still locked by a run that was killed (pid %d, since %s): type `make shell`, "+
			"in it `pulumi cancel` and `exit`, then go on", stack, l.PID, since)
	}
}

// held says whether the process that took the lock lives, on this machine. Its
// pid may have gone to another program since, hardly to another CLI.
func (l stackLock) held() bool {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", l.PID))
	return err == nil && strings.TrimSpace(string(name)) == "pulumi"
}

// checkLock fails when stack dev is locked.
func checkLock(_ context.Context, p *project) error {
	locks, err := stackLocks(p)
	if err != nil {
		return err
	}
	if len(locks) > 0 {
		return errors.New(locks[0].problem())
	}
	return nil
}
