package harbor

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// legalName is Harbor's rule for the names of projects and robots.
var legalName = regexp.MustCompile(`^[a-z0-9]+(?:[._-][a-z0-9]+)*$`)

const longestName = 255

var booleans = []string{"true", "false"}

// metadata is what a project's metadata may hold; all values are strings.
var metadata = map[string][]string{
	"public":                      booleans,
	"auto_scan":                   booleans,
	"auto_sbom_generation":        booleans,
	"prevent_vul":                 booleans,
	"reuse_sys_cve_allowlist":     booleans,
	"enable_content_trust":        booleans,
	"enable_content_trust_cosign": booleans,
	"severity":                    {"none", "unknown", "negligible", "low", "medium", "high", "critical"},
}

type projectBody struct {
	Name         string            `json:"project_name"`
	Public       *bool             `json:"public"`
	Metadata     map[string]string `json:"metadata"`
	StorageLimit *int64            `json:"storage_limit"`
	RegistryID   int               `json:"registry_id"`
	Allowlist    *struct {
		Items []struct {
			ID string `json:"cve_id"`
		} `json:"items"`
	} `json:"cve_allowlist"`
}

func (c *call) projectBody() (*projectBody, error) {
	b := &projectBody{}
	if err := c.body(b); err != nil {
		return nil, err
	}
	if b.RegistryID != 0 {
		return nil, unknown("proxy caches (registry_id)")
	}
	if b.Metadata == nil {
		b.Metadata = map[string]string{}
	}
	if b.Public != nil && b.Metadata["public"] == "" {
		b.Metadata["public"] = strconv.FormatBool(*b.Public)
	}
	for name, value := range b.Metadata {
		allowed, ok := metadata[name]
		if !ok {
			return nil, unknown("the metadata %q of a project", name)
		}
		if !slices.Contains(allowed, value) {
			return nil, badRequest("invalid value %q of metadata %s", value, name)
		}
	}
	return b, nil
}

// project finds the project in the path. A number is an id there, unless a
// header says that it is a name.
func (c *call) project() (*Project, error) {
	ref := c.request.PathValue("project")
	var found *Project
	if id, err := strconv.Atoi(ref); err == nil && c.request.Header.Get("X-Is-Resource-Name") != "true" {
		found = c.data.Projects[id]
	} else {
		found = c.data.projectNamed(ref)
	}
	switch {
	case found != nil:
		return found, nil
	case c.who.admin:
		return nil, notFound("project %s not found", ref)
	}
	// Who may not see all projects does not learn which there are.
	return nil, c.denied()
}

// projectFor is project, for a caller with an access in it.
func (c *call) projectFor(resource, action string) (*Project, error) {
	p, err := c.project()
	if err != nil {
		return nil, err
	}
	return p, c.require(p, resource, action)
}

func (d *data) projectNamed(name string) *Project {
	for _, p := range d.Projects {
		if p.Name == name {
			return p
		}
	}
	return nil
}

func (d *data) addProject(name string, metadata map[string]string, storage int64) *Project {
	now := time.Now().UTC()
	p := &Project{
		ID: d.next("project"), Name: name, Created: now, Updated: now, Metadata: metadata,
		Quota: Quota{ID: d.next("quota"), Storage: storage, Created: now, Updated: now}, Members: map[int]*Member{},
	}
	// Its owner is a member, as everybody else in it.
	owner := &Member{ID: d.next("member"), Role: projectAdmin}
	p.Members[owner.ID] = owner
	d.Projects[p.ID] = p
	return p
}

func (c *call) createProject() (any, error) {
	if err := c.require(nil, project, "create"); err != nil {
		return nil, err
	}
	b, err := c.projectBody()
	switch {
	case err != nil:
		return nil, err
	case b.Name == "" || len(b.Name) > longestName:
		return nil, badRequest("project name is illegal in length. (greater than 1 or less than %d)", longestName)
	case !legalName.MatchString(b.Name):
		return nil, badRequest("project name is not in lower case or contains illegal characters")
	case c.data.projectNamed(b.Name) != nil:
		return nil, conflict("The project named %s already exists", b.Name)
	}
	storage := c.data.defaultStorage()
	if c.who.admin && b.StorageLimit != nil && *b.StorageLimit != 0 {
		storage = *b.StorageLimit
	}
	if err := checkStorage(storage); err != nil {
		return nil, err
	}
	if b.Metadata["public"] == "" {
		b.Metadata["public"] = "false"
	}
	// A list of vulnerabilities is ignored here, and taken by an update.
	return created{id: c.data.addProject(b.Name, b.Metadata, storage).ID}, nil
}

