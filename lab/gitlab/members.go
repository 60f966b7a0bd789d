package gitlab

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// holder is what has members and shares: a group or a project.
type holder struct {
	kind    string
	id      int
	members map[int]*Member
	shares  map[int]*Share
	// above is the nearest group whose members are members here, too.
	above int
	// level is the caller's.
	level int
}

// holder is the group or project in the path.
func (c *call) holder(groupLevel, projectLevel int) (holder, error) {
	if _, ok := c.path["group"]; ok {
		g, err := c.group(groupLevel)
		if err != nil {
			return holder{}, err
		}
		return holder{"Group", g.ID, g.Members, g.Shares, g.Parent, c.data.groupLevel(g.ID, c.user)}, nil
	}
	p, err := c.project(projectLevel)
	if err != nil {
		return holder{}, err
	}
	return holder{"Project", p.ID, p.Members, p.Shares, p.Namespace, c.data.projectLevel(p, c.user)}, nil
}

func memberRoutes() []route {
	add := slices.Concat(paid("member_role_id"), []param{strs("user_id"), str("username"), level("access_level", grantable...).must(), str("expires_at")})
	change := slices.Concat(paid("member_role_id"), []param{level("access_level", grantable...).must(), str("expires_at")})
	remove := []param{boolean("skip_subresources"), boolean("unassign_issuables")}
	find := []param{str("query"), strs("user_ids")}
	var routes []route
	for _, at := range []string{"groups/:group", "projects/:project"} {
		routes = append(routes,
			route{http.MethodGet, at + "/members", 200, reading, find, listMembers},
			route{http.MethodGet, at + "/members/all", 200, reading, find, listAllMembers},
			route{http.MethodGet, at + "/members/:user", 200, reading, nil, getMember},
			route{http.MethodGet, at + "/members/all/:user", 200, reading, nil, getAnyMember},
			route{http.MethodPost, at + "/members", 201, writing, add, addMember},
			route{http.MethodPut, at + "/members/:user", 200, writing, change, changeMember},
			route{http.MethodDelete, at + "/members/:user", 204, writing, remove, removeMember},
		)
	}
	return routes
}

func (c *call) renderMember(user int, m *Member) fields {
	out := fields{"id": user}
	if u := c.data.Users[user]; u != nil {
		out = c.briefFields(u)
	}
	out["access_level"], out["created_at"], out["expires_at"] = m.Level, m.CreatedAt, nullableText(m.Expires)
	out["membership_state"] = "active"
	return out
}

// matching renders the members that the query asks for.
func (c *call) matching(members map[int]*Member) list {
	out := list{}
	for _, id := range sortedIDs(members) {
		u := c.data.Users[id]
		if u == nil || !strings.Contains(strings.ToLower(u.Name+" "+u.Username), strings.ToLower(c.text("query"))) {
			continue
		}
		if c.has("user_ids") && !slices.Contains(c.texts("user_ids"), itoa(id)) {
			continue
		}
		out = append(out, c.renderMember(id, members[id]))
	}
	return out
}

func listMembers(c *call) (any, error) {
	h, err := c.holder(noAccess, noAccess)
	if err != nil {
		return nil, err
	}
	return c.matching(h.members), nil
}

// allMembers are direct and inherited ones and those a group was shared with,
// each with his highest level.
func (c *call) allMembers(h holder) map[int]*Member {
	best := map[int]*Member{}
	add := func(id int, m *Member) {
		if old := best[id]; old == nil || old.Level < m.Level {
			best[id] = m
		}
	}
	addShares := func(shares map[int]*Share) {
		for group, share := range shares {
			for _, g := range c.data.lineage(group) {
				for id, m := range g.Members {
					add(id, &Member{Level: min(m.Level, share.Level), Expires: m.Expires, CreatedAt: m.CreatedAt})
				}
			}
		}
	}
	for id, m := range h.members {
		add(id, m)
	}
	addShares(h.shares)
	for _, g := range c.data.lineage(h.above) {
		for id, m := range g.Members {
			add(id, m)
		}
		addShares(g.Shares)
	}
	if u := c.data.namespaceOwner(h.above); u != nil {
		add(u.ID, &Member{Level: owner, CreatedAt: u.CreatedAt})
	}
	return best
}

