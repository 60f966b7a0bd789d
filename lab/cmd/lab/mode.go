package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"platform/lab/tools"
)

// mode is how much of the platform is real in the lab.
type mode string

const (
	// thin plays the pods of all servers; only Jobs run.
	thin mode = "thin"
	// full runs the platform's controllers.
	full mode = "full"
)

// modeVariable asks for another mode than the lab has: make up LAB=full.
const modeVariable = "LAB"

// mode is the one asked for, else the one that the lab was last started in.
func (p *project) mode() (mode, error) {
	if asked := os.Getenv(modeVariable); asked != "" {
		return parseMode(modeVariable, asked)
	}
	file := p.modeFile()
	kept, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return thin, nil
	}
	if err != nil {
		return "", err
	}
	return parseMode(file, strings.TrimSpace(string(kept)))
}

func parseMode(where, value string) (mode, error) {
	switch m := mode(value); m {
	case thin, full:
		return m, nil
	}
	return "", fmt.Errorf("%s is %q: %s plays the platform's controllers, %s runs them", where, value, thin, full)
}

func (p *project) modeFile() string { return p.site.Path("mode") }

// keepMode makes the mode the lab's, for the commands that ask for none.
func (p *project) keepMode(m mode) error {
	return os.WriteFile(p.modeFile(), []byte(m+"\n"), 0o600)
}

// wanted are the tools that the lab needs.
func (p *project) wanted() ([]tools.Tool, error) {
	m, err := p.mode()
	if err != nil || m == thin {
		return tools.Servers, err
	}
	return append(append([]tools.Tool{}, tools.Servers...), tools.Controllers...), nil
}
