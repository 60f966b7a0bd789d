package main

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"sort"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"platform/lab/plugins/provider"
)

// objectOf is the object that inputs describe.
func objectOf(inputs resource.PropertyMap) *unstructured.Unstructured {
	object, _ := whole(map[string]any(provider.Plain(inputs))).(map[string]any)
	return &unstructured.Unstructured{Object: object}
}

// whole makes whole numbers of JSON's floats where they are: the API server
// takes no 2.0 for a 2.
func whole(v any) any {
	switch v := v.(type) {
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = whole(item)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			out[key] = whole(item)
		}
		return out
	}
	return v
}

// kindOf is the kind of a resource by its type token, kubernetes:<group>/<version>:<Kind>.
// The API version in the object wins: in a token the group "core" stands for none.
func kindOf(token string, object resource.PropertyMap) (schema.GroupVersionKind, error) {
	parts := strings.Split(token, ":")
	if len(parts) != 3 {
		return schema.GroupVersionKind{}, fmt.Errorf("%s is not a type of Kubernetes", token)
	}
	version := strings.TrimPrefix(parts[1], "core/")
	if v := object["apiVersion"]; v.IsString() {
		version = v.StringValue()
	}
	group, err := schema.ParseGroupVersion(version)
	if err != nil {
		return schema.GroupVersionKind{}, fmt.Errorf("type %s: %w", token, err)
	}
	return group.WithKind(parts[2]), nil
}

func idOf(object *unstructured.Unstructured) resource.ID {
	if object.GetNamespace() == "" {
		return resource.ID(object.GetName())
	}
	return resource.ID(object.GetNamespace() + "/" + object.GetName())
}

func splitID(id string) (namespace, name string) {
	if namespace, name, ok := strings.Cut(id, "/"); ok {
		return namespace, name
	}
	return "", id
}

// stateOf is the state of a live object: all of it but the record of who owns
// which field, and the inputs it was made from.
func stateOf(live *unstructured.Unstructured, inputs resource.PropertyMap) resource.PropertyMap {
	object := live.DeepCopy()
	unstructured.RemoveNestedField(object.Object, "metadata", "managedFields")
	state := markSecret(resource.NewPropertyMapFromMap(object.Object))
	if text, ok := inputs["stringData"]; ok && live.GetKind() == "Secret" {
		state["stringData"] = text
		state = markSecret(state)
	}
	return state
}

// readInputs are the inputs that a live object stands for: of a refresh the
// fields that the program set, with the values that are there now; of an import
// all that a person could have written.
func readInputs(live *unstructured.Unstructured, old resource.PropertyMap) resource.PropertyMap {
	object := live.DeepCopy().Object
	if len(old) > 0 {
		before := map[string]any(provider.Plain(old))
		now, _ := prune(before, object).(map[string]any)
		if text, ok := before["stringData"].(map[string]any); ok && live.GetKind() == "Secret" {
			now["stringData"] = decoded(text, object["data"])
		}
		return markSecret(resource.NewPropertyMapFromMap(now))
	}
	delete(object, "status")
	for _, key := range []string{"managedFields", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink"} {
		unstructured.RemoveNestedField(object, "metadata", key)
	}
	return markSecret(resource.NewPropertyMapFromMap(object))
}

// decoded is the live data of a Secret under the keys that the program set as
// text.
func decoded(text map[string]any, data any) map[string]any {
	live, _ := data.(map[string]any)
	now := map[string]any{}
	for key := range text {
		encoded, ok := live[key].(string)
		if !ok {
			continue
		}
		if plain, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			now[key] = string(plain)
		}
	}
	return now
}

// prune cuts a live value down to the shape of an input. What means the same
// keeps the input's spelling.
func prune(input, live any) any {
	switch in := input.(type) {
	case map[string]any:
		l, ok := live.(map[string]any)
		if !ok {
			if len(in) == 0 && live == nil {
				return input
			}
			return live
		}
		out := map[string]any{}
		for key, value := range in {
			if now, ok := l[key]; ok {
				out[key] = prune(value, now)
			} else if isEmpty(value) {
				out[key] = value
			}
		}
		return out
	case []any:
		l, ok := live.([]any)
		if !ok || len(l) != len(in) {
			if len(in) == 0 && live == nil {
				return input
			}
			return live
		}
		out := make([]any, len(l))
		for i := range l {
			out[i] = prune(in[i], l[i])
		}
		return out
	}
	if same(input, live) {
		return input
	}
	return live
}

func isEmpty(v any) bool {
	switch v := v.(type) {
	case bool:
		return !v
	case string:
		return v == ""
	case float64:
		return v == 0
	}
	return isNothing(v)
}

// same compares leaves: numbers whatever their type, quantities by their value.
func same(a, b any) bool {
	if reflect.DeepEqual(a, b) || fmt.Sprint(a) == fmt.Sprint(b) {
		return true
	}
	x, okX := a.(string)
	y, okY := b.(string)
	if !okX || !okY {
		return false
	}
	p, errP := quantity.ParseQuantity(x)
	q, errQ := quantity.ParseQuantity(y)
	return errP == nil && errQ == nil && p.Cmp(q) == 0
}

// differences are the paths at which two values differ, sorted. Unknown values
// differ from all.
func differences(path string, old, in any) []string {
	if provider.HoldsUnknown(in) {
		if _, isMap := in.(map[string]any); !isMap {
			return []string{path}
		}
	}
	a, okA := old.(map[string]any)
	b, okB := in.(map[string]any)
	if !okA || !okB {
		if reflect.DeepEqual(old, in) || (isNothing(old) && isNothing(in)) || !isContainer(in) && same(old, in) {
			return nil
		}
		return []string{path}
	}
	var all []string
	keys := map[string]bool{}
	for key := range a {
		keys[key] = true
	}
	for key := range b {
		keys[key] = true
	}
	for key := range keys {
		all = append(all, differences(join(path, key), a[key], b[key])...)
	}
	sort.Strings(all)
	return all
}

func isContainer(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

func isNothing(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

func join(path, key string) string {
	if strings.ContainsAny(key, ".[]\"/") {
		return path + `["` + key + `"]`
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// replacing are the fields that cannot be changed in place, by kind: the token
// without the API version. "" holds for all kinds but Release.
var replacing = map[string][]string{
	"":            {"metadata.name", "metadata.namespace", "apiVersion", "kind"},
	"Secret":      {"type", "data", "stringData"},
	"ConfigMap":   {"data", "binaryData"},
	"Deployment":  {"spec.selector"},
	"DaemonSet":   {"spec.selector"},
	"StatefulSet": {"spec.podManagementPolicy", "spec.revisionHistoryLimit", "spec.selector", "spec.serviceName", "spec.volumeClaimTemplates"},
	"Job":         {"spec.completions", "spec.parallelism", "spec.selector", "spec.template"},
	"Service":     {"spec.clusterIP"},
	"RoleBinding": {"roleRef"}, "ClusterRoleBinding": {"roleRef"},
	"PersistentVolumeClaim": {"spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"},
	"StorageClass":          {"parameters", "provisioner"},
	"ResourceQuota":         {"spec.scopes"},
	"Release":               {"name", "namespace"},
}

// replaces says whether a change at a path needs a new object.
func replaces(token, path string) bool {
	kind := token[strings.LastIndex(token, ":")+1:]
	fields := replacing[kind]
	if kind != "Release" {
		fields = append(fields[:len(fields):len(fields)], replacing[""]...)
	}
	for _, field := range fields {
		if path == field || strings.HasPrefix(path, field+".") || strings.HasPrefix(path, field+"[") {
			return true
		}
	}
	return false
}
