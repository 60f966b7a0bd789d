package gitlab

import (
	"net/url"
	"sort"
	"strconv"
	"strings"
)

func itoa(n int) string { return strconv.Itoa(n) }

func sortedIDs[T any](m map[int]T) []int {
	ids := make([]int, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	sort.Ints(ids)
	return ids
}

// projectBrief is what a list with simple=true and a fork's parent show.
func (c *call) projectBrief(p *Project) fields {
	path := c.data.projectPath(p)
	return fields{
		"id": p.ID, "name": p.Name, "path": p.Path, "path_with_namespace": path, "description": nullableText(p.Description),
		"name_with_namespace": c.data.namespaceName(p.Namespace) + " / " + p.Name,
		"default_branch":      p.DefaultBranch, "created_at": p.CreatedAt, "last_activity_at": p.LastActivity,
		"tag_list": p.Topics, "topics": p.Topics, "visibility": p.Visibility,
		"web_url":          c.server.link(path),
		"http_url_to_repo": c.server.link(path + ".git"),
		"ssh_url_to_repo":  "git@" + c.server.external.Hostname() + ":" + path + ".git",
		"readme_url":       nil, "avatar_url": nil, "forks_count": c.data.forks(p.ID), "star_count": 0,
		"namespace": c.renderNamespace(p.Namespace),
	}
}

func nullableText(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (d *data) forks(id int) (n int) {
	for _, p := range d.Projects {
		if p.ForkedFrom == id {
			n++
		}
	}
	return n
}

func (d *data) namespaceName(id int) string {
	if g := d.Groups[id]; g != nil {
		return d.fullName(g)
	}
	if u := d.namespaceOwner(id); u != nil {
		return u.Name
	}
	return ""
}

// renderNamespace is never null: clients take it for granted.
func (c *call) renderNamespace(id int) fields {
	if g := c.data.Groups[id]; g != nil {
		path := c.data.groupPath(g)
		return fields{
			"id": g.ID, "name": g.Name, "path": g.Path, "kind": "group", "full_path": path,
			"parent_id": nullable(g.Parent), "avatar_url": nil, "web_url": c.server.link("groups/" + path),
		}
	}
	name, path := "", ""
	if u := c.data.namespaceOwner(id); u != nil {
		name, path = u.Name, u.Username
	}
	return fields{
		"id": id, "name": name, "path": path, "kind": "user", "full_path": path,
		"parent_id": nil, "avatar_url": nil, "web_url": c.server.link(path),
	}
}

// renderProject is a project as lists show it.
func (c *call) renderProject(p *Project) fields {
	out := c.projectBrief(p)
	if c.flag("simple") {
		return out
	}
	renderProjectSettings(out, p.Settings)
	out["public_builds"] = out["public_jobs"]
	api := c.server.link("api/v4/projects/" + itoa(p.ID))
	out["_links"] = fields{
		"self": api, "merge_requests": api + "/merge_requests", "repo_branches": api + "/repository/branches",
		"members": api + "/members", "events": api + "/events", "labels": api + "/labels", "issues": api + "/issues",
		"cluster_agents": api + "/cluster_agents",
	}
	for k, v := range (fields{
		"archived": p.Archived, "creator_id": p.Creator, "empty_repo": c.server.repository(p.ID).empty(),
		"import_status": p.Import.Status, "import_error": nullableText(p.Import.Error), "import_type": nil, "import_url": nil,
		"open_issues_count": 0, "updated_at": p.LastActivity, "description_html": "", "compliance_frameworks": []any{},
		"container_registry_image_prefix": "", "service_desk_address": nil, "warn_about_potentially_unwanted_characters": true,
		"marked_for_deletion_at": nil, "marked_for_deletion_on": nil,
	}) {
		out[k] = v
	}
	shares := list{}
	for _, id := range sortedIDs(p.Shares) {
		shares = append(shares, c.renderShare(id, p.Shares[id]))
	}
	out["shared_with_groups"] = shares
	if u := c.data.namespaceOwner(p.Namespace); u != nil {
		out["owner"] = c.briefFields(u)
	}
	if from := c.data.Projects[p.ForkedFrom]; from != nil && c.data.canSeeProject(from, c.user) {
		out["forked_from_project"] = c.projectBrief(from)
	}
	return out
}

// renderProjectFully adds what only a single project's answer has.
func (c *call) renderProjectFully(p *Project) fields {
	out := c.renderProject(p)
	out["permissions"] = fields{
		"project_access": accessInfo(direct(p.Members, c.userID())),
		"group_access":   accessInfo(c.data.groupLevel(p.Namespace, c.user)),
	}
	if atLeast(c.user, c.data.projectLevel(p, c.user), maintainer) {
		out["runners_token"] = registrationToken("project", p.ID, p.CreatedAt)
	}
	return out
}

func (c *call) userID() int {
	if c.user == nil {
		return 0
	}
	return c.user.ID
}

func accessInfo(level int) any {
	if level == noAccess {
		return nil
	}
	return fields{"access_level": level, "notification_level": 3}
}

func (c *call) renderShare(group int, s *Share) fields {
	out := fields{"group_id": group, "group_access_level": s.Level, "expires_at": nullableText(s.Expires), "member_role_id": nil}
	if g := c.data.Groups[group]; g != nil {
		out["group_name"], out["group_full_path"] = g.Name, c.data.groupPath(g)
	}
	return out
}

// webPath escapes a file path for a link and leaves its slashes.
func webPath(path string) string {
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}
