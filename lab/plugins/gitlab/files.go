package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"platform/lab/plugins/provider"
)

// repositoryFile is a file on a branch; its id is `project:branch:path`.
func (c *client) repositoryFile() provider.Resource {
	return provider.Resource{
		Inputs: map[string]provider.Input{
			"project": {Required: true, Replaces: true}, "branch": {Required: true, Replaces: true},
			"filePath": {Required: true, Replaces: true}, "content": {Required: true}, "encoding": {Default: "base64"},
			"commitMessage": {}, "authorName": {}, "authorEmail": {}, "overwriteOnCreate": {},
		},
		Create: func(ctx context.Context, in provider.Values) (string, provider.Values, error) {
			c.files.Lock()
			defer c.files.Unlock()
			f := file{in.String("project"), in.String("branch"), in.String("filePath")}
			method := http.MethodPost
			if in.Bool("overwriteOnCreate") {
				switch _, err := c.call(ctx, http.MethodGet, f.ref(), nil); {
				case err == nil:
					method = http.MethodPut
				case !missing(err):
					return "", nil, err
				}
			}
			if err := c.commit(ctx, method, f, in, ""); err != nil {
				return "", nil, err
			}
			return f.project + ":" + f.branch + ":" + f.path, nil, nil
		},
		Read: c.readFile,
		Update: func(ctx context.Context, _ string, _, in provider.Values) (provider.Values, error) {
			c.files.Lock()
			defer c.files.Unlock()
			f := file{in.String("project"), in.String("branch"), in.String("filePath")}
			answer, err := c.call(ctx, http.MethodGet, f.ref(), nil)
			if err != nil {
				return nil, err
			}
			last, _ := answer["last_commit_id"].(string)
			return nil, c.commit(ctx, http.MethodPut, f, in, last)
		},
		Delete: c.deleteFile,
	}
}

// file is where a file is.
type file struct{ project, branch, path string }

func fileOf(id string) (file, error) {
	parts := strings.SplitN(id, ":", 3)
	if len(parts) != 3 {
		return file{}, fmt.Errorf("the id %q is not of the form project:branch:path", id)
	}
	return file{parts[0], parts[1], parts[2]}, nil
}

func (f file) endpoint() string {
	return "/projects/" + escape(f.project) + "/repository/files/" + escape(f.path)
}

func (f file) ref() string { return f.endpoint() + "?ref=" + url.QueryEscape(f.branch) }

// commit writes a file. GitLab asks to try again when the branch has moved
// meanwhile.
func (c *client) commit(ctx context.Context, method string, f file, in provider.Values, last string) error {
	body := rename(in, map[string]string{
		"branch": "branch", "content": "content", "encoding": "encoding",
		"commitMessage": "commit_message", "authorName": "author_name", "authorEmail": "author_email",
	})
	if last != "" {
		body["last_commit_id"] = last
	}
	deadline := time.Now().Add(time.Minute)
	for {
		_, err := c.call(ctx, method, f.endpoint(), body)
		if err == nil || !strings.Contains(err.Error(), "Please refresh and try again") || time.Now().After(deadline) {
			return err
		}
		time.Sleep(500 * time.Millisecond)
	}
}

func (c *client) readFile(ctx context.Context, id string, last provider.Values) (provider.Values, error) {
	f, err := fileOf(id)
	if err != nil {
		return nil, err
	}
	answer, err := c.call(ctx, http.MethodGet, f.ref(), nil)
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	content, _ := answer["content"].(string)
	encoding := "base64"
	if last.String("encoding") == "text" {
		text, err := base64.StdEncoding.DecodeString(content)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", f.path, err)
		}
		content, encoding = string(text), "text"
	}
	return provider.Values{
		"project": f.project, "branch": f.branch, "filePath": f.path, "content": content, "encoding": encoding,
	}, nil
}

func (c *client) deleteFile(ctx context.Context, id string, state provider.Values) error {
	c.files.Lock()
	defer c.files.Unlock()
	f, err := fileOf(id)
	if err != nil {
		return err
	}
	answer, err := c.call(ctx, http.MethodGet, f.ref(), nil)
	if err != nil {
		return err
	}
	last, _ := answer["last_commit_id"].(string)
	query := url.Values{
		"branch": {f.branch}, "commit_message": {"[DELETE]: " + state.String("commitMessage")}, "last_commit_id": {last},
		"author_name": {state.String("authorName")}, "author_email": {state.String("authorEmail")},
	}
	_, err = c.call(ctx, http.MethodDelete, f.endpoint()+"?"+query.Encode(), nil)
	return err
}
