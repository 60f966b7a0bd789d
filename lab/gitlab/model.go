package gitlab

import (
	"sort"
	"strings"
	"time"
)

// User is an account. Passwords are not kept: this server only knows tokens.
type User struct {
	ID, Namespace         int
	Username, Name, Email string
	Note                  string
	Admin, External       bool
	CanCreateGroup        bool
	ProjectsLimit         int
	// State is active, blocked or deactivated.
	State     string
	CreatedAt time.Time
}

// Token is a personal access token. Its value is known as a digest only.
type Token struct {
	ID, User          int
	Name, Description string
	Digest            string
	Scopes            []string
	Revoked           bool
	// Expires is the first day (YYYY-MM-DD, UTC) on which it is no longer taken.
	Expires   string
	CreatedAt time.Time
	LastUsed  *time.Time
}

// Member is what a user was given directly on a group or project.
type Member struct {
	Level     int
	Expires   string
	CreatedAt time.Time
}

// Share is what the members of a group were given on another group or a project.
type Share struct {
	Level   int
	Expires string
}

// Group is a namespace that holds projects and groups.
type Group struct {
	ID, Parent              int
	Name, Path, Description string
	Visibility              string
	// Settings are the further attributes that differ from groupSettings.
	Settings map[string]any
	// Members are by user id, Shares by the id of the group shared with.
	Members   map[int]*Member
	Shares    map[int]*Share
	CreatedAt time.Time
	DeleteAt  *time.Time
}

// Project is a repository and what surrounds it.
type Project struct {
	ID, Creator int
	// Namespace is the id of the group or of a user's personal namespace.
	Namespace               int
	Name, Path, Description string
	Visibility              string
	DefaultBranch           string
	Topics                  []string
	Archived                bool
	ForkedFrom              int
	Import                  Import
	// Settings are the further attributes that differ from projectSettings.
	Settings map[string]any

	Members       map[int]*Member
	Shares        map[int]*Share
	Hooks         map[int]*Hook
	Protected     map[string]*Protection
	Variables     map[string]*Variable
	MergeRequests map[int]*MergeRequest
	// DeployKeys says by key id whether the key may push.
	DeployKeys map[int]bool

	// BranchProtected is set once the default branch got its automatic
	// protection, which a person may take away again.
	BranchProtected bool
	ProtectAt       *time.Time
	DeleteAt        *time.Time
	CreatedAt       time.Time
	LastActivity    time.Time
}

// Import is the state of the copy behind a fork: none, scheduled, started,
// finished or failed.
type Import struct {
	Status, Error string
}

func (i Import) pending() bool { return i.Status == "scheduled" || i.Status == "started" }

// Protection is the rule for the branches that match a name or wildcard.
type Protection struct {
	ID              int
	Push, Merge     int
	PushID, MergeID int
	AllowForce      bool
}

// Hook is a project's web hook. Settings are those of hookSettings.
type Hook struct {
	ID  int
	URL string
	// HasToken and HeaderNames are what is left of secrets that nothing would
	// use, since hooks are not delivered.
	HasToken    bool
	HeaderNames []string
	Settings    map[string]any
	CreatedAt   time.Time
}

// Variable is a project's CI variable, one for each key and environment scope.
type Variable struct {
	Key, Value, Type, Description string
	Environment                   string
	Protected, Masked, Hidden     bool
	Raw                           bool
}

// DeployKey is an SSH key known to one or more projects.
type DeployKey struct {
	ID          int
	Title, Key  string
	MD5, SHA256 string
	CreatedAt   time.Time
}

// MergeRequest is a proposal to merge a branch, kept at the target project.
type MergeRequest struct {
	ID, IID            int
	Author             int
	SourceProject      int
	Source, Target     string
	Title, Description string
	// State is opened, closed or merged.
	State                string
	Squash, RemoveSource bool
	// SHA is the source's tip as last seen, Base where it left the target.
	SHA, Base            string
	MergeSHA             string
	SquashSHA            string
	MergedBy, ClosedBy   int
	CreatedAt, UpdatedAt time.Time
	MergedAt, ClosedAt   *time.Time
}

// addUser gives a new user the defaults of an installation and a personal
// namespace.
func (d *data) addUser(u *User) *User {
	u.ID, u.Namespace = d.next("user"), d.next("namespace")
	u.CreatedAt = now()
	u.State = "active"
	u.CanCreateGroup = true
	u.ProjectsLimit = 100000
	d.Users[u.ID] = u
	return u
}

// userByName finds a user without regard to case, as GitLab does.
func (d *data) userByName(name string) *User {
	for _, u := range d.Users {
		if strings.EqualFold(u.Username, name) {
			return u
		}
	}
	return nil
}

// namespaceOwner is the user whose personal namespace id is, or nil.
func (d *data) namespaceOwner(id int) *User {
	for _, u := range d.Users {
		if u.Namespace == id {
			return u
		}
	}
	return nil
}

// lineage is a group and the groups above it, nearest first.
func (d *data) lineage(id int) []*Group {
	var out []*Group
	for g := d.Groups[id]; g != nil; g = d.Groups[g.Parent] {
		out = append(out, g)
	}
	return out
}

// groupPath is the full path of a group: a/b/c.
func (d *data) groupPath(g *Group) string {
	path := g.Path
	for up := d.Groups[g.Parent]; up != nil; up = d.Groups[up.Parent] {
		path = up.Path + "/" + path
	}
	return path
}

// namespacePath is the full path of a group or of a personal namespace.
func (d *data) namespacePath(id int) string {
	if g := d.Groups[id]; g != nil {
		return d.groupPath(g)
	}
	if u := d.namespaceOwner(id); u != nil {
		return u.Username
	}
	return ""
}

func (d *data) projectPath(p *Project) string { return d.namespacePath(p.Namespace) + "/" + p.Path }

func (d *data) groupByPath(path string) *Group {
	for _, g := range d.Groups {
		if strings.EqualFold(d.groupPath(g), path) {
			return g
		}
	}
	return nil
}

func (d *data) projectByPath(path string) *Project {
	base := path[strings.LastIndex(path, "/")+1:]
	for _, p := range d.Projects {
		if strings.EqualFold(p.Path, base) && strings.EqualFold(d.projectPath(p), path) {
			return p
		}
	}
	return nil
}

// taken says whether something of that path already exists in a namespace
// (0 = top level), other than the group or project that asks.
func (d *data) taken(namespace int, path string, asking any) bool {
	for _, g := range d.Groups {
		if g.Parent == namespace && strings.EqualFold(g.Path, path) && any(g) != asking {
			return true
		}
	}
	for _, p := range d.Projects {
		if p.Namespace == namespace && strings.EqualFold(p.Path, path) && any(p) != asking {
			return true
		}
	}
	return namespace == 0 && d.userByName(path) != nil
}

// sorted gives the values of m in the order of their keys.
func sorted[T any](m map[int]T) []T {
	ids := make([]int, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	sort.Ints(ids)
	out := make([]T, 0, len(m))
	for _, id := range ids {
		out = append(out, m[id])
	}
	return out
}

func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
