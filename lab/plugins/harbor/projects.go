package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"platform/lab/plugins/provider"
)

const gibibyte = 1 << 30

type projectAnswer struct {
	ProjectID int               `json:"project_id"`
	Name      string            `json:"name"`
	Metadata  map[string]string `json:"metadata"`
}

func projectBody(in provider.Values) map[string]any {
	body := map[string]any{
		"project_name": in.String("name"), "cve_allowlist": map[string]any{},
		"metadata": map[string]string{
			"public": strconv.FormatBool(in.Bool("public")), "auto_scan": strconv.FormatBool(in.Bool("vulnerabilityScanning")),
			"severity": "low", "prevent_vul": "false", "reuse_sys_cve_allowlist": "true",
		},
	}
	if quota := in.Int("storageQuota"); quota != 0 {
		body["storage_limit"] = storageLimit(quota)
	}
	return body
}

// storageLimit is a quota in bytes; -1 is none.
func storageLimit(gib int) int {
	if gib < 0 {
		return -1
	}
	return gib * gibibyte
}

// project is a project; its id is `/projects/<number>`.
func (c *client) project() provider.Resource {
	// As in the real plugin, a quota changed by somebody else is not seen.
	read := func(ctx context.Context, id string, _ provider.Values) (provider.Values, error) {
		var p projectAnswer
		if _, err := c.call(ctx, http.MethodGet, id, nil, &p); err != nil {
			return nil, ignoreMissing(err)
		}
		return provider.Values{
			"name": p.Name, "projectId": float64(p.ProjectID), "public": p.Metadata["public"] == "true",
			"vulnerabilityScanning": p.Metadata["auto_scan"] == "true",
		}, nil
	}
	return provider.Resource{
		Autoname: "name", DeleteFirst: true,
		Inputs: map[string]provider.Input{
			"name": {Replaces: true}, "public": {}, "storageQuota": {}, "vulnerabilityScanning": {}, "forceDestroy": {},
		},
		Create: func(ctx context.Context, in provider.Values) (string, provider.Values, error) {
			id, err := c.call(ctx, http.MethodPost, "/projects", projectBody(in), nil)
			if err != nil {
				return "", nil, err
			}
			state, err := read(ctx, id, in)
			return id, state, err
		},
		Read: read,
		Update: func(ctx context.Context, id string, old, in provider.Values) (provider.Values, error) {
			if _, err := c.call(ctx, http.MethodPut, id, projectBody(in), nil); err != nil {
				return nil, err
			}
			if old.Int("storageQuota") != in.Int("storageQuota") {
				c.setQuota(ctx, id, in.Int("storageQuota"))
			}
			return read(ctx, id, in)
		},
		Delete: c.deleteProject,
	}
}

// setQuota changes a project's quota, which is an object of its own. As in the
// real plugin an error here is no error.
func (c *client) setQuota(ctx context.Context, id string, gib int) {
	for page := 1; ; page++ {
		var quotas []struct {
			ID  int `json:"id"`
			Ref struct {
				ID int `json:"id"`
			} `json:"ref"`
		}
		_, err := c.call(ctx, http.MethodGet, fmt.Sprintf("/quotas/?page=%d&page_size=100", page), nil, &quotas)
		if err != nil || len(quotas) == 0 {
			return
		}
		for _, q := range quotas {
			if id == fmt.Sprintf("/projects/%d", q.Ref.ID) {
				_, _ = c.call(ctx, http.MethodPut, fmt.Sprintf("/quotas/%d", q.ID),
					map[string]any{"hard": map[string]any{"storage": storageLimit(gib)}}, nil)
			}
		}
	}
}

// deleteProject refuses while the project holds images, unless forceDestroy
// says to delete them first.
func (c *client) deleteProject(ctx context.Context, id string, state provider.Values) error {
	name := state.String("name")
	repositories := c.repositories(ctx, name)
	if len(repositories) > 0 && !state.Bool("forceDestroy") {
		return fmt.Errorf("project %s is not empty: it has %d repositories, such as %s", name, len(repositories), repositories[0])
	}
	for _, r := range repositories {
		short := url.PathEscape(url.PathEscape(strings.TrimPrefix(r, name+"/")))
		if _, err := c.call(ctx, http.MethodDelete, "/projects/"+name+"/repositories/"+short, nil, nil); err != nil {
			return err
		}
	}
	_, err := c.call(ctx, http.MethodDelete, id, nil, nil)
	return ignoreMissing(err)
}

// repositories are the names of a project's. As in the real plugin an error
// ends the list: Harbor itself refuses to delete a project with images.
func (c *client) repositories(ctx context.Context, project string) []string {
	var names []string
	for page := 1; ; page++ {
		var some []struct {
			Name string `json:"name"`
		}
		path := fmt.Sprintf("/projects/%s/repositories?page=%d&page_size=100", project, page)
		if _, err := c.call(ctx, http.MethodGet, path, nil, &some); err != nil || len(some) == 0 {
			return names
		}
		for _, r := range some {
			names = append(names, r.Name)
		}
	}
}

var memberRoles = map[string]int{"projectadmin": 1, "developer": 2, "guest": 3, "maintainer": 4, "limitedguest": 5}

var groupTypes = map[string]int{"ldap": 1, "internal": 2, "oidc": 3}

// memberGroup is a group's membership; its id is `/projects/<n>/members/<m>`.
func (c *client) memberGroup() provider.Resource {
	body := func(in provider.Values) (map[string]any, error) {
		role, ok := memberRoles[in.String("role")]
		if !ok {
			return nil, fmt.Errorf("unknown role %q", in.String("role"))
		}
		kind, ok := groupTypes[in.String("type")]
		if !ok {
			return nil, fmt.Errorf("unknown type of group %q", in.String("type"))
		}
		return map[string]any{
			"role_id": role, "member_user": map[string]any{},
			"member_group": map[string]any{"group_type": kind, "group_name": in.String("groupName")},
		}, nil
	}
	return provider.Resource{
		Inputs: map[string]provider.Input{
			"projectId": {Required: true, Replaces: true}, "groupName": {Replaces: true}, "role": {Required: true}, "type": {Required: true},
		},
		Create: func(ctx context.Context, in provider.Values) (string, provider.Values, error) {
			b, err := body(in)
			if err != nil {
				return "", nil, err
			}
			id, err := c.call(ctx, http.MethodPost, in.String("projectId")+"/members", b, nil)
			return id, nil, err
		},
		Read: func(ctx context.Context, id string, _ provider.Values) (provider.Values, error) {
			var m struct {
				RoleID     int    `json:"role_id"`
				ProjectID  int    `json:"project_id"`
				EntityName string `json:"entity_name"`
			}
			if _, err := c.call(ctx, http.MethodGet, id, nil, &m); err != nil {
				return nil, ignoreMissing(err)
			}
			state := provider.Values{
				"projectId": fmt.Sprintf("/projects/%d", m.ProjectID), "groupName": m.EntityName,
			}
			for name, role := range memberRoles {
				if role == m.RoleID {
					state["role"] = name
				}
			}
			return state, nil
		},
		Update: func(ctx context.Context, id string, _, in provider.Values) (provider.Values, error) {
			b, err := body(in)
			if err != nil {
				return nil, err
			}
			_, err = c.call(ctx, http.MethodPut, id, b, nil)
			return nil, err
		},
		Delete: func(ctx context.Context, id string, _ provider.Values) error {
			_, err := c.call(ctx, http.MethodDelete, id, nil, nil)
			return ignoreMissing(err)
		},
	}
}
