package main

import (
	"context"
	"fmt"
	"net/http"

	"platform/lab/plugins/provider"
)

var groupNames = map[string]string{
	"name": "name", "path": "path", "description": "description", "visibilityLevel": "visibility",
	"parentId": "parent_id", "requestAccessEnabled": "request_access_enabled",
}

// group is a group; its id is GitLab's number.
func (c *client) group() provider.Resource {
	read := func(ctx context.Context, id string, _ provider.Values) (provider.Values, error) {
		answer, err := c.call(ctx, http.MethodGet, "/groups/"+escape(id)+"?with_projects=false", nil)
		if missing(err) || (err == nil && marked(answer)) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		state := stateOf(answer, groupNames)
		state["fullPath"], state["fullName"], state["webUrl"] = answer["full_path"], answer["full_name"], answer["web_url"]
		return state, nil
	}
	return provider.Resource{
		Autoname:      "name",
		SecretOutputs: []string{"runnersToken"},
		Inputs: map[string]provider.Input{
			"name": {}, "path": {Required: true}, "description": {}, "visibilityLevel": {}, "parentId": {},
			"requestAccessEnabled": {},
		},
		Create: func(ctx context.Context, in provider.Values) (string, provider.Values, error) {
			answer, err := c.call(ctx, http.MethodPost, "/groups", rename(in, groupNames))
			if err != nil {
				return "", nil, err
			}
			id := number(answer["id"])
			err = poll(ctx, "group "+id, func() (bool, error) {
				_, err := c.call(ctx, http.MethodGet, "/groups/"+id, nil)
				if missing(err) {
					return false, nil
				}
				return err == nil, err
			})
			if err != nil {
				return id, nil, err
			}
			state, err := read(ctx, id, nil)
			return id, state, err
		},
		Read: read,
		Update: func(ctx context.Context, id string, old, in provider.Values) (provider.Values, error) {
			body := rename(in, groupNames)
			delete(body, "parent_id")
			if _, err := c.call(ctx, http.MethodPut, "/groups/"+id, body); err != nil {
				return nil, err
			}
			if old.Int("parentId") != in.Int("parentId") {
				body := map[string]any{}
				if in.Has("parentId") {
					body["group_id"] = in["parentId"]
				}
				if _, err := c.call(ctx, http.MethodPost, "/groups/"+id+"/transfer", body); err != nil {
					return nil, err
				}
			}
			return read(ctx, id, nil)
		},
		Delete: func(ctx context.Context, id string, _ provider.Values) error {
			return c.removed(ctx, "/groups/"+id)
		},
	}
}

var projectNames = map[string]string{
	"name": "name", "path": "path", "description": "description", "visibilityLevel": "visibility",
	"defaultBranch": "default_branch", "requestAccessEnabled": "request_access_enabled",
	"containerRegistryAccessLevel": "container_registry_access_level",
}

// project is a project or a fork; its id is GitLab's number.
func (c *client) project() provider.Resource {
	return provider.Resource{
		Autoname:      "name",
		SecretOutputs: []string{"runnersToken"},
		Inputs: map[string]provider.Input{
			"name": {}, "path": {}, "namespaceId": {}, "description": {}, "visibilityLevel": {}, "defaultBranch": {},
			"initializeWithReadme": {}, "requestAccessEnabled": {}, "containerRegistryAccessLevel": {}, "forkedFromProjectId": {},
		},
		Create: c.createProject,
		Read:   c.readProject,
		Update: c.updateProject,
		Delete: func(ctx context.Context, id string, _ provider.Values) error {
			return c.removed(ctx, "/projects/"+id)
		},
	}
}

