package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"

	"platform/lab/plugins/provider"
)

// releaseInputs are the inputs of a Release that the lab's plugin knows.
var releaseInputs = map[resource.PropertyKey]bool{
	"name": true, "namespace": true, "chart": true, "repositoryOpts": true, "version": true, "values": true,
	"skipAwait": true, "timeout": true, "cleanupOnFail": true, "maxHistory": true, "atomic": true, "waitForJobs": true,
	"skipCrds": true, "createNamespace": true,
}

// checkRelease fills defaults in and loads the chart: one that cannot be had is
// seen in a preview.
func (k *kubernetes) checkRelease(_ context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	in := req.News.Copy()
	delete(in, "resourceNames")
	delete(in, "compat") // the SDK marks some fields of its own with it
	response := plugin.CheckResponse{Failures: unknownReleaseInputs(in)}
	if namespace := in["namespace"]; !in.HasValue("namespace") || namespace.IsString() && namespace.StringValue() == "" {
		in["namespace"] = resource.NewProperty(k.defaultNamespace())
	}
	plain := provider.Plain(in)
	if !plain.Has("name") {
		return response, errors.New("a Release must have a name")
	}
	if !plain.Bool("skipAwait") && !in.HasValue("timeout") {
		in["timeout"] = resource.NewProperty(defaultReleaseTimeout.Seconds())
	}
	response.Properties = in
	if provider.HoldsUnknown(plain["chart"]) || provider.HoldsUnknown(plain["version"]) {
		return response, nil
	}
	loaded, err := k.charts.load(plain)
	if err != nil {
		response.Failures = append(response.Failures, plugin.CheckFailure{Property: "chart", Reason: err.Error()})
		return response, nil
	}
	in["version"] = resource.NewProperty(loaded.Metadata.Version)
	if !provider.HoldsUnknown(map[string]any(plain)) {
		k.charts.add(loaded, plain, valuesOf(in))
	}
	return response, nil
}

// unknownReleaseInputs refuses what the plugin would not heed.
func unknownReleaseInputs(in resource.PropertyMap) []plugin.CheckFailure {
	var failures []plugin.CheckFailure
	refuse := func(property resource.PropertyKey, reason string) {
		failures = append(failures, plugin.CheckFailure{Property: property, Reason: "the lab's plugin kubernetes does not know " + reason})
	}
	for _, key := range in.StableKeys() {
		if !releaseInputs[key] {
			refuse(key, "this property of a Release")
		}
	}
	if options := in["repositoryOpts"]; options.IsObject() {
		for key := range options.ObjectValue() {
			if key != "repo" {
				refuse("repositoryOpts", string(key)+" of a repository")
			}
		}
	}
	return failures
}

// helm is Helm's configuration for a namespace of the cluster.
func (k *kubernetes) helm(namespace string) (*action.Configuration, error) {
	if err := k.connect(); err != nil {
		return nil, err
	}
	loader, err := k.loader(namespace)
	if err != nil {
		return nil, err
	}
	config := &action.Configuration{}
	log := func(format string, v ...any) { slog.Debug(fmt.Sprintf(format, v...)) }
	if err := config.Init(connection{k.cluster, loader}, namespace, "secret", log); err != nil {
		return nil, k.explain(err)
	}
	return config, nil
}

// connection is what Helm is given of the cluster, for a namespace.
type connection struct {
	*cluster
	loader clientcmd.ClientConfig
}

func (c connection) ToRESTConfig() (*rest.Config, error)           { return c.restConfig() }
func (c connection) ToRawKubeConfigLoader() clientcmd.ClientConfig { return c.loader }
func (c connection) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	return memory.NewMemCacheClient(c.api), nil
}

// ToRESTMapper has a cache of its own: a chart's resource definitions are new.
func (c connection) ToRESTMapper() (meta.RESTMapper, error) {
	return restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(c.api)), nil
}

// defaultReleaseTimeout is Helm's own.
const defaultReleaseTimeout = 5 * time.Minute

func helmTimeout(in provider.Values) time.Duration {
	if in.Int("timeout") == 0 {
		return defaultReleaseTimeout
	}
	return time.Duration(in.Int("timeout")) * time.Second
}

