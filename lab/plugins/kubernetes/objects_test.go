package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"platform/lab/plugins/provider"
	"platform/lab/plugins/provider/providertest"
)

const (
	configMapType  = "kubernetes:core/v1:ConfigMap"
	jobType        = "kubernetes:batch/v1:Job"
	deploymentType = "kubernetes:apps/v1:Deployment"
	serviceType    = "kubernetes:core/v1:Service"
)

var (
	configMaps  = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	jobs        = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
	deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
)

func (l *lab) configMap(name string, data map[string]any) provider.Values {
	return l.object("v1", "ConfigMap", name, provider.Values{"data": data})
}

func (l *lab) job(name string) provider.Values {
	return l.object("batch/v1", "Job", name, provider.Values{"spec": map[string]any{
		"template": map[string]any{"spec": map[string]any{
			"restartPolicy": "Never", "containers": []any{map[string]any{"name": "main", "image": "job"}},
		}},
	}})
}

func (l *lab) deployment(name string) provider.Values {
	labels := map[string]any{"app": name}
	return l.object("apps/v1", "Deployment", name, provider.Values{"spec": map[string]any{
		"selector": map[string]any{"matchLabels": labels},
		"template": map[string]any{
			"metadata": map[string]any{"labels": labels},
			"spec":     map[string]any{"containers": []any{map[string]any{"name": "main", "image": "main"}}},
		},
	}})
}

// status plays a controller: it sets the status of an object once it is there.
func (l *lab) status(kind schema.GroupVersionResource, name string, patch map[string]any) {
	l.t.Helper()
	data, err := json.Marshal(patch)
	if err != nil {
		l.t.Error(err)
		return
	}
	for try := 0; try < 100; try++ {
		_, err = l.client.Resource(kind).Namespace(l.namespace).Patch(
			l.t.Context(), name, types.MergePatchType, data, metav1.PatchOptions{}, "status")
		if err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	l.t.Errorf("status of %s: %v", name, err)
}

func completed() map[string]any {
	at := time.Now().UTC().Format(time.RFC3339)
	condition := func(name string) map[string]any {
		return map[string]any{"type": name, "status": "True", "lastTransitionTime": at}
	}
	return map[string]any{"status": map[string]any{
		"startTime": at, "completionTime": at, "succeeded": 1, "conditions": []any{condition("SuccessCriteriaMet"), condition("Complete")},
	}}
}

func isGet(r *http.Request, part string) bool {
	return r.Method == http.MethodGet && strings.Contains(r.URL.Path, part)
}

func TestLifeOfAnObject(t *testing.T) {
	for _, upsert := range []bool{true, false} {
		l := newLab(t, provider.Values{"upsertExistingObjects": upsert})
		r := l.MustCreate(configMapType, l.configMap("settings", map[string]any{"a": "1"}))
		if r.ID != l.namespace+"/settings" {
			t.Errorf("id is %s", r.ID)
		}
		if got := l.Diff(r, l.configMap("settings", map[string]any{"a": "1"})); got != "same" {
			t.Errorf("without a change: %s", got)
		}
		labelled := l.configMap("settings", map[string]any{"a": "1"})
		labelled["metadata"] = map[string]any{"name": "settings", "namespace": l.namespace, "labels": map[string]any{"x": "y"}}
		if got := l.Diff(r, labelled); got != "update metadata.labels" {
			t.Errorf("with a label: %s", got)
		}
		for _, value := range []string{"y", "z"} {
			labelled["metadata"].(map[string]any)["labels"] = map[string]any{"x": value}
			if err := l.Update(r, labelled); err != nil {
				t.Fatalf("upsert %t: label %s: %v", upsert, value, err)
			}
		}
		if got, err := l.Refresh(r); got != "same" || err != nil {
			t.Errorf("refresh: %s %v", got, err)
		}
		if got := l.Diff(r, l.configMap("settings", map[string]any{"a": "2"})); got != "delete first data.a" {
			t.Errorf("other data: %s", got)
		}
		if err := l.Delete(r); err != nil {
			t.Fatal(err)
		}
		if got, err := l.Refresh(r); got != "gone" || err != nil {
			t.Errorf("refresh after deletion: %s %v", got, err)
		}
	}
}

func TestCreateOfWhatIsThere(t *testing.T) {
	l := newLab(t, provider.Values{"upsertExistingObjects": false})
	settings := l.configMap("settings", nil)
	l.MustCreate(configMapType, settings)
	if _, err := l.Create(configMapType, settings); err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("creating it twice: %v", err)
	}
	if _, err := l.Preview(configMapType, settings); err != nil {
		t.Errorf("a preview of it: %v", err)
	}
}

