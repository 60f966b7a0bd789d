package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
)

// client asks GitLab or Harbor, with the login of the resource's own provider.
type client struct {
	base      string
	authorize func(*http.Request)
	http      *http.Client
}

func newClient(s *state, r resource) (*client, error) {
	config, err := s.provider(r)
	if err != nil {
		return nil, err
	}
	c := &client{http: http.DefaultClient}
	if strings.HasPrefix(r.Type, "harbor:") {
		c.base = strings.TrimRight(text(config, "url"), "/") + "/api/v2.0"
		c.authorize = func(req *http.Request) { req.SetBasicAuth(text(config, "username"), text(config, "password")) }
		return c, nil
	}
	c.base = strings.TrimRight(text(config, "baseUrl"), "/")
	c.authorize = func(req *http.Request) { req.Header.Set("Authorization", "Bearer "+text(config, "token")) }
	pem, err := os.ReadFile(text(config, "cacertFile"))
	if err != nil {
		return nil, fmt.Errorf("reading the platform's CA: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	c.http = &http.Client{Transport: transport}
	return c, nil
}

// get reads an object; found is false when there is none.
func (c *client) get(ctx context.Context, path string, into any) (found bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
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
	return false, fmt.Errorf("GET %s: %s", path, resp.Status)
}
