// Package provider is what the lab's resource plugins have in common: a table
// of resource types, each with its inputs and the four operations, served to
// Pulumi's engine as the real plugins are
// (https://pulumi-developer-docs.readthedocs.io/latest/docs/architecture/providers/).
package provider

import (
	"context"
	"reflect"
	"slices"
)

// Values are the inputs or the state of a resource: strings, booleans, float64,
// []any and map[string]any, as in JSON.
type Values map[string]any

// String is the string called key, or "".
func (v Values) String(key string) string {
	s, _ := v[key].(string)
	return s
}

// Int is the number called key, or 0.
func (v Values) Int(key string) int {
	f, _ := v[key].(float64)
	return int(f)
}

// Bool is the boolean called key, or false.
func (v Values) Bool(key string) bool {
	b, _ := v[key].(bool)
	return b
}

// Strings is the list of strings called key.
func (v Values) Strings(key string) []string {
	list, _ := v[key].([]any)
	out := make([]string, 0, len(list))
	for _, item := range list {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// Has says whether key is set.
func (v Values) Has(key string) bool {
	value, ok := v[key]
	return ok && value != nil
}

// With is a copy of the values with those of more, which win.
func (v Values) With(more Values) Values {
	all := Values{}
	for _, m := range []Values{v, more} {
		for key, value := range m {
			all[key] = value
		}
	}
	return all
}

// Input describes one input of a resource type. The zero value is an optional
// input that is updated in place.
type Input struct {
	Required bool
	// Replaces: a change makes a new resource.
	Replaces bool
	// Secret marks the value in the state, as the real plugin's schema does.
	Secret bool
	// Default is taken when the program says nothing.
	Default any
	// Same says whether two values mean the same; nil compares them.
	Same func(a, b any) bool
}

// Resource is a resource type.
type Resource struct {
	Inputs map[string]Input
	// SecretOutputs are marked in the state beside the secret inputs.
	SecretOutputs []string
	// Autoname is the input that gets the logical name and seven hex digits
	// when the program names nothing.
	Autoname string
	// DeleteFirst: a replacement deletes the old resource before it makes the
	// new one. The real plugins do so when the program chose the name, the lab's
	// also when the name was generated.
	DeleteFirst bool

	// Create makes the resource and gives its id and its state. An error with a
	// non-empty id says that it was made, but not wholly.
	Create func(ctx context.Context, in Values) (id string, state Values, err error)
	// Read gives the state, nil when the resource is gone. What it leaves out is
	// taken to be as in state, the last known one, which is nil in an import.
	Read func(ctx context.Context, id string, state Values) (Values, error)
	// Update changes the resource in place; nil when every change replaces.
	Update func(ctx context.Context, id string, old, in Values) (Values, error)
	// Delete removes the resource.
	Delete func(ctx context.Context, id string, state Values) error
}

// Plugin is a resource plugin.
type Plugin struct {
	// Name of the package, as in pulumi-resource-<name>.
	Name string
	// Version of the real plugin that this one stands for. The engine warns of a
	// program whose SDK is newer.
	Version string
	// Config are the known keys of the provider's own inputs.
	Config map[string]Input
	// Configure takes the provider's inputs over. It makes no request.
	Configure func(ctx context.Context, config Values) error
	// Types by token.
	Types map[string]Resource
}

// changed lists the inputs that differ, sorted.
func (r Resource) changed(old, in Values) []string {
	var keys []string
	for key, input := range r.Inputs {
		same := input.Same
		if same == nil {
			same = reflect.DeepEqual
		}
		if !HoldsUnknown(in[key]) && (same(old[key], in[key]) || (empty(old[key]) && empty(in[key]))) {
			continue
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// empty says whether a value is as good as none: the real plugins leave such
// values out of their state.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// HoldsUnknown says whether a value is not wholly known before the run: then it
// counts as changed.
func HoldsUnknown(v any) bool {
	switch v := v.(type) {
	case unknown:
		return true
	case []any:
		return slices.ContainsFunc(v, HoldsUnknown)
	case map[string]any:
		for _, item := range v {
			if HoldsUnknown(item) {
				return true
			}
		}
	}
	return false
}