// A second program must not take a field from the first unseen.
func TestConflictOfManagers(t *testing.T) {
	l := newLab(t, nil)
	l.MustCreate(configMapType, l.configMap("shared", map[string]any{"a": "1"}))
	other := l.configMap("shared", map[string]any{"a": "2"})
	if _, err := l.Create(configMapType, other); err == nil || !strings.Contains(err.Error(), "conflict") {
		t.Errorf("taking a field over: %v", err)
	}
	if _, err := l.Create(configMapType, annotated(other, patchForce, "true")); err != nil {
		t.Errorf("taking a field over by force: %v", err)
	}
}

// What a killed run made belongs to a manager that no state knows: the next run
// takes it over by its name, but may change it by force alone.
func TestTakeOverAfterAKill(t *testing.T) {
	for force, refused := range map[bool]bool{false: true, true: false} {
		l := newLab(t, provider.Values{"enablePatchForce": force})
		l.MustCreate(configMapType, l.configMap("cut", map[string]any{"a": "1"})) // is in no state
		r := l.MustCreate(configMapType, l.configMap("cut", map[string]any{"a": "1"}))
		err := l.Update(r, l.configMap("cut", map[string]any{"a": "2"}))
		if (err != nil) != refused {
			t.Errorf("force %t: changing what a killed run made: %v", force, err)
		}
	}
}

func TestWaitOutlivesAnAPIServerAtFault(t *testing.T) {
	l := newLab(t, nil)
	var asked atomic.Int32
	l.failing(func(r *http.Request) bool { return isGet(r, "/jobs/") && asked.Add(1) < 4 })
	go l.status(jobs, "bootstrap", completed())
	r, err := l.Create(jobType, l.job("bootstrap"))
	if err != nil {
		t.Fatalf("creating a Job while the API server is at fault: %v", err)
	}
	if asked.Load() < 4 {
		t.Errorf("the API server was at fault %d times", asked.Load())
	}
	if status, _ := provider.Plain(r.Outputs)["status"].(map[string]any); status["succeeded"] != 1.0 {
		t.Errorf("the state is of before the end: %v", status)
	}
}

// What the API server has made is in the state, whatever comes after.
func TestCreateNeedsNoRead(t *testing.T) {
	l := newLab(t, nil)
	l.failing(func(r *http.Request) bool { return isGet(r, "/configmaps/") })
	r, err := l.Create(configMapType, l.configMap("settings", nil))
	if err != nil || r.ID == "" {
		t.Errorf("creating without a read: %v", err)
	}
}

func TestWaitThatNeverEndsSavesTheObject(t *testing.T) {
	l := newLab(t, nil)
	l.failing(func(r *http.Request) bool { return isGet(r, "/jobs/") })
	r, err := l.Create(jobType, annotated(l.job("stuck"), timeoutSeconds, "1"))
	if err == nil || !strings.Contains(err.Error(), "not ready after 1s") {
		t.Fatalf("waiting for a Job that nobody runs: %v", err)
	}
	if r == nil || r.ID != l.namespace+"/stuck" || r.Output("kind") != "Job" {
		t.Errorf("the state holds %+v", r)
	}
}

func TestInterruptedWaitSavesTheObject(t *testing.T) {
	l := newLab(t, nil)
	time.AfterFunc(300*time.Millisecond, l.plugin.cancel)
	r, err := l.Create(jobType, l.job("long"))
	if err == nil || !strings.Contains(err.Error(), "interrupted") || r == nil || r.ID == "" {
		t.Errorf("interrupting a run: %+v %v", r, err)
	}
}

