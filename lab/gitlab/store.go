package gitlab

import "time"

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
