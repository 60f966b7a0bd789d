package gitlab

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// defaultBranch is the instance's name for a first branch.
const defaultBranch = "main"

var projectSearch = []param{
	str("search"), boolean("owned"), boolean("membership"), boolean("archived"), boolean("simple"),
	enum("visibility", visibilities...), num("min_access_level"), str("topic"),
}

func projectRoutes() []route {
	own := slices.Concat(projectParams(), []param{
		str("description"), enum("visibility", visibilities...), str("default_branch"), strs("topics"), strs("tag_list"),
	})
	create := slices.Concat(own, []param{str("name"), str("path"), num("namespace_id"), boolean("initialize_with_readme")})
	update := slices.Concat(own, []param{str("name"), str("path"), boolean("archived")})
	get := []param{boolean("statistics"), boolean("license"), boolean("with_custom_attributes")}
	return []route{
		{http.MethodGet, "projects", 200, reading, projectSearch, listProjects},
		{http.MethodPost, "projects", 201, writing, create, createProject},
		{http.MethodGet, "projects/:project", 200, reading, get, getProject},
		{http.MethodPut, "projects/:project", 200, writing, update, updateProject},
		{http.MethodDelete, "projects/:project", 202, writing, paid("permanently_remove", "full_path"), deleteProject},
		{http.MethodPost, "projects/:project/archive", 201, writing, nil, setArchived(true)},
		{http.MethodPost, "projects/:project/unarchive", 201, writing, nil, setArchived(false)},
		{http.MethodPut, "projects/:project/transfer", 200, writing, []param{str("namespace").must()}, transferProject},
	}
}

func createProject(c *call) (any, error) {
	p := newProject(c.user)
	p.Import.Status = "none"
	p.Namespace = c.user.Namespace
	if c.has("namespace_id") {
		p.Namespace = c.number("namespace_id")
		if g := c.data.Groups[p.Namespace]; g == nil && p.Namespace != c.user.Namespace || g != nil && !c.data.canSeeGroup(g, c.user) {
			return nil, notFound("Namespace")
		}
	}
	if !c.data.canCreateProjects(p.Namespace, c.user) {
		return nil, invalid("namespace", "is not valid")
	}
	if !c.has("name") && !c.has("path") {
		return nil, &apiError{http.StatusBadRequest, fields{"error": "name, path are missing, at least one parameter must be provided"}}
	}
	p.DefaultBranch = c.data.firstBranch(p.Namespace)
	p.Name = c.textOr("name", c.text("path"))
	p.Path = c.textOr("path", slug(p.Name))
	if err := c.applyProject(p, http.StatusBadRequest); err != nil {
		return nil, err
	}
	p.ID = c.data.next("project")
	repo := c.server.repository(p.ID)
	if err := repo.create(p.DefaultBranch); err != nil {
		return nil, err
	}
	if c.flag("initialize_with_readme") {
		if err := c.firstCommit(repo, p); err != nil {
			return nil, err
		}
		c.protectSoon(p)
	}
	c.data.Projects[p.ID] = p
	return c.renderProjectFully(p), nil
}

// newProject is a project with nothing in it.
func newProject(creator *User) *Project {
	return &Project{
		Creator: creator.ID, Visibility: "private", Settings: map[string]any{}, Topics: []string{},
		Members: map[int]*Member{}, Shares: map[int]*Share{}, Hooks: map[int]*Hook{}, Protected: map[string]*Protection{},
		Variables: map[string]*Variable{}, MergeRequests: map[int]*MergeRequest{}, DeployKeys: map[int]bool{},
		CreatedAt: now(), LastActivity: now(),
	}
}

// firstBranch is the name of the first branch of a namespace's new projects.
func (d *data) firstBranch(namespace int) string {
	for _, g := range d.lineage(namespace) {
		if name := groupSettings.text(g.Settings, "default_branch"); name != "" {
			return name
		}
	}
	return defaultBranch
}

// slug makes a path of a name.
func slug(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, name)
}

// applyProject sets what the call gives and checks the result; conflict is the
// status for a path that is in use, which differs between routes.
func (c *call) applyProject(p *Project, conflict int) error {
	p.Name, p.Path = c.textOr("name", p.Name), c.textOr("path", p.Path)
	p.Description = c.textOr("description", p.Description)
	p.Visibility = c.textOr("visibility", p.Visibility)
	p.DefaultBranch = c.textOr("default_branch", p.DefaultBranch)
	for _, name := range []string{"tag_list", "topics"} {
		if c.has(name) {
			p.Topics = c.texts(name)
		}
	}
	applyProjectSettings(p.Settings, c)
	return c.data.checkProject(p, conflict)
}