func TestFailedJob(t *testing.T) {
	l := newLab(t, nil)
	at := time.Now().UTC().Format(time.RFC3339)
	go l.status(jobs, "broken", map[string]any{"status": map[string]any{"startTime": at, "failed": 1, "conditions": []any{
		map[string]any{"type": "FailureTarget", "status": "True", "reason": "BackoffLimitExceeded", "lastTransitionTime": at},
		map[string]any{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "too often", "lastTransitionTime": at},
	}}})
	r, err := l.Create(jobType, l.job("broken"))
	if err == nil || !strings.Contains(err.Error(), "BackoffLimitExceeded: too often") || r == nil {
		t.Errorf("a Job that fails: %v", err)
	}
}

func TestSkipAwaitAndWaitFor(t *testing.T) {
	l := newLab(t, nil)
	l.MustCreate(jobType, annotated(l.job("skipped"), skipAwait, "true"))
	go l.status(jobs, "waited", map[string]any{"status": map[string]any{"active": 3}})
	l.MustCreate(jobType, annotated(l.job("waited"), waitFor, "jsonpath={.status.active}=3"))
	go l.status(jobs, "listed", completed())
	l.MustCreate(jobType, annotated(l.job("listed"), waitFor, `["condition=Complete","jsonpath={.status.succeeded}"]`))
}

func TestUnknownAnnotationsAreRefused(t *testing.T) {
	l := newLab(t, nil)
	for _, c := range []struct{ key, value string }{
		{"pulumi.com/replaceUnready", "true"}, {"pulumi.com/skipawait", "true"}, {skipAwait, "yes"},
		{timeoutSeconds, "10s"}, {waitFor, "Ready"}, {deletionPropagation, "never"},
	} {
		if _, err := l.Check(jobType, nil, annotated(l.job("x"), c.key, c.value)); err == nil || !strings.Contains(err.Error(), c.key) {
			t.Errorf("%s: %s: %v", c.key, c.value, err)
		}
	}
	for _, c := range []struct{ key, value string }{
		{skipAwait, "true"}, {timeoutSeconds, "10"}, {waitFor, "condition=Ready=False"}, {deletionPropagation, "background"},
		{"example.com/pulumi.com", "x"},
	} {
		if _, err := l.Check(jobType, nil, annotated(l.job("x"), c.key, c.value)); err != nil {
			t.Errorf("%s: %s: %v", c.key, c.value, err)
		}
	}
}

func TestKindsThatAreNotWaitedForAreRefused(t *testing.T) {
	l := newLab(t, nil)
	pod := l.object("v1", "Pod", "p", nil)
	if _, err := l.Check("kubernetes:core/v1:Pod", nil, pod); err == nil || !strings.Contains(err.Error(), skipAwait) {
		t.Errorf("a Pod: %v", err)
	}
	if _, err := l.Check("kubernetes:core/v1:Pod", nil, annotated(pod, skipAwait, "true")); err != nil {
		t.Errorf("a Pod that is not waited for: %v", err)
	}
	if _, err := l.Check("kubernetes:core/v1:ConfigMapPatch", nil, l.configMap("x", nil)); err == nil {
		t.Error("a patch is taken for an object")
	}
}

func TestRefreshOfAnUnreadyObject(t *testing.T) {
	l := newLab(t, nil)
	available := map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{revisionKey: "1"}},
		"status": map[string]any{
			"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
			"conditions": []any{map[string]any{"type": "Available", "status": "True"}},
		},
	}
	go l.status(deployments, "kine", available)
	r := l.MustCreate(deploymentType, l.deployment("kine"))
	if got, err := l.Refresh(r); got != "same" || err != nil {
		t.Errorf("refresh of a ready Deployment: %s %v", got, err)
	}
	l.status(deployments, "kine", map[string]any{"status": map[string]any{"readyReplicas": 0, "availableReplicas": 0}})
	if _, err := l.Refresh(r); err == nil || !strings.Contains(err.Error(), "0 of 1 replicas") {
		t.Errorf("refresh of an unready Deployment: %v", err)
	}
	if _, err := l.Import(deploymentType, r.ID); err != nil {
		t.Errorf("import of an unready Deployment: %v", err)
	}
}

