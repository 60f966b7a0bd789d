package harbor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// data is what real Harbor keeps in PostgreSQL.
type data struct {
	// Last is the highest id given so far, per kind. Ids are never reused.
	Last map[string]int
	// AdminHash is the hash of the admin's password, empty until it is known.
	AdminHash string
	// Settings are those of the configuration that were ever set.
	Settings map[string]any
	Projects map[int]*Project
	Robots   map[int]*Robot
	Groups   map[int]*Group
}

// Project is a project with all that goes with it.
type Project struct {
	ID               int
	Name             string
	Created, Updated time.Time
	Metadata         map[string]string
	// Allowlist are ids of vulnerabilities.
	Allowlist []string
	Quota     Quota
	Members   map[int]*Member
	// Repositories are names without the project's.
	Repositories []string
}

// Quota is a project's limit of storage in bytes, -1 for none.
type Quota struct {
	ID               int
	Storage          int64
	Created, Updated time.Time
}

// Member is a group, or the one user there is, with a role in a project.
type Member struct {
	ID, Role int
	// Group is 0 for the user admin.
	Group int
}

// Group is a group of users that another system keeps.
type Group struct {
	ID, Type int
	Name     string
}

// Robot is a robot account. Project is 0 for one of level system.
type Robot struct {
	ID, Project       int
	Name, Description string
	// Hash is of the secret, which is not kept.
	Hash             string
	Duration         int
	ExpiresAt        int64
	Disabled         bool
	Created, Updated time.Time
	Permissions      []permission
}

// store keeps data in one file. A write is on disk, whole, before update
// returns; a write that fails leaves data as it was.
type store struct {
	mu    sync.RWMutex
	file  string
	saved []byte
	data  *data
}

func openStore(file string) (*store, error) {
	s := &store{file: file}
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		s.data = firstData()
		return s, s.save()
	}
	if err != nil {
		return nil, fmt.Errorf("reading Harbor's state: %w", err)
	}
	s.saved = raw
	if err := s.restore(); err != nil {
		return nil, fmt.Errorf("%w (%s is damaged: remove the lab's harbor folder to start empty)", err, file)
	}
	return s, nil
}

// firstData is a new installation: the public project library and nothing else.
func firstData() *data {
	d := &data{
		Last: map[string]int{}, Settings: map[string]any{},
		Projects: map[int]*Project{}, Robots: map[int]*Robot{}, Groups: map[int]*Group{},
	}
	d.addProject("library", map[string]string{"public": "true"}, unlimited)
	return d
}

// next gives an id of its own to a new object of a kind.
func (d *data) next(kind string) int {
	d.Last[kind]++
	return d.Last[kind]
}

// view runs f while nothing is written.
func (s *store) view(f func(*data) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return f(s.data)
}

// update runs f alone and saves what it changed. When f fails, or the disk does,
// its changes are undone.
func (s *store) update(f func(*data) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := f(s.data)
	if err == nil {
		err = s.save()
	}
	if err != nil {
		return errors.Join(err, s.restore())
	}
	return nil
}

func (s *store) restore() error {
	d := &data{}
	if err := json.Unmarshal(s.saved, d); err != nil {
		return fmt.Errorf("decoding Harbor's state: %w", err)
	}
	s.data = d
	return nil
}

func (s *store) save() error {
	raw, err := json.Marshal(s.data)
	if err != nil {
		return fmt.Errorf("encoding Harbor's state: %w", err)
	}
	if bytes.Equal(raw, s.saved) {
		return nil
	}
	if err := replaceFile(s.file, raw); err != nil {
		return fmt.Errorf("saving Harbor's state: %w", err)
	}
	s.saved = raw
	return nil
}

// replaceFile writes file so that after a crash either the old or the new text
// is there. A temporary file has a fixed name: the next write overwrites what a
// killed server left of it.
func replaceFile(file string, text []byte) error {
	tmp, err := os.OpenFile(file+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = tmp.Write(text)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), file); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
