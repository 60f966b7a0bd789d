package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// object is what was found: the id that the provider knows it by, "" when it was
// not made, and when it was made, if the system says so.
type object struct {
	ID   string
	Made time.Time
}

// finders look for a resource by its type. Types that are not here need no look:
// their provider takes over what is there already (Kubernetes' objects, Vault's
// policies, roles and secrets, GitLab's files, Harbor's configuration), or they
// live in the state alone (random, tls).
var finders = map[string]func(context.Context, *state, resource) (object, error){
	"kubernetes:helm.sh/v3:Release":                      findRelease,
	"gitlab:index/group:Group":                           findGitLab,
	"gitlab:index/project:Project":                       findGitLab,
	"gitlab:index/projectShareGroup:ProjectShareGroup":   findShare,
	"gitlab:index/branchProtection:BranchProtection":     findProtection,
	"gitlab:index/deployKey:DeployKey":                   findDeployKey,
	"harbor:index/project:Project":                       findHarborProject,
	"harbor:index/projectMemberGroup:ProjectMemberGroup": findMember,
	"harbor:index/robotAccount:RobotAccount":             findRobot,
	"vault:index/mount:Mount":                            findIn("/sys/mounts"),
	"vault:index/authBackend:AuthBackend":                findIn("/sys/auth"),
}

// find looks for a resource. Nobody has to look for some: looked tells.
func (s *state) find(ctx context.Context, r resource) (found object, looked bool, err error) {
	find, looked := finders[r.Type]
	if !looked {
		return object{}, false, nil
	}
	found, err = find(ctx, s, r)
	return found, true, err
}

func text(inputs map[string]any, key string) string {
	if v := inputs[key]; v != nil {
		return fmt.Sprint(v)
	}
	return ""
}

// findGitLab finds a group or a project by its path in its parent.
func findGitLab(ctx context.Context, s *state, r resource) (object, error) {
	c, err := newClient(ctx, s, r)
	if err != nil {
		return object{}, err
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
			return object{}, err
		}
		path = group.FullPath + "/" + path
	}
	var made struct {
		ID   int       `json:"id"`
		Time time.Time `json:"created_at"`
	}
	found, err := c.get(ctx, kind+strings.ReplaceAll(path, "/", "%2F"), &made)
	if err != nil || !found {
		return object{}, err
	}
	return object{fmt.Sprint(made.ID), made.Time}, nil
}

func findShare(ctx context.Context, s *state, r resource) (object, error) {
	c, err := newClient(ctx, s, r)
	if err != nil {
		return object{}, err
	}
	var project struct {
		Shares []struct {
			Group int `json:"group_id"`
		} `json:"shared_with_groups"`
	}
	id, group := text(r.Inputs, "project"), text(r.Inputs, "groupId")
	if found, err := c.get(ctx, "/projects/"+id, &project); err != nil || !found {
		return object{}, err
	}
	for _, share := range project.Shares {
		if fmt.Sprint(share.Group) == group {
			return object{ID: id + ":" + group}, nil
		}
	}
	return object{}, nil
}

// findProtection tells GitLab's own protection of the default branch, which the
// provider replaces, from the one that was asked for.
func findProtection(ctx context.Context, s *state, r resource) (object, error) {
	c, err := newClient(ctx, s, r)
	if err != nil {
		return object{}, err
	}
	var protection struct {
		Push []struct {
			Level int `json:"access_level"`
		} `json:"push_access_levels"`
	}
	project, branch := text(r.Inputs, "project"), text(r.Inputs, "branch")
	found, err := c.get(ctx, "/projects/"+project+"/protected_branches/"+branch, &protection)
	if err != nil || !found || len(protection.Push) == 0 {
		return object{}, err
	}
	if text(r.Inputs, "pushAccessLevel") == "no one" && protection.Push[0].Level != 0 {
		return object{}, nil
	}
	return object{ID: project + ":" + branch}, nil
}

