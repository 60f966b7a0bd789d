package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
)

// client asks GitLab, Harbor or Vault, with the login of the resource's own
// provider.
type client struct {
	base      string
	authorize func(*http.Request)
	http      *http.Client
}

func newClient(ctx context.Context, s *state, r resource) (*client, error) {
	config, err := s.provider(r)
	if err != nil {
		return nil, err
	}
	switch system, _, _ := strings.Cut(r.Type, ":"); system {
	case "harbor":
		return &client{
			base:      strings.TrimRight(text(config, "url"), "/") + "/api/v2.0",
			authorize: func(req *http.Request) { req.SetBasicAuth(text(config, "username"), text(config, "password")) },
			http:      http.DefaultClient,
		}, nil
	case "gitlab":
		trusting, err := trusting(text(config, "cacertFile"))
		return &client{
			base:      strings.TrimRight(text(config, "baseUrl"), "/"),
			authorize: func(req *http.Request) { req.Header.Set("Authorization", "Bearer "+text(config, "token")) },
			http:      trusting,
		}, err
	default:
		return newVaultClient(ctx, config)
	}
}

// trusting trusts the CAs of a file alone.
func trusting(file string) (*http.Client, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the platform's CA: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: transport}, nil
}

// newVaultClient logs in as the provider does
// (https://developer.hashicorp.com/vault/api-docs/auth/approle#login-with-approle).
func newVaultClient(ctx context.Context, config map[string]any) (*client, error) {
	login, _ := config["authLogin"].(map[string]any)
	// Some SDKs give a provider all that is not a string as JSON.
	if login == nil && json.Unmarshal([]byte(text(config, "authLogin")), &login) != nil {
		return nil, errors.New("Vault's provider has no authLogin to log in with") // the error could quote it
	}
	trusting, err := trusting(text(config, "caCertFile"))
	if err != nil {
		return nil, err
	}
	c := &client{base: strings.TrimRight(text(config, "address"), "/") + "/v1", authorize: func(*http.Request) {}, http: trusting}
	body, err := json.Marshal(login["parameters"])
	if err != nil {
		return nil, err
	}
	var answer struct {
		Auth struct {
			Token string `json:"client_token"`
		} `json:"auth"`
	}
	if _, err := c.ask(ctx, http.MethodPut, "/"+text(login, "path"), body, &answer); err != nil {
		return nil, fmt.Errorf("logging in to Vault: %w", err)
	}
	c.authorize = func(req *http.Request) { req.Header.Set("X-Vault-Token", answer.Auth.Token) }
	return c, nil
}

// get reads an object; found is false when there is none.
func (c *client) get(ctx context.Context, path string, into any) (found bool, err error) {
	return c.ask(ctx, http.MethodGet, path, nil, into)
}

func (c *client) ask(ctx context.Context, method, path string, body []byte, into any) (found bool, err error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	c.authorize(req)
	resp, err := c.http.Do(req)
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	switch resp.StatusCode {
	case http.StatusNotFound:
		return false, nil
	case http.StatusOK:
		return true, json.NewDecoder(resp.Body).Decode(into)
	}
	return false, fmt.Errorf("%s %s: %s", method, path, resp.Status)
}
