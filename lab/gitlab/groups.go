package gitlab

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

var visibilities = []string{"private", "internal", "public"}

func groupRoutes() []route {
	own := slices.Concat(groupSettings.params(), groupPaid, []param{
		str("description"), enum("visibility", visibilities...), boolean("emails_disabled"),
	})
	create := slices.Concat(own, []param{str("name").must(), str("path").must(), num("parent_id")})
	update := slices.Concat(own, []param{str("name"), str("path")})
	find := []param{str("search"), boolean("top_level_only"), boolean("owned"), boolean("all_available"), num("min_access_level")}
	get := []param{boolean("with_projects"), boolean("with_custom_attributes")}
	return []route{
		{http.MethodGet, "groups", 200, reading, find, listGroups},
		{http.MethodPost, "groups", 201, writing, create, createGroup},
		{http.MethodGet, "groups/:group", 200, reading, get, getGroup},
		{http.MethodPut, "groups/:group", 200, writing, update, updateGroup},
		{http.MethodDelete, "groups/:group", 202, writing, paid("permanently_remove", "full_path"), deleteGroup},
		{http.MethodPost, "groups/:group/transfer", 201, writing, []param{num("group_id")}, transferGroup},
		{http.MethodGet, "groups/:group/subgroups", 200, reading, find, listSubgroups},
		{http.MethodGet, "groups/:group/descendant_groups", 200, reading, find, listDescendants},
		{http.MethodGet, "groups/:group/projects", 200, reading, slices.Concat(projectSearch, []param{boolean("include_subgroups"), boolean("with_shared")}), listGroupProjects},
	}
}

func (c *call) renderGroup(g *Group) fields {
	path := c.data.groupPath(g)
	out := fields{
		"id": g.ID, "name": g.Name, "path": g.Path, "description": g.Description, "visibility": g.Visibility,
		"full_path": path, "full_name": c.data.fullName(g), "web_url": c.server.link("groups/" + path),
		"parent_id": nullable(g.Parent), "avatar_url": nil, "created_at": g.CreatedAt, "organization_id": 1,
		"repository_storage": "default",
	}
	groupSettings.render(out, g.Settings)
	out["emails_disabled"] = out["emails_enabled"] == false
	out["default_branch_protection_defaults"] = protectionDefaults(groupSettings.number(g.Settings, "default_branch_protection"))
	return out
}

// renderGroupFully adds what a list of groups does not have.
func (c *call) renderGroupFully(g *Group) fields {
	out := c.renderGroup(g)
	shares := list{}
	for _, id := range sortedIDs(g.Shares) {
		shares = append(shares, c.renderShare(id, g.Shares[id]))
	}
	out["shared_with_groups"] = shares
	if atLeast(c.user, c.data.groupLevel(g.ID, c.user), owner) {
		out["runners_token"] = registrationToken("group", g.ID, g.CreatedAt)
	}
	return out
}

func (d *data) fullName(g *Group) string {
	name := g.Name
	for up := d.Groups[g.Parent]; up != nil; up = d.Groups[up.Parent] {
		name = up.Name + " / " + name
	}
	return name
}

func nullable(id int) any {
	if id == 0 {
		return nil
	}
	return id
}

// registrationToken stands for the runners' registration token. No runner can
// register in the lab, so it opens nothing; it only has to stay the same.
func registrationToken(kind string, id int, created time.Time) string {
	return "GR1348941" + digest(fmt.Sprint(kind, id, created.UnixNano()))[:20]
}

func createGroup(c *call) (any, error) {
	parent := c.number("parent_id")
	if c.has("parent_id") {
		if err := c.mayCreateSubgroup(parent); err != nil {
			return nil, err
		}
	} else if !c.user.CanCreateGroup {
		return nil, forbidden("")
	}
	g := &Group{
		Parent: parent, Visibility: "private", CreatedAt: now(),
		Settings: map[string]any{}, Members: map[int]*Member{}, Shares: map[int]*Share{},
	}
	if err := c.applyGroup(g); err != nil {
		return nil, refuse(http.StatusBadRequest, "Failed to save group {:%s}", err)
	}
	g.ID = c.data.next("namespace")
	g.Members[c.user.ID] = &Member{Level: owner, CreatedAt: now()}
	c.data.Groups[g.ID] = g
	return c.renderGroupFully(g), nil
}

func (c *call) mayCreateSubgroup(parent int) error {
	g, err := c.groupWith(c.data.Groups[parent], noAccess)
	if err != nil {
		return err
	}
	needed := maintainer
	if groupSettings.text(g.Settings, "subgroup_creation_level") == "owner" {
		needed = owner
	}
	_, err = c.groupWith(g, needed)
	return err
}

// applyGroup sets what the call gives and checks the result.
func (c *call) applyGroup(g *Group) error {
	g.Name, g.Path = c.textOr("name", g.Name), c.textOr("path", g.Path)
	g.Description = c.textOr("description", g.Description)
	g.Visibility = c.textOr("visibility", g.Visibility)
	groupSettings.apply(g.Settings, c)
	if c.has("emails_disabled") {
		g.Settings["emails_enabled"] = !c.flag("emails_disabled")
	}
	return c.data.checkGroup(g)
}

