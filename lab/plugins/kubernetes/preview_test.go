package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"platform/lab/plugins/provider"
	"platform/lab/plugins/provider/providertest"
)

func TestPreviewShowsWhatTheAPIServerComputes(t *testing.T) {
	l := newLab(t, nil)
	shown, err := l.Preview(deploymentType, l.deployment("kine"))
	if err != nil {
		t.Fatal(err)
	}
	spec, _ := provider.Plain(shown)["spec"].(map[string]any)
	if spec["progressDeadlineSeconds"] != 600.0 {
		t.Errorf("the preview shows no defaults: %v", spec)
	}
	if shown.HasValue("status") {
		t.Error("the preview shows a status")
	}
	_, err = l.client.Resource(deployments).Namespace(l.namespace).Get(t.Context(), "kine", metav1.GetOptions{})
	if !gone(err) {
		t.Errorf("the preview made the object: %v", err)
	}
}

// deny makes an admission policy that denies ConfigMaps of the test's namespace
// with a key "denied".
func (l *lab) deny() {
	l.t.Helper()
	make := func(plural string, object map[string]any) {
		kind := schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: plural}
		object["apiVersion"] = "admissionregistration.k8s.io/v1"
		object["metadata"] = map[string]any{"name": l.namespace}
		made, err := l.client.Resource(kind).Create(l.t.Context(), &unstructured.Unstructured{Object: object}, metav1.CreateOptions{})
		if err != nil {
			l.t.Fatal(err)
		}
		l.t.Cleanup(func() { _ = l.client.Resource(kind).Delete(l.t.Context(), made.GetName(), metav1.DeleteOptions{}) })
	}
	make("validatingadmissionpolicies", map[string]any{
		"kind": "ValidatingAdmissionPolicy",
		"spec": map[string]any{
			"failurePolicy": "Fail",
			"matchConstraints": map[string]any{"resourceRules": []any{map[string]any{
				"apiGroups": []any{""}, "apiVersions": []any{"v1"}, "operations": []any{"CREATE", "UPDATE"}, "resources": []any{"configmaps"},
			}}},
			"validations": []any{map[string]any{
				"expression": "!has(object.data) || !('denied' in object.data)", "message": "the key is denied", "reason": "Invalid",
			}},
		},
	})
	make("validatingadmissionpolicybindings", map[string]any{
		"kind": "ValidatingAdmissionPolicyBinding",
		"spec": map[string]any{
			"policyName": l.namespace, "validationActions": []any{"Deny"},
			"matchResources": map[string]any{"namespaceSelector": map[string]any{
				"matchLabels": map[string]any{"kubernetes.io/metadata.name": l.namespace},
			}},
		},
	})
}

// previewUpdate is what a preview says of a change.
func (l *lab) previewUpdate(r *providertest.Resource, in provider.Values) error {
	l.t.Helper()
	inputs, err := l.Check(string(r.URN.Type()), r.Inputs, in)
	if err != nil {
		return err
	}
	_, err = l.plugin.Update(l.t.Context(), plugin.UpdateRequest{
		URN: r.URN, Type: r.URN.Type(), ID: resource.ID(r.ID), OldInputs: r.Inputs, OldOutputs: r.Outputs, NewInputs: inputs, Preview: true,
	})
	return err
}

func TestPreviewShowsWhatAdmissionDenies(t *testing.T) {
	l := newLab(t, nil)
	l.deny()
	denied := l.configMap("settings", map[string]any{"denied": "x"})
	var err error
	for try := 0; err == nil && try < 100; try++ { // policies take a moment
		_, err = l.Preview(configMapType, denied)
		time.Sleep(100 * time.Millisecond)
	}
	if err == nil || !strings.Contains(err.Error(), "the key is denied") {
		t.Errorf("a preview of what is denied: %v", err)
	}
	r := l.MustCreate(configMapType, l.configMap("settings", map[string]any{"allowed": "x"}))
	if err := l.previewUpdate(r, denied); err == nil || !strings.Contains(err.Error(), "the key is denied") {
		t.Errorf("a preview of an update that is denied: %v", err)
	}
}

func TestPreviewOfWhatIsNotThereYet(t *testing.T) {
	l := newLab(t, nil)
	elsewhere := l.configMap("settings", map[string]any{"a": "1"})
	elsewhere["metadata"] = map[string]any{"name": "settings", "namespace": "to-come"}
	unknown := l.configMap("settings", map[string]any{"a": providertest.Unknown})
	custom := l.object("example.com/v1", "Widget", "w", provider.Values{"spec": map[string]any{"size": 3.0}})
	for name, c := range map[string]struct {
		token string
		in    provider.Values
	}{
		"namespace": {configMapType, elsewhere},
		"value":     {configMapType, unknown},
		"kind":      {"kubernetes:example.com/v1:Widget", custom},
	} {
		shown, err := l.Preview(c.token, c.in)
		if err != nil || shown["metadata"].ObjectValue().HasValue("uid") {
			t.Errorf("%s: %v %v", name, shown, err)
		}
	}
}

func TestPreviewWithoutRights(t *testing.T) {
	l := newLab(t, nil)
	fault := func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("dryRun") == "" {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"no"}`))
		return true
	}
	l.fault.Store(&fault)
	if _, err := l.Preview(configMapType, l.configMap("settings", nil)); err != nil {
		t.Errorf("a preview without the right to write: %v", err)
	}
}

func TestPreviewWithoutACluster(t *testing.T) {
	for _, kubeconfig := range []string{"no/such/file", kubeconfigOf("http://127.0.0.1:1")} {
		e := providertest.Configured(t, newKubernetes(), provider.Values{"kubeconfig": kubeconfig})
		settings := provider.Values{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "settings"}}
		shown, err := e.Preview(configMapType, settings)
		if err != nil || !shown.HasValue("metadata") {
			t.Errorf("a preview: %v", err)
		}
		if _, err := e.Create(configMapType, settings); err == nil || !strings.Contains(err.Error(), "cannot be reached") {
			t.Errorf("a run: %v", err)
		}
	}
}

// A replacement in place is no error of the preview: the old object will have
// gone.
func TestPreviewOfAReplacement(t *testing.T) {
	l := newLab(t, nil)
	l.MustCreate(jobType, annotated(l.job("bootstrap"), skipAwait, "true"))
	other := annotated(l.job("bootstrap"), skipAwait, "true")
	template := other["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
	template["containers"].([]any)[0].(map[string]any)["image"] = "other"
	shown, err := l.Preview(jobType, other)
	if err != nil || provider.Plain(shown)["metadata"].(map[string]any)["name"] != "bootstrap" {
		t.Errorf("%v %v", shown, err)
	}
}
