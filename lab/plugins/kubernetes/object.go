package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

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

// managerKey is where the state keeps the name under which an object is applied,
// as with the real plugin.
const managerKey = "__fieldManager"

// newManager is the name under which the plugin applies one object: each has its
// own, so that two stacks do not take fields from each other unseen.
func newManager() string {
	b := make([]byte, 4)
	_, _ = rand.Read(b) // never fails
	return creator + "-" + hex.EncodeToString(b)
}

// managerOf is the name under which an object in the state is applied. One
// without a state is imported.
func managerOf(state resource.PropertyMap) string {
	switch manager := state[managerKey]; {
	case manager.IsString():
		return manager.StringValue()
	case len(state) == 0:
		return newManager()
	}
	return creator
}

// stateOf is the state of a live object: all of it but the record of who owns
// which field, and the plain text that a Secret was made from.
func stateOf(live *unstructured.Unstructured, inputs resource.PropertyMap, manager string) resource.PropertyMap {
	object := live.DeepCopy()
	unstructured.RemoveNestedField(object.Object, "metadata", "managedFields")
	state := resource.NewPropertyMapFromMap(object.Object)
	if text, ok := inputs["stringData"]; ok && live.GetKind() == "Secret" {
		state["stringData"] = text
	}
	state = markSecret(state)
	state[managerKey] = resource.NewProperty(manager)
	return state
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