func findDeployKey(ctx context.Context, s *state, r resource) (object, error) {
	c, err := newClient(ctx, s, r)
	if err != nil {
		return object{}, err
	}
	var keys []struct {
		ID    int       `json:"id"`
		Title string    `json:"title"`
		Time  time.Time `json:"created_at"`
	}
	project := text(r.Inputs, "project")
	if found, err := c.get(ctx, "/projects/"+project+"/deploy_keys?per_page=100", &keys); err != nil || !found {
		return object{}, err
	}
	for _, k := range keys {
		if k.Title == text(r.Inputs, "title") {
			return object{fmt.Sprintf("%s:%d", project, k.ID), k.Time}, nil
		}
	}
	return object{}, nil
}

func findHarborProject(ctx context.Context, s *state, r resource) (object, error) {
	c, err := newClient(ctx, s, r)
	if err != nil {
		return object{}, err
	}
	var project struct {
		ID   int       `json:"project_id"`
		Time time.Time `json:"creation_time"`
	}
	found, err := c.get(ctx, "/projects/"+text(r.Inputs, "name"), &project)
	if err != nil || !found {
		return object{}, err
	}
	return object{fmt.Sprintf("/projects/%d", project.ID), project.Time}, nil
}

func findMember(ctx context.Context, s *state, r resource) (object, error) {
	c, err := newClient(ctx, s, r)
	if err != nil {
		return object{}, err
	}
	var members []struct {
		ID   int    `json:"id"`
		Name string `json:"entity_name"`
	}
	project := text(r.Inputs, "projectId")
	if found, err := c.get(ctx, project+"/members?page_size=100", &members); err != nil || !found {
		return object{}, err
	}
	for _, m := range members {
		if m.Name == text(r.Inputs, "groupName") {
			return object{ID: fmt.Sprintf("%s/members/%d", project, m.ID)}, nil
		}
	}
	return object{}, nil
}

// findRobot finds a project's robot, whose full name is <prefix><project>+<name>.
func findRobot(ctx context.Context, s *state, r resource) (object, error) {
	c, err := newClient(ctx, s, r)
	if err != nil {
		return object{}, err
	}
	permissions, _ := r.Inputs["permissions"].([]any)
	if len(permissions) == 0 {
		return object{}, nil
	}
	permission, _ := permissions[0].(map[string]any)
	namespace := text(permission, "namespace")
	var project struct {
		ID int `json:"project_id"`
	}
	if found, err := c.get(ctx, "/projects/"+namespace, &project); err != nil || !found {
		return object{}, err
	}
	var robots []struct {
		ID   int       `json:"id"`
		Name string    `json:"name"`
		Time time.Time `json:"creation_time"`
	}
	query := fmt.Sprintf("/robots?q=Level%%3Dproject%%2CProjectID%%3D%d&page_size=100", project.ID)
	if found, err := c.get(ctx, query, &robots); err != nil || !found {
		return object{}, err
	}
	for _, robot := range robots {
		if strings.HasSuffix(robot.Name, namespace+"+"+text(r.Inputs, "name")) {
			return object{fmt.Sprintf("/robots/%d", robot.ID), robot.Time}, nil
		}
	}
	return object{}, nil
}

// findIn finds a mount of Vault by its path in a list of mounts.
func findIn(list string) func(context.Context, *state, resource) (object, error) {
	return func(ctx context.Context, s *state, r resource) (object, error) {
		c, err := newClient(ctx, s, r)
		if err != nil {
			return object{}, err
		}
		var mounts struct {
			Data map[string]any `json:"data"`
		}
		if _, err := c.get(ctx, list, &mounts); err != nil {
			return object{}, err
		}
		path := strings.Trim(text(r.Inputs, "path"), "/")
		if _, made := mounts.Data[path+"/"]; !made {
			return object{}, nil
		}
		return object{ID: path}, nil
	}
}
