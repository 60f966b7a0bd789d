package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"platform/lab/process"
)

// killAfter are the moments of a first `up` at which everything of the run is
// killed. What one run has made, the next one finds.
var killAfter = []time.Duration{
	6 * time.Second, 10 * time.Second, 14 * time.Second, 8 * time.Second, 18 * time.Second, 12 * time.Second,
	16 * time.Second, 9 * time.Second, 11 * time.Second, 13 * time.Second, 15 * time.Second,
}

// TestKilledRuns kills the CLI, the program and the plugins at many points of a
// first `up`, and does each time what the README says to do next.
//
// It is not part of `make test` yet: of its first full runs one ended in a share
// of GitLab's that was there and not in the state.
func TestKilledRuns(t *testing.T) {
	if os.Getenv("LAB_KILLS") == "" {
		t.Skip("`make test-kills` runs it")
	}
	p := newPlatform(t)
	finished := false
	for i, after := range killAfter {
		if finished = p.killedUp(after); finished {
			t.Logf("up number %d ended before it was killed", i+1)
			break
		}
		p.tidyUp()
	}
	if !finished {
		p.up()
	}
	// What a killed run left unready is made ready by the next: then all is still.
	p.wantChanges(p.up(), changes{})
	p.pulumi("refresh", "--preview-only", "--expect-no-changes", "--non-interactive")
	madeOnce(t, p)
}

// killedUp starts an up and kills everything of it after a while. It tells
// whether the run ended by itself before.
func (p *platform) killedUp(after time.Duration) bool {
	p.t.Helper()
	cmd := exec.Command(p.path("state/bin/lab"), "exec", "--", "pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--suppress-outputs")
	cmd.Dir, cmd.Env = p.root, p.env
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			p.t.Fatalf("up: %v\n%s", err, tail(out.String(), 40))
		}
		return true
	case <-time.After(after):
	}
	// The CLI first, which would start others; each is of a process group of its own.
	for _, pid := range append([]int{cmd.Process.Pid}, descendants(p.t, cmd.Process.Pid)...) {
		_ = syscall.Kill(pid, syscall.SIGKILL) // one that has ended meanwhile is as good
	}
	// It may have ended by itself at the last moment.
	return <-ended == nil
}

// descendants are the processes that a process, and those, have started.
func descendants(t *testing.T, root int) []int {
	t.Helper()
	children := map[int][]int{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range stats {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state ppid: the name may hold anything but its last bracket.
		_, rest, _ := strings.Cut(string(data[strings.LastIndexByte(string(data), ')'):]), " ")
		fields := strings.Fields(rest)
		pid, err1 := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		parent, err2 := strconv.Atoi(fields[1])
		if err1 == nil && err2 == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	var all []int
	for queue := []int{root}; len(queue) > 0; queue = queue[1:] {
		all = append(all, children[queue[0]]...)
		queue = append(queue, children[queue[0]]...)
	}
	return all
}

// tidyUp does what the README says after a killed run: give the lock back, and
// find what was begun.
func (p *platform) tidyUp() {
	p.t.Helper()
	p.pulumi("cancel", "--yes")
	p.t.Log(p.lab("exec", "--", "go", "run", "./cmd/recover", "dev"))
}

// madeOnce looks for anything that was made twice.
func madeOnce(t *testing.T, p *platform) {
	token := p.secret("gitlab", "platform-token", "token")
	status, answer := p.ask(http.MethodGet, "https://gitlab.platform.test/api/v4/projects?per_page=100", bearer(token), nil)
	var projects []struct {
		Path string `json:"path_with_namespace"`
	}
	if err := json.Unmarshal(answer, &projects); err != nil || status != http.StatusOK {
		t.Fatalf("GitLab's projects: %d %v", status, err)
	}
	var paths []string
	for _, project := range projects {
		paths = append(paths, project.Path)
	}
	slices.Sort(paths)
	want := []string{
		"billing/billing", "billing/dev/operations", "billing/operations",
		"checkout/checkout", "checkout/dev/operations", "checkout/operations", "cluster-operations/cluster-operations",
	}
	if !slices.Equal(paths, want) {
		t.Errorf("GitLab has the projects %v, want %v", paths, want)
	}
	list, err := process.List(p.site)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if !s.Alive {
			t.Errorf("process %s of the lab has died", s.Name)
		}
	}
}
