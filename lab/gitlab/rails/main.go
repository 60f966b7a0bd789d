// Command gitlab-rails stands in for the command of that name in GitLab's
// toolbox: `gitlab-rails runner FILE`. Of all Ruby it knows one script, the
// platform's bootstrap, which it recognises by the marker in it; it reads the
// same files as the script and has the lab's GitLab do the same.
//
// Environment: GITLAB_RAILS_SOCKET is the unix socket of gitlab.Server.Rails.
// GITLAB_RAILS_ROOT, if set, is a folder that holds what the container would
// see as /.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"platform/lab/gitlab"
)

// marker is a line of the script this command stands in for. Its version goes up
// with the meaning of the script.
const marker = "# platform-bootstrap: service-account v1"

// settings is the folder of the token's Secret in the toolbox.
const settings = "/etc/platform-token"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gitlab-rails:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 || args[0] != "runner" {
		return fmt.Errorf("the lab knows `gitlab-rails runner FILE` only, not %q", args)
	}
	socket, root := os.Getenv("GITLAB_RAILS_SOCKET"), os.Getenv("GITLAB_RAILS_ROOT")
	if socket == "" {
		return errors.New("GITLAB_RAILS_SOCKET does not name the socket of the lab's GitLab")
	}
	if err := recognise(inside(root, args[1])); err != nil {
		return err
	}
	account, err := readAccount(inside(root, settings))
	if err != nil {
		return err
	}
	if err := send(socket, account); err != nil {
		return err
	}
	fmt.Printf("platform: %s has its token %s until %s\n", account.Username, account.Name, account.Expires)
	return nil
}

// inside is a path as the container sees it; one that is in root already
// stays as it is.
func inside(root, path string) string {
	if root == "" || strings.HasPrefix(path, strings.TrimSuffix(root, "/")+"/") {
		return path
	}
	return filepath.Join(root, path)
}

func recognise(file string) error {
	script, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading the script: %w", err)
	}
	if !slices.Contains(strings.Split(string(script), "\n"), marker) {
		return fmt.Errorf("the lab runs no Ruby: %s has no line %q, so it is not the platform's script", file, marker)
	}
	return nil
}

// readAccount reads the files that the script reads.
func readAccount(dir string) (gitlab.ServiceAccount, error) {
	var a gitlab.ServiceAccount
	values := map[string]string{"username": "", "name": "", "scopes": "", "expires": "", "token": ""}
	for name := range values {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return a, fmt.Errorf("%s has no file %s", dir, name)
		}
		if err != nil {
			return a, err
		}
		if values[name] = strings.TrimSpace(string(text)); values[name] == "" {
			return a, fmt.Errorf("%s is empty", name)
		}
	}
	days, err := strconv.Atoi(values["expires"])
	if err != nil {
		return a, fmt.Errorf("expires is no number of days: %q", values["expires"])
	}
	return gitlab.ServiceAccount{
		Username: values["username"], Name: values["name"], Token: values["token"], Scopes: strings.Fields(values["scopes"]),
		Expires: time.Now().UTC().AddDate(0, 0, days).Format(time.DateOnly),
	}, nil
}

func send(socket string, account gitlab.ServiceAccount) error {
	body, err := json.Marshal(account)
	if err != nil {
		return err
	}
	client := &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}},
	}
	answer, err := client.Post("http://gitlab/service-account", "application/json", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("reaching the lab's GitLab: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("GitLab refuses: %s", text)
	}
	return nil
}
