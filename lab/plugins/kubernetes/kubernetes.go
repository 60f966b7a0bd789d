package main

import (
	"context"
	"fmt"
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
	// pace of the cluster to come.
	pace pace

	// running ends when the engine cancels the run.
	running context.Context
	cancel  context.CancelFunc
}

func newKubernetes() *kubernetes {
	k := &kubernetes{pace: usualPace}
	k.running, k.cancel = context.WithCancel(context.Background())
	return k
}

func (k *kubernetes) Handshake(context.Context, plugin.ProviderHandshakeRequest) (*plugin.ProviderHandshakeResponse, error) {
	return &plugin.ProviderHandshakeResponse{}, nil
}

// version of the real plugin that this one stands for.
var version = semver.MustParse("4.33.0")

func (k *kubernetes) GetPluginInfo(context.Context) (plugin.PluginInfo, error) {
	return plugin.PluginInfo{Version: &version}, nil
}

// SignalCancellation is the engine's last call, at the end of every run, and its
// first when the user interrupts: what is waited for is saved as it is.
func (k *kubernetes) SignalCancellation(context.Context) error {
	k.cancel()
	return nil
}

func (k *kubernetes) Close() error { return nil }

// cancellable is a request's context, which ends with the run as well.
func (k *kubernetes) cancellable(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(k.running, cancel)
	return ctx, func() { stop(); cancel() }
}

// knownConfig are the provider's own inputs that the lab's plugin knows.
var knownConfig = map[resource.PropertyKey]bool{
	"kubeconfig": true, "context": true, "clusterIdentifier": true, "enableServerSideApply": true,
	"upsertExistingObjects": true, "enablePatchForce": true, "version": true,
}

func (k *kubernetes) CheckConfig(_ context.Context, req plugin.CheckConfigRequest) (plugin.CheckConfigResponse, error) {
	response := plugin.CheckConfigResponse{Properties: req.News}
	refuse := func(key resource.PropertyKey, reason string) {
		response.Failures = append(response.Failures, plugin.CheckFailure{Property: key, Reason: reason})
	}
	for _, key := range req.News.StableKeys() {
		if !knownConfig[key] {
			refuse(key, "the lab's plugin kubernetes does not know this property of the provider")
		}
	}
	const apply = "enableServerSideApply"
	if on := req.News[apply]; req.News.HasValue(apply) && !on.IsComputed() && !isTrue(on.V) {
		refuse(apply, "the lab's plugin kubernetes applies on the server only")
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
	k.cluster = newCluster(provider.Plain(req.Inputs), k.pace)
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
	return k.checkObject(ctx, req)
}

func (k *kubernetes) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	ctx, done := k.cancellable(ctx)
	defer done()
	switch {
	case req.Type == releaseType && req.Preview:
		return plugin.CreateResponse{Properties: previewRelease(req.Properties)}, nil
	case req.Type == releaseType:
		return k.createRelease(ctx, req)
	case req.Preview:
		return k.previewCreate(ctx, req)
	}
	return k.createObject(ctx, req)
}

func (k *kubernetes) Update(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	ctx, done := k.cancellable(ctx)
	defer done()
	switch {
	case req.Type == releaseType && req.Preview:
		return plugin.UpdateResponse{Properties: previewRelease(req.NewInputs)}, nil
	case req.Type == releaseType:
		return k.updateRelease(ctx, req)
	case req.Preview:
		return k.previewUpdate(ctx, req)
	}
	return k.updateObject(ctx, req)
}

func (k *kubernetes) Read(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	ctx, done := k.cancellable(ctx)
	defer done()
	if req.Type == releaseType {
		return k.readRelease(ctx, req)
	}
	return k.readObject(ctx, req)
}

func (k *kubernetes) Delete(ctx context.Context, req plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	ctx, done := k.cancellable(ctx)
	defer done()
	if req.Type == releaseType {
		return plugin.DeleteResponse{}, k.deleteRelease(ctx, req)
	}
	return plugin.DeleteResponse{}, k.deleteObject(ctx, req)
}
