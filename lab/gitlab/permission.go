package gitlab

import (
	"net/http"
	"strconv"
)

// Access levels of members.
// https://docs.gitlab.com/17.11/ee/api/access_requests/#valid-access-levels
const (
	noAccess   = 0
	guest      = 10
	planner    = 15
	reporter   = 20
	developer  = 30
	maintainer = 40
	owner      = 50
	adminOnly  = 60
)

// grantable are the levels that members and shares can have.
var grantable = []string{"10", "15", "20", "30", "40", "50"}

var levelNames = map[int]string{
	noAccess: "No access", guest: "Guest", planner: "Planner", reporter: "Reporter",
	developer: "Developer", maintainer: "Maintainer", owner: "Owner",
}

func current(expires string) bool { return expires == "" || expires > today() }

func direct(members map[int]*Member, user int) int {
	if m := members[user]; m != nil && current(m.Expires) {
		return m.Level
	}
	return noAccess
}

// memberLevel is what a user has on a group as a member of it or of a group
// above it; shares are left out, since they are not passed on.
func (d *data) memberLevel(group, user int) int {
	best := noAccess
	for _, g := range d.lineage(group) {
		best = max(best, direct(g.Members, user))
	}
	return best
}

// sharedLevel is what a user has through groups that were given a share, capped
// by the share's own level.
func (d *data) sharedLevel(shares map[int]*Share, user int) int {
	best := noAccess
	for group, share := range shares {
		if current(share.Expires) {
			best = max(best, min(share.Level, d.memberLevel(group, user)))
		}
	}
	return best
}

// groupLevel is a user's effective level on a group.
func (d *data) groupLevel(group int, u *User) int {
	if u == nil {
		return noAccess
	}
	best := d.memberLevel(group, u.ID)
	for _, g := range d.lineage(group) {
		best = max(best, d.sharedLevel(g.Shares, u.ID))
	}
	return best
}

// projectLevel is a user's effective level on a project: direct, through the
// namespace or through a share, whichever is highest.
func (d *data) projectLevel(p *Project, u *User) int {
	if u == nil {
		return noAccess
	}
	if p.Namespace == u.Namespace {
		return owner
	}
	return max(direct(p.Members, u.ID), d.groupLevel(p.Namespace, u), d.sharedLevel(p.Shares, u.ID))
}

// atLeast says whether a user has a level; administrators have all of them.
func atLeast(u *User, has, level int) bool { return u != nil && (u.Admin || has >= level) }

// visible says whether a user sees something by its visibility alone.
func visible(visibility string, u *User) bool {
	return visibility == "public" || visibility == "internal" && u != nil && !u.External
}

func (d *data) canSeeProject(p *Project, u *User) bool {
	return visible(p.Visibility, u) || atLeast(u, d.projectLevel(p, u), guest)
}

// canReadCode: guests and planners of a private project do not see its files.
func (d *data) canReadCode(p *Project, u *User) bool {
	return visible(p.Visibility, u) || atLeast(u, d.projectLevel(p, u), reporter)
}

// canSeeGroup: members of something within a group see the group as well.
func (d *data) canSeeGroup(g *Group, u *User) bool {
	if visible(g.Visibility, u) || atLeast(u, d.groupLevel(g.ID, u), guest) {
		return true
	}
	for _, p := range d.Projects {
		if p.Namespace == g.ID && atLeast(u, d.projectLevel(p, u), guest) {
			return true
		}
	}
	for _, sub := range d.Groups {
		if sub.Parent == g.ID && u != nil && d.canSeeGroup(sub, u) && !visible(sub.Visibility, u) {
			return true
		}
	}
	return false
}

// canCreateProjects says whether a user may put projects into a namespace.
func (d *data) canCreateProjects(namespace int, u *User) bool {
	if u == nil {
		return false
	}
	g := d.Groups[namespace]
	if g == nil {
		return namespace == u.Namespace || u.Admin
	}
	needed := map[string]int{
		"developer": developer, "maintainer": maintainer, "owner": owner, "administrator": adminOnly, "noone": adminOnly + 1,
	}[groupSettings.text(g.Settings, "project_creation_level")]
	if needed > adminOnly {
		return false
	}
	return atLeast(u, d.groupLevel(namespace, u), needed)
}

// group is the group named in the path, if the caller sees it and has a level on
// it (0 = seeing is enough).
func (c *call) group(level int) (*Group, error) {
	g := c.data.findGroup(c.path["group"])
	return c.groupWith(g, level)
}

func (c *call) groupWith(g *Group, level int) (*Group, error) {
	switch {
	case c.user == nil && c.request.Method != http.MethodGet:
		return nil, unauthorized
	case g == nil || !c.data.canSeeGroup(g, c.user):
		return nil, notFound("Group")
	case level > noAccess && !atLeast(c.user, c.data.groupLevel(g.ID, c.user), level):
		return nil, forbidden("")
	}
	return g, nil
}

// project is the project named in the path, if the caller sees it and has a
// level on it (0 = seeing is enough).
func (c *call) project(level int) (*Project, error) {
	return c.projectWith(c.data.findProject(c.path["project"]), level)
}

func (c *call) projectWith(p *Project, level int) (*Project, error) {
	switch {
	case p == nil || !c.data.canSeeProject(p, c.user):
		return nil, notFound("Project")
	case level > noAccess && c.user == nil:
		return nil, unauthorized
	case level > noAccess && !atLeast(c.user, c.data.projectLevel(p, c.user), level):
		return nil, forbidden("")
	}
	return p, nil
}

// code is the project named in the path, if the caller may read its repository.
func (c *call) code() (*Project, error) {
	p, err := c.project(noAccess)
	if err != nil {
		return nil, err
	}
	if !c.data.canReadCode(p, c.user) {
		// A guest sees the project and is told so; real GitLab answers the same.
		return nil, forbidden("")
	}
	return p, nil
}

// pushable is the project named in the path, if the caller may change its
// repository at all; protected branches are another matter.
func (c *call) pushable() (*Project, error) {
	p, err := c.project(developer)
	if err != nil {
		return nil, err
	}
	switch {
	case p.Import.pending():
		return nil, notFound("Repository")
	case p.Archived:
		return nil, forbidden("")
	}
	return p, nil
}

// findGroup takes a number or a full path.
func (d *data) findGroup(ref string) *Group {
	if id, err := strconv.Atoi(ref); err == nil {
		return d.Groups[id]
	}
	return d.groupByPath(ref)
}

func (d *data) findProject(ref string) *Project {
	if id, err := strconv.Atoi(ref); err == nil {
		return d.Projects[id]
	}
	return d.projectByPath(ref)
}