func (d *data) checkProject(p *Project, conflict int) error {
	g := d.Groups[p.Namespace]
	switch {
	case strings.TrimSpace(p.Name) == "":
		return invalid("name", "can't be blank")
	case !validPath(p.Path):
		return invalid("path", "can contain only letters, digits, '_', '-' and '.'. Cannot start with '-', end in '.git' or end in '.atom'")
	case !validRef(p.DefaultBranch):
		return invalid("default_branch", "is invalid")
	case d.taken(p.Namespace, p.Path, p):
		return takenError(conflict, "project_namespace.name", "name", "path")
	case g != nil && wider(p.Visibility, g.Visibility):
		return invalid("visibility_level", p.Visibility+" is not allowed in a "+g.Visibility+" group.")
	}
	for _, other := range d.Projects {
		if other != p && other.Namespace == p.Namespace && other.Name == p.Name {
			return takenError(conflict, "project_namespace.name", "name")
		}
	}
	return nil
}

func getProject(c *call) (any, error) {
	p, err := c.project(noAccess)
	if err != nil {
		return nil, err
	}
	return c.renderProjectFully(p), nil
}

func updateProject(c *call) (any, error) {
	p, err := c.project(maintainer)
	if err != nil {
		return nil, err
	}
	if p.Archived && !c.has("archived") {
		return nil, forbidden("")
	}
	if wanted := c.text("default_branch"); wanted != "" && wanted != p.DefaultBranch {
		if err := c.moveDefaultBranch(p, wanted); err != nil {
			return nil, err
		}
	}
	if err := c.applyProject(p, http.StatusBadRequest); err != nil {
		return nil, err
	}
	if c.has("archived") {
		p.Archived = c.flag("archived")
	}
	return c.renderProjectFully(p), nil
}

// moveDefaultBranch points the repository's HEAD elsewhere; only a branch that
// exists can be the default, unless there is none at all.
func (c *call) moveDefaultBranch(p *Project, branch string) error {
	repo := c.server.repository(p.ID)
	if !validRef(branch) || repo.branch(branch) == "" && !repo.empty() {
		return refuse(http.StatusBadRequest, "Could not set the default branch. Do you have a branch named '%s' in your repository?", branch)
	}
	return repo.setHead(branch)
}

// deleteProject accepts the deletion; settle makes it true a moment later.
func deleteProject(c *call) (any, error) {
	p, err := c.project(owner)
	if err != nil {
		return nil, err
	}
	if p.DeleteAt == nil {
		at := time.Now().Add(deletionDelay)
		p.DeleteAt = &at
	}
	return accepted, nil
}

func setArchived(to bool) func(*call) (any, error) {
	return func(c *call) (any, error) {
		p, err := c.project(owner)
		if err != nil {
			return nil, err
		}
		p.Archived = to
		return c.renderProjectFully(p), nil
	}
}

func transferProject(c *call) (any, error) {
	p, err := c.project(owner)
	if err != nil {
		return nil, err
	}
	target, err := c.namespace(c.text("namespace"))
	if err != nil {
		return nil, err
	}
	if !c.data.canCreateProjects(target, c.user) {
		return nil, refuse(http.StatusBadRequest, "400 Bad request - You don't have permission to transfer projects into that namespace.")
	}
	if target == p.Namespace {
		return nil, refuse(http.StatusBadRequest, "400 Bad request - Project is already in this namespace.")
	}
	p.Namespace = target
	if err := c.data.checkProject(p, http.StatusBadRequest); err != nil {
		return nil, err
	}
	return c.renderProjectFully(p), nil
}

// namespace is the id of a group or of the caller's personal namespace, given by
// number or path.
func (c *call) namespace(ref string) (int, error) {
	if g := c.data.findGroup(ref); g != nil && c.data.canSeeGroup(g, c.user) {
		return g.ID, nil
	}
	if u := c.user; ref == u.Username || ref == itoa(u.Namespace) {
		return u.Namespace, nil
	}
	return 0, notFound("Namespace")
}

// projectsOf gives the projects the caller sees that match the search and keep,
// the newest first.
func (c *call) projectsOf(keep func(*Project) bool) []*Project {
	var out []*Project
	wanted := strings.ToLower(c.text("search"))
	for _, p := range sorted(c.data.Projects) {
		has := c.data.projectLevel(p, c.user)
		switch {
		case !c.data.canSeeProject(p, c.user),
			!strings.Contains(strings.ToLower(p.Name+" "+p.Path), wanted),
			c.flag("owned") && has < owner,
			c.flag("membership") && has == noAccess,
			c.has("archived") && p.Archived != c.flag("archived"),
			c.has("visibility") && p.Visibility != c.text("visibility"),
			c.has("topic") && !slices.Contains(p.Topics, c.text("topic")),
			has < c.number("min_access_level"),
			!keep(p):
			continue
		}
		out = append(out, p)
	}
	slices.Reverse(out)
	return out
}

func listProjects(c *call) (any, error) {
	return listOf(c.projectsOf(func(*Project) bool { return true }), c.renderProject), nil
}
