package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// lastFailure tells whether the stack's last update failed, and when it began.
func lastFailure(ctx context.Context, stack string) (began time.Time, failed bool, err error) {
	out, err := pulumi(ctx, "stack", "history", "--stack", stack, "--json", "--page-size", "1", "--non-interactive")
	if err != nil {
		return began, false, fmt.Errorf("reading the history of stack %s: %w", stack, err)
	}
	var updates []struct {
		Kind, Result, StartTime string
	}
	if err := json.Unmarshal(out, &updates); err != nil {
		return began, false, fmt.Errorf("reading the history of stack %s: %w", stack, err)
	}
	if len(updates) == 0 || updates[0].Kind != "update" || updates[0].Result != "failed" {
		return began, false, nil
	}
	began, err = time.Parse("2006-01-02T15:04:05.000Z", updates[0].StartTime)
	return began, true, err
}

// unknown stands in a preview for what is known only after a create
// (sdk/go/common/resource/plugin.UnknownStringValue).
const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

// toBeMade are the resources that the next run would create and whose inputs are
// all known: whatever they stand on is there. Secrets are blanked in them, so the
// next run writes these anew.
func (s *state) toBeMade(ctx context.Context, stack string) ([]resource, error) {
	out, err := pulumi(ctx, "preview", "--stack", stack, "--json", "--non-interactive")
	if err != nil {
		return nil, err
	}
	var preview struct {
		Steps []struct {
			Op       string          `json:"op"`
			NewState json.RawMessage `json:"newState"`
		} `json:"steps"`
	}
	if err := decode(out, &preview); err != nil {
		return nil, fmt.Errorf("reading the preview: %w", err)
	}
	var all []resource
	for _, step := range preview.Steps {
		var r resource
		if step.Op != "create" || decode(step.NewState, &r) != nil || decode(step.NewState, &r.Raw) != nil {
			continue
		}
		if _, looked := finders[r.Type]; looked && !bytes.Contains(step.NewState, []byte(unknown)) && s.has(r.Parent) {
			all = append(all, r)
		}
	}
	return all, nil
}
