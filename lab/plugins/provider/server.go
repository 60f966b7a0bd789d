package provider

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// server answers Pulumi's engine for a plugin.
type server struct {
	plugin.UnimplementedProvider
	p Plugin
}

func (s *server) Handshake(context.Context, plugin.ProviderHandshakeRequest) (*plugin.ProviderHandshakeResponse, error) {
	// Secrets arrive plain, and the engine marks what was secret again.
	return &plugin.ProviderHandshakeResponse{}, nil
}

func (s *server) GetPluginInfo(context.Context) (plugin.PluginInfo, error) {
	version, err := semver.Parse(s.p.Version)
	if err != nil {
		return plugin.PluginInfo{}, fmt.Errorf("version of the lab's plugin %s: %w", s.p.Name, err)
	}
	return plugin.PluginInfo{Version: &version}, nil
}

func (s *server) SignalCancellation(context.Context) error { return nil }

func (s *server) Close() error { return nil }

func (s *server) CheckConfig(_ context.Context, req plugin.CheckConfigRequest) (plugin.CheckConfigResponse, error) {
	var failures []plugin.CheckFailure
	for key := range req.News {
		if _, ok := s.p.Config[string(key)]; !ok && key != "version" {
			failures = append(failures, s.unknown(key, "the provider "+s.p.Name))
		}
	}
	return plugin.CheckConfigResponse{Properties: req.News, Failures: failures}, nil
}

func (s *server) DiffConfig(_ context.Context, req plugin.DiffConfigRequest) (plugin.DiffConfigResponse, error) {
	// No input of the real plugins that the lab knows replaces its provider.
	if req.OldInputs.DeepEquals(req.NewInputs) {
		return plugin.DiffResult{Changes: plugin.DiffNone}, nil
	}
	return plugin.DiffResult{Changes: plugin.DiffSome}, nil
}

func (s *server) Configure(ctx context.Context, req plugin.ConfigureRequest) (plugin.ConfigureResponse, error) {
	return plugin.ConfigureResponse{}, s.p.Configure(ctx, Plain(req.Inputs))
}

func (s *server) unknown(key resource.PropertyKey, of string) plugin.CheckFailure {
	return plugin.CheckFailure{
		Property: key,
		Reason:   fmt.Sprintf("the lab's plugin %s does not know this property of %s", s.p.Name, of),
	}
}

func (s *server) resource(token string) (Resource, error) {
	r, ok := s.p.Types[token]
	if !ok {
		return r, fmt.Errorf("the lab's plugin %s does not know the type %s; it knows what the platform uses", s.p.Name, token)
	}
	return r, nil
}

func (s *server) Check(_ context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	r, err := s.resource(string(req.Type))
	if err != nil {
		return plugin.CheckResponse{}, err
	}
	in := req.News.Copy()
	var failures []plugin.CheckFailure
	for _, key := range in.StableKeys() {
		if _, ok := r.Inputs[string(key)]; !ok {
			failures = append(failures, s.unknown(key, string(req.Type)))
		}
	}
	if name := resource.PropertyKey(r.Autoname); name != "" && !in.HasValue(name) {
		if old, ok := req.Olds[name]; ok {
			in[name] = old
		} else if in[name], err = Autoname(req.URN.Name()); err != nil {
			return plugin.CheckResponse{}, err
		}
	}
	for key, input := range r.Inputs {
		k := resource.PropertyKey(key)
		switch {
		case in.HasValue(k):
		case input.Default != nil:
			in[k] = resource.NewPropertyValue(input.Default)
		case input.Required:
			failures = append(failures, plugin.CheckFailure{Property: k, Reason: "is required"})
		}
	}
	return plugin.CheckResponse{Properties: in, Failures: failures}, nil
}

// Autoname follows the bridge: the logical name, a hyphen, seven hex digits.
func Autoname(logical string) (resource.PropertyValue, error) {
	b := make([]byte, 4)
	if _, err := rand.Read(b); err != nil {
		return resource.PropertyValue{}, err
	}
	return resource.NewProperty(logical + "-" + hex.EncodeToString(b)[:7]), nil
}

func (s *server) Diff(_ context.Context, req plugin.DiffRequest) (plugin.DiffResponse, error) {
	r, err := s.resource(string(req.Type))
	if err != nil {
		return plugin.DiffResult{}, err
	}
	keys := r.changed(Plain(req.OldInputs), Plain(req.NewInputs))
	keys = slices.DeleteFunc(keys, func(key string) bool { return slices.Contains(req.IgnoreChanges, key) })
	if len(keys) == 0 {
		return plugin.DiffResult{Changes: plugin.DiffNone}, nil
	}
	detail := map[string]plugin.PropertyDiff{}
	result := plugin.DiffResult{Changes: plugin.DiffSome}
	for _, key := range keys {
		d := plugin.PropertyDiff{Kind: plugin.DiffUpdate, InputDiff: true}
		if r.Inputs[key].Replaces || r.Update == nil {
			d = d.ToReplace()
			result.ReplaceKeys = append(result.ReplaceKeys, resource.PropertyKey(key))
		}
		detail[key] = d
		result.ChangedKeys = append(result.ChangedKeys, resource.PropertyKey(key))
	}
	result.DeleteBeforeReplace = r.DeleteFirst && len(result.ReplaceKeys) > 0
	result.DetailedDiff = detail
	return result, nil
}

