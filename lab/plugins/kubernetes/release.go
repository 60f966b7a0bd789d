package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"

	"platform/lab/plugins/provider"
)

// releaseInputs are the inputs of a Release that the lab's plugin knows.
var releaseInputs = map[resource.PropertyKey]bool{
	"name": true, "namespace": true, "chart": true, "repositoryOpts": true, "version": true, "values": true,
	"skipAwait": true, "timeout": true, "cleanupOnFail": true, "maxHistory": true, "atomic": true, "waitForJobs": true,
	"skipCrds": true, "createNamespace": true,
}

// checkRelease loads the chart: one that cannot be had is seen in a preview.
func (k *kubernetes) checkRelease(_ context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	in := req.News.Copy()
	delete(in, "resourceNames")
	response := plugin.CheckResponse{}
	for key := range in {
		// The SDK marks some of its own with the empty type of a field.
		if !releaseInputs[key] && key != "compat" {
			response.Failures = append(response.Failures, plugin.CheckFailure{
				Property: key, Reason: "the lab's plugin kubernetes does not know this property of a Release",
			})
		}
	}
	delete(in, "compat")
	if options := in["repositoryOpts"]; options.IsObject() {
		for key := range options.ObjectValue() {
			if key != "repo" {
				response.Failures = append(response.Failures, plugin.CheckFailure{
					Property: "repositoryOpts", Reason: "the lab's plugin kubernetes does not know " + string(key) + " of a repository",
				})
			}
		}
	}
	plain := provider.Plain(in)
	if !plain.Has("name") {
		return response, errors.New("a Release must have a name")
	}
	if !provider.HoldsUnknown(plain["chart"]) && !provider.HoldsUnknown(plain["version"]) {
		loaded, err := k.charts.load(plain)
		if err != nil {
			response.Failures = append(response.Failures, plugin.CheckFailure{Property: "chart", Reason: err.Error()})
		} else {
			in["version"] = resource.NewProperty(loaded.Metadata.Version)
		}
	}
	if !in.HasValue("timeout") {
		in["timeout"] = resource.NewProperty(300.0)
	}
	response.Properties = in
	return response, nil
}

// helm is Helm's configuration for a namespace of the cluster.
func (k *kubernetes) helm(namespace string) (*action.Configuration, error) {
	file, err := k.file()
	if err != nil {
		return nil, err
	}
	settings() // sets the cache folders
	s := cli.New()
	s.KubeConfig, s.KubeContext = file, k.context
	s.QPS, s.BurstLimit = 50, 120
	s.SetNamespace(namespace)
	config := &action.Configuration{}
	log := func(format string, v ...any) { slog.Debug(fmt.Sprintf(format, v...)) }
	if err := config.Init(s.RESTClientGetter(), namespace, "secret", log); err != nil {
		return nil, k.explain(err)
	}
	return config, nil
}

func helmTimeout(in provider.Values) time.Duration {
	return time.Duration(in.Int("timeout")) * time.Second
}

func valuesOf(in provider.Values) map[string]any {
	values, _ := whole(in["values"]).(map[string]any)
	if values == nil {
		values = map[string]any{}
	}
	return values
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
	install.Wait, install.WaitForJobs = !in.Bool("skipAwait"), in.Bool("waitForJobs")
	install.Timeout, install.Atomic = helmTimeout(in), in.Bool("atomic")
	install.SkipCRDs, install.CreateNamespace = in.Bool("skipCrds"), in.Bool("createNamespace")
	made, err := install.RunWithContext(ctx, loaded, valuesOf(in))
	id := resource.ID(in.String("namespace") + "/" + in.String("name"))
	if err != nil {
		err = fmt.Errorf("installing release %s: %w", id, err)
		if made == nil || made.Info == nil || made.Info.Status != release.StatusFailed {
			return plugin.CreateResponse{}, err
		}
		// It is recorded in the cluster: the next run upgrades it.
		return plugin.CreateResponse{}, provider.Partial(string(id), releaseState(req.Properties, made), req.Properties, err)
	}
	return plugin.CreateResponse{ID: id, Properties: releaseState(req.Properties, made)}, nil
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
	upgrade.Wait, upgrade.WaitForJobs = !in.Bool("skipAwait"), in.Bool("waitForJobs")
	upgrade.Timeout, upgrade.Atomic = helmTimeout(in), in.Bool("atomic")
	upgrade.CleanupOnFail, upgrade.MaxHistory = in.Bool("cleanupOnFail"), in.Int("maxHistory")
	made, err := upgrade.RunWithContext(ctx, in.String("name"), loaded, valuesOf(in))
	if err != nil {
		err = fmt.Errorf("upgrading release %s: %w", req.ID, err)
		if made == nil {
			return plugin.UpdateResponse{}, err
		}
		return plugin.UpdateResponse{}, provider.Partial(string(req.ID), releaseState(req.NewInputs, made), req.NewInputs, err)
	}
	return plugin.UpdateResponse{Properties: releaseState(req.NewInputs, made)}, nil
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
	uninstall.Wait, uninstall.Timeout = !in.Bool("skipAwait"), helmTimeout(in)
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
			"chart": resource.NewProperty(live.Chart.Metadata.Name), "values": resource.NewProperty(resource.NewPropertyMapFromMap(live.Config)),
		}
	}
	inputs["version"] = resource.NewProperty(live.Chart.Metadata.Version)
	if !sameJSON(valuesOf(provider.Plain(req.Inputs)), live.Config) {
		inputs["values"] = resource.NewProperty(resource.NewPropertyMapFromMap(live.Config))
		if req.Inputs["values"].ContainsSecrets() {
			inputs["values"] = resource.MakeSecret(inputs["values"])
		}
	}
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: inputs, Outputs: releaseState(inputs, live)}}, nil
}

func sameJSON(a, b any) bool {
	normal := func(v any) any {
		data, err := json.Marshal(v)
		if err != nil {
			return nil
		}
		var out any
		if json.Unmarshal(data, &out) != nil {
			return nil
		}
		return out
	}
	x, y := normal(a), normal(b)
	return reflect.DeepEqual(x, y) || isNothing(x) && isNothing(y)
}

func releaseState(inputs resource.PropertyMap, r *release.Release) resource.PropertyMap {
	state := inputs.Copy()
	state["status"] = resource.NewProperty(resource.NewPropertyMapFromMap(map[string]any{
		"name": r.Name, "namespace": r.Namespace, "chart": r.Chart.Metadata.Name, "version": r.Chart.Metadata.Version,
		"appVersion": r.Chart.Metadata.AppVersion, "revision": float64(r.Version), "status": r.Info.Status.String(),
	}))
	return state
}
