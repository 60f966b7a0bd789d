package stacks

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Problem is one thing that is wrong in a stack's config.
type Problem struct {
	// Path in the config, such as tenants[3].environments.prod.quota.cpu.
	Path string
	// Message says what is wrong and what would be right.
	Message string
}

// ConfigError holds every problem of a config.
type ConfigError struct {
	Problems []Problem
}

func (e *ConfigError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the stack's config has %d problem(s); nothing was touched:", len(e.Problems))
	for _, p := range e.Problems {
		fmt.Fprintf(&b, "\n  platform:%s: %s", p.Path, p.Message)
	}
	return b.String()
}

// problems collects what is wrong.
type problems []Problem

func (p *problems) add(path, format string, args ...any) {
	*p = append(*p, Problem{path, fmt.Sprintf(format, args...)})
}

// err is nil when nothing is wrong.
func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int { return strings.Compare(sortable(a.Path), sortable(b.Path)) })
	return &ConfigError{Problems: p}
}

var pathIndex = regexp.MustCompile(`\[\d+\]`)

// sortable is a path with its indexes written so that [2] comes before [10].
func sortable(path string) string {
	return pathIndex.ReplaceAllStringFunc(path, func(i string) string { return strings.Repeat("0", max(0, 8-len(i))) + i })
}
