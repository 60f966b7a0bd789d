package main

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
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"platform/lab/plugins/provider"
)

// client speaks to GitLab's REST API, version 4.
type client struct {
	base  string
	token string
	http  *http.Client

	// files serialises writes to repositories: GitLab refuses one that comes
	// between another's read and write of a branch.
	files sync.Mutex
}

func (c *client) configure(ctx context.Context, config provider.Values) error {
	if c.token = config.String("token"); c.token == "" {
		return errors.New("no token: set it in the provider")
	}
	if !config.Has("baseUrl") {
		return errors.New("no baseUrl: the lab's plugin does not talk to gitlab.com")
	}
	c.base = strings.TrimSuffix(config.String("baseUrl"), "/")
	if !strings.HasSuffix(c.base, "/api/v4") {
		c.base += "/api/v4"
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if file := config.String("cacertFile"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading GitLab's CA: %w", err)
		}
		// As in the real plugin, these are the only roots.
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	c.http = &http.Client{Transport: transport}
	if config.Has("earlyAuthCheck") && !config.Bool("earlyAuthCheck") {
		return nil
	}
	_, err := c.call(ctx, http.MethodGet, "/user", nil)
	return err
}

// apiError is an answer that is not a success.
type apiError struct {
	method, path string
	status       int
	body         string
}

func (e *apiError) Error() string {
	return fmt.Sprintf("%s %s: %d %s: %s", e.method, e.path, e.status, http.StatusText(e.status), e.body)
}

func missing(err error) bool {
	var e *apiError
	return errors.As(err, &e) && e.status == http.StatusNotFound
}

// retries of an answer 429 or 5xx, as the real plugin's default.
const retries = 10

// call makes a request and gives the answer's JSON object, nil if it has none.
func (c *client) call(ctx context.Context, method, path string, body map[string]any) (map[string]any, error) {
	for attempt := 0; ; attempt++ {
		answer, err := c.once(ctx, method, path, body)
		var e *apiError
		again := errors.As(err, &e) && (e.status == http.StatusTooManyRequests || e.status >= 500 && e.status != http.StatusNotImplemented)
		if !again || attempt == retries {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Duration(attempt+1) * 800 * time.Millisecond):
		}
	}
}

func (c *client) once(ctx context.Context, method, path string, body map[string]any) (map[string]any, error) {
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Accept", "application/json")
	if method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking GitLab: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("reading GitLab's answer: %w", err)
	}
	switch resp.StatusCode {
	case http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent, http.StatusNotModified:
	default:
		return nil, &apiError{method, path, resp.StatusCode, strings.TrimSpace(string(text))}
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	answer := map[string]any{}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("reading GitLab's answer to %s %s: %w", method, path, err)
	}
	return answer, nil
}

// escape makes one segment of a path, as the real plugin does: a dot as well.
func escape(segment string) string {
	return strings.ReplaceAll(url.PathEscape(segment), ".", "%2E")
}

// rename copies the inputs that are set into a body, under GitLab's names.
func rename(in provider.Values, names map[string]string) map[string]any {
	body := map[string]any{}
	for input, name := range names {
		if value, ok := in[input]; ok {
			body[name] = value
		}
	}
	return body
}

// stateOf is the reverse of rename, for an answer.
func stateOf(answer map[string]any, names map[string]string) provider.Values {
	state := provider.Values{}
	for property, name := range names {
		if value, ok := answer[name]; ok && value != nil {
			state[property] = value
		}
	}
	return state
}

// poll asks until done, for at most ten minutes.
func poll(ctx context.Context, what string, done func() (bool, error)) error {
	deadline := time.Now().Add(10 * time.Minute)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 3*time.Second) {
		ok, err := done()
		if err != nil || ok {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited ten minutes for %s", what)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// marked says whether GitLab has an object on its list of things to delete.
func marked(answer map[string]any) bool {
	return answer["marked_for_deletion_on"] != nil || answer["marked_for_deletion_at"] != nil
}

// removed deletes an object that GitLab deletes later, and waits for it.
func (c *client) removed(ctx context.Context, path string) error {
	if _, err := c.call(ctx, http.MethodDelete, path, nil); err != nil && !missing(err) {
		return err
	}
	return poll(ctx, path+" to go", func() (bool, error) {
		answer, err := c.call(ctx, http.MethodGet, path, nil)
		if missing(err) {
			return true, nil
		}
		return err == nil && marked(answer), err
	})
}

func number(v any) string {
	f, _ := v.(float64)
	return fmt.Sprintf("%.0f", f)
}
