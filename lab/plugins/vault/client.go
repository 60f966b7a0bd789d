package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"platform/lab/plugins/provider"
)

// client logs in to Vault when it is first used, not before: in a preview, and
// in the run that makes Vault, there is none yet.
type client struct {
	config provider.Values

	once sync.Once
	api  *api.Client
	err  error
}

func (c *client) configure(_ context.Context, config provider.Values) error {
	c.config = config
	return nil
}

// vault is the logged-in client.
func (c *client) vault(ctx context.Context) (*api.Client, error) {
	c.once.Do(func() { c.api, c.err = c.login(ctx) })
	return c.api, c.err
}

// Defaults of the provider's inputs: the retries of a request, and the life of
// the token that a run works with.
const (
	maxRetries = 2
	childTTL   = 1200 * time.Second
)

func (c *client) login(ctx context.Context) (*api.Client, error) {
	config := api.DefaultConfig()
	if config.Error != nil {
		return nil, config.Error
	}
	config.Address = c.config.String("address")
	if file := c.config.String("caCertFile"); file != "" {
		if err := config.ConfigureTLS(&api.TLSConfig{CACert: file}); err != nil {
			return nil, fmt.Errorf("reading Vault's CA from %s: %w", file, err)
		}
	}
	v, err := api.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("client of Vault at %s: %w", config.Address, err)
	}
	v.SetMaxRetries(maxRetries)
	if c.config.Has("maxRetries") {
		v.SetMaxRetries(c.config.Int("maxRetries"))
	}
	token, err := c.token(ctx, v)
	if err != nil {
		return nil, err
	}
	v.SetToken(token)
	if _, err := v.Auth().Token().LookupSelfWithContext(ctx); err != nil {
		return nil, fmt.Errorf("looking up the token: %w", err)
	}
	if c.config.Bool("skipChildToken") {
		return v, nil
	}
	return v, c.useChild(ctx, v)
}

// token is what the provider's inputs say to log in with.
func (c *client) token(ctx context.Context, v *api.Client) (string, error) {
	login, err := c.authLogin()
	if err != nil {
		return "", err
	}
	if login != nil {
		token, err := login.token(ctx, v)
		if err != nil {
			return "", fmt.Errorf("logging in to Vault at %s: %w", v.Address(), err)
		}
		return token, nil
	}
	for _, token := range []string{c.config.String("token"), os.Getenv("VAULT_TOKEN")} {
		if token != "" {
			return token, nil
		}
	}
	return "", errors.New("no vault token set on Client")
}

// useChild goes on with a token that ends soon, and with the parent.
func (c *client) useChild(ctx context.Context, v *api.Client) error {
	ttl := childTTL
	if c.config.Has("maxLeaseTtlSeconds") {
		ttl = time.Duration(c.config.Int("maxLeaseTtlSeconds")) * time.Second
	}
	renewable := false
	child, err := v.Auth().Token().CreateWithContext(ctx, &api.TokenCreateRequest{
		DisplayName: "pulumi", TTL: ttl.String(), ExplicitMaxTTL: ttl.String(), Renewable: &renewable,
	})
	if err != nil {
		return fmt.Errorf("making a child token: %w", err)
	}
	v.SetToken(child.Auth.ClientToken)
	return nil
}

type authLogin struct {
	Path       string
	Parameters map[string]any
}

// authLogin is an object, or its JSON: SDKs differ.
func (c *client) authLogin() (*authLogin, error) {
	value, ok := c.config["authLogin"]
	if !ok {
		return nil, nil
	}
	data, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	if text, ok := value.(string); ok {
		data = []byte(text)
	}
	login := &authLogin{}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(login); err != nil {
		return nil, errors.New("authLogin is not an object of path and parameters") // the error could quote a secret
	}
	return login, nil
}

func (l *authLogin) token(ctx context.Context, v *api.Client) (string, error) {
	secret, err := v.Logical().WriteWithContext(ctx, l.Path, l.Parameters)
	if err != nil {
		return "", err
	}
	if secret == nil || secret.Auth == nil {
		return "", fmt.Errorf("%s gave no token", l.Path)
	}
	return secret.Auth.ClientToken, nil
}

// gone says whether an error of Vault's means that there is nothing there.
func gone(err error) bool {
	var response *api.ResponseError
	return errors.As(err, &response) && response.StatusCode == http.StatusNotFound
}

// write writes some of the inputs to a path, under Vault's names.
func (c *client) write(ctx context.Context, path string, in provider.Values, names map[string]string) error {
	v, err := c.vault(ctx)
	if err != nil {
		return err
	}
	data := map[string]any{}
	for input, name := range names {
		if value, ok := in[input]; ok {
			data[name] = value
		}
	}
	if _, err := v.Logical().WriteWithContext(ctx, path, data); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// read reads a path into a state, nil when nothing is there.
func (c *client) read(ctx context.Context, path string, names map[string]string) (provider.Values, error) {
	v, err := c.vault(ctx)
	if err != nil {
		return nil, err
	}
	secret, err := v.Logical().ReadWithContext(ctx, path)
	if gone(err) || (err == nil && secret == nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	state := provider.Values{}
	for input, name := range names {
		if value, ok := secret.Data[name]; ok && value != nil {
			state[input] = normal(value)
		}
	}
	return state, nil
}

// remove deletes what is at a path; nothing there is as good.
func (c *client) remove(ctx context.Context, path string) error {
	v, err := c.vault(ctx)
	if err != nil {
		return err
	}
	if _, err := v.Logical().DeleteWithContext(ctx, path); err != nil && !gone(err) {
		return fmt.Errorf("deleting %s: %w", path, err)
	}
	return nil
}

// normal makes numbers what they are in Pulumi's values.
func normal(v any) any {
	if n, ok := v.(json.Number); ok {
		f, err := n.Float64()
		if err == nil {
			return f
		}
	}
	return v
}
