package main

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"platform/lab/plugins/provider"
)

// kubernetes is the provider of one cluster.
type kubernetes struct {
	plugin.UnimplementedProvider
	*cluster
	charts chartCache
}

func (k *kubernetes) Handshake(context.Context, plugin.ProviderHandshakeRequest) (*plugin.ProviderHandshakeResponse, error) {
	return &plugin.ProviderHandshakeResponse{}, nil
}

// version of the real plugin that this one stands for.
var version = semver.MustParse("4.33.0")

func (k *kubernetes) GetPluginInfo(context.Context) (plugin.PluginInfo, error) {
	return plugin.PluginInfo{Version: &version}, nil
}

// SignalCancellation is the engine's last call, at the end of every run.
func (k *kubernetes) SignalCancellation(context.Context) error {
	if k.cluster == nil {
		return nil
	}
	return k.close()
}

func (k *kubernetes) Close() error { return nil }

// knownConfig are the provider's own inputs that the lab's plugin knows.
var knownConfig = map[resource.PropertyKey]bool{
	"kubeconfig": true, "context": true, "clusterIdentifier": true, "enableServerSideApply": true,
	"upsertExistingObjects": true, "version": true,
}

func (k *kubernetes) CheckConfig(_ context.Context, req plugin.CheckConfigRequest) (plugin.CheckConfigResponse, error) {
	response := plugin.CheckConfigResponse{Properties: req.News}
	for key := range req.News {
		if !knownConfig[key] {
			response.Failures = append(response.Failures, plugin.CheckFailure{
				Property: key, Reason: "the lab's plugin kubernetes does not know this property of the provider",
			})
		}
	}
	return response, nil
}

// DiffConfig replaces the provider, and with it all its objects, only when it
// is given another identifier.
func (k *kubernetes) DiffConfig(_ context.Context, req plugin.DiffConfigRequest) (plugin.DiffConfigResponse, error) {
	if req.OldInputs.DeepEquals(req.NewInputs) {
		return plugin.DiffResult{Changes: plugin.DiffNone}, nil
	}
	result := plugin.DiffResult{Changes: plugin.DiffSome}
	const id = "clusterIdentifier"
	if req.OldInputs.HasValue(id) && req.NewInputs.HasValue(id) && !req.OldInputs[id].DeepEquals(req.NewInputs[id]) {
		result.ReplaceKeys = []resource.PropertyKey{id}
	}
	return result, nil
}

// Configure makes no request: the cluster need not be there for a preview.
func (k *kubernetes) Configure(_ context.Context, req plugin.ConfigureRequest) (plugin.ConfigureResponse, error) {
	config := provider.Plain(req.Inputs)
	k.cluster = newCluster(config.String("kubeconfig"), config.String("context"), isTrue(config["upsertExistingObjects"]))
	return plugin.ConfigureResponse{}, nil
}

// isTrue reads a boolean, which SDKs also send as text.
func isTrue(v any) bool { return v == true || v == "true" }

const releaseType = "kubernetes:helm.sh/v3:Release"

func (k *kubernetes) Check(ctx context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	if req.Type == releaseType {
		return k.checkRelease(ctx, req)
	}
	if !strings.HasPrefix(string(req.Type), "kubernetes:") || strings.Contains(string(req.Type), "helm.sh/") {
		return plugin.CheckResponse{}, fmt.Errorf("the lab's plugin kubernetes does not know the type %s", req.Type)
	}
	in := req.News.Copy()
	meta := resource.PropertyMap{}
	if in["metadata"].IsObject() {
		meta = in["metadata"].ObjectValue().Copy()
	}
	if !meta.HasValue("name") {
		if old := req.Olds["metadata"]; old.IsObject() && old.ObjectValue().HasValue("name") {
			meta["name"] = old.ObjectValue()["name"]
		} else {
			name, err := provider.Autoname(req.URN.Name())
			if err != nil {
				return plugin.CheckResponse{}, err
			}
			meta["name"] = name
		}
	}
	in["metadata"] = resource.NewProperty(meta)
	return plugin.CheckResponse{Properties: markSecret(in)}, nil
}

