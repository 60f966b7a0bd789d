package main

import (
	"fmt"
	"reflect"
	"sort"
	"strings"

	quantity "k8s.io/apimachinery/pkg/api/resource"

	"platform/lab/plugins/provider"
)

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
			} else if isNothing(value) || reflect.ValueOf(value).IsZero() {
				out[key] = value // the API server leaves it out
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

// isNothing says whether a value is as good as none.
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
