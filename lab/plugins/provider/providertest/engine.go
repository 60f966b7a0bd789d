// Package providertest drives a plugin of the lab in a test as Pulumi's engine
// does: over gRPC, by the engine's own client, and in the order of its calls
// (https://pulumi-developer-docs.readthedocs.io/latest/docs/architecture/deployment-execution/).
package providertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"platform/lab/plugins/provider"
)

// Unknown is an input that a preview does not know yet.
var Unknown = resource.Computed{Element: resource.NewProperty("")}

// Engine is one run of the engine with one plugin.
type Engine struct {
	t        *testing.T
	provider plugin.Provider
}

// Resource is a resource in the engine's state.
type Resource struct {
	URN             resource.URN
	ID              string
	Inputs, Outputs resource.PropertyMap
}

// Start serves a plugin and shakes hands with it.
func Start(t *testing.T, p plugin.Provider) *Engine {
	t.Helper()
	cancel := make(chan bool)
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(s *grpc.Server) error {
			pulumirpc.RegisterResourceProviderServer(s, plugin.NewProviderServer(p))
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(cancel)
		if err := <-handle.Done; err != nil {
			t.Error(err)
		}
	})
	connection, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", handle.Port),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	e := &Engine{t: t, provider: plugin.NewProviderWithClient(nil, pulumirpc.NewResourceProviderClient(connection), false)}
	if _, err := e.provider.Handshake(t.Context(), plugin.ProviderHandshakeRequest{ConfigureWithUrn: true}); err != nil {
		t.Fatal(err)
	}
	info, err := e.provider.GetPluginInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.Version == nil {
		t.Fatal("the plugin tells no version")
	}
	return e
}

// Configured starts a plugin with the inputs of its provider.
func Configured(t *testing.T, p plugin.Provider, config provider.Values) *Engine {
	t.Helper()
	e := Start(t, p)
	if err := e.Configure(config); err != nil {
		t.Fatal(err)
	}
	return e
}

// Configure checks the provider's inputs and hands them over. As in the engine
// an error of the taking over comes with the first resource.
func (e *Engine) Configure(config provider.Values) error {
	checked, err := e.provider.CheckConfig(e.t.Context(), plugin.CheckConfigRequest{
		URN: urnOf("pulumi:providers:test"), Olds: resource.PropertyMap{}, News: resource.NewPropertyMapFromMap(config),
	})
	if err != nil {
		return err
	}
	if err := refused(checked.Failures); err != nil {
		return err
	}
	id, of := resource.ID("1"), urnOf("pulumi:providers:test")
	name, token := of.Name(), of.Type()
	_, err = e.provider.Configure(e.t.Context(), plugin.ConfigureRequest{
		URN: &of, Name: &name, Type: &token, ID: &id, Inputs: checked.Properties,
	})
	return err
}

