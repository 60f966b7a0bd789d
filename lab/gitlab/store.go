package gitlab

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

// data is everything but the repositories: what real GitLab keeps in PostgreSQL.
type data struct {
	// Last is the highest id given so far, per kind. Ids are never reused.
	Last       map[string]int
	Users      map[int]*User
	Tokens     map[int]*Token
	Groups     map[int]*Group
	Projects   map[int]*Project
	DeployKeys map[int]*DeployKey
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
		return nil, fmt.Errorf("reading GitLab's state: %w", err)
	}
	s.saved = raw
	if err := s.restore(); err != nil {
		return nil, fmt.Errorf("%w (%s is damaged: remove the lab's gitlab folder to start empty)", err, file)
	}
	return s, nil
}

// firstData is a new installation: one administrator and nothing else.
func firstData() *data {
	d := &data{
		Last:  map[string]int{},
		Users: map[int]*User{}, Tokens: map[int]*Token{}, Groups: map[int]*Group{},
		Projects: map[int]*Project{}, DeployKeys: map[int]*DeployKey{},
	}
	d.addUser(&User{Username: "root", Name: "Administrator", Email: "admin@example.com", Admin: true})
	return d
}

// next gives an id of its own to a new object of a kind.
func (d *data) next(kind string) int {
	d.Last[kind]++
	return d.Last[kind]
}

// view runs f while nothing is written.
func (s *store) view(f func(*data)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f(s.data)
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
		return fmt.Errorf("decoding GitLab's state: %w", err)
	}
	s.data = d
	return nil
}

func (s *store) save() error {
	raw, err := json.Marshal(s.data)
	if err != nil {
		return fmt.Errorf("encoding GitLab's state: %w", err)
	}
	if bytes.Equal(raw, s.saved) {
		return nil
	}
	if err := replaceFile(s.file, raw); err != nil {
		return fmt.Errorf("saving GitLab's state: %w", err)
	}
	s.saved = raw
	return nil
}

// replaceFile writes file so that after a crash either the old or the new text
// is there.
func replaceFile(file string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(text)
	if err := errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
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

// due says whether a delayed change waits to be made.
func (d *data) due(now time.Time) bool {
	for _, p := range d.Projects {
		if reached(p.ProtectAt, now) || reached(p.DeleteAt, now) {
			return true
		}
	}
	for _, g := range d.Groups {
		if reached(g.DeleteAt, now) {
			return true
		}
	}
	return false
}

// removeProject forgets a project and gives its id back: the id of the
// repository to remove.
func (d *data) removeProject(id int) int {
	for keyID := range d.Projects[id].DeployKeys {
		d.leaveDeployKey(id, keyID)
	}
	delete(d.Projects, id)
	for _, p := range d.Projects {
		if p.ForkedFrom == id {
			p.ForkedFrom = 0
		}
	}
	return id
}

// removeGroup forgets a group with its subgroups, projects and all shares with
// it, and gives the ids of the projects back.
func (d *data) removeGroup(id int) (projects []int) {
	for _, p := range d.Projects {
		if p.Namespace == id {
			projects = append(projects, d.removeProject(p.ID))
		}
		delete(p.Shares, id)
	}
	delete(d.Groups, id)
	for _, g := range d.Groups {
		delete(g.Shares, id)
		if g.Parent == id {
			projects = append(projects, d.removeGroup(g.ID)...)
		}
	}
	return projects
}
