package gitlab

import (
	"net/http"
	"strings"
)

func branchRoutes() []route {
	const all, one = "projects/:project/repository/branches", "projects/:project/repository/branches/:branch"
	return []route{
		{http.MethodGet, all, 200, readingCode, []param{str("search")}, listBranches},
		{http.MethodPost, all, 201, writing, []param{str("branch").must(), str("ref").must()}, createBranch},
		{http.MethodGet, one, 200, readingCode, nil, getBranch},
		{http.MethodDelete, one, 204, writing, nil, deleteBranch},
	}
}

func (c *call) renderBranch(p *Project, name, sha string) (fields, error) {
	commits, err := c.server.repository(p.ID).log(sha, "-1")
	if err != nil {
		return nil, err
	}
	rule, protected := c.data.branchRule(p, c.user, name)
	merged := name != p.DefaultBranch && c.server.repository(p.ID).contains("refs/heads/"+p.DefaultBranch, sha)
	out := fields{
		"name": name, "commit": c.renderCommit(p, commits[0]), "merged": merged, "protected": protected,
		"developers_can_push": false, "developers_can_merge": false, "can_push": rule.push,
		"default": name == p.DefaultBranch, "web_url": c.server.link(c.data.projectPath(p) + "/-/tree/" + webPath(name)),
	}
	for pattern, r := range p.Protected {
		if matchBranch(pattern, name) {
			out["developers_can_push"] = out["developers_can_push"] == true || r.Push == developer
			out["developers_can_merge"] = out["developers_can_merge"] == true || r.Merge == developer
		}
	}
	return out, nil
}

func listBranches(c *call) (any, error) {
	p, err := c.code()
	if err != nil {
		return nil, err
	}
	listing, err := c.server.repository(p.ID).git("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads")
	if err != nil {
		return nil, err
	}
	out := list{}
	for _, line := range strings.Split(strings.TrimSpace(string(listing)), "\n") {
		sha, ref, found := strings.Cut(line, " ")
		name := strings.TrimPrefix(ref, "refs/heads/")
		if !found || !strings.Contains(name, c.text("search")) {
			continue
		}
		branch, err := c.renderBranch(p, name, sha)
		if err != nil {
			return nil, err
		}
		out = append(out, branch)
	}
	return out, nil
}

func getBranch(c *call) (any, error) {
	p, err := c.code()
	if err != nil {
		return nil, err
	}
	sha := c.server.repository(p.ID).branch(c.path["branch"])
	if sha == "" {
		return nil, notFound("Branch")
	}
	return c.renderBranch(p, c.path["branch"], sha)
}

func createBranch(c *call) (any, error) {
	p, err := c.pushable()
	if err != nil {
		return nil, err
	}
	repo, name := c.server.repository(p.ID), c.text("branch")
	sha := repo.resolve(c.text("ref"))
	switch {
	case !validRef(name):
		return nil, refuse(http.StatusBadRequest, "Branch name is invalid")
	case repo.branch(name) != "":
		return nil, refuse(http.StatusBadRequest, "Branch already exists")
	case sha == "":
		return nil, refuse(http.StatusBadRequest, "Invalid reference name: %s", c.text("ref"))
	case !c.server.mayPush(c.data, p, c.user, name):
		return nil, refuse(http.StatusBadRequest, "You are not allowed to create protected branches on this project.")
	}
	if err := repo.moveRef("refs/heads/"+name, sha, ""); err != nil {
		return nil, refuse(http.StatusBadRequest, "Failed to create branch '%s': %s", name, err)
	}
	c.server.afterPush(c.data, p)
	return c.renderBranch(p, name, sha)
}

func deleteBranch(c *call) (any, error) {
	p, err := c.pushable()
	if err != nil {
		return nil, err
	}
	repo, name := c.server.repository(p.ID), c.path["branch"]
	sha := repo.branch(name)
	_, protected := c.data.branchRule(p, c.user, name)
	switch {
	case sha == "":
		return nil, notFound("Branch")
	case name == p.DefaultBranch:
		return nil, refuse(http.StatusMethodNotAllowed, "Cannot remove HEAD branch")
	case protected && !atLeast(c.user, c.data.projectLevel(p, c.user), maintainer):
		return nil, refuse(http.StatusMethodNotAllowed, "You don't have push access to repo")
	}
	return nil, repo.moveRef("refs/heads/"+name, "", sha)
}
