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

// cut is a way to cut a run off.
type cut int

const (
	all     cut = iota // the CLI, the program and the plugins, as soon as the create is noted
	unsaved            // all of them, once the create is made and before that is saved
	plugin             // the plugins alone: the run fails
	program            // the program alone: the run fails
)

// cuts are the creates at which a first `up` is cut off, by the resource's type,
// and how. What one run has made, the next one finds.
var cuts = map[string][]cut{
	"kubernetes:core/v1:Namespace":                       {all},
	"kubernetes:helm.sh/v3:Release":                      {all, plugin},
	"kubernetes:batch/v1:Job":                            {all, unsaved},
	"kubernetes:argoproj.io/v1alpha1:AppProject":         {unsaved},
	"vault:index/mount:Mount":                            {unsaved},
	"vault:index/authBackend:AuthBackend":                {all},
	"vault:index/policy:Policy":                          {all},
	"gitlab:index/group:Group":                           {unsaved, plugin},
	"gitlab:index/project:Project":                       {unsaved, all},
	"gitlab:index/projectShareGroup:ProjectShareGroup":   {unsaved},
	"gitlab:index/branchProtection:BranchProtection":     {unsaved, plugin},
	"gitlab:index/deployKey:DeployKey":                   {unsaved},
	"gitlab:index/repositoryFile:RepositoryFile":         {unsaved},
	"harbor:index/project:Project":                       {unsaved, program},
	"harbor:index/projectMemberGroup:ProjectMemberGroup": {unsaved},
	"harbor:index/robotAccount:RobotAccount":             {unsaved, plugin},
}

// TestCutOff cuts a first `up` off at many points, and does each time what the
// README says to do next.
func TestCutOff(t *testing.T) {
	p := newPlatform(t, thin)
	left := map[string][]cut{}
	for typ, ways := range cuts {
		left[typ] = slices.Clone(ways)
	}
	made := 0
	for p.cutUp(left) {
		made++
		p.tidyUp()
	}
	t.Logf("cut off %d times; not reached: %v", made, left)
	if made < 10 {
		t.Errorf("the run was cut off %d times, want 10 at least", made)
	}
	// What a cut run left unready is made ready by the next: then all is still.
	p.wantChanges(p.up(), changes{})
	p.pulumi("refresh", "--preview-only", "--expect-no-changes", "--non-interactive")
	madeOnce(t, p)
}

// cutUp starts an up, and cuts it off at the first create that is left to be cut
// at. It tells whether it did; else the run has ended well.
func (p *platform) cutUp(left map[string][]cut) bool {
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
	for {
		select {
		case err := <-ended:
			if err != nil {
				p.t.Fatalf("up: %v\n%s", err, tail(out.String(), 40))
			}
			return false
		case <-time.After(40 * time.Millisecond):
		}
		run := startedBy(p.t, cmd.Process.Pid)
		// A CLI that stands still neither notes nor saves anything.
		run.signal(syscall.SIGSTOP, isCLI)
		typ := p.beingMade(left)
		if typ == "" {
			run.signal(syscall.SIGCONT, isCLI)
			continue
		}
		how := left[typ][0]
		if left[typ] = left[typ][1:]; len(left[typ]) == 0 {
			delete(left, typ)
		}
		p.t.Logf("cutting off at %s: %v", typ, how)
		how.kill(run)
		return <-ended != nil
	}
}

// beingMade is a type of which one is being made now, "" when there is none.
func (p *platform) beingMade(types map[string][]cut) string {
	var file struct {
		Checkpoint struct {
			Latest struct {
				Pending []struct {
					Type     string
					Resource struct{ Type string }
				} `json:"pending_operations"`
			}
		}
	}
	data, err := os.ReadFile(p.path("state/.pulumi/stacks/platform/dev.json"))
	if err != nil || json.Unmarshal(data, &file) != nil {
		return "" // there is none yet
	}
	for _, op := range file.Checkpoint.Latest.Pending {
		if _, wanted := types[op.Resource.Type]; wanted && op.Type == "creating" {
			return op.Resource.Type
		}
	}
	return ""
}

func (c cut) String() string {
	return [...]string{"everything is killed", "everything is killed before it is saved", "the plugins are killed", "the program is killed"}[c]
}

// kill cuts a run off whose CLI stands still.
func (c cut) kill(run processes) {
	switch c {
	case plugin:
		run.signal(syscall.SIGKILL, isPlugin)
	case program:
		run.signal(syscall.SIGKILL, func(name string) bool { return name == "platform" })
	case unsaved:
		// The plugins end what they were asked for, and nobody hears of it.
		time.Sleep(1500 * time.Millisecond)
		fallthrough
	case all:
		// The CLI first, which would start others.
		run.signal(syscall.SIGKILL, func(name string) bool { return !isPlugin(name) })
		run.signal(syscall.SIGKILL, isPlugin)
	}
	run.signal(syscall.SIGCONT, isCLI)
}

func isCLI(name string) bool { return name == "pulumi" }

// isPlugin goes by the 15 characters of a name that the kernel keeps.
func isPlugin(name string) bool { return strings.HasPrefix(name, "pulumi-resource") }

// processes are names of running processes by their ids.
type processes map[int]string

func (p processes) signal(sig syscall.Signal, wanted func(name string) bool) {
	for pid, name := range p {
		if wanted(name) {
			_ = syscall.Kill(pid, sig) // one that has ended meanwhile is as good
		}
	}
}

// startedBy are a process and all that it, and those, have started.
func startedBy(t *testing.T, root int) processes {
	t.Helper()
	names, children := processes{}, map[int][]int{}
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
		stat := string(data)
		begin, end := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
		pid, err1 := strconv.Atoi(strings.TrimSpace(stat[:begin]))
		parent, err2 := strconv.Atoi(strings.Fields(stat[end+1:])[1])
		if err1 == nil && err2 == nil {
			names[pid] = stat[begin+1 : end]
			children[parent] = append(children[parent], pid)
		}
	}
	run := processes{}
	for queue := []int{root}; len(queue) > 0; queue = queue[1:] {
		run[queue[0]] = names[queue[0]]
		queue = append(queue, children[queue[0]]...)
	}
	return run
}

// tidyUp does what the README says after a run that was cut off: give the lock
// back if it is still held, and find what was begun.
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
		if !s.Alive || s.Restarts > 0 {
			t.Errorf("process %s of the lab has died", s.Name)
		}
	}
}
