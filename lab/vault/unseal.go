package vault

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"platform/lab/site"
)

const (
	requestTimeout = 5 * time.Second
	pollInterval   = 100 * time.Millisecond
)

// ErrUninitialised is what Unseal gives when there is nothing to unseal yet.
var ErrUninitialised = errors.New("vault is not initialised")

// Unseal gives Vault the unseal keys, as many as it asks for, and waits until it
// answers requests or ctx ends. A Vault that is unsealed already is left alone.
func Unseal(ctx context.Context, s *site.Site, keys []string) error {
	c, err := newClient(s)
	if err != nil {
		return err
	}
	status, err := c.sealStatus(ctx)
	if err != nil {
		return err
	}
	if !status.Initialized {
		return ErrUninitialised
	}
	for _, key := range keys {
		if !status.Sealed {
			break
		}
		if status, err = c.unseal(ctx, key); err != nil {
			return fmt.Errorf("unsealing Vault: %w", err)
		}
	}
	if status.Sealed {
		return fmt.Errorf("unsealing Vault: %d keys were given and it wants %d", len(keys), status.Threshold)
	}
	return c.waitActive(ctx)
}

// client speaks to the lab's Vault directly, by its loopback address.
type client struct {
	base string
	http *http.Client
}

func newClient(s *site.Site) (*client, error) {
	port, err := s.Port(name)
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(s.CACert)
	if err != nil {
		return nil, fmt.Errorf("reading the platform's CA: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s holds no certificate", s.CACert)
	}
	return &client{
		base: fmt.Sprintf("https://127.0.0.1:%d/v1/sys/", port),
		http: &http.Client{Timeout: requestTimeout, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
		}},
	}, nil
}

// sealStatus is the answer of https://developer.hashicorp.com/vault/api-docs/system/seal-status
// and of the unsealing.
type sealStatus struct {
	Type        string `json:"type"`
	Initialized bool   `json:"initialized"`
	Sealed      bool   `json:"sealed"`
	Threshold   int    `json:"t"`
}

func (c *client) sealStatus(ctx context.Context) (sealStatus, error) {
	return c.call(ctx, http.MethodGet, "seal-status", nil)
}

func (c *client) unseal(ctx context.Context, key string) (sealStatus, error) {
	body, err := json.Marshal(map[string]string{"key": key})
	if err != nil {
		return sealStatus{}, err
	}
	return c.call(ctx, http.MethodPut, "unseal", body)
}

func (c *client) call(ctx context.Context, method, path string, body []byte) (sealStatus, error) {
	var status sealStatus
	code, text, err := c.send(ctx, method, path, body)
	if err != nil {
		return status, err
	}
	if code != http.StatusOK {
		return status, fmt.Errorf("vault answers %d to %s %s: %s", code, method, path, text)
	}
	if err := json.Unmarshal(text, &status); err != nil {
		return status, fmt.Errorf("reading Vault's answer to %s: %w", path, err)
	}
	if status.Type == "" {
		return status, fmt.Errorf("what answers %s is no Vault: %s", c.base, text)
	}
	return status, nil
}

func (c *client) send(ctx context.Context, method, path string, body []byte) (code int, text []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("asking Vault: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	const limit = 1 << 16
	text, err = io.ReadAll(io.LimitReader(resp.Body, limit))
	return resp.StatusCode, text, err
}

// waitActive waits for the node to become the leader, which an unsealed one is
// after its election. https://developer.hashicorp.com/vault/api-docs/system/health
func (c *client) waitActive(ctx context.Context) error {
	for {
		code, _, err := c.send(ctx, http.MethodGet, "health", nil)
		if err == nil && code == http.StatusOK {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("vault is unsealed and not active (health %d): %w", code, errors.Join(err, ctx.Err()))
		case <-time.After(pollInterval):
		}
	}
}
