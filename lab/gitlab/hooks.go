package gitlab

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// hookSettings with their defaults.
// https://docs.gitlab.com/17.11/ee/api/project_webhooks/
var hookSettings = settings{
	with(str("name"), nil), with(str("description"), nil),
	with(boolean("push_events"), true), with(str("push_events_branch_filter"), nil),
	with(enum("branch_filter_strategy", "wildcard", "regex", "all_branches"), "wildcard"),
	with(boolean("issues_events"), false), with(boolean("confidential_issues_events"), false),
	with(boolean("merge_requests_events"), false), with(boolean("tag_push_events"), false),
	with(boolean("note_events"), false), with(boolean("confidential_note_events"), false),
	with(boolean("job_events"), false), with(boolean("pipeline_events"), false), with(boolean("wiki_page_events"), false),
	with(boolean("deployment_events"), false), with(boolean("releases_events"), false),
	with(boolean("feature_flag_events"), false), with(boolean("emoji_events"), false),
	with(boolean("resource_access_token_events"), false), with(boolean("enable_ssl_verification"), true),
	with(str("custom_webhook_template"), nil),
}

// hookRoutes keep web hooks. The lab does not deliver them.
func hookRoutes() []route {
	const all, one = "projects/:project/hooks", "projects/:project/hooks/:hook"
	own := slices.Concat(hookSettings.params(), []param{str("token"), objs("custom_headers")})
	add := slices.Concat(own, []param{str("url").must()})
	return []route{
		{http.MethodGet, all, 200, readingAsUser, nil, listHooks},
		{http.MethodPost, all, 201, writing, add, addHook},
		{http.MethodGet, one, 200, readingAsUser, nil, getHook},
		{http.MethodPut, one, 200, writing, add, changeHook},
		{http.MethodDelete, one, 204, writing, nil, removeHook},
	}
}

// renderHook never shows the token, nor the values of headers.
func renderHook(p *Project, h *Hook) fields {
	out := fields{
		"id": h.ID, "url": h.URL, "project_id": p.ID, "created_at": h.CreatedAt, "alert_status": "executable",
		"disabled_until": nil, "url_variables": []any{}, "repository_update_events": false,
	}
	hookSettings.render(out, h.Settings)
	names := []fields{}
	for _, key := range h.HeaderNames {
		names = append(names, fields{"key": key})
	}
	out["custom_headers"] = names
	return out
}

func listHooks(c *call) (any, error) {
	p, err := c.project(maintainer)
	if err != nil {
		return nil, err
	}
	return listOf(sorted(p.Hooks), func(h *Hook) fields { return renderHook(p, h) }), nil
}

func (c *call) hook() (*Project, *Hook, error) {
	p, err := c.project(maintainer)
	if err != nil {
		return nil, nil, err
	}
	h := p.Hooks[c.id("hook")]
	if h == nil {
		return nil, nil, notFound("")
	}
	return p, h, nil
}

func getHook(c *call) (any, error) {
	p, h, err := c.hook()
	if err != nil {
		return nil, err
	}
	return renderHook(p, h), nil
}

func (c *call) applyHook(h *Hook) error {
	u, err := url.Parse(c.text("url"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return &apiError{http.StatusUnprocessableEntity, fields{"error": "Invalid url given"}}
	}
	h.URL = c.text("url")
	hookSettings.apply(h.Settings, c)
	h.HasToken = h.HasToken || c.text("token") != ""
	if headers, given := c.params["custom_headers"].([]any); given {
		h.HeaderNames = nil
		for i, item := range headers {
			header, _ := item.(map[string]any)
			key, _ := header["key"].(string)
			if value, _ := header["value"].(string); key == "" || value == "" {
				return &apiError{http.StatusBadRequest, fields{"error": fmt.Sprintf("custom_headers[%d] needs key and value", i)}}
			}
			h.HeaderNames = append(h.HeaderNames, key)
		}
	}
	return nil
}

func addHook(c *call) (any, error) {
	p, err := c.project(maintainer)
	if err != nil {
		return nil, err
	}
	h := &Hook{Settings: map[string]any{}, CreatedAt: now()}
	if err := c.applyHook(h); err != nil {
		return nil, err
	}
	h.ID = c.data.next("hook")
	p.Hooks[h.ID] = h
	return renderHook(p, h), nil
}

func changeHook(c *call) (any, error) {
	p, h, err := c.hook()
	if err != nil {
		return nil, err
	}
	if err := c.applyHook(h); err != nil {
		return nil, err
	}
	return renderHook(p, h), nil
}

func removeHook(c *call) (any, error) {
	p, h, err := c.hook()
	if err != nil {
		return nil, err
	}
	delete(p.Hooks, h.ID)
	return nil, nil
}
