package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"platform/lab/plugins/provider"
)

// policy is an ACL policy; its id is its name.
func (c *client) policy() provider.Resource {
	write := func(ctx context.Context, in provider.Values) error {
		v, err := c.vault(ctx)
		if err != nil {
			return err
		}
		if err := v.Sys().PutPolicyWithContext(ctx, in.String("name"), in.String("policy")); err != nil {
			return fmt.Errorf("writing policy %s: %w", in.String("name"), err)
		}
		return nil
	}
	return provider.Resource{
		Autoname: "name", DeleteFirst: true,
		Inputs: map[string]provider.Input{"name": {Replaces: true}, "policy": {Required: true}},
		Create: func(ctx context.Context, in provider.Values) (string, provider.Values, error) {
			if err := write(ctx, in); err != nil {
				return "", nil, err
			}
			return in.String("name"), nil, nil
		},
		// A policy that is not there reads as an empty one, not as gone: the
		// next run writes it again.
		Read: func(ctx context.Context, id string, _ provider.Values) (provider.Values, error) {
			v, err := c.vault(ctx)
			if err != nil {
				return nil, err
			}
			text, err := v.Sys().GetPolicyWithContext(ctx, id)
			if err != nil {
				return nil, fmt.Errorf("reading policy %s: %w", id, err)
			}
			return provider.Values{"name": id, "policy": text}, nil
		},
		Update: func(ctx context.Context, _ string, _, in provider.Values) (provider.Values, error) {
			return nil, write(ctx, in)
		},
		Delete: func(ctx context.Context, id string, _ provider.Values) error {
			return c.remove(ctx, "sys/policies/acl/"+id)
		},
	}
}

// at is a resource that is written to and read from one path, its id. Names
// are its inputs and what Vault calls them.
func (c *client) at(pathOf func(provider.Values) string, names map[string]string) provider.Resource {
	return provider.Resource{
		Create: func(ctx context.Context, in provider.Values) (string, provider.Values, error) {
			p := pathOf(in)
			if err := c.write(ctx, p, in, names); err != nil {
				return "", nil, err
			}
			state, err := c.read(ctx, p, names)
			return p, state, err
		},
		Read: func(ctx context.Context, id string, _ provider.Values) (provider.Values, error) {
			return c.read(ctx, id, names)
		},
		Update: func(ctx context.Context, id string, _, in provider.Values) (provider.Values, error) {
			if err := c.write(ctx, id, in, names); err != nil {
				return nil, err
			}
			return c.read(ctx, id, names)
		},
		Delete: func(ctx context.Context, id string, _ provider.Values) error { return c.remove(ctx, id) },
	}
}

// kubernetesConfig says whose accounts a backend takes.
func (c *client) kubernetesConfig() provider.Resource {
	r := c.at(func(in provider.Values) string { return "auth/" + in.String("backend") + "/config" }, map[string]string{
		"kubernetesHost": "kubernetes_host", "kubernetesCaCert": "kubernetes_ca_cert", "disableLocalCaJwt": "disable_local_ca_jwt",
	})
	r.Inputs = map[string]provider.Input{
		"backend": {Replaces: true, Default: "kubernetes"}, "kubernetesHost": {Required: true},
		"kubernetesCaCert": {Same: sameText}, "disableLocalCaJwt": {},
	}
	read := r.Read
	r.Read = func(ctx context.Context, id string, last provider.Values) (provider.Values, error) {
		state, err := read(ctx, id, last)
		if state != nil {
			state["backend"] = strings.TrimSuffix(strings.TrimPrefix(id, "auth/"), "/config")
		}
		return state, err
	}
	// Vault has no way to take a config back: it goes with its backend.
	r.Delete = func(context.Context, string, provider.Values) error { return nil }
	return r
}

func sameText(a, b any) bool {
	x, _ := a.(string)
	y, _ := b.(string)
	return strings.TrimSpace(x) == strings.TrimSpace(y)
}

