package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"platform/lab/site"
)

// keeperVariable makes the test's program a keeper of all but itself, in the lab
// that it names.
const keeperVariable = "TEST_KEEPER_OF"

func TestMain(m *testing.M) {
	dir := os.Getenv(keeperVariable)
	if dir == "" {
		os.Exit(m.Run())
	}
	s, err := site.Open(dir, "platform.test", "", "")
	if err != nil {
		panic(err)
	}
	keeperOf(s, func(name string) bool { return name != "keeper" }).Run(context.Background())
}

func keeperOf(s *site.Site, keeps func(string) bool) *Keeper {
	return &Keeper{Site: s, Keeps: keeps, Log: slog.New(slog.DiscardHandler)}
}

func all(string) bool { return true }

// keep runs a keeper until the test ends.
func keep(t *testing.T, k *Keeper) {
	t.Helper()
	ctx, end := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { k.Run(ctx) })
	t.Cleanup(func() { end(); running.Wait() })
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if st, err := readStat(pid); err != nil || st.dead() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d survives SIGKILL", pid)
		}
	}
}

// comesBack waits until a server runs as another process than before.
func comesBack(t *testing.T, s *site.Site, name string, before int) Status {
	t.Helper()
	begin := time.Now()
	for ; time.Since(begin) < 5*time.Second; time.Sleep(pollInterval) {
		list, err := List(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range list {
			if st.Name == name && st.Alive && st.PID != before {
				t.Logf("%s is back after %.1f s", name, time.Since(begin).Seconds())
				return st
			}
		}
	}
	t.Fatalf("%s did not come back", name)
	return Status{}
}

// age makes the last start of a server one of long ago, so that no delay counts.
func age(t *testing.T, s *site.Site, name string) {
	t.Helper()
	r, err := readRecord(s, name)
	if err != nil {
		t.Fatal(err)
	}
	r.Since = r.Since.Add(-time.Hour)
	if err := r.write(s); err != nil {
		t.Fatal(err)
	}
}

func lines(t *testing.T, file string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Fields(string(data))
}

func TestKilledServerComesBack(t *testing.T) {
	s := newSite(t)
	dir := t.TempDir()
	spec := shell(`echo $MODE-$1-$(pwd) >> said; echo first words; exec sleep 60`)
	spec.Args, spec.Env, spec.Dir = append(spec.Args, "sh", "argument"), []string{"MODE=full"}, dir
	first := start(t, s, spec)
	var told []string
	k := keeperOf(s, all)
	k.Restarted = func(name string) { told = append(told, name) }
	t.Cleanup(func() {
		if !slices.Equal(told, []string{"server"}) {
			t.Errorf("told of restarts of %v", told)
		}
	})
	keep(t, k)
	readFile(t, filepath.Join(dir, "said"))
	kill(t, first.PID)
	if again := comesBack(t, s, "server", first.PID); again.Restarts != 1 {
		t.Errorf("%d restarts", again.Restarts)
	}
	want := "full-argument-" + dir
	for end := time.Now().Add(5 * time.Second); len(lines(t, filepath.Join(dir, "said"))) < 2 && time.Now().Before(end); time.Sleep(pollInterval) {
	}
	if said := lines(t, filepath.Join(dir, "said")); !slices.Equal(said, []string{want, want}) {
		t.Errorf("it ran with %q, want twice %q", said, want)
	}
	if old := tail(s.Log("server") + ".old"); !slices.Equal(old, []string{"first words"}) {
		t.Errorf("the older log holds %q", old)
	}
	if again := start(t, s, spec); again.Restarts != 1 {
		t.Errorf("Start of what runs again made it another: %+v", again)
	}
}

func readFile(t *testing.T, file string) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); len(lines(t, file)) == 0; time.Sleep(pollInterval) {
		if time.Now().After(end) {
			t.Fatalf("nothing in %s", file)
		}
	}
}

func TestCrashLoopBacksOff(t *testing.T) {
	s := newSite(t)
	starts := filepath.Join(t.TempDir(), "starts")
	start(t, s, shell("date +%s%N >> "+starts+"; echo death $(wc -l < "+starts+"); exit 1"))
	keep(t, keeperOf(s, all))
	var times []string
	for end := time.Now().Add(20 * time.Second); len(times) < 4 && time.Now().Before(end); time.Sleep(pollInterval) {
		times = lines(t, starts)
	}
	if len(times) != 4 {
		t.Fatalf("%d starts", len(times))
	}
	for i, least := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		a, err1 := strconv.ParseInt(times[i], 10, 64)
		b, err2 := strconv.ParseInt(times[i+1], 10, 64)
		// The time of a start is noted a little before the script notes its own.
		if gap := time.Duration(b - a); err1 != nil || err2 != nil || gap < least-200*time.Millisecond {
			t.Errorf("%v from start %d to the next, want %v at least", gap, i, least)
		}
	}
	if first := tail(s.Log("server") + ".old"); !slices.Equal(first, []string{"death 1"}) {
		t.Errorf("the older log holds %q, not the first death's words", first)
	}
}