func (k *kubernetes) createRelease(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	in := provider.Plain(req.Properties)
	loaded, err := k.charts.load(in)
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	config, err := k.helm(in.String("namespace"))
	if err != nil {
		return plugin.CreateResponse{}, err
	}
	install := action.NewInstall(config)
	install.ReleaseName, install.Namespace = in.String("name"), in.String("namespace")
	install.Wait, install.WaitForJobs = !in.Bool("skipAwait"), !in.Bool("skipAwait") && in.Bool("waitForJobs")
	install.Timeout, install.Atomic = helmTimeout(in), in.Bool("atomic")
	install.SkipCRDs, install.CreateNamespace = in.Bool("skipCrds"), in.Bool("createNamespace")
	made, err := install.RunWithContext(ctx, loaded, valuesOf(req.Properties))
	id := resource.ID(in.String("namespace") + "/" + in.String("name"))
	k.rediscover() // charts bring kinds
	if err != nil {
		err = fmt.Errorf("installing release %s: %w", id, err)
		if made == nil {
			return plugin.CreateResponse{}, err
		}
		if _, lost := action.NewGet(config).Run(in.String("name")); lost != nil {
			return plugin.CreateResponse{}, err
		}
	}
	state, broken := releaseState(req.Properties, made)
	if err := errors.Join(err, broken); err != nil {
		// It is recorded in the cluster: the next run upgrades it.
		return plugin.CreateResponse{}, provider.Partial(string(id), state, req.Properties, err)
	}
	return plugin.CreateResponse{ID: id, Properties: state}, nil
}

func (k *kubernetes) updateRelease(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	in := provider.Plain(req.NewInputs)
	loaded, err := k.charts.load(in)
	if err != nil {
		return plugin.UpdateResponse{}, err
	}
	config, err := k.helm(in.String("namespace"))
	if err != nil {
		return plugin.UpdateResponse{}, err
	}
	upgrade := action.NewUpgrade(config)
	upgrade.Namespace = in.String("namespace")
	upgrade.Wait, upgrade.WaitForJobs = !in.Bool("skipAwait"), !in.Bool("skipAwait") && in.Bool("waitForJobs")
	upgrade.Timeout, upgrade.Atomic = helmTimeout(in), in.Bool("atomic")
	upgrade.CleanupOnFail, upgrade.MaxHistory = in.Bool("cleanupOnFail"), in.Int("maxHistory")
	made, err := upgrade.RunWithContext(ctx, in.String("name"), loaded, valuesOf(req.NewInputs))
	k.rediscover()
	if err != nil {
		err = fmt.Errorf("upgrading release %s: %w", req.ID, err)
		if made == nil || errors.Is(err, driver.ErrNoDeployedReleases) {
			return plugin.UpdateResponse{}, err
		}
	}
	state, broken := releaseState(req.NewInputs, made)
	if err := errors.Join(err, broken); err != nil {
		return plugin.UpdateResponse{}, provider.Partial(string(req.ID), state, req.NewInputs, err)
	}
	return plugin.UpdateResponse{Properties: state}, nil
}

func (k *kubernetes) deleteRelease(_ context.Context, req plugin.DeleteRequest) error {
	in := provider.Plain(req.Inputs)
	if len(in) == 0 {
		in = provider.Plain(req.Outputs)
	}
	namespace, name := splitID(string(req.ID))
	config, err := k.helm(namespace)
	if err != nil {
		return err
	}
	uninstall := action.NewUninstall(config)
	uninstall.Wait, uninstall.Timeout = in.Bool("atomic") || !in.Bool("skipAwait"), helmTimeout(in)
	if _, err := uninstall.Run(name); err != nil {
		return fmt.Errorf("uninstalling release %s: %w", req.ID, err)
	}
	return nil
}

func (k *kubernetes) readRelease(_ context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	namespace, name := splitID(string(req.ID))
	config, err := k.helm(namespace)
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	live, err := action.NewGet(config).Run(name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return plugin.ReadResponse{}, nil
	}
	if err != nil {
		return plugin.ReadResponse{}, k.explain(fmt.Errorf("reading release %s: %w", req.ID, err))
	}
	inputs := req.Inputs.Copy()
	if len(inputs) == 0 {
		inputs = resource.PropertyMap{
			"name": resource.NewProperty(name), "namespace": resource.NewProperty(namespace),
			"chart": resource.NewProperty(live.Chart.Metadata.Name), "timeout": resource.NewProperty(defaultReleaseTimeout.Seconds()),
		}
	}
	inputs["version"] = resource.NewProperty(live.Chart.Metadata.Version)
	if !sameJSON(valuesOf(inputs), live.Config) {
		inputs["values"] = resource.NewProperty(resource.NewPropertyMapFromMap(live.Config))
	}
	state, err := releaseState(inputs, live)
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: inputs, Outputs: state}}, err
}
