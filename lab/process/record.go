package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"platform/lab/site"
)

// record is what run/NAME.json holds, for the lab's owner alone.
type record struct {
	Spec
	PID int `json:"pid"`
	// Started is the start time in clock ticks since the boot called Boot.
	// With the pid it names one process for ever.
	Started uint64 `json:"started"`
	Boot    string `json:"boot"`
	// Command is the digest of what was run.
	Command string    `json:"command"`
	Since   time.Time `json:"since"`
	// Restarts is how often a Keeper started it again, the last InRow of these
	// soon after one another.
	Restarts int `json:"restarts"`
	InRow    int `json:"inRow"`
}

// Status is one server of the lab, running or not.
type Status struct {
	Name  string
	PID   int
	Alive bool
	Since time.Time
	// RSS is the resident memory in bytes.
	RSS int64
	// Restarts is how often it died and was started again.
	Restarts int
	Log      string
}

// List tells of all servers that were started and not stopped, by name. One
// that is not alive has died.
func List(s *site.Site) ([]Status, error) {
	records, err := readRecords(s)
	if err != nil {
		return nil, err
	}
	var all []Status
	for _, r := range records {
		st := Status{Name: r.Name, PID: r.PID, Alive: r.running(), Since: r.Since, Restarts: r.Restarts, Log: s.Log(r.Name)}
		if st.Alive {
			st.RSS = residentBytes(r.PID)
		}
		all = append(all, st)
	}
	return all, nil
}

// names makes pid the process of the record.
func (r *record) names(pid int) error {
	stat, err := readStat(pid)
	if err != nil {
		return err
	}
	r.PID, r.Started, r.Boot, r.Since = pid, stat.started, bootID(), time.Now()
	return nil
}

func recordPath(s *site.Site, name string) string { return s.Path("run", name+".json") }

func readRecords(s *site.Site) ([]*record, error) {
	files, err := filepath.Glob(filepath.Join(s.Dir, "run", "*.json"))
	if err != nil {
		return nil, err
	}
	sort.Strings(files)
	var all []*record
	for _, file := range files {
		r, err := readRecord(s, strings.TrimSuffix(filepath.Base(file), ".json"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // stopped meanwhile
		}
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func readRecord(s *site.Site, name string) (*record, error) {
	data, err := os.ReadFile(recordPath(s, name))
	if err != nil {
		return nil, err
	}
	r := &record{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("reading %s: %w", recordPath(s, name), err)
	}
	if r.PID <= 1 {
		return nil, fmt.Errorf("%s names process %d", recordPath(s, name), r.PID)
	}
	return r, nil
}

func (r *record) write(s *site.Site) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	tmp := recordPath(s, r.Name) + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, recordPath(s, r.Name))
}

func (r *record) remove(s *site.Site) error { return os.Remove(recordPath(s, r.Name)) }

// running says whether the very process of the record is alive.
func (r *record) running() bool {
	if r.Boot != bootID() {
		return false
	}
	stat, err := readStat(r.PID)
	return err == nil && stat.started == r.Started && !stat.dead()
}

// session is the living processes of the session that the server leads or led.
// While one of them lives the kernel gives the pid of a dead leader to nobody,
// so a pid that names another process now means that none is left.
func (r *record) session() []int {
	if r.Boot != bootID() {
		return nil
	}
	if leader, err := readStat(r.PID); err == nil && leader.started != r.Started {
		return nil
	}
	return sessionMembers(r.PID)
}

// wait gives the server, and all in its session, some time to end.
func (r *record) wait(limit time.Duration) bool {
	for end := time.Now().Add(limit); ; time.Sleep(pollInterval) {
		if len(r.session()) == 0 {
			return true
		}
		if time.Now().After(end) {
			return false
		}
	}
}