func TestServiceWaitsForItsEndpoints(t *testing.T) {
	l := newLab(t, nil)
	service := func(name string, spec map[string]any) provider.Values {
		spec["ports"] = []any{map[string]any{"port": 80.0}}
		return l.object("v1", "Service", name, provider.Values{"spec": spec})
	}
	l.MustCreate(serviceType, service("headless", map[string]any{"clusterIP": "None", "selector": map[string]any{"a": "b"}}))
	l.MustCreate(serviceType, service("plain", map[string]any{}))
	selected := service("selected", map[string]any{"selector": map[string]any{"a": "b"}})
	if _, err := l.Create(serviceType, annotated(selected, timeoutSeconds, "1")); err == nil || !strings.Contains(err.Error(), "endpoints") {
		t.Errorf("a Service without endpoints: %v", err)
	}
	endpoints := l.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "endpoints"}).Namespace(l.namespace)
	if _, err := endpoints.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Endpoints", "metadata": map[string]any{"name": "selected"},
	}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	l.MustCreate(serviceType, selected)
	if took := time.Since(began); took < l.plugin.pace.settle {
		t.Errorf("the endpoints settled in %s", took)
	}
}

func TestDefaultNamespace(t *testing.T) {
	l := newLab(t, nil)
	for _, c := range []struct{ token, apiVersion, kind, want string }{
		{configMapType, "v1", "ConfigMap", "default"},
		{"kubernetes:core/v1:Namespace", "v1", "Namespace", ""},
		{"kubernetes:rbac.authorization.k8s.io/v1:ClusterRole", "rbac.authorization.k8s.io/v1", "ClusterRole", ""},
		{"kubernetes:example.com/v1:Unheard", "example.com/v1", "Unheard", "default"},
	} {
		in, err := l.Check(c.token, nil, provider.Values{
			"apiVersion": c.apiVersion, "kind": c.kind, "metadata": map[string]any{"name": "x"},
		})
		if err != nil {
			t.Fatal(err)
		}
		meta := provider.Plain(in)["metadata"].(map[string]any)
		if got, _ := meta["namespace"].(string); got != c.want {
			t.Errorf("%s: namespace %q, want %q", c.kind, got, c.want)
		}
	}
}

func TestAutoname(t *testing.T) {
	l := newLab(t, nil)
	unnamed := provider.Values{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"namespace": l.namespace}, "data": map[string]any{"a": "1"}}
	r := l.MustCreate(configMapType, unnamed)
	if !strings.HasPrefix(r.ID, l.namespace+"/thing-") || len(r.ID) != len(l.namespace+"/thing-")+8 {
		t.Errorf("id is %s", r.ID)
	}
	if got := l.Diff(r, unnamed); got != "same" {
		t.Errorf("again: %s", got)
	}
	if got := l.Diff(r, unnamed.With(provider.Values{"data": map[string]any{"a": "2"}})); got != "replace data.a" {
		t.Errorf("other data: %s", got)
	}
}

func TestOnlyServerSideApply(t *testing.T) {
	e := providertest.Start(t, newKubernetes())
	err := e.Configure(provider.Values{"kubeconfig": "x", "enableServerSideApply": false})
	if err == nil || !strings.Contains(err.Error(), "enableServerSideApply") {
		t.Errorf("client-side apply: %v", err)
	}
	if err := e.Configure(provider.Values{"kubeconfig": "x", "enableServerSideApply": true}); err != nil {
		t.Errorf("server-side apply: %v", err)
	}
}

func TestDeleteHeedsAnnotations(t *testing.T) {
	l := newLab(t, nil)
	held := annotated(l.configMap("held", nil), timeoutSeconds, "1")
	held["metadata"].(map[string]any)["finalizers"] = []any{"example.com/hold"}
	r := l.MustCreate(configMapType, held)
	if err := l.Delete(r); err == nil || !strings.Contains(err.Error(), "example.com/hold") {
		t.Errorf("deleting what is held: %v", err)
	}
	if _, err := l.client.Resource(configMaps).Namespace(l.namespace).Patch(t.Context(), "held", types.MergePatchType,
		[]byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	l.failing(func(r *http.Request) bool { return isGet(r, "/configmaps/") && asked.Add(1) < 3 })
	r = l.MustCreate(configMapType, l.configMap("other", nil))
	if err := l.Delete(r); err != nil || asked.Load() < 3 {
		t.Errorf("deleting while the API server is at fault: %v", err)
	}
}
