package main

import (
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"platform/lab/gitlab"
)

// container lays out what the toolbox would see, and serves the console.
func container(t *testing.T) (root string) {
	t.Helper()
	server, err := gitlab.New(gitlab.Options{Dir: t.TempDir(), ExternalURL: "https://gitlab.platform.test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	// The path of a unix socket must be short.
	short, err := os.MkdirTemp("", "rails")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	listener, err := net.Listen("unix", filepath.Join(short, "s"))
	if err != nil {
		t.Fatal(err)
	}
	console := &http.Server{Handler: server.Rails()}
	go func() { _ = console.Serve(listener) }()
	t.Cleanup(func() { _ = console.Close() })

	root = t.TempDir()
	write(t, root, "etc/platform/service-account.rb", "# frozen_string_literal: true\n\n"+marker+"\nputs 1\n")
	for name, text := range map[string]string{
		"username": "platform", "name": "pulumi", "scopes": "api sudo", "expires": "365", "token": "the-token-of-this-test-1\n",
	} {
		write(t, root, "etc/platform-token/"+name, text)
	}
	t.Setenv("GITLAB_RAILS_SOCKET", filepath.Join(short, "s"))
	t.Setenv("GITLAB_RAILS_ROOT", root)
	return root
}

func write(t *testing.T, root, name, text string) {
	t.Helper()
	file := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const script = "/etc/platform/service-account.rb"

func TestRunner(t *testing.T) {
	root := container(t)
	for _, path := range []string{script, script, root + script} {
		if err := run([]string{"runner", path}); err != nil {
			t.Error(err)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name  string
		args  []string
		spoil func(root string)
		want  string
	}{
		{"console", []string{"console"}, func(string) {}, "runner FILE"},
		{"other script", []string{"runner", "/other.rb"}, func(root string) { write(t, root, "other.rb", "User.delete_all") }, "runs no Ruby"},
		{"no script", []string{"runner", "/none.rb"}, func(string) {}, "no such file"},
		{"no token", []string{"runner", script}, func(root string) { _ = os.Remove(root + "/etc/platform-token/token") }, "has no file token"},
		{"empty name", []string{"runner", script}, func(root string) { write(t, root, "etc/platform-token/name", "\n") }, "name is empty"},
		{"bad end", []string{"runner", script}, func(root string) { write(t, root, "etc/platform-token/expires", "soon") }, "number of days"},
		{"late end", []string{"runner", script}, func(root string) { write(t, root, "etc/platform-token/expires", "900") }, "must be before"},
		{"bad scope", []string{"runner", script}, func(root string) { write(t, root, "etc/platform-token/scopes", "everything") }, "available scopes"},
		{"no server", []string{"runner", script}, func(string) { t.Setenv("GITLAB_RAILS_SOCKET", "/nowhere") }, "reaching the lab's GitLab"},
		{"no socket", []string{"runner", script}, func(string) { t.Setenv("GITLAB_RAILS_SOCKET", "") }, "does not name the socket"},
	} {
		root := container(t)
		c.spoil(root)
		err := run(c.args)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "the-token-of-this-test") {
			t.Errorf("%s shows the token: %v", c.name, err)
		}
	}
}
