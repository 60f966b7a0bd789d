package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"platform/lab/process"
)

func listed(t *testing.T, p *project) []process.Status {
	t.Helper()
	list, err := process.List(p.site)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// superviseUntilEnd runs what the supervisor's process does.
func superviseUntilEnd(t *testing.T, p *project) {
	t.Helper()
	ctx, end := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := supervise(ctx, p); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { end(); running.Wait() })
}

// allAlive waits until all processes live, and says how many.
func allAlive(t *testing.T, p *project, limit time.Duration) int {
	t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		alive := 0
		list := listed(t, p)
		for _, s := range list {
			if s.Alive {
				alive++
			}
		}
		if alive == len(list) || time.Now().After(end) {
			return alive
		}
	}
}

func killAll(t *testing.T, p *project) {
	t.Helper()
	for _, s := range listed(t, p) {
		if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(5 * time.Second); syscall.Kill(s.PID, 0) == nil; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s survives SIGKILL", s.Name)
			}
		}
	}
}

func TestSuperviseUntilDown(t *testing.T) {
	p := testProject(t)
	superviseUntilEnd(t, p)
	t.Cleanup(func() { _ = down(context.Background(), p, false) })
	for _, name := range []string{lastToStop, "dev-kwok"} {
		if err := process.Start(t.Context(), p.site, process.Spec{Name: name, Path: "/bin/sleep", Args: []string{"60"}}); err != nil {
			t.Fatal(err)
		}
	}
	killAll(t, p)
	if n := allAlive(t, p, 5*time.Second); n != 2 {
		t.Fatalf("%d of two killed processes came back", n)
	}
	tellsOfRestarts(t, p)

	killAll(t, p)
	if err := down(t.Context(), p, false); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second)
	if list := listed(t, p); len(list) > 0 {
		t.Errorf("after down there is %+v", list)
	}
}

func tellsOfRestarts(t *testing.T, p *project) {
	t.Helper()
	var table bytes.Buffer
	printServers(&table, p, listed(t, p))
	for line := range strings.Lines(table.String()) {
		if fields := strings.Split(line, "\t"); len(fields) != 7 || fields[1] != "real" || fields[5] != "1" {
			t.Errorf("status says %q, want one restart", fields)
		}
	}
	var says []string
	for _, f := range checkProcesses(t.Context(), p) {
		if says = append(says, f.says); f.todo != "" {
			t.Errorf("the doctor wants %q for what runs again", f.todo)
		}
	}
	all := strings.Join(says, "\n")
	for _, want := range []string{"dev-kwok died and was started again, restarts: 1", p.site.Log("dev-kwok") + ".old", "2 processes run", "a log of each is in"} {
		if !strings.Contains(all, want) {
			t.Errorf("the doctor does not say %q: %s", want, all)
		}
	}
}

// TestDownThatIsCutOff stops before it has stopped anything.
func TestDownThatIsCutOff(t *testing.T) {
	p := testProject(t)
	superviseUntilEnd(t, p)
	t.Cleanup(func() { _ = down(context.Background(), p, false) })
	if err := process.Start(t.Context(), p.site, process.Spec{Name: "dev-kwok", Path: "/bin/sleep", Args: []string{"60"}}); err != nil {
		t.Fatal(err)
	}
	if err := process.Halt(p.site); err != nil {
		t.Fatal(err)
	}
	killAll(t, p)
	if n := allAlive(t, p, 3*time.Second); n > 0 {
		t.Error("the supervisor starts what down stops")
	}
	if err := process.Resume(p.site); err != nil {
		t.Fatal(err)
	}
	if n := allAlive(t, p, 5*time.Second); n != 1 {
		t.Error("after the next up the supervisor does nothing")
	}
}

func TestVaultIsUnsealedAfterEachRestart(t *testing.T) {
	tried := make(chan bool, 10)
	fails := 1
	unseal := func(context.Context) error {
		if fails--; fails >= 0 {
			tried <- false
			return errors.New("nobody answers")
		}
		tried <- true
		return nil
	}
	sealed := make(chan struct{}, 1)
	go keepUnsealed(t.Context(), slog.New(slog.DiscardHandler), sealed, unseal)
	want := func(all ...bool) {
		t.Helper()
		for _, well := range all {
			select {
			case got := <-tried:
				if got != well {
					t.Fatalf("it was unsealed: %v, want %v", got, well)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("nobody unseals Vault")
			}
		}
	}
	sealed <- struct{}{}
	want(false, true)
	sealed <- struct{}{}
	want(true)
	select {
	case <-tried:
		t.Error("Vault is unsealed without need")
	case <-time.After(50 * time.Millisecond):
	}
}