// markSecret marks what a Secret holds, whether or not the program did.
func markSecret(object resource.PropertyMap) resource.PropertyMap {
	if kind := object["kind"]; !kind.IsString() || kind.StringValue() != "Secret" {
		return object
	}
	for _, key := range []resource.PropertyKey{"data", "stringData"} {
		if v, ok := object[key]; ok && !v.IsSecret() && !v.IsNull() {
			object[key] = resource.MakeSecret(v)
		}
	}
	return object
}

func (k *kubernetes) Diff(_ context.Context, req plugin.DiffRequest) (plugin.DiffResponse, error) {
	old, in := provider.Plain(req.OldInputs), provider.Plain(req.NewInputs)
	changed := differences("", map[string]any(old), map[string]any(in))
	if len(changed) == 0 {
		return plugin.DiffResult{Changes: plugin.DiffNone}, nil
	}
	result := plugin.DiffResult{Changes: plugin.DiffSome, DetailedDiff: map[string]plugin.PropertyDiff{}}
	for _, path := range changed {
		d := plugin.PropertyDiff{Kind: plugin.DiffUpdate, InputDiff: true}
		top := resource.PropertyKey(strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' })[0])
		result.ChangedKeys = append(result.ChangedKeys, top)
		if replaces(string(req.Type), path) {
			d = d.ToReplace()
			result.ReplaceKeys = append(result.ReplaceKeys, top)
		}
		result.DetailedDiff[path] = d
	}
	// An object of the same name must go before the new one can come.
	result.DeleteBeforeReplace = len(result.ReplaceKeys) > 0 && req.Type != releaseType && reflect.DeepEqual(nameOf(old), nameOf(in))
	return result, nil
}

func nameOf(object provider.Values) [2]string {
	meta, _ := object["metadata"].(map[string]any)
	name, _ := meta["name"].(string)
	namespace, _ := meta["namespace"].(string)
	return [2]string{namespace, name}
}

func (k *kubernetes) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	if req.Preview {
		return plugin.CreateResponse{Properties: req.Properties}, nil
	}
	if req.Type == releaseType {
		return k.createRelease(ctx, req)
	}
	object := objectOf(req.Properties)
	live, err := k.apply(ctx, object, true)
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	id, err := k.waited(ctx, live, req.Properties, req.Timeout)
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	live, err = k.get(ctx, live.GroupVersionKind(), live.GetNamespace(), live.GetName())
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	return plugin.CreateResponse{ID: id, Properties: stateOf(live, req.Properties)}, nil
}

func (k *kubernetes) Update(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	if req.Preview {
		outputs := req.OldOutputs.Copy()
		for key, value := range req.NewInputs {
			outputs[key] = value
		}
		return plugin.UpdateResponse{Properties: outputs}, nil
	}
	if req.Type == releaseType {
		return k.updateRelease(ctx, req)
	}
	live, err := k.apply(ctx, objectOf(req.NewInputs), false)
	if err != nil {
		return plugin.UpdateResponse{}, err
	}
	if _, err := k.waited(ctx, live, req.NewInputs, req.Timeout); err != nil {
		return plugin.UpdateResponse{}, err
	}
	live, err = k.get(ctx, live.GroupVersionKind(), live.GetNamespace(), live.GetName())
	if err != nil {
		return plugin.UpdateResponse{}, err
	}
	return plugin.UpdateResponse{Properties: stateOf(live, req.NewInputs)}, nil
}

func (k *kubernetes) Read(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	if req.Type == releaseType {
		return k.readRelease(ctx, req)
	}
	kind, err := kindOf(string(req.Type), req.Inputs)
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	namespace, name := splitID(string(req.ID))
	live, err := k.get(ctx, kind, namespace, name)
	if gone(err) {
		return plugin.ReadResponse{}, nil
	}
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	inputs := readInputs(live, req.Inputs)
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: inputs, Outputs: stateOf(live, inputs)}}, nil
}

func (k *kubernetes) Delete(ctx context.Context, req plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	if req.Type == releaseType {
		return plugin.DeleteResponse{}, k.deleteRelease(ctx, req)
	}
	kind, err := kindOf(string(req.Type), req.Outputs)
	if err != nil {
		return plugin.DeleteResponse{}, err
	}
	namespace, name := splitID(string(req.ID))
	return plugin.DeleteResponse{}, k.remove(ctx, kind, namespace, name, timeout(req.Timeout))
}
