package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"platform/lab/plugins/provider"
)

type robotAnswer struct {
	ID          int                `json:"id"`
	Name        string             `json:"name"`
	Level       string             `json:"level"`
	Description string             `json:"description"`
	Duration    int                `json:"duration"`
	Disable     bool               `json:"disable"`
	Secret      string             `json:"secret"`
	Permissions []permissionAnswer `json:"permissions"`
}

type permissionAnswer struct {
	Kind      string         `json:"kind"`
	Namespace string         `json:"namespace"`
	Access    []accessAnswer `json:"access"`
}

type accessAnswer struct {
	Resource string `json:"resource"`
	Action   string `json:"action"`
	Effect   string `json:"effect,omitempty"`
}

func permissions(in provider.Values) []permissionAnswer {
	var out []permissionAnswer
	list, _ := in["permissions"].([]any)
	for _, item := range list {
		p, _ := item.(map[string]any)
		permission := permissionAnswer{Kind: provider.Values(p).String("kind"), Namespace: provider.Values(p).String("namespace")}
		accesses, _ := p["accesses"].([]any)
		for _, item := range accesses {
			a, _ := item.(map[string]any)
			v := provider.Values(a)
			permission.Access = append(permission.Access, accessAnswer{v.String("resource"), v.String("action"), v.String("effect")})
		}
		out = append(out, permission)
	}
	return out
}

func permissionValues(answer []permissionAnswer) []any {
	out := []any{}
	for _, p := range answer {
		accesses := []any{}
		for _, a := range p.Access {
			access := map[string]any{"resource": a.Resource, "action": a.Action}
			if a.Effect != "" {
				access["effect"] = a.Effect
			}
			accesses = append(accesses, access)
		}
		out = append(out, map[string]any{"kind": p.Kind, "namespace": p.Namespace, "accesses": accesses})
	}
	return out
}

func robotBody(in provider.Values, name string) map[string]any {
	return map[string]any{
		"name": name, "level": in.String("level"), "description": in.String("description"),
		"duration": in.Int("duration"), "disable": in.Bool("disable"), "permissions": permissions(in),
	}
}

// robot is a robot account; its id is `/robots/<number>`.
func (c *client) robot() provider.Resource {
	return provider.Resource{
		Autoname: "name", DeleteFirst: true,
		Inputs: map[string]provider.Input{
			"name": {Replaces: true}, "level": {Required: true, Replaces: true}, "description": {}, "duration": {Default: -1.0},
			"disable": {}, "secret": {Secret: true}, "permissions": {Required: true},
		},
		Create: c.createRobot,
		Read:   c.readRobot,
		Update: func(ctx context.Context, id string, old, in provider.Values) (provider.Values, error) {
			var robot robotAnswer
			if _, err := c.call(ctx, http.MethodGet, id, nil, &robot); err != nil {
				return nil, err
			}
			if _, err := c.call(ctx, http.MethodPut, id, robotBody(in, robot.Name), nil); err != nil {
				return nil, err
			}
			if old.String("secret") != in.String("secret") {
				if _, err := c.call(ctx, http.MethodPatch, id, map[string]any{"secret": in.String("secret")}, nil); err != nil {
					return nil, err
				}
			}
			return c.readRobot(ctx, id, in)
		},
		// As in the real plugin a robot that is gone already is an error.
		Delete: func(ctx context.Context, id string, _ provider.Values) error {
			_, err := c.call(ctx, http.MethodDelete, id, nil, nil)
			return err
		},
	}
}

