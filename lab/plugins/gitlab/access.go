package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"platform/lab/plugins/provider"
)

// levels of access by name (https://docs.gitlab.com/api/members/#roles).
var levels = map[string]float64{
	"no one": 0, "minimal": 5, "guest": 10, "planner": 15, "reporter": 20, "developer": 30, "maintainer": 40, "owner": 50, "admin": 60,
}

func levelName(level any) string {
	for name, l := range levels {
		if level == l {
			return name
		}
	}
	return fmt.Sprint(level)
}

func level(in provider.Values, key string) (float64, error) {
	l, ok := levels[in.String(key)]
	if !ok {
		return 0, fmt.Errorf("%s: unknown level %q", key, in.String(key))
	}
	return l, nil
}

// two splits an id of the form `a:b`.
func two(id string) (string, string, error) {
	a, b, ok := strings.Cut(id, ":")
	if !ok {
		return "", "", fmt.Errorf("the id %q is not of the form project:…", id)
	}
	return a, b, nil
}

// projectShare gives a group access to a project; its id is `project:group`.
func (c *client) projectShare() provider.Resource {
	return provider.Resource{
		Inputs: map[string]provider.Input{
			"project": {Required: true, Replaces: true}, "groupId": {Required: true, Replaces: true},
			"groupAccess": {Required: true, Replaces: true},
		},
		Create: func(ctx context.Context, in provider.Values) (string, provider.Values, error) {
			access, err := level(in, "groupAccess")
			if err != nil {
				return "", nil, err
			}
			_, err = c.call(ctx, http.MethodPost, "/projects/"+escape(in.String("project"))+"/share",
				map[string]any{"group_id": in["groupId"], "group_access": access})
			if err != nil {
				return "", nil, err
			}
			return in.String("project") + ":" + number(in["groupId"]), nil, nil
		},
		Read: func(ctx context.Context, id string, _ provider.Values) (provider.Values, error) {
			project, group, err := two(id)
			if err != nil {
				return nil, err
			}
			answer, err := c.call(ctx, http.MethodGet, "/projects/"+escape(project), nil)
			if missing(err) {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			shares, _ := answer["shared_with_groups"].([]any)
			for _, s := range shares {
				share, _ := s.(map[string]any)
				if number(share["group_id"]) == group {
					return provider.Values{
						"project": project, "groupId": share["group_id"], "groupAccess": levelName(share["group_access_level"]),
					}, nil
				}
			}
			return nil, nil
		},
		Delete: func(ctx context.Context, id string, _ provider.Values) error {
			project, group, err := two(id)
			if err != nil {
				return err
			}
			_, err = c.call(ctx, http.MethodDelete, "/projects/"+escape(project)+"/share/"+group, nil)
			return ignoreMissing(err)
		},
	}
}

func ignoreMissing(err error) error {
	if missing(err) {
		return nil
	}
	return err
}

// branchLevels are the levels of a protection: the input, and what GitLab calls
// it in a request and in an answer.
var branchLevels = [][3]string{
	{"pushAccessLevel", "push_access_level", "push_access_levels"},
	{"mergeAccessLevel", "merge_access_level", "merge_access_levels"},
	{"unprotectAccessLevel", "unprotect_access_level", "unprotect_access_levels"},
}

// branchProtection protects a branch; its id is `project:branch`.
func (c *client) branchProtection() provider.Resource {
	inputs := map[string]provider.Input{
		"project": {Required: true, Replaces: true}, "branch": {Required: true, Replaces: true}, "allowForcePush": {},
	}
	for _, l := range branchLevels {
		inputs[l[0]] = provider.Input{Replaces: true, Default: "maintainer"}
	}
	path := func(project, branch string) string {
		return "/projects/" + escape(project) + "/protected_branches/" + escape(branch)
	}
	return provider.Resource{
		Inputs: inputs,
		Create: func(ctx context.Context, in provider.Values) (string, provider.Values, error) {
			project, branch := in.String("project"), in.String("branch")
			if err := c.unprotectDefault(ctx, project, branch, path(project, branch)); err != nil {
				return "", nil, err
			}
			body := map[string]any{
				"name": branch, "allow_force_push": in.Bool("allowForcePush"),
				"allowed_to_push": []any{}, "allowed_to_merge": []any{}, "allowed_to_unprotect": []any{},
			}
			for _, l := range branchLevels {
				value, err := level(in, l[0])
				if err != nil {
					return "", nil, err
				}
				body[l[1]] = value
			}
			if _, err := c.call(ctx, http.MethodPost, "/projects/"+escape(project)+"/protected_branches", body); err != nil {
				return "", nil, err
			}
			return project + ":" + branch, nil, nil
		},
		Read: func(ctx context.Context, id string, _ provider.Values) (provider.Values, error) {
			project, branch, err := two(id)
			if err != nil {
				return nil, err
			}
			answer, err := c.call(ctx, http.MethodGet, path(project, branch), nil)
			if missing(err) {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			return protectionState(project, branch, answer), nil
		},
		Update: func(ctx context.Context, id string, _, in provider.Values) (provider.Values, error) {
			project, branch, err := two(id)
			if err != nil {
				return nil, err
			}
			_, err = c.call(ctx, http.MethodPatch, path(project, branch), map[string]any{
				"name": branch, "allow_force_push": in.Bool("allowForcePush"),
			})
			return nil, err
		},
		Delete: func(ctx context.Context, id string, _ provider.Values) error {
			project, branch, err := two(id)
			if err != nil {
				return err
			}
			_, err = c.call(ctx, http.MethodDelete, path(project, branch), nil)
			return ignoreMissing(err)
		},
	}
}

// unprotectDefault takes away the protection that GitLab gives the default
// branch by itself; any other is somebody's.
func (c *client) unprotectDefault(ctx context.Context, project, branch, path string) error {
	_, err := c.call(ctx, http.MethodGet, path, nil)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	answer, err := c.call(ctx, http.MethodGet, "/projects/"+escape(project), nil)
	if err != nil {
		return err
	}
	if answer["default_branch"] != branch {
		return fmt.Errorf("branch %s of project %s is protected already", branch, project)
	}
	_, err = c.call(ctx, http.MethodDelete, path, nil)
	return err
}

// protectionState leaves out who may unprotect where GitLab's free edition does
// not tell.
func protectionState(project, branch string, answer map[string]any) provider.Values {
	state := provider.Values{"project": project, "branch": branch, "allowForcePush": answer["allow_force_push"] == true}
	for _, l := range branchLevels {
		list, _ := answer[l[2]].([]any)
		for _, item := range list {
			entry, _ := item.(map[string]any)
			if entry["user_id"] == nil && entry["group_id"] == nil {
				state[l[0]] = levelName(entry["access_level"])
			}
		}
	}
	return state
}

// deployKey lets a key read, or write, a project; its id is `project:key`.
func (c *client) deployKey() provider.Resource {
	path := func(id string) (string, string, error) {
		project, key, err := two(id)
		return project, "/projects/" + escape(project) + "/deploy_keys/" + key, err
	}
	return provider.Resource{
		Inputs: map[string]provider.Input{
			"project": {Required: true, Replaces: true}, "title": {Required: true, Replaces: true},
			"key": {Required: true, Replaces: true, Same: sameKey}, "canPush": {Replaces: true, Default: false},
		},
		Create: func(ctx context.Context, in provider.Values) (string, provider.Values, error) {
			answer, err := c.call(ctx, http.MethodPost, "/projects/"+escape(in.String("project"))+"/deploy_keys", map[string]any{
				"title": in["title"], "key": strings.TrimSpace(in.String("key")), "can_push": in.Bool("canPush"),
			})
			if err != nil {
				return "", nil, err
			}
			return in.String("project") + ":" + number(answer["id"]), provider.Values{"deployKeyId": answer["id"]}, nil
		},
		Read: func(ctx context.Context, id string, _ provider.Values) (provider.Values, error) {
			project, p, err := path(id)
			if err != nil {
				return nil, err
			}
			answer, err := c.call(ctx, http.MethodGet, p, nil)
			if missing(err) {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			return provider.Values{
				"project": project, "title": answer["title"], "key": answer["key"],
				"canPush": answer["can_push"] == true, "deployKeyId": answer["id"],
			}, nil
		},
		Delete: func(ctx context.Context, id string, _ provider.Values) error {
			_, p, err := path(id)
			if err != nil {
				return err
			}
			_, err = c.call(ctx, http.MethodDelete, p, nil)
			return ignoreMissing(err)
		},
	}
}

// sameKey leaves the comment of a public key out.
func sameKey(a, b any) bool {
	key := func(v any) string {
		text, _ := v.(string)
		fields := strings.Fields(text)
		return strings.Join(fields[:min(len(fields), 2)], " ")
	}
	return key(a) == key(b)
}