// DiffConfig says what a change of the provider's inputs means.
func (e *Engine) DiffConfig(old, in provider.Values) plugin.DiffResult {
	e.t.Helper()
	olds := resource.NewPropertyMapFromMap(old)
	diff, err := e.provider.DiffConfig(e.t.Context(), plugin.DiffConfigRequest{
		URN: urnOf("pulumi:providers:test"), OldInputs: olds, OldOutputs: olds, NewInputs: resource.NewPropertyMapFromMap(in),
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return diff
}

// refused is the error that the user sees of a Check's failures.
func refused(failures []plugin.CheckFailure) error {
	var reasons []error
	for _, f := range failures {
		reasons = append(reasons, fmt.Errorf("%s: %s", f.Property, f.Reason))
	}
	return errors.Join(reasons...)
}

func urnOf(token string) resource.URN {
	return urn.New("test", "platform", "", tokens.Type(token), "thing")
}

// Check gives the inputs that the engine would store.
func (e *Engine) Check(token string, old resource.PropertyMap, in provider.Values) (resource.PropertyMap, error) {
	news := resource.NewPropertyMapFromMap(in)
	checked, err := e.provider.Check(e.t.Context(), plugin.CheckRequest{
		URN: urnOf(token), Name: "thing", Type: tokens.Type(token), Olds: old, News: news, AllowUnknowns: true,
	})
	if err != nil {
		return nil, err
	}
	return checked.Properties, refused(checked.Failures)
}

// Preview is what a preview shows of a resource's creation.
func (e *Engine) Preview(token string, in provider.Values) (resource.PropertyMap, error) {
	inputs, err := e.Check(token, nil, in)
	if err != nil {
		return nil, err
	}
	created, err := e.provider.Create(e.t.Context(), plugin.CreateRequest{
		URN: urnOf(token), Name: "thing", Type: tokens.Type(token), Properties: inputs, Preview: true,
	})
	return created.Properties, err
}

// Create makes a resource. One that was made in part comes with an error.
func (e *Engine) Create(token string, in provider.Values) (*Resource, error) {
	inputs, err := e.Check(token, nil, in)
	if err != nil {
		return nil, err
	}
	created, err := e.provider.Create(e.t.Context(), plugin.CreateRequest{
		URN: urnOf(token), Name: "thing", Type: tokens.Type(token), Properties: inputs,
	})
	if err != nil && created.ID == "" {
		return nil, err
	}
	return &Resource{URN: urnOf(token), ID: string(created.ID), Inputs: inputs, Outputs: created.Properties}, err
}

// MustCreate is Create in a test that is about something else.
func (e *Engine) MustCreate(token string, in provider.Values) *Resource {
	e.t.Helper()
	r, err := e.Create(token, in)
	if err != nil {
		e.t.Fatalf("creating %s: %v", token, err)
	}
	return r
}

func (e *Engine) diff(r *Resource, oldInputs, newInputs resource.PropertyMap) (plugin.DiffResult, error) {
	return e.provider.Diff(e.t.Context(), plugin.DiffRequest{
		URN: r.URN, Name: "thing", Type: r.URN.Type(), ID: resource.ID(r.ID),
		OldInputs: oldInputs, OldOutputs: r.Outputs, NewInputs: newInputs, AllowUnknowns: true,
	})
}

// Diff says in one line what a run with other inputs would do: "same",
// "update a b", "replace a b" or "delete first a b", with the properties that
// are the reason.
func (e *Engine) Diff(r *Resource, in provider.Values) string {
	e.t.Helper()
	inputs, err := e.Check(string(r.URN.Type()), r.Inputs, in)
	if err != nil {
		e.t.Fatalf("checking: %v", err)
	}
	diff, err := e.diff(r, r.Inputs, inputs)
	if err != nil {
		e.t.Fatalf("comparing: %v", err)
	}
	return describe(diff)
}

func describe(d plugin.DiffResult) string {
	words, keys := []string{"update"}, d.ChangedKeys
	switch {
	case d.Changes == plugin.DiffNone:
		return "same"
	case d.Replace() && d.DeleteBeforeReplace:
		words, keys = []string{"delete first"}, d.ReplaceKeys
	case d.Replace():
		words, keys = []string{"replace"}, d.ReplaceKeys
	}
	// The client gives them in the order of a map.
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		words = append(words, string(key))
	}
	return strings.Join(words, " ")
}

// Update changes a resource in place.
func (e *Engine) Update(r *Resource, in provider.Values) error {
	inputs, err := e.Check(string(r.URN.Type()), r.Inputs, in)
	if err != nil {
		return err
	}
	updated, err := e.provider.Update(e.t.Context(), plugin.UpdateRequest{
		URN: r.URN, Name: "thing", Type: r.URN.Type(), ID: resource.ID(r.ID),
		OldInputs: r.Inputs, OldOutputs: r.Outputs, NewInputs: inputs,
	})
	if err != nil {
		return err
	}
	r.Inputs, r.Outputs = inputs, updated.Properties
	return nil
}

// Refresh reads a resource again and says in Diff's words what a run with the
// program's inputs would then do, or "gone".
func (e *Engine) Refresh(r *Resource) (string, error) {
	read, err := e.provider.Read(e.t.Context(), plugin.ReadRequest{
		URN: r.URN, Name: "thing", Type: r.URN.Type(), ID: resource.ID(r.ID), Inputs: r.Inputs, State: r.Outputs,
	})
	if err != nil {
		return "", err
	}
	if read.ID == "" || read.Outputs == nil {
		return "gone", nil
	}
	program := r.Inputs
	r.Inputs, r.Outputs = read.Inputs, read.Outputs
	diff, err := e.diff(r, r.Inputs, program)
	return describe(diff), err
}

// Import takes an existing thing over by its id.
func (e *Engine) Import(token, id string) (*Resource, error) {
	read, err := e.provider.Read(e.t.Context(), plugin.ReadRequest{
		URN: urnOf(token), Name: "thing", Type: tokens.Type(token), ID: resource.ID(id),
	})
	switch {
	case err != nil:
		return nil, err
	case read.Outputs == nil:
		return nil, fmt.Errorf("%s does not exist", id)
	case read.Inputs == nil:
		return nil, fmt.Errorf("%s does not support importing", token)
	}
	return &Resource{URN: urnOf(token), ID: string(read.ID), Inputs: read.Inputs, Outputs: read.Outputs}, nil
}

// Delete removes a resource.
func (e *Engine) Delete(r *Resource) error {
	_, err := e.provider.Delete(context.WithoutCancel(e.t.Context()), plugin.DeleteRequest{
		URN: r.URN, Name: "thing", Type: r.URN.Type(), ID: resource.ID(r.ID), Inputs: r.Inputs, Outputs: r.Outputs,
	})
	return err
}

// Output is an output's value without the mark of a secret.
func (r *Resource) Output(key string) any {
	v := r.Outputs[resource.PropertyKey(key)]
	if v.IsSecret() {
		v = v.SecretValue().Element
	}
	return v.V
}

// Secret says whether an output is marked as one.
func (r *Resource) Secret(key string) bool { return r.Outputs[resource.PropertyKey(key)].IsSecret() }