func (c *client) createRobot(ctx context.Context, in provider.Values) (string, provider.Values, error) {
	if level := in.String("level"); level != "project" {
		return "", nil, fmt.Errorf("the lab's plugin harbor does not know robots of level %q", level)
	}
	var answer robotAnswer
	id, err := c.call(ctx, http.MethodPost, "/robots", robotBody(in, in.String("name")), &answer)
	if err != nil {
		return "", nil, err
	}
	secret := answer.Secret
	if in.Has("secret") {
		secret = in.String("secret")
		if _, err := c.call(ctx, http.MethodPatch, id, map[string]any{"secret": secret}, nil); err != nil {
			return id, nil, fmt.Errorf("setting the robot's secret: %w", err)
		}
	}
	state, err := c.readRobot(ctx, id, in)
	return id, state.With(provider.Values{"secret": secret}), err
}

func (c *client) readRobot(ctx context.Context, id string, _ provider.Values) (provider.Values, error) {
	var robot robotAnswer
	if _, err := c.call(ctx, http.MethodGet, id, nil, &robot); err != nil {
		var e *apiError
		if errors.As(err, &e) {
			return nil, nil // the real plugin takes every answer but a good one for gone
		}
		return nil, err
	}
	if len(robot.Permissions) == 0 {
		return nil, fmt.Errorf("robot %s has no permissions", robot.Name)
	}
	_, short, found := strings.Cut(robot.Name, robot.Permissions[0].Namespace+"+")
	if !found {
		return nil, fmt.Errorf("robot %s is not of level project", robot.Name)
	}
	// The secret is left out: Harbor tells it once.
	return provider.Values{
		"name": short, "fullName": robot.Name, "robotId": fmt.Sprint(robot.ID), "level": robot.Level,
		"description": robot.Description, "duration": float64(robot.Duration), "disable": robot.Disable,
		"permissions": permissionValues(robot.Permissions),
	}, nil
}

// authSettings are the inputs of ConfigAuth and what Harbor calls them.
var authSettings = map[string]string{
	"authMode": "auth_mode", "primaryAuthMode": "primary_auth_mode", "oidcName": "oidc_name", "oidcEndpoint": "oidc_endpoint",
	"oidcClientId": "oidc_client_id", "oidcClientSecret": "oidc_client_secret", "oidcScope": "oidc_scope",
	"oidcGroupsClaim": "oidc_groups_claim", "oidcAdminGroup": "oidc_admin_group", "oidcUserClaim": "oidc_user_claim",
	"oidcVerifyCert": "oidc_verify_cert", "oidcAutoOnboard": "oidc_auto_onboard",
}

const configurations = "/configurations"

// configAuth is how people log in to Harbor: part of its configuration, which
// is always there and is left as it is on delete.
func (c *client) configAuth() provider.Resource {
	write := func(ctx context.Context, in provider.Values) error {
		body := map[string]any{"self_registration": false}
		for input, name := range authSettings {
			if value, ok := in[input]; ok && value != "" {
				body[name] = value
			}
		}
		_, err := c.call(ctx, http.MethodPut, configurations, body, nil)
		return err
	}
	inputs := map[string]provider.Input{}
	for input := range authSettings {
		inputs[input] = provider.Input{Secret: input == "oidcClientSecret", Required: input == "authMode"}
	}
	return provider.Resource{
		Inputs: inputs,
		Create: func(ctx context.Context, in provider.Values) (string, provider.Values, error) {
			if err := write(ctx, in); err != nil {
				return "", nil, err
			}
			return configurations, nil, nil
		},
		// Passwords are never told.
		Read: func(ctx context.Context, _ string, _ provider.Values) (provider.Values, error) {
			var answer map[string]struct {
				Value any `json:"value"`
			}
			if _, err := c.call(ctx, http.MethodGet, configurations, nil, &answer); err != nil {
				return nil, err
			}
			state := provider.Values{}
			for input, name := range authSettings {
				if setting, ok := answer[name]; ok {
					state[input] = setting.Value
				}
			}
			return state, nil
		},
		Update: func(ctx context.Context, _ string, _, in provider.Values) (provider.Values, error) {
			return nil, write(ctx, in)
		},
		Delete: func(context.Context, string, provider.Values) error { return nil },
	}
}