// kubernetesRole lets some accounts in.
func (c *client) kubernetesRole() provider.Resource {
	r := c.at(func(in provider.Values) string {
		return "auth/" + in.String("backend") + "/role/" + in.String("roleName")
	},
		map[string]string{
			"boundServiceAccountNames": "bound_service_account_names", "boundServiceAccountNamespaces": "bound_service_account_namespaces",
			"tokenPolicies": "token_policies", "tokenTtl": "token_ttl", "tokenMaxTtl": "token_max_ttl", "audience": "audience",
		})
	r.Inputs = map[string]provider.Input{
		"backend": {Replaces: true, Default: "kubernetes"}, "roleName": {Required: true, Replaces: true},
		"boundServiceAccountNames": {Required: true}, "boundServiceAccountNamespaces": {Required: true},
		"tokenPolicies": {}, "tokenTtl": {}, "tokenMaxTtl": {}, "audience": {},
	}
	read := r.Read
	r.Read = func(ctx context.Context, id string, last provider.Values) (provider.Values, error) {
		state, err := read(ctx, id, last)
		if state != nil {
			backend, role, _ := strings.Cut(strings.TrimPrefix(id, "auth/"), "/role/")
			state["backend"], state["roleName"] = backend, role
		}
		return state, err
	}
	return r
}

// secretV2 is a secret in a KV engine of version 2; its id is its data path.
func (c *client) secretV2() provider.Resource {
	write := func(ctx context.Context, in provider.Values) error {
		v, err := c.vault(ctx)
		if err != nil {
			return err
		}
		var data map[string]any
		if err := json.Unmarshal([]byte(in.String("dataJson")), &data); err != nil {
			return fmt.Errorf("dataJson of %s is not a JSON object", in.String("name")) // the error could quote it
		}
		return writeSecret(ctx, v, secretPath(in, "data"), data)
	}
	return provider.Resource{
		Autoname: "name", DeleteFirst: true,
		Inputs: map[string]provider.Input{
			"mount": {Required: true, Replaces: true}, "name": {Replaces: true},
			"dataJson": {Secret: true, Same: sameJSON}, "deleteAllVersions": {},
		},
		SecretOutputs: []string{"data"},
		Create: func(ctx context.Context, in provider.Values) (string, provider.Values, error) {
			if err := write(ctx, in); err != nil {
				return "", nil, err
			}
			id := secretPath(in, "data")
			return id, provider.Values{"path": id}, nil
		},
		Read: func(ctx context.Context, id string, last provider.Values) (provider.Values, error) {
			state, err := c.read(ctx, id, map[string]string{"data": "data"})
			if err != nil || state == nil {
				return nil, err
			}
			data, err := json.Marshal(state["data"])
			if err != nil {
				return nil, err
			}
			mount, name, _ := strings.Cut(id, "/data/")
			return provider.Values{
				"mount": mount, "name": name, "path": id, "dataJson": string(data),
				"deleteAllVersions": last.Bool("deleteAllVersions"),
			}, nil
		},
		Update: func(ctx context.Context, _ string, _, in provider.Values) (provider.Values, error) {
			return nil, write(ctx, in)
		},
		Delete: func(ctx context.Context, id string, state provider.Values) error {
			if state.Bool("deleteAllVersions") {
				id = secretPath(state, "metadata")
			}
			return c.remove(ctx, id)
		},
	}
}

// Retries of a write that Vault refuses with 400: an engine just mounted is
// still upgrading itself to version 2.
const (
	upgradeRetries = 60
	upgradeWait    = 500 * time.Millisecond
)

func writeSecret(ctx context.Context, v *api.Client, path string, data map[string]any) error {
	for attempt := 0; ; attempt++ {
		_, err := v.Logical().WriteWithContext(ctx, path, map[string]any{"data": data})
		var response *api.ResponseError
		upgrading := errors.As(err, &response) && response.StatusCode == http.StatusBadRequest
		switch {
		case err == nil:
			return nil
		case !upgrading || attempt == upgradeRetries:
			return fmt.Errorf("writing %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(upgradeWait):
		}
	}
}

func secretPath(in provider.Values, part string) string {
	return path.Join(in.String("mount"), part, in.String("name"))
}

func sameJSON(a, b any) bool {
	compact := func(v any) string {
		text, _ := v.(string)
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			return text
		}
		out, err := json.Marshal(value)
		if err != nil {
			return text
		}
		return string(bytes.TrimSpace(out))
	}
	return compact(a) == compact(b)
}
