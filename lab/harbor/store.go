package harbor

import "time"

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