func (s *server) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	r, err := s.resource(string(req.Type))
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	if req.Preview {
		// What is missing is unknown to the program.
		return plugin.CreateResponse{Properties: req.Properties}, nil
	}
	in := Plain(req.Properties)
	id, state, err := r.Create(ctx, in)
	if err != nil && id == "" {
		return plugin.CreateResponse{}, err
	}
	outputs := r.outputs(in.With(state))
	if err != nil {
		return plugin.CreateResponse{}, Partial(id, outputs, req.Properties, err)
	}
	return plugin.CreateResponse{ID: resource.ID(id), Properties: outputs}, nil
}

func (s *server) Read(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	r, err := s.resource(string(req.Type))
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	var last Values
	if len(req.State) > 0 {
		last = Plain(req.State)
	}
	state, err := r.Read(ctx, string(req.ID), last)
	if err != nil || state == nil {
		return plugin.ReadResponse{}, err
	}
	all := last.With(state)
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{
		ID: req.ID, Inputs: r.readInputs(Plain(req.Inputs), all), Outputs: r.outputs(all),
	}}, nil
}

// readInputs are the inputs that a state stands for: of a refresh those that
// the program gave, of an import all.
func (r Resource) readInputs(old, state Values) resource.PropertyMap {
	in := Values{}
	for key, input := range r.Inputs {
		value, known := state[key]
		switch {
		case len(old) > 0 && !old.Has(key):
			// A default of the system's that the program says nothing of.
		case !known || value == nil:
			if old.Has(key) && input.Secret {
				in[key] = old[key] // systems do not tell secrets
			}
		default:
			in[key] = value
		}
	}
	return marked(in, r.secretKeys())
}

func (s *server) Update(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	r, err := s.resource(string(req.Type))
	if err != nil {
		return plugin.UpdateResponse{}, err
	}
	if req.Preview {
		outputs := req.OldOutputs.Copy()
		for key, value := range req.NewInputs {
			outputs[key] = value
		}
		return plugin.UpdateResponse{Properties: outputs}, nil
	}
	if r.Update == nil {
		return plugin.UpdateResponse{}, fmt.Errorf("%s cannot be changed in place", req.Type)
	}
	in, old := Plain(req.NewInputs), Plain(req.OldOutputs)
	state, err := r.Update(ctx, string(req.ID), old, in)
	if err != nil {
		return plugin.UpdateResponse{}, err
	}
	kept := Values{}
	for key, value := range old {
		if _, input := r.Inputs[key]; !input {
			kept[key] = value
		}
	}
	return plugin.UpdateResponse{Properties: r.outputs(kept.With(in).With(state))}, nil
}

func (s *server) Delete(ctx context.Context, req plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	r, err := s.resource(string(req.Type))
	if err != nil {
		return plugin.DeleteResponse{}, err
	}
	return plugin.DeleteResponse{}, r.Delete(ctx, string(req.ID), Plain(req.Outputs))
}

func (r Resource) secretKeys() []string {
	keys := slices.Clone(r.SecretOutputs)
	for key, input := range r.Inputs {
		if input.Secret {
			keys = append(keys, key)
		}
	}
	return keys
}

func (r Resource) outputs(state Values) resource.PropertyMap { return marked(state, r.secretKeys()) }

// marked is values with those of some keys as secrets.
func marked(values Values, secret []string) resource.PropertyMap {
	m := resource.NewPropertyMapFromMap(values)
	for _, key := range secret {
		k := resource.PropertyKey(key)
		if v, ok := m[k]; ok && !v.IsNull() && !v.IsSecret() {
			m[k] = resource.MakeSecret(v)
		}
	}
	return m
}

// Plain is a property map without marks of secrets. Nulls and keys that begin with
// two underscores are left out.
func Plain(m resource.PropertyMap) Values {
	values := Values{}
	for key, value := range m {
		if strings.HasPrefix(string(key), "__") || value.IsNull() {
			continue
		}
		values[string(key)] = plainValue(value)
	}
	return values
}

func plainValue(v resource.PropertyValue) any {
	switch {
	case v.IsSecret():
		return plainValue(v.SecretValue().Element)
	case v.IsArray():
		list := make([]any, 0, len(v.ArrayValue()))
		for _, item := range v.ArrayValue() {
			list = append(list, plainValue(item))
		}
		return list
	case v.IsObject():
		return map[string]any(Plain(v.ObjectValue()))
	case v.IsComputed(), v.IsOutput():
		return unknown{}
	}
	return v.V
}

// unknown stands for a value that is known only in the run itself.
type unknown struct{}