// checkGroup tells what is wrong with a group, in the words of GitLab's model.
func (d *data) checkGroup(g *Group) error {
	parent := d.Groups[g.Parent]
	switch {
	case strings.TrimSpace(g.Name) == "":
		return fault(`name=>["can't be blank"]`)
	case !validPath(g.Path):
		return fault(`path=>["can only include non-accented letters, digits, '_', '-' and '.'. It must not start with '-', end in '.', '.git' or '.atom'."]`)
	case g.Parent == 0 && reservedPaths[strings.ToLower(g.Path)]:
		return fault(fmt.Sprintf(`path=>["%s is a reserved name"]`, g.Path))
	case d.taken(g.Parent, g.Path, g):
		return fault(`path=>["has already been taken"]`)
	case parent != nil && wider(g.Visibility, parent.Visibility):
		return fault(fmt.Sprintf(`visibility_level=>["%s is not allowed since the parent group has a %s visibility."]`, g.Visibility, parent.Visibility))
	}
	for _, other := range d.Groups {
		if other != g && g.Parent != 0 && other.Parent == g.Parent && other.Name == g.Name {
			return fault(`name=>["has already been taken"]`)
		}
	}
	for _, p := range d.Projects {
		if p.Namespace == g.ID && g.ID != 0 && wider(p.Visibility, g.Visibility) {
			return fault(fmt.Sprintf(`visibility_level=>["%s is not allowed since this group contains projects with higher visibility."]`, g.Visibility))
		}
	}
	for _, sub := range d.Groups {
		if sub.Parent == g.ID && g.ID != 0 && wider(sub.Visibility, g.Visibility) {
			return fault(fmt.Sprintf(`visibility_level=>["%s is not allowed since there are sub-groups with higher visibility."]`, g.Visibility))
		}
	}
	return nil
}

// wider says whether visibility a shows more than b.
func wider(a, b string) bool { return slices.Index(visibilities, a) > slices.Index(visibilities, b) }

func getGroup(c *call) (any, error) {
	g, err := c.group(noAccess)
	if err != nil {
		return nil, err
	}
	out := c.renderGroupFully(g)
	if !c.has("with_projects") || c.flag("with_projects") {
		out["projects"] = listOf(c.projectsOf(func(p *Project) bool { return p.Namespace == g.ID }), c.renderProject)
	}
	return out, nil
}

func updateGroup(c *call) (any, error) {
	g, err := c.group(owner)
	if err != nil {
		return nil, err
	}
	if err := c.applyGroup(g); err != nil {
		attribute, text, _ := strings.Cut(err.Error(), "=>")
		return nil, invalid(attribute, strings.Trim(text, `["]`))
	}
	return c.renderGroupFully(g), nil
}

// deleteGroup accepts the deletion; settle makes it true a moment later.
func deleteGroup(c *call) (any, error) {
	g, err := c.group(owner)
	if err != nil {
		return nil, err
	}
	if g.DeleteAt == nil {
		at := time.Now().Add(deletionDelay)
		g.DeleteAt = &at
	}
	return accepted, nil
}

func transferGroup(c *call) (any, error) {
	g, err := c.group(owner)
	if err != nil {
		return nil, err
	}
	target := c.number("group_id")
	if c.has("group_id") {
		if err := c.mayCreateSubgroup(target); err != nil {
			return nil, err
		}
	}
	for _, up := range c.data.lineage(target) {
		if up == g {
			return nil, refuse(http.StatusBadRequest, "Transfer failed: Cannot transfer group to one of its subgroup.")
		}
	}
	if target == g.Parent {
		return nil, refuse(http.StatusBadRequest, "Transfer failed: Group is already associated to the parent group.")
	}
	g.Parent = target
	if err := c.data.checkGroup(g); err != nil {
		return nil, refuse(http.StatusBadRequest, "Transfer failed: %s", err)
	}
	return c.renderGroupFully(g), nil
}

// groupsOf gives the groups the caller sees that match the search and keep.
func (c *call) groupsOf(keep func(*Group) bool) []*Group {
	var out []*Group
	wanted := strings.ToLower(c.text("search"))
	for _, g := range sorted(c.data.Groups) {
		has := c.data.groupLevel(g.ID, c.user)
		switch {
		case !c.data.canSeeGroup(g, c.user),
			!strings.Contains(strings.ToLower(g.Name+" "+g.Path), wanted),
			c.flag("top_level_only") && g.Parent != 0,
			c.flag("owned") && has < owner,
			has < c.number("min_access_level"),
			!keep(g):
			continue
		}
		out = append(out, g)
	}
	slices.SortStableFunc(out, func(a, b *Group) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func listGroups(c *call) (any, error) {
	return listOf(c.groupsOf(func(*Group) bool { return true }), c.renderGroup), nil
}

func listSubgroups(c *call) (any, error) {
	g, err := c.group(noAccess)
	if err != nil {
		return nil, err
	}
	return listOf(c.groupsOf(func(sub *Group) bool { return sub.Parent == g.ID }), c.renderGroup), nil
}

func listDescendants(c *call) (any, error) {
	g, err := c.group(noAccess)
	if err != nil {
		return nil, err
	}
	return listOf(c.groupsOf(func(sub *Group) bool { return sub != g && c.data.within(sub.ID, g.ID) }), c.renderGroup), nil
}

// within says whether a group is another one or somewhere below it.
func (d *data) within(group, above int) bool {
	return slices.ContainsFunc(d.lineage(group), func(g *Group) bool { return g.ID == above })
}

func listGroupProjects(c *call) (any, error) {
	g, err := c.group(noAccess)
	if err != nil {
		return nil, err
	}
	return listOf(c.projectsOf(func(p *Project) bool {
		_, shared := p.Shares[g.ID]
		switch {
		case p.Namespace == g.ID, shared && (!c.has("with_shared") || c.flag("with_shared")):
			return true
		}
		return c.flag("include_subgroups") && c.data.within(p.Namespace, g.ID)
	}), c.renderProject), nil
}