func (c *call) readProject() (any, error) {
	p, err := c.projectFor(project, "read")
	if err != nil {
		return nil, err
	}
	return c.renderProject(p), nil
}

func (c *call) renderProject(p *Project) fields {
	items := []fields{}
	for _, id := range p.Allowlist {
		items = append(items, fields{"cve_id": id})
	}
	out := fields{
		"project_id": p.ID, "name": p.Name, "owner_id": adminID, "owner_name": adminName,
		"creation_time": p.Created, "update_time": p.Updated, "deleted": false,
		"metadata": p.Metadata, "repo_count": len(p.Repositories),
		"cve_allowlist": fields{
			"id": p.ID, "project_id": p.ID, "items": items, "creation_time": p.Created, "update_time": p.Updated,
		},
	}
	if c.who.admin {
		out["current_user_role_id"], out["current_user_role_ids"] = projectAdmin, []int{projectAdmin}
	}
	return out
}

// updateProject changes what is given. Neither name nor storage are, whatever
// the body says; the storage is the quota's.
func (c *call) updateProject() (any, error) {
	p, err := c.projectFor(project, "update")
	if err != nil {
		return nil, err
	}
	b, err := c.projectBody()
	if err != nil {
		return nil, err
	}
	for name, value := range b.Metadata {
		p.Metadata[name] = value
	}
	if b.Allowlist != nil {
		p.Allowlist = nil
		for _, item := range b.Allowlist.Items {
			p.Allowlist = append(p.Allowlist, item.ID)
		}
	}
	p.Updated = time.Now().UTC()
	return nil, nil
}

const notDeletable = "the project contains repositories, can not be deleted"

func (c *call) deleteProject() (any, error) {
	p, err := c.projectFor(project, "delete")
	if err != nil {
		return nil, err
	}
	if len(p.Repositories) > 0 {
		return nil, refuse(http.StatusPreconditionFailed, "PRECONDITION", notDeletable)
	}
	for id, r := range c.data.Robots {
		if r.Project == p.ID {
			delete(c.data.Robots, id)
		}
	}
	delete(c.data.Projects, p.ID)
	return nil, nil
}

func (c *call) projectDeletable() (any, error) {
	p, err := c.projectFor(project, "delete")
	if err != nil {
		return nil, err
	}
	if len(p.Repositories) > 0 {
		return fields{"deletable": false, "message": notDeletable}, nil
	}
	return fields{"deletable": true}, nil
}

// listProjects gives those the caller may read.
func (c *call) listProjects() (any, error) {
	query := c.request.URL.Query()
	all := list{}
	for _, id := range sortedIDs(c.data.Projects) {
		p := c.data.Projects[id]
		visible := c.may(p, project, "read") || c.may(nil, project, "list")
		public := query.Get("public") == "" || query.Get("public") == p.Metadata["public"]
		if visible && public && strings.Contains(p.Name, query.Get("name")) {
			all = append(all, c.renderProject(p))
		}
	}
	return all, nil
}

func (c *call) projectExists() (any, error) {
	if c.who.anonymous() {
		return nil, c.denied()
	}
	name := c.request.URL.Query().Get("project_name")
	if c.data.projectNamed(name) == nil {
		return nil, notFound("project %s not found", name)
	}
	return nil, nil
}

func (c *call) listRepositories() (any, error) {
	p, err := c.projectFor("repository", "list")
	if err != nil {
		return nil, err
	}
	all := list{}
	for i, name := range p.Repositories {
		all = append(all, fields{"id": i + 1, "project_id": p.ID, "name": p.Name + "/" + name, "artifact_count": 1, "pull_count": 0})
	}
	return all, nil
}

// deleteRepository finds the name escaped twice, as its slashes have to be.
func (c *call) deleteRepository() (any, error) {
	p, err := c.projectFor("repository", "delete")
	if err != nil {
		return nil, err
	}
	name, err := url.PathUnescape(c.request.PathValue("repository"))
	if err != nil {
		return nil, badRequest("invalid repository name: %v", err)
	}
	i := slices.Index(p.Repositories, name)
	if i < 0 {
		return nil, notFound("repository %s/%s not found", p.Name, name)
	}
	p.Repositories = slices.Delete(p.Repositories, i, i+1)
	return nil, nil
}
