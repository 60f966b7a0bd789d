package process

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"platform/lab/site"
)

func newSite(t *testing.T) *site.Site {
	t.Helper()
	s, err := site.Open(t.TempDir(), "platform.test", "", "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func shell(script string) Spec {
	return Spec{Name: "server", Path: "/bin/sh", Args: []string{"-c", script}, Grace: time.Second}
}

func start(t *testing.T, s *site.Site, spec Spec) Status {
	t.Helper()
	t.Cleanup(func() {
		if err := Stop(s, spec.Name); err != nil {
			t.Error(err)
		}
	})
	if err := Start(t.Context(), s, spec); err != nil {
		t.Fatal(err)
	}
	return only(t, s)
}

func only(t *testing.T, s *site.Site) Status {
	t.Helper()
	list, err := List(s)
	if err != nil || len(list) != 1 {
		t.Fatalf("List = %+v, %v, want one", list, err)
	}
	return list[0]
}

func TestStartListStop(t *testing.T) {
	s := newSite(t)
	st := start(t, s, shell("echo hello; exec sleep 60"))
	if !st.Alive || st.RSS == 0 || time.Since(st.Since) > time.Minute {
		t.Errorf("status of a running server: %+v", st)
	}
	if sid, _ := readStat(st.PID); sid.session != st.PID {
		t.Errorf("session %d, want its own, %d", sid.session, st.PID)
	}
	if err := Stop(s, "server"); err != nil {
		t.Fatal(err)
	}
	if syscall.Kill(st.PID, 0) == nil {
		t.Error("still there after Stop")
	}
	if list, err := List(s); err != nil || len(list) != 0 {
		t.Errorf("List after Stop = %v, %v", list, err)
	}
	if err := Stop(s, "server"); err != nil {
		t.Errorf("second Stop: %v", err)
	}
}

func TestStartAgain(t *testing.T) {
	s := newSite(t)
	first := start(t, s, shell("exec sleep 60"))
	if again := start(t, s, shell("exec sleep 60")); again.PID != first.PID {
		t.Errorf("the same command was started twice: %d, %d", first.PID, again.PID)
	}
	other := start(t, s, shell("exec sleep 61"))
	if other.PID == first.PID || !other.Alive {
		t.Errorf("another command was not started: %+v", other)
	}
	if syscall.Kill(first.PID, 0) == nil {
		t.Error("the command before still runs")
	}
}

func TestStartAfterDeath(t *testing.T) {
	s := newSite(t)
	first := start(t, s, shell("exec sleep 60"))
	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); only(t, s).Alive; time.Sleep(pollInterval) {
		if time.Now().After(end) {
			t.Fatal("a killed server counts as alive")
		}
	}
	if again := start(t, s, shell("exec sleep 60")); again.PID == first.PID || !again.Alive {
		t.Errorf("a dead server was not started again: %+v", again)
	}
}

func TestStartReportsDeath(t *testing.T) {
	s := newSite(t)
	spec := shell("echo starting; echo cannot bind >&2; exit 3")
	spec.Ready = func(context.Context) error { return errors.New("refused") }
	err := Start(t.Context(), s, spec)
	if err == nil {
		t.Fatal("no error from a server that dies")
	}
	for _, want := range []string{"starting server", "ended", "cannot bind", s.Log("server")} {
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %q, want %q, on one line", err, want)
		}
	}
}

func TestStartReportsNeverReady(t *testing.T) {
	s := newSite(t)
	t.Cleanup(func() { _ = Stop(s, "server") })
	spec := shell("echo waiting for etcd; exec sleep 60")
	spec.Ready = func(context.Context) error { return errors.New("connection refused") }
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := Start(ctx, s, spec)
	if err == nil || !strings.Contains(err.Error(), "not ready: connection refused") || !strings.Contains(err.Error(), "waiting for etcd") {
		t.Errorf("error %v", err)
	}
	if !only(t, s).Alive {
		t.Error("a server that is only slow was stopped")
	}
}

func TestStartWithoutProgram(t *testing.T) {
	s := newSite(t)
	err := Start(t.Context(), s, Spec{Name: "server", Path: "/nowhere/server"})
	if err == nil || !strings.Contains(err.Error(), "/nowhere/server") {
		t.Errorf("error %v", err)
	}
}

func TestStopLeavesOthersAlone(t *testing.T) {
	s := newSite(t)
	other := exec.Command("/bin/sleep", "60")
	other.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	r := &record{Spec: Spec{Name: "server"}}
	if err := r.names(other.Process.Pid); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*record){
		"recycled pid": func(r *record) { r.Started-- },
		"another boot": func(r *record) { r.Boot = "before" },
	} {
		old := *r
		change(&old)
		if err := old.write(s); err != nil {
			t.Fatal(err)
		}
		if only(t, s).Alive {
			t.Errorf("%s: counts as alive", name)
		}
		if err := Stop(s, "server"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !r.running() {
			t.Fatalf("%s: Stop killed a process that is not the lab's", name)
		}
	}
}

func TestStopEndsWhatWasLeft(t *testing.T) {
	s := newSite(t)
	pidFile := filepath.Join(t.TempDir(), "pid")
	start(t, s, shell("trap '' TERM; sleep 60 & echo $! > "+pidFile+".new; mv "+pidFile+".new "+pidFile+"; wait; sleep 60"))
	child := readPID(t, pidFile)
	if err := Stop(s, "server"); err != nil {
		t.Fatal(err)
	}
	if st, err := readStat(child); err == nil && !st.dead() {
		t.Error("a child survived Stop")
	}
}

func readPID(t *testing.T, file string) int {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(pollInterval) {
		if data, err := os.ReadFile(file); err == nil {
			pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatal("no child")
	return 0
}

func TestParseStat(t *testing.T) {
	got, err := parseStat("42 (a ) b) S 1 42 40 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 1 0 7777 1 2 3")
	if err != nil || got.session != 40 || got.started != 7777 || got.state != 'S' {
		t.Errorf("parseStat = %+v, %v", got, err)
	}
	if _, err := parseStat("42 (a) S 1"); err == nil {
		t.Error("a short line was accepted")
	}
}