func listAllMembers(c *call) (any, error) {
	h, err := c.holder(noAccess, noAccess)
	if err != nil {
		return nil, err
	}
	return c.matching(c.allMembers(h)), nil
}

func getMember(c *call) (any, error) {
	h, err := c.holder(noAccess, noAccess)
	if err != nil {
		return nil, err
	}
	return c.oneMember(h.members)
}

func getAnyMember(c *call) (any, error) {
	h, err := c.holder(noAccess, noAccess)
	if err != nil {
		return nil, err
	}
	return c.oneMember(c.allMembers(h))
}

func (c *call) oneMember(members map[int]*Member) (any, error) {
	m := members[c.id("user")]
	if m == nil {
		return nil, notFound("")
	}
	return c.renderMember(c.id("user"), m), nil
}

// addMember takes one user or several, by id or name, and answers for several
// with a status of the whole.
func addMember(c *call) (any, error) {
	h, err := c.holder(owner, maintainer)
	if err != nil {
		return nil, err
	}
	wanted := c.texts("user_id")
	if !c.has("user_id") {
		wanted = splitList(c.text("username"))
	}
	if len(wanted) != 1 {
		return nil, refuse(http.StatusNotImplemented, "501 The lab's GitLab adds one member a call")
	}
	u := c.data.userByIDOrName(wanted[0])
	if u == nil {
		return nil, notFound("User")
	}
	if h.members[u.ID] != nil {
		return nil, refuse(http.StatusConflict, "Member already exists")
	}
	m := &Member{CreatedAt: now()}
	if err := c.applyMember(h, u, m); err != nil {
		return nil, err
	}
	h.members[u.ID] = m
	return c.renderMember(u.ID, m), nil
}

// applyMember sets level and end. Nobody gives more than he has, nor less than a
// group above gives already.
func (c *call) applyMember(h holder, u *User, m *Member) error {
	level := c.number("access_level")
	if !atLeast(c.user, h.level, level) {
		return forbidden("")
	}
	for _, g := range c.data.lineage(h.above) {
		if inherited := direct(g.Members, u.ID); inherited > level {
			return invalid("access_level", fmt.Sprintf(
				"should be greater than or equal to %s inherited membership from group %s", levelNames[inherited], g.Name))
		}
	}
	m.Level = level
	if c.has("expires_at") {
		m.Expires = c.text("expires_at")
	}
	return nil
}

func changeMember(c *call) (any, error) {
	h, err := c.holder(owner, maintainer)
	if err != nil {
		return nil, err
	}
	m, u := h.members[c.id("user")], c.data.Users[c.id("user")]
	if m == nil || u == nil {
		return nil, notFound("")
	}
	if !atLeast(c.user, h.level, m.Level) {
		return nil, forbidden("")
	}
	if c.number("access_level") < owner && lastOwner(h, u.ID) {
		return nil, forbidden("")
	}
	if err := c.applyMember(h, u, m); err != nil {
		return nil, err
	}
	return c.renderMember(u.ID, m), nil
}

func removeMember(c *call) (any, error) {
	needed := [2]int{owner, maintainer}
	if c.user != nil && c.id("user") == c.user.ID {
		needed = [2]int{guest, guest} // everyone may leave
	}
	h, err := c.holder(needed[0], needed[1])
	if err != nil {
		return nil, err
	}
	m := h.members[c.id("user")]
	if m == nil {
		return nil, notFound("")
	}
	if !atLeast(c.user, h.level, m.Level) || lastOwner(h, c.id("user")) {
		return nil, forbidden("")
	}
	delete(h.members, c.id("user"))
	return nil, nil
}

// lastOwner says whether a top-level group would have no owner without user.
func lastOwner(h holder, user int) bool {
	if h.kind != "Group" || h.above != 0 || direct(h.members, user) < owner {
		return false
	}
	for id := range h.members {
		if id != user && direct(h.members, id) == owner {
			return false
		}
	}
	return true
}
