package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"platform/lab/plugins/provider"
)

func TestDifferences(t *testing.T) {
	for _, c := range []struct {
		name    string
		old, in map[string]any
		want    []string
	}{
		{"same", map[string]any{"a": 1.0}, map[string]any{"a": 1.0}, nil},
		{"quantity", map[string]any{"cpu": "500m"}, map[string]any{"cpu": "0.5"}, nil},
		{"other quantity", map[string]any{"cpu": "500m"}, map[string]any{"cpu": "0.6"}, []string{"cpu"}},
		{"nothing is as good as empty", map[string]any{}, map[string]any{"list": []any{}}, nil},
		{"nested", map[string]any{"spec": map[string]any{"a": "x", "b": "y"}}, map[string]any{"spec": map[string]any{"a": "z", "b": "y"}}, []string{"spec.a"}},
		{"dotted key", map[string]any{}, map[string]any{"labels": map[string]any{"a.b/c": "x"}}, []string{"labels"}},
		{"removed", map[string]any{"a": "x"}, map[string]any{}, []string{"a"}},
		{"list", map[string]any{"l": []any{"a"}}, map[string]any{"l": []any{"a", "b"}}, []string{"l"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := differences("", c.old, c.in); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestReplaces(t *testing.T) {
	for _, c := range []struct {
		token, path string
		want        bool
	}{
		{"kubernetes:core/v1:Namespace", "metadata.name", true},
		{"kubernetes:core/v1:Namespace", "metadata.labels", false},
		{"kubernetes:core/v1:Secret", "stringData.password", true},
		{"kubernetes:core/v1:ConfigMap", `data["ca.crt"]`, true},
		{"kubernetes:core/v1:ConfigMap", "metadata.annotations", false},
		{"kubernetes:batch/v1:Job", "spec.template.spec.containers", true},
		{"kubernetes:batch/v1:Job", "spec.backoffLimit", false},
		{"kubernetes:apps/v1:Deployment", "spec.selector.matchLabels.app", true},
		{"kubernetes:apps/v1:Deployment", "spec.selectors", false},
		{"kubernetes:helm.sh/v3:Release", "name", true},
		{"kubernetes:helm.sh/v3:Release", "version", false},
		{"kubernetes:cert-manager.io/v1:Certificate", "spec.dnsNames", false},
		{"kubernetes:rbac.authorization.k8s.io/v1:RoleBinding", "roleRef.name", true},
	} {
		if got := replaces(c.token, c.path); got != c.want {
			t.Errorf("%s %s replaces: %t, want %t", c.token, c.path, got, c.want)
		}
	}
}

func TestKindOf(t *testing.T) {
	for token, want := range map[string]string{
		"kubernetes:core/v1:Secret":                  "/v1, Kind=Secret",
		"kubernetes:apps/v1:Deployment":              "apps/v1, Kind=Deployment",
		"kubernetes:argoproj.io/v1alpha1:AppProject": "argoproj.io/v1alpha1, Kind=AppProject",
	} {
		kind, err := kindOf(token, nil)
		if err != nil || kind.String() != want {
			t.Errorf("%s: %s %v, want %s", token, kind, err, want)
		}
	}
	if _, err := kindOf("kubernetes:Secret", nil); err == nil {
		t.Error("a token of two parts is taken")
	}
}

func live(object map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: object}
}

func TestReadInputsOfARefresh(t *testing.T) {
	old := resource.NewPropertyMapFromMap(map[string]any{
		"apiVersion": "v1", "kind": "ResourceQuota", "metadata": map[string]any{"name": "tenant"},
		"spec": map[string]any{"hard": map[string]any{"limits.cpu": "0.5", "pods": "50"}},
	})
	now := readInputs(live(map[string]any{
		"apiVersion": "v1", "kind": "ResourceQuota",
		"metadata": map[string]any{"name": "tenant", "uid": "x", "resourceVersion": "7"},
		"spec":     map[string]any{"hard": map[string]any{"limits.cpu": "500m", "pods": "60"}, "scopes": []any{"x"}},
		"status":   map[string]any{},
	}), old)
	changed := differences("", map[string]any(provider.Plain(old)), map[string]any(provider.Plain(now)))
	if !slices.Equal(changed, []string{"spec.hard.pods"}) {
		t.Errorf("the drift is %v, want the number of pods alone", changed)
	}
}

func TestReadInputsOfASecret(t *testing.T) {
	old := resource.NewPropertyMapFromMap(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "s"},
		"stringData": map[string]any{"same": "a", "changed": "b", "gone": "c"},
	})
	now := readInputs(live(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "s"},
		"data": map[string]any{"same": "YQ==", "changed": "eA==", "other": "eQ=="},
	}), old)
	if !now["stringData"].IsSecret() {
		t.Error("what a Secret holds is not marked")
	}
	changed := differences("", map[string]any(provider.Plain(old)), map[string]any(provider.Plain(now)))
	if !slices.Equal(changed, []string{"stringData.changed", "stringData.gone"}) {
		t.Errorf("the drift is %v", changed)
	}
}

func TestImportLeavesOutWhatTheServerSets(t *testing.T) {
	in := readInputs(live(map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "x", "uid": "u", "resourceVersion": "1"},
		"status": map[string]any{"phase": "Active"},
	}), nil)
	if in.HasValue("status") || in["metadata"].ObjectValue().HasValue("uid") || !in["metadata"].ObjectValue().HasValue("name") {
		t.Errorf("imported inputs are %v", in)
	}
}

func TestKubeconfigTextIsInNoMessage(t *testing.T) {
	for _, text := range []string{`{"users":[{"user":{"token":"s3cret"}}]}`, "users:\n- user: {token: s3cret}\n"} {
		c := newCluster(provider.Values{"kubeconfig": text}, usualPace)
		err := c.connect()
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("connecting with an empty kubeconfig: %v", err)
		}
	}
	err := newCluster(provider.Values{"kubeconfig": "no/such/file"}, usualPace).connect()
	if err == nil || !strings.Contains(err.Error(), "there is no kubeconfig no/such/file") {
		t.Errorf("a missing kubeconfig: %v", err)
	}
}
