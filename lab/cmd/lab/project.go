package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"platform/lab/site"
)

// domain is the platform's domain on stack dev, as in Pulumi.dev.yaml.
const domain = "platform.test"

// stack is the stack that runs on the lab.
const stack = "dev"

// project is the clone that the command was called in, and its lab.
type project struct {
	// root is the folder with Pulumi.yaml.
	root string
	site *site.Site
}

// findProject looks upward from the working directory. The lab is in state/lab
// unless LAB_DIR names another folder.
func findProject() (*project, error) {
	leaveLab()
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for !isProject(root) {
		parent := filepath.Dir(root)
		if parent == root {
			return nil, errors.New("not in a clone of the platform: no folder above has Pulumi.yaml and lab/")
		}
		root = parent
	}
	p := &project{root: root}
	dir, err := p.labFolder()
	if err != nil {
		return nil, err
	}
	p.site, err = site.Open(dir, domain, p.state(stack, "ca.crt"), p.state(stack, "ca.key"))
	if err != nil {
		return nil, fmt.Errorf("opening the lab: %w", err)
	}
	return p, nil
}

// labFolder refuses a folder of something else: `lab down --data` removes it.
func (p *project) labFolder() (string, error) {
	dir := os.Getenv("LAB_DIR")
	if dir == "" {
		return p.state("lab"), nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("LAB_DIR: %w", err)
	}
	_, err = os.Stat(filepath.Join(dir, "ports.lock"))
	if len(entries) > 0 && err != nil {
		return "", fmt.Errorf("LAB_DIR: %s is neither a lab nor empty", dir)
	}
	return dir, nil
}

func isProject(dir string) bool {
	for _, name := range []string{"Pulumi.yaml", filepath.Join("lab", "go.mod")} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

// state is a path below the project's folder for state.
func (p *project) state(elem ...string) string {
	return filepath.Join(append([]string{p.root, "state"}, elem...)...)
}

// labModule is the folder of the lab's Go module.
func (p *project) labModule() string { return filepath.Join(p.root, "lab") }

// passphraseFile is where `make stack` keeps the passphrase of stack dev: once
// for all clones of this user.
func passphraseFile() (string, error) {
	config, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("finding the folder for the passphrase: %w", err)
	}
	return filepath.Join(config, "platform", stack+".passphrase"), nil
}