func (c *client) createProject(ctx context.Context, in provider.Values) (string, provider.Values, error) {
	var answer map[string]any
	var err error
	if in.Has("forkedFromProjectId") {
		body := rename(in, map[string]string{
			"name": "name", "path": "path", "namespaceId": "namespace_id", "description": "description", "visibilityLevel": "visibility",
		})
		answer, err = c.call(ctx, http.MethodPost, "/projects/"+number(in["forkedFromProjectId"])+"/fork", body)
	} else {
		body := rename(in, projectNames)
		body["namespace_id"] = in["namespaceId"]
		body["initialize_with_readme"] = in.Bool("initializeWithReadme")
		answer, err = c.call(ctx, http.MethodPost, "/projects", body)
	}
	if err != nil {
		return "", nil, err
	}
	id := number(answer["id"])
	if err := c.imported(ctx, id, answer); err != nil {
		return id, nil, err
	}
	if err := c.branchProtected(ctx, id); err != nil {
		return id, nil, err
	}
	if in.Has("forkedFromProjectId") {
		// A fork takes over only some of the inputs.
		if _, err := c.call(ctx, http.MethodPut, "/projects/"+id, rename(in, projectNames)); err != nil {
			return id, nil, err
		}
	}
	state, err := c.readProject(ctx, id, nil)
	return id, state, err
}

// imported waits until a fork's repository is there.
func (c *client) imported(ctx context.Context, id string, answer map[string]any) error {
	if answer["import_status"] == "none" {
		return nil
	}
	return poll(ctx, "the import of project "+id, func() (bool, error) {
		answer, err := c.call(ctx, http.MethodGet, "/projects/"+id+"/import", nil)
		if err != nil {
			return false, err
		}
		switch status := answer["import_status"]; status {
		case "finished":
			return true, nil
		case "scheduled", "started":
			return false, nil
		default:
			return false, fmt.Errorf("the import of project %s is %v: %v", id, status, answer["import_error"])
		}
	})
}

// branchProtected waits until GitLab has protected the default branch, which it
// does a little after the project is made.
func (c *client) branchProtected(ctx context.Context, id string) error {
	project, err := c.call(ctx, http.MethodGet, "/projects/"+id, nil)
	if err != nil {
		return err
	}
	branch, _ := project["default_branch"].(string)
	return poll(ctx, "the protection of branch "+branch, func() (bool, error) {
		answer, err := c.call(ctx, http.MethodGet, "/projects/"+id+"/repository/branches/"+escape(branch), nil)
		if missing(err) {
			return true, nil
		}
		return err == nil && answer["protected"] == true, err
	})
}

func (c *client) readProject(ctx context.Context, id string, _ provider.Values) (provider.Values, error) {
	answer, err := c.call(ctx, http.MethodGet, "/projects/"+escape(id), nil)
	if missing(err) || (err == nil && marked(answer)) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	state := stateOf(answer, projectNames)
	for property, name := range map[string]string{
		"pathWithNamespace": "path_with_namespace", "httpUrlToRepo": "http_url_to_repo", "sshUrlToRepo": "ssh_url_to_repo", "webUrl": "web_url",
	} {
		state[property] = answer[name]
	}
	namespace, ok := answer["namespace"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("project %s has no namespace", id)
	}
	state["namespaceId"] = namespace["id"]
	if origin, ok := answer["forked_from_project"].(map[string]any); ok {
		state["forkedFromProjectId"] = origin["id"]
	}
	return state, nil
}

func (c *client) updateProject(ctx context.Context, id string, old, in provider.Values) (provider.Values, error) {
	if _, err := c.call(ctx, http.MethodPut, "/projects/"+id, rename(in, projectNames)); err != nil {
		return nil, err
	}
	if old.Int("forkedFromProjectId") != in.Int("forkedFromProjectId") {
		if old.Has("forkedFromProjectId") {
			if _, err := c.call(ctx, http.MethodDelete, "/projects/"+id+"/fork", nil); err != nil {
				return nil, err
			}
		}
		if in.Has("forkedFromProjectId") {
			if _, err := c.call(ctx, http.MethodPost, "/projects/"+id+"/fork/"+number(in["forkedFromProjectId"]), nil); err != nil {
				return nil, err
			}
		}
	}
	if old.Int("namespaceId") != in.Int("namespaceId") {
		if _, err := c.call(ctx, http.MethodPut, "/projects/"+id+"/transfer", map[string]any{"namespace": in["namespaceId"]}); err != nil {
			return nil, err
		}
	}
	return c.readProject(ctx, id, nil)
}
