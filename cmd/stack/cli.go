package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"slices"
	"strings"
)

// cli runs the Pulumi CLI in the project's folder.
type cli struct {
	folder string
	env    []string
}

// setPassphrase gives the CLI one of the variables that it takes a passphrase
// from, in place of whatever the environment says.
func (c *cli) setPassphrase(variable, value string) {
	c.env = slices.DeleteFunc(slices.Clone(c.env), func(entry string) bool {
		return strings.HasPrefix(entry, "PULUMI_CONFIG_PASSPHRASE=") ||
			strings.HasPrefix(entry, "PULUMI_CONFIG_PASSPHRASE_FILE=")
	})
	c.env = append(c.env, variable+"="+value)
}

// run gives what the CLI printed. Secrets go to it by stdin: arguments can be
// seen by everyone on the machine.
func (c *cli) run(ctx context.Context, stdin string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, "pulumi", append([]string{"--non-interactive"}, args...)...)
	command.Dir = c.folder
	command.Env = append(slices.Clone(c.env),
		"PULUMI_SKIP_UPDATE_CHECK=true",
		// A checkout may have dropped the salt from the stack's file; the state
		// still has it.
		"PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER=true")
	command.Stdin = strings.NewReader(stdin)
	var out, problem bytes.Buffer
	command.Stdout, command.Stderr = &out, &problem
	err := command.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, errors.New("pulumi is not on PATH: `make stack` brings the lab's own, or install it from https://www.pulumi.com/docs/install/")
	case err != nil && strings.Contains(problem.String(), "incorrect passphrase"):
		return nil, errors.New("the passphrase is not the one that this stack was made with")
	case err != nil:
		return nil, fmt.Errorf("pulumi %s: %s", strings.Join(args[:2], " "), reason(problem.String(), err))
	}
	return out.Bytes(), nil
}

// reason is the line of the CLI's output that says what went wrong.
func reason(stderr string, err error) string {
	for line := range strings.Lines(stderr) {
		if text, ok := strings.CutPrefix(line, "error: "); ok {
			return strings.TrimSpace(text)
		}
	}
	return strings.TrimSpace(stderr + " " + err.Error())
}

func (c *cli) exists(ctx context.Context, stack string) (bool, error) {
	out, err := c.run(ctx, "", "stack", "ls", "--json")
	if err != nil {
		return false, err
	}
	var list []struct {
		Name string `json:"name"`
	}
	if err := json.Unmarshal(out, &list); err != nil {
		return false, fmt.Errorf("reading the list of stacks: %w", err)
	}
	for _, s := range list {
		// Some backends put the organization and the project before the name.
		if path.Base(s.Name) == stack {
			return true, nil
		}
	}
	return false, nil
}

// salt is what the stack's passphrase is checked with, as its state holds it.
func (c *cli) salt(ctx context.Context, stack string) (string, error) {
	out, err := c.run(ctx, "", "stack", "export", "--stack", stack)
	if err != nil {
		return "", err
	}
	var state struct {
		Deployment struct {
			Secrets struct {
				State struct {
					Salt string `json:"salt"`
				} `json:"state"`
			} `json:"secrets_providers"`
		} `json:"deployment"`
	}
	if err := json.Unmarshal(out, &state); err != nil {
		return "", fmt.Errorf("reading the state of stack %s: %w", stack, err)
	}
	return state.Deployment.Secrets.State.Salt, nil
}

// entry is a value of a stack's config.
type entry struct {
	Value  string `json:"value"`
	Secret bool   `json:"secret"`
}

// config is the stack's whole config, decrypted, by key.
func (c *cli) config(ctx context.Context, stack string) (map[string]entry, error) {
	out, err := c.run(ctx, "", "config", "--json", "--show-secrets", "--stack", stack)
	if err != nil {
		return nil, err
	}
	config := map[string]entry{}
	if err := json.Unmarshal(out, &config); err != nil {
		return nil, fmt.Errorf("reading the config of stack %s: %w", stack, err)
	}
	return config, nil
}

func (c *cli) setSecret(ctx context.Context, stack, key, value string) error {
	_, err := c.run(ctx, value, "config", "set", "--secret", "--stack", stack, key)
	return err
}

func (c *cli) setPath(ctx context.Context, stack, path, value string) error {
	_, err := c.run(ctx, "", "config", "set", "--plaintext", "--path", "--stack", stack, path, "--", value)
	return err
}
