package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// The CLI writes a salt into a stack's file. That of stack dev is another one
// in each clone and has no place in the repository: a git filter, which
// .gitattributes names for this file, takes it out of what is committed.
const (
	devFile = "Pulumi.dev.yaml"
	saltKey = "encryptionsalt:"
)

var saltFilter = [][2]string{
	{"filter.stack-salt.clean", "sed /^" + saltKey + "/d"},
	{"filter.stack-salt.smudge", "cat"},
}

// filterSalt sets the filter in this clone's own git config.
func (m *maker) filterSalt(ctx context.Context) error {
	if !m.cloned(ctx) {
		return nil
	}
	for _, setting := range saltFilter {
		// Its error says that the setting is missing.
		current, _ := m.git(ctx, "config", "--local", setting[0])
		if current == setting[1] {
			continue
		}
		if _, err := m.git(ctx, "config", "--local", setting[0], setting[1]); err != nil {
			return fmt.Errorf("setting %s in this clone: %w", setting[0], err)
		}
	}
	return nil
}

// restoreSalt puts back the salt that a checkout dropped from the file. Without
// it the CLI would choose another, which does not fit the state.
func (m *maker) restoreSalt(ctx context.Context) error {
	file := m.path(devFile)
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading the config: %w", err)
	}
	if bytes.HasPrefix(text, []byte(saltKey)) || bytes.Contains(text, []byte("\n"+saltKey)) {
		return nil
	}
	salt, err := m.cli.salt(ctx, devStack)
	if err != nil || salt == "" {
		return err
	}
	if !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	text = fmt.Appendf(text, "%s %s\n", saltKey, salt)
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return fmt.Errorf("putting the salt back into %s: %w", devFile, err)
	}
	return nil
}

// refreshIndex tells git that the file is the committed one. Git takes a file
// of another size for a changed one without asking the filter.
func (m *maker) refreshIndex(ctx context.Context) error {
	if !m.cloned(ctx) {
		return nil
	}
	// Both fail when the file is not tracked: nothing to refresh then.
	indexed, err := m.git(ctx, "rev-parse", ":./"+devFile)
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	now, err := m.git(ctx, "hash-object", devFile)
	if err != nil {
		return fmt.Errorf("comparing %s with git's: %w", devFile, err)
	}
	if now != indexed {
		return nil // The person's own change, for them to add.
	}
	if _, err := m.git(ctx, "add", devFile); err != nil {
		return fmt.Errorf("telling git that %s is unchanged: %w", devFile, err)
	}
	return nil
}

// cloned says whether the project is a git clone.
func (m *maker) cloned(ctx context.Context) bool {
	_, err := m.git(ctx, "rev-parse", "--is-inside-work-tree")
	return err == nil
}

func (m *maker) git(ctx context.Context, args ...string) (string, error) {
	git := exec.CommandContext(ctx, "git", args...)
	git.Dir = m.folder
	out, err := git.Output()
	return strings.TrimSpace(string(out)), err
}
