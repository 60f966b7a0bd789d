package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// valuesOf are a release's values, with their nulls: these take a chart's
// defaults away.
func valuesOf(inputs resource.PropertyMap) map[string]any {
	values, _ := whole(withNulls(inputs["values"])).(map[string]any)
	if values == nil {
		values = map[string]any{}
	}
	return values
}

func withNulls(v resource.PropertyValue) any {
	switch {
	case v.IsSecret():
		return withNulls(v.SecretValue().Element)
	case v.IsArray():
		list := make([]any, 0, len(v.ArrayValue()))
		for _, item := range v.ArrayValue() {
			list = append(list, withNulls(item))
		}
		return list
	case v.IsObject():
		object := map[string]any{}
		for key, item := range v.ObjectValue() {
			object[string(key)] = withNulls(item)
		}
		return object
	}
	return v.V
}

// sameJSON compares what JSON makes of two values.
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

// previewRelease is all that a preview knows of a release: it asks no cluster.
func previewRelease(inputs resource.PropertyMap) resource.PropertyMap {
	state := inputs.Copy()
	state["status"] = resource.MakeComputed(resource.NewProperty(""))
	state["resourceNames"] = resource.MakeComputed(resource.NewProperty(""))
	return state
}

// releaseState is the state of a release: its inputs, what Helm says of it, and
// the names of its objects.
func releaseState(inputs resource.PropertyMap, r *release.Release) (resource.PropertyMap, error) {
	state := inputs.Copy()
	state["status"] = resource.NewProperty(resource.NewPropertyMapFromMap(map[string]any{
		"name": r.Name, "namespace": r.Namespace, "chart": r.Chart.Metadata.Name, "version": r.Chart.Metadata.Version,
		"appVersion": r.Chart.Metadata.AppVersion, "revision": float64(r.Version), "status": r.Info.Status.String(),
	}))
	objects, err := objectsOf(r.Manifest)
	if err != nil {
		return state, fmt.Errorf("reading the objects of release %s: %w", r.Name, err)
	}
	state["resourceNames"] = resource.NewProperty(resource.NewPropertyMapFromMap(namesByKind(objects)))
	return state, nil
}

// namesByKind lists the names of objects, sorted, under <Kind>.<group>/<API
// version>; a name has its namespace before it where the manifest says one.
func namesByKind(objects []*unstructured.Unstructured) map[string]any {
	names := map[string][]string{}
	for _, object := range objects {
		key := object.GroupVersionKind().GroupKind().String() + "/" + object.GetAPIVersion()
		names[key] = append(names[key], string(idOf(object)))
	}
	sorted := map[string]any{}
	for key, list := range names {
		slices.Sort(list)
		var all []any
		for _, name := range slices.Compact(list) {
			all = append(all, name)
		}
		sorted[key] = all
	}
	return sorted
}

// objectsOf reads the objects of a manifest; documents without a kind hold none.
func objectsOf(manifest string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	for _, document := range releaseutil.SplitManifests(manifest) {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			return nil, err
		}
		if object.GetKind() != "" {
			objects = append(objects, object)
		}
	}
	return objects, nil
}
