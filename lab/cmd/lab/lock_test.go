package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLock(t *testing.T) {
	p := testProject(t)
	p.root = t.TempDir()
	if err := checkLock(t.Context(), p); err != nil {
		t.Fatalf("without a lock: %v", err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		lock stackLock
		want string
	}{
		"another machine": {stackLock{PID: 1, Username: "alice", Hostname: "elsewhere"}, "on machine elsewhere"},
		"killed":          {stackLock{PID: 1 << 30, Hostname: host}, "killed"},
		"recycled pid":    {stackLock{PID: os.Getpid(), Hostname: host}, "killed"},
		"at work":         {stackLock{PID: startPulumi(t), Username: "bob", Hostname: host}, "in use by a run of bob"},
	} {
		c.lock.Time = time.Now()
		data, err := json.Marshal(c.lock)
		if err != nil {
			t.Fatal(err)
		}
		file := writeFile(t, p.state(".pulumi", "locks", "organization", "platform", "dev", "some-id.json"), string(data))
		err = checkLock(t.Context(), p)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q on one line", name, err, c.want)
		}
		if _, err := os.Stat(file); err != nil {
			t.Errorf("%s: the lock was touched: %v", name, err)
		}
	}
}

// startPulumi starts a process of the CLI's name.
func startPulumi(t *testing.T) int {
	t.Helper()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "pulumi")
	data, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, program, string(data))
	cmd := exec.Command(program, "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd.Process.Pid
}
