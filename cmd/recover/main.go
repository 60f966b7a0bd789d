// Command recover puts a stack's state right after a run that was killed:
//
//	go run ./cmd/recover STACK
//
// Pulumi notes each create before it asks for it. What a killed run asked for
// and did not note the end of is looked for by its name in the system it belongs
// to: what is there is taken into the state, what is not there is forgotten, and
// the next `pulumi up` goes on. Nothing is deleted but Helm's own marks of an
// operation that no longer runs.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: recover STACK")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "recover:", err)
		os.Exit(1)
	}
}

// state is what `pulumi stack export` says, as far as it is needed here.
type state struct {
	Deployment struct {
		Resources         []resource  `json:"resources"`
		PendingOperations []operation `json:"pending_operations"`
	} `json:"deployment"`
}

type resource struct {
	URN      string         `json:"urn"`
	Type     string         `json:"type"`
	ID       string         `json:"id"`
	Provider string         `json:"provider"`
	Inputs   map[string]any `json:"inputs"`
}

type operation struct {
	Resource resource `json:"resource"`
	Type     string   `json:"type"`
}

func run(ctx context.Context, stack string) error {
	s, err := export(ctx, stack)
	if err != nil {
		return err
	}
	if len(s.Deployment.PendingOperations) == 0 {
		return nil
	}
	fmt.Printf("%d operations of a run that was killed are not finished; looking for what they made\n",
		len(s.Deployment.PendingOperations))
	args := []string{
		"refresh", "--stack", stack, "--yes", "--skip-preview", "--non-interactive", "--suppress-outputs",
		"--clear-pending-creates",
	}
	for _, op := range s.Deployment.PendingOperations {
		id, looked, err := s.find(ctx, op)
		if err != nil {
			return fmt.Errorf("looking for %s: %w", op.Resource.URN, err)
		}
		switch {
		case op.Type != "creating":
		case !looked:
			fmt.Printf("  the next run makes it, or takes over what is there: %s\n", op.Resource.URN)
		case id == "":
			fmt.Printf("  not made: %s\n", op.Resource.URN)
		default:
			fmt.Printf("  made:     %s (%s)\n", op.Resource.URN, id)
			args = append(args, "--import-pending-creates", op.Resource.URN, "--import-pending-creates", id)
		}
	}
	cmd := exec.CommandContext(ctx, "pulumi", args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("taking what was made into the state: %w", err)
	}
	return nil
}

// export reads the state with its secrets: the providers' own logins are among
// them. It stays in memory.
func export(ctx context.Context, stack string) (*state, error) {
	cmd := exec.CommandContext(ctx, "pulumi", "stack", "export", "--stack", stack, "--show-secrets", "--non-interactive")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("reading the state of stack %s: %w: %s", stack, err, strings.TrimSpace(stderr.String()))
	}
	s := &state{}
	if err := json.Unmarshal(out, s); err != nil {
		return nil, errors.New("the state is not what this version of Pulumi writes") // the error could quote a secret
	}
	return s, nil
}

// provider gives the inputs of a resource's provider.
func (s *state) provider(r resource) (map[string]any, error) {
	urn := r.Provider
	if i := strings.LastIndex(urn, "::"); i >= 0 {
		urn = urn[:i]
	}
	for _, p := range s.Deployment.Resources {
		if p.URN == urn {
			return reveal(p.Inputs).(map[string]any), nil
		}
	}
	return nil, fmt.Errorf("its provider %s is not in the state", urn)
}

// secretSignature marks a secret in an exported state; its key is Pulumi's
// (sdk/go/common/resource.SigKey).
const secretSignature = "4dabf18193072939515e22adb298388d"

// reveal takes the marks of secrets away.
func reveal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v[secretSignature]; ok {
			text, _ := v["plaintext"].(string)
			var plain any
			if json.Unmarshal([]byte(text), &plain) != nil {
				return text
			}
			return plain
		}
		out := make(map[string]any, len(v))
		for key, item := range v {
			out[key] = reveal(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = reveal(item)
		}
		return out
	}
	return v
}
