package main

import (
	"context"
	"fmt"
	"strings"
)

// finders look for a resource by its type and give the id to import it by, ""
// when it was not made. Types that are not here need no look: their provider
// takes over what is there already (Kubernetes' objects, Vault's policies, roles
// and secrets, GitLab's files, Harbor's configuration), or they live in the
// state alone (random, tls).
var finders = map[string]func(context.Context, *state, resource) (string, error){
	"kubernetes:helm.sh/v3:Release":                      findRelease,
	"gitlab:index/group:Group":                           findGitLab,
	"gitlab:index/project:Project":                       findGitLab,
	"gitlab:index/projectShareGroup:ProjectShareGroup":   findShare,
	"gitlab:index/branchProtection:BranchProtection":     findProtection,
	"gitlab:index/deployKey:DeployKey":                   findDeployKey,
	"harbor:index/project:Project":                       findHarborProject,
	"harbor:index/projectMemberGroup:ProjectMemberGroup": findMember,
	"harbor:index/robotAccount:RobotAccount":             findRobot,
	"vault:index/mount:Mount":                            findPath,
	"vault:index/authBackend:AuthBackend":                findPath,
}

// find gives the id to import a resource by. Nobody has to look for some: looked
// tells.
func (s *state) find(ctx context.Context, op operation) (id string, looked bool, err error) {
	find, looked := finders[op.Resource.Type]
	if !looked {
		return "", false, nil
	}
	r := op.Resource
	r.Inputs, _ = reveal(r.Inputs).(map[string]any)
	id, err = find(ctx, s, r)
	return id, true, err
}

func text(inputs map[string]any, key string) string {
	switch v := inputs[key].(type) {
	case nil:
		return ""
	case float64:
		return fmt.Sprintf("%.0f", v)
	default:
		return fmt.Sprint(v)
	}
}

// findPath imports by the path whether it is there or not: a refresh drops what
// is not.
func findPath(_ context.Context, _ *state, r resource) (string, error) {
	return text(r.Inputs, "path"), nil
}

// findGitLab finds a group or a project by its path in its parent.
func findGitLab(ctx context.Context, s *state, r resource) (string, error) {
	c, err := newClient(s, r)
	if err != nil {
		return "", err
	}
	parent := text(r.Inputs, "parentId")
	kind := "/groups/"
	if strings.HasSuffix(r.Type, ":Project") {
		parent, kind = text(r.Inputs, "namespaceId"), "/projects/"
	}
	path := text(r.Inputs, "path")
	if parent != "" {
		var group struct {
			FullPath string `json:"full_path"`
		}
		if found, err := c.get(ctx, "/groups/"+parent, &group); err != nil || !found {
			return "", err
		}
		path = group.FullPath + "/" + path
	}
	var object struct {
		ID int `json:"id"`
	}
	found, err := c.get(ctx, kind+strings.ReplaceAll(path, "/", "%2F"), &object)
	if err != nil || !found {
		return "", err
	}
	return fmt.Sprint(object.ID), nil
}

func findShare(_ context.Context, _ *state, r resource) (string, error) {
	return text(r.Inputs, "project") + ":" + text(r.Inputs, "groupId"), nil
}

// findProtection tells GitLab's own protection of the default branch, which the
// provider replaces, from the one that was asked for.
func findProtection(ctx context.Context, s *state, r resource) (string, error) {
	c, err := newClient(s, r)
	if err != nil {
		return "", err
	}
	var protection struct {
		Push []struct {
			Level int `json:"access_level"`
		} `json:"push_access_levels"`
	}
	project, branch := text(r.Inputs, "project"), text(r.Inputs, "branch")
	found, err := c.get(ctx, "/projects/"+project+"/protected_branches/"+branch, &protection)
	if err != nil || !found || len(protection.Push) == 0 {
		return "", err
	}
	if text(r.Inputs, "pushAccessLevel") == "no one" && protection.Push[0].Level != 0 {
		return "", nil
	}
	return project + ":" + branch, nil
}

func findDeployKey(ctx context.Context, s *state, r resource) (string, error) {
	c, err := newClient(s, r)
	if err != nil {
		return "", err
	}
	var keys []struct {
		ID    int    `json:"id"`
		Title string `json:"title"`
	}
	project := text(r.Inputs, "project")
	if found, err := c.get(ctx, "/projects/"+project+"/deploy_keys?per_page=100", &keys); err != nil || !found {
		return "", err
	}
	for _, k := range keys {
		if k.Title == text(r.Inputs, "title") {
			return fmt.Sprintf("%s:%d", project, k.ID), nil
		}
	}
	return "", nil
}

func findHarborProject(ctx context.Context, s *state, r resource) (string, error) {
	c, err := newClient(s, r)
	if err != nil {
		return "", err
	}
	var project struct {
		ID int `json:"project_id"`
	}
	found, err := c.get(ctx, "/projects/"+text(r.Inputs, "name"), &project)
	if err != nil || !found {
		return "", err
	}
	return fmt.Sprintf("/projects/%d", project.ID), nil
}

func findMember(ctx context.Context, s *state, r resource) (string, error) {
	c, err := newClient(s, r)
	if err != nil {
		return "", err
	}
	var members []struct {
		ID   int    `json:"id"`
		Name string `json:"entity_name"`
	}
	project := text(r.Inputs, "projectId")
	if found, err := c.get(ctx, project+"/members?page_size=100", &members); err != nil || !found {
		return "", err
	}
	for _, m := range members {
		if m.Name == text(r.Inputs, "groupName") {
			return fmt.Sprintf("%s/members/%d", project, m.ID), nil
		}
	}
	return "", nil
}

// findRobot finds a project's robot, whose full name is <prefix><project>+<name>.
func findRobot(ctx context.Context, s *state, r resource) (string, error) {
	c, err := newClient(s, r)
	if err != nil {
		return "", err
	}
	permissions, _ := r.Inputs["permissions"].([]any)
	if len(permissions) == 0 {
		return "", nil
	}
	permission, _ := permissions[0].(map[string]any)
	namespace := text(permission, "namespace")
	var project struct {
		ID int `json:"project_id"`
	}
	if found, err := c.get(ctx, "/projects/"+namespace, &project); err != nil || !found {
		return "", err
	}
	var robots []struct {
		ID   int    `json:"id"`
		Name string `json:"name"`
	}
	query := fmt.Sprintf("/robots?q=Level%%3Dproject%%2CProjectID%%3D%d&page_size=100", project.ID)
	if found, err := c.get(ctx, query, &robots); err != nil || !found {
		return "", err
	}
	for _, robot := range robots {
		if strings.HasSuffix(robot.Name, namespace+"+"+text(r.Inputs, "name")) {
			return fmt.Sprintf("/robots/%d", robot.ID), nil
		}
	}
	return "", nil
}