func TestDelaysGrow(t *testing.T) {
	for inRow, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		if got := (&record{InRow: inRow}).delay(); got != want*time.Second {
			t.Errorf("after %d in a row: %v, want %d s", inRow, got, want)
		}
	}
	if got := (&record{InRow: 7, Since: time.Now().Add(-maxDelay - 5*time.Second)}).nextInRow(); got != 8 {
		t.Errorf("the longest delay counts as a life: %d in a row", got)
	}
	if got := (&record{InRow: 7, Since: time.Now().Add(-time.Hour)}).nextInRow(); got != 1 {
		t.Errorf("%d in a row after an hour", got)
	}
}

func TestHaltWins(t *testing.T) {
	s := newSite(t)
	first := start(t, s, shell("exec sleep 60"))
	k := keeperOf(s, all)
	if err := Halt(s); err != nil {
		t.Fatal(err)
	}
	age(t, s, "server")
	kill(t, first.PID)
	k.look(map[string]string{})
	if only(t, s).Alive {
		t.Error("a keeper starts what was halted")
	}
	if err := Start(t.Context(), s, shell("exec sleep 60")); err == nil || !strings.Contains(err.Error(), "stopped meanwhile") {
		t.Errorf("Start of what was halted: %v", err)
	}
	if err := Resume(s); err != nil {
		t.Fatal(err)
	}
	k.look(map[string]string{})
	if !only(t, s).Alive {
		t.Error("still dead after Resume")
	}
}

// TestStopWins lets keepers and Start restart a server while it is stopped.
func TestStopWins(t *testing.T) {
	s := newSite(t)
	pids := filepath.Join(t.TempDir(), "pids")
	spec := shell("echo $$ >> " + pids + "; exec sleep 60")
	ctx, end := context.WithCancel(t.Context())
	var keepers sync.WaitGroup
	defer func() { end(); keepers.Wait() }()
	for range 2 {
		keepers.Go(func() {
			for k := keeperOf(s, all); ctx.Err() == nil; {
				k.look(map[string]string{})
			}
		})
	}
	for round := range 40 {
		first := start(t, s, spec)
		age(t, s, "server")
		kill(t, first.PID)
		time.Sleep(time.Duration(round%8) * time.Millisecond)
		if round%2 == 0 {
			start(t, s, spec)
			if n := alive(t, pids); n > 1 {
				t.Fatalf("round %d: %d run at once", round, n)
			}
		}
		if err := Stop(s, "server"); err != nil {
			t.Fatal(err)
		}
		if n := alive(t, pids); n > 0 {
			t.Fatalf("round %d: %d run after Stop", round, n)
		}
	}
	t.Logf("%d starts in 40 rounds", len(lines(t, pids)))
}

// alive counts the living of the processes whose ids a file holds.
func alive(t *testing.T, pids string) (n int) {
	t.Helper()
	for _, line := range lines(t, pids) {
		pid, err := strconv.Atoi(line)
		if err != nil {
			t.Fatal(err)
		}
		if st, err := readStat(pid); err == nil && !st.dead() {
			n++
		}
	}
	return n
}

func TestKeeperLeavesAnEarlierBootAlone(t *testing.T) {
	s := newSite(t)
	first := start(t, s, shell("exec sleep 60"))
	age(t, s, "server")
	kill(t, first.PID)
	r, err := readRecord(s, "server")
	if err != nil {
		t.Fatal(err)
	}
	r.Boot = "before"
	if err := r.write(s); err != nil {
		t.Fatal(err)
	}
	keeperOf(s, all).look(map[string]string{})
	if only(t, s).Alive {
		t.Error("it was started")
	}
}

func TestKeeperWithoutProgramBacksOff(t *testing.T) {
	s := newSite(t)
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexec sleep 60\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	first := start(t, s, Spec{Name: "server", Path: program})
	age(t, s, "server")
	if err := os.Remove(program); err != nil {
		t.Fatal(err)
	}
	kill(t, first.PID)
	k := keeperOf(s, all)
	if done, err := k.restart("server"); done || !errors.Is(err, os.ErrNotExist) || !strings.Contains(fmt.Sprint(err), program) {
		t.Errorf("restart without a program: %v, %v", done, err)
	}
	if done, err := k.restart("server"); done || err != nil {
		t.Errorf("tried again at once: %v, %v", done, err)
	}
}

// TestKilledKeeperComesBack has a supervisor and a server that keeps it, as the
// lab has.
func TestKilledKeeperComesBack(t *testing.T) {
	s := newSite(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	server := start(t, s, shell("exec sleep 60"))
	t.Cleanup(func() {
		if err := Stop(s, "keeper"); err != nil {
			t.Error(err)
		}
	})
	if err := Start(t.Context(), s, Spec{Name: "keeper", Path: self, Env: []string{keeperVariable + "=" + s.Dir}}); err != nil {
		t.Fatal(err)
	}
	keep(t, keeperOf(s, func(name string) bool { return name == "keeper" }))
	list, err := List(s)
	if err != nil || len(list) != 2 {
		t.Fatalf("%v, %v", list, err)
	}
	// Both at once: only the second keeper can restart the server.
	kill(t, list[0].PID)
	kill(t, server.PID)
	comesBack(t, s, "keeper", list[0].PID)
	comesBack(t, s, "server", server.PID)
}
