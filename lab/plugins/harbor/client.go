package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"platform/lab/plugins/provider"
)

// client speaks to Harbor's API, version 2.0.
type client struct {
	base, username, password string
	http                     *http.Client
}

func (c *client) configure(_ context.Context, config provider.Values) error {
	if config.Has("apiVersion") && config.Int("apiVersion") != 2 {
		return fmt.Errorf("the lab's plugin harbor does not know version %v of Harbor's API", config["apiVersion"])
	}
	c.base = strings.TrimRight(config.String("url"), "/") + "/api/v2.0"
	c.username, c.password = config.String("username"), config.String("password")
	transport := http.DefaultTransport.(*http.Transport).Clone()
	// As in the real plugin: nobody's certificate is checked unless asked for.
	insecure := !config.Has("insecure") || config.Bool("insecure")
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: insecure, MinVersion: tls.VersionTLS12} //nolint:gosec // see above
	c.http = &http.Client{Transport: transport}
	return nil
}

// apiError is an answer with another code than the one expected.
type apiError struct {
	method, path string
	status, want int
	body         string
}

func (e *apiError) Error() string {
	return fmt.Sprintf("%s %s: unexpected status code %d, not %d: %s", e.method, e.path, e.status, e.want, e.body)
}

func missing(err error) bool {
	var e *apiError
	return errors.As(err, &e) && e.status == http.StatusNotFound
}

func ignoreMissing(err error) error {
	if missing(err) {
		return nil
	}
	return err
}

// call makes a request that must be answered with one code: 201 to a POST, 200
// to any other. It decodes the answer into out, if that is not nil, and gives
// the id in the header Location.
func (c *client) call(ctx context.Context, method, path string, body, out any) (id string, err error) {
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return "", err
		}
		content = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return "", err
	}
	req.SetBasicAuth(c.username, c.password)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return "", fmt.Errorf("asking Harbor: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", fmt.Errorf("reading Harbor's answer: %w", err)
	}
	want := http.StatusOK
	if method == http.MethodPost {
		want = http.StatusCreated
	}
	if resp.StatusCode != want {
		return "", &apiError{method, path, resp.StatusCode, want, strings.TrimSpace(string(text))}
	}
	if out != nil && len(bytes.TrimSpace(text)) > 0 {
		if err := json.Unmarshal(text, out); err != nil {
			return "", fmt.Errorf("reading Harbor's answer to %s %s: %w", method, path, err)
		}
	}
	if method != http.MethodPost {
		return "", nil
	}
	id = strings.ReplaceAll(strings.ReplaceAll(resp.Header.Get("Location"), "/api", ""), "/v2.0", "")
	if id == "" {
		return "", fmt.Errorf("the answer of Harbor to %s %s names no Location", method, path)
	}
	return id, nil
}
