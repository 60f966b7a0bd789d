package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// state is a stack's state in two readings of `pulumi stack export`: the
// document, encrypted as it lies on the disk, which goes back; and what is needed
// to ask the systems, with its secrets, which stays in memory.
type state struct {
	document   map[string]any
	deployment map[string]any
	plain      struct {
		Deployment struct {
			Resources         []resource  `json:"resources"`
			PendingOperations []operation `json:"pending_operations"`
		} `json:"deployment"`
	}
	changed bool
}

// resource is a resource of the state, as far as it is needed here. Raw is all
// of it, as it goes into the document.
type resource struct {
	URN      string         `json:"urn"`
	Type     string         `json:"type"`
	ID       string         `json:"id"`
	Parent   string         `json:"parent"`
	Provider string         `json:"provider"`
	Inputs   map[string]any `json:"inputs"`
	Raw      map[string]any `json:"-"`
}

type operation struct {
	Resource resource `json:"resource"`
	Type     string   `json:"type"`
}

func export(ctx context.Context, stack string) (*state, error) {
	s := &state{}
	encrypted, err := pulumi(ctx, "stack", "export", "--stack", stack, "--non-interactive")
	if err != nil {
		return nil, fmt.Errorf("reading the state of stack %s: %w", stack, err)
	}
	plain, err := pulumi(ctx, "stack", "export", "--stack", stack, "--non-interactive", "--show-secrets")
	if err != nil {
		return nil, fmt.Errorf("reading the state of stack %s: %w", stack, err)
	}
	if decode(encrypted, &s.document) != nil || decode(plain, &s.plain) != nil {
		return nil, errors.New("the state is not what this version of Pulumi writes") // the error could quote a secret
	}
	s.deployment, _ = s.document["deployment"].(map[string]any)
	if s.deployment == nil {
		return nil, fmt.Errorf("the state of stack %s has no deployment", stack)
	}
	return s, nil
}

// pulumi runs the CLI and gives what it says.
func pulumi(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "pulumi", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

// decode keeps numbers as they are written.
func decode(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(into)
}

// pending are the operations of a run that was killed.
func (s *state) pending() []operation {
	documented, _ := s.deployment["pending_operations"].([]any)
	all := slices.Clone(s.plain.Deployment.PendingOperations)
	for i := range all {
		op, _ := documented[i].(map[string]any)
		all[i].Resource.Raw, _ = op["resource"].(map[string]any)
		all[i].Resource.Inputs, _ = reveal(all[i].Resource.Inputs).(map[string]any)
	}
	return all
}

func (s *state) dropPending() {
	delete(s.deployment, "pending_operations")
	s.changed = true
}

func (s *state) resources() []any {
	list, _ := s.deployment["resources"].([]any)
	return list
}

// adopt puts a resource that was made at the end of the state, as the engine
// would have on its success: one that it took the place of is to be deleted. Its
// outputs are its inputs until it is read.
func (s *state) adopt(r resource, id string) {
	there := map[string]bool{}
	for _, item := range s.resources() {
		old, _ := item.(map[string]any)
		there[fmt.Sprint(old["urn"])] = true
		if old["urn"] != r.URN {
			continue
		}
		if old["id"] == id {
			return
		}
		old["delete"] = true
	}
	r.Raw["id"] = id
	if r.Raw["outputs"] == nil {
		r.Raw["outputs"] = r.Raw["inputs"]
	}
	dropAbsent(r.Raw, there)
	s.deployment["resources"] = append(s.resources(), r.Raw)
	s.changed = true
}

// dropAbsent takes references out that are not in the state; the next run puts
// them back.
func dropAbsent(raw map[string]any, there map[string]bool) {
	keep := func(list any) []any {
		all, _ := list.([]any)
		return slices.DeleteFunc(slices.Clone(all), func(urn any) bool { return !there[fmt.Sprint(urn)] })
	}
	if raw["dependencies"] != nil {
		raw["dependencies"] = keep(raw["dependencies"])
	}
	byProperty, _ := raw["propertyDependencies"].(map[string]any)
	for name, list := range byProperty {
		byProperty[name] = keep(list)
	}
}

// save gives the document back to Pulumi, which checks that it is whole.
func (s *state) save(ctx context.Context, stack string) error {
	data, err := json.Marshal(s.document)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "pulumi", "stack", "import", "--stack", stack, "--non-interactive")
	cmd.Stdin = bytes.NewReader(data)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("taking what was made into the state: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// refresh reads resources as they are; what is gone leaves the state.
func refresh(ctx context.Context, stack string, urns []string) error {
	if len(urns) == 0 {
		return nil
	}
	args := []string{"refresh", "--stack", stack, "--yes", "--skip-preview", "--non-interactive", "--suppress-outputs"}
	for _, urn := range urns {
		args = append(args, "--target", urn)
	}
	cmd := exec.CommandContext(ctx, "pulumi", args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("reading what was made: %w", err)
	}
	return nil
}

// provider gives the inputs of a resource's provider.
func (s *state) provider(r resource) (map[string]any, error) {
	urn := r.Provider
	if i := strings.LastIndex(urn, "::"); i >= 0 {
		urn = urn[:i]
	}
	for _, p := range s.plain.Deployment.Resources {
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
			if decode([]byte(text), &plain) != nil {
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

func (s *state) has(urn string) bool {
	return slices.ContainsFunc(s.plain.Deployment.Resources, func(r resource) bool { return r.URN == urn })
}
