package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/vault/api"

	"platform/lab/plugins/provider"
)

// noMount says whether an error means that nothing is mounted at a path: Vault
// answers 404, or 400 with a sentence.
func noMount(err error) bool {
	var response *api.ResponseError
	if !errors.As(err, &response) {
		return false
	}
	text := strings.Join(response.Errors, " ")
	return response.StatusCode == http.StatusNotFound || strings.Contains(text, "No secret engine mount at") ||
		strings.Contains(text, "No auth engine at")
}

// mount is a secret engine; its id is its path.
func (c *client) mount() provider.Resource {
	return provider.Resource{
		Inputs: map[string]provider.Input{
			"path": {Required: true, Replaces: true}, "type": {Required: true, Replaces: true},
			"description": {}, "options": {},
		},
		Create: func(ctx context.Context, in provider.Values) (string, provider.Values, error) {
			v, err := c.vault(ctx)
			if err != nil {
				return "", nil, err
			}
			path := in.String("path")
			err = v.Sys().MountWithContext(ctx, path, &api.MountInput{
				Type: in.String("type"), Description: in.String("description"), Options: stringMap(in["options"]),
			})
			if err != nil {
				return "", nil, fmt.Errorf("mounting %s: %w", path, err)
			}
			state, err := c.readMount(ctx, "sys/mounts/", path)
			return path, state, err
		},
		Read: func(ctx context.Context, id string, _ provider.Values) (provider.Values, error) {
			return c.readMount(ctx, "sys/mounts/", id)
		},
		Update: func(ctx context.Context, id string, _, in provider.Values) (provider.Values, error) {
			v, err := c.vault(ctx)
			if err != nil {
				return nil, err
			}
			description, options := in.String("description"), stringMap(in["options"])
			err = v.Sys().TuneMountAllowNilWithContext(ctx, id, api.TuneMountConfigInput{
				Description: &description, Options: &options,
			})
			if err != nil {
				return nil, fmt.Errorf("tuning %s: %w", id, err)
			}
			return c.readMount(ctx, "sys/mounts/", id)
		},
		Delete: func(ctx context.Context, id string, _ provider.Values) error { return c.remove(ctx, "sys/mounts/"+id) },
	}
}

// authBackend is a way to log in; its id is its path. As in the real plugin, its
// tuning is written and never read.
func (c *client) authBackend() provider.Resource {
	return provider.Resource{
		Inputs: map[string]provider.Input{
			"path": {Replaces: true}, "type": {Required: true, Replaces: true}, "description": {},
			// The real plugin updates a backend without it at every run
			// (https://github.com/pulumi/pulumi-vault/issues/744).
			"tune": {Required: true},
		},
		Create: func(ctx context.Context, in provider.Values) (string, provider.Values, error) {
			v, err := c.vault(ctx)
			if err != nil {
				return "", nil, err
			}
			path := in.String("path")
			if path == "" {
				path = in.String("type")
			}
			err = v.Sys().EnableAuthWithOptionsWithContext(ctx, path, &api.EnableAuthOptions{
				Type: in.String("type"), Description: in.String("description"),
			})
			if err != nil {
				return "", nil, fmt.Errorf("enabling auth %s: %w", path, err)
			}
			if err := tuneAuth(ctx, v, path, in); err != nil {
				return path, in, err
			}
			state, err := c.readMount(ctx, "sys/mounts/auth/", path)
			return path, state, err
		},
		Read: func(ctx context.Context, id string, _ provider.Values) (provider.Values, error) {
			return c.readMount(ctx, "sys/mounts/auth/", id)
		},
		Update: func(ctx context.Context, id string, _, in provider.Values) (provider.Values, error) {
			v, err := c.vault(ctx)
			if err != nil {
				return nil, err
			}
			if err := tuneAuth(ctx, v, id, in); err != nil {
				return nil, err
			}
			return c.readMount(ctx, "sys/mounts/auth/", id)
		},
		Delete: func(ctx context.Context, id string, _ provider.Values) error { return c.remove(ctx, "sys/auth/"+id) },
	}
}

// tuneAuth writes what of a way to log in can be changed.
func tuneAuth(ctx context.Context, v *api.Client, path string, in provider.Values) error {
	description := in.String("description")
	config := api.TuneMountConfigInput{Description: &description}
	tune, _ := in["tune"].(map[string]any)
	for key, value := range tune {
		text, ok := value.(string)
		if key != "maxLeaseTtl" || !ok {
			return fmt.Errorf("tuning auth %s: the lab knows no %s %v", path, key, value)
		}
		config.MaxLeaseTTL = &text
	}
	if err := v.Sys().TuneMountAllowNilWithContext(ctx, "auth/"+path, config); err != nil {
		return fmt.Errorf("tuning auth %s: %w", path, err)
	}
	return nil
}

// readMount reads an engine or a way to log in.
func (c *client) readMount(ctx context.Context, prefix, path string) (provider.Values, error) {
	v, err := c.vault(ctx)
	if err != nil {
		return nil, err
	}
	secret, err := v.Logical().ReadWithContext(ctx, prefix+path)
	if noMount(err) || (err == nil && secret == nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s%s: %w", prefix, path, err)
	}
	state := provider.Values{"path": path}
	for _, key := range []string{"type", "description", "accessor"} {
		state[key] = secret.Data[key]
	}
	if options, ok := secret.Data["options"].(map[string]any); ok {
		state["options"] = options
	}
	return state, nil
}

func stringMap(v any) map[string]string {
	out := map[string]string{}
	object, _ := v.(map[string]any)
	for key, value := range object {
		out[key] = fmt.Sprint(value)
	}
	return out
}
