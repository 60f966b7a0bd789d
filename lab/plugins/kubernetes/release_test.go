package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/repo"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"platform/lab/plugins/provider"
	"platform/lab/plugins/provider/providertest"
)

// template makes a ConfigMap of the values; and, where it is told to, an object
// that never becomes ready, and one more.
const template = `apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {colour: {{ .Values.colour | default "none" | quote }}}
---
{{- if .Values.stuck }}
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-extra}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: {{ .Release.Name }}-stuck, namespace: {{ .Release.Namespace }}}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
{{- end }}
`

const definition = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: KINDs.example.com}
spec:
  group: example.com
  scope: Cluster
  names: {kind: KIND, plural: KINDs}
`

// mirror serves a repository of test charts: paint, of two versions, and kinds,
// which defines some.
func mirror(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, c := range []struct {
		name, version string
		files         map[string]string
	}{
		{"paint", "1.0.0", map[string]string{"templates/all.yaml": template}},
		{"paint", "1.1.0", map[string]string{"templates/all.yaml": template}},
		{"kinds", "1.0.0", map[string]string{
			"crds/one.yaml": strings.ReplaceAll(definition, "KIND", "One"), "templates/two.yaml": strings.ReplaceAll(definition, "KIND", "Two"),
		}},
	} {
		made := &chart.Chart{
			Metadata: &chart.Metadata{APIVersion: chart.APIVersionV2, Name: c.name, Version: c.version, AppVersion: "9"},
			Raw:      []*chart.File{{Name: chartutil.ValuesfileName, Data: []byte("colour: red\n")}},
		}
		for name, data := range c.files {
			file := &chart.File{Name: name, Data: []byte(data)}
			if strings.HasPrefix(name, "templates/") {
				made.Templates = append(made.Templates, file)
			} else {
				made.Files = append(made.Files, file)
			}
		}
		if _, err := chartutil.Save(made, dir); err != nil {
			t.Fatal(err)
		}
	}
	index, err := repo.IndexDirectory(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := index.WriteFile(filepath.Join(dir, "index.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	return server.URL
}

// paint is a release of the chart paint.
func (l *lab) paint(mirror string, values map[string]any) provider.Values {
	return provider.Values{
		"name": "wall", "namespace": l.namespace, "chart": "paint", "version": "1.0.0", "timeout": 1.0,
		"repositoryOpts": map[string]any{"repo": mirror}, "values": values,
	}
}

// colour is what the release has made of its values.
func (l *lab) colour() any {
	l.t.Helper()
	wall, err := l.client.Resource(configMaps).Namespace(l.namespace).Get(l.t.Context(), "wall", metav1.GetOptions{})
	if err != nil {
		return err
	}
	return wall.Object["data"].(map[string]any)["colour"]
}

// exists says whether a ConfigMap is in the test's namespace.
func (l *lab) exists(name string) bool {
	_, err := l.client.Resource(configMaps).Namespace(l.namespace).Get(l.t.Context(), name, metav1.GetOptions{})
	return err == nil
}

func (l *lab) helm() *action.Configuration {
	l.t.Helper()
	config, err := l.plugin.helm(l.namespace)
	if err != nil {
		l.t.Fatal(err)
	}
	return config
}

func TestLifeOfARelease(t *testing.T) {
	l, mirror := newLab(t, nil), mirror(t)
	blue := l.paint(mirror, map[string]any{"colour": "blue"})
	shown, err := l.Preview(releaseType, blue)
	if err != nil || !shown["resourceNames"].IsComputed() || !shown["status"].IsComputed() {
		t.Errorf("a preview: %v %v", shown, err)
	}
	r := l.MustCreate(releaseType, blue)
	if r.ID != l.namespace+"/wall" || l.colour() != "blue" {
		t.Errorf("release %s is %v", r.ID, l.colour())
	}
	out := provider.Plain(r.Outputs)
	if names := out["resourceNames"]; !reflect.DeepEqual(names, map[string]any{"ConfigMap/v1": []any{"wall"}}) {
		t.Errorf("resourceNames are %v", names)
	}
	want := map[string]any{
		"name": "wall", "namespace": l.namespace, "chart": "paint", "version": "1.0.0", "appVersion": "9", "revision": 1.0, "status": "deployed",
	}
	if !reflect.DeepEqual(out["status"], want) {
		t.Errorf("status is %v", out["status"])
	}
	if got, err := l.Refresh(r); got != "same" || err != nil {
		t.Errorf("refresh: %s %v", got, err)
	}
	newer := blue.With(provider.Values{"version": "1.1.0", "values": map[string]any{"colour": nil}})
	if got := l.Diff(r, newer); got != "update values.colour version" {
		t.Errorf("another version: %s", got)
	}
	if got := l.Diff(r, blue.With(provider.Values{"name": "floor"})); got != "replace name" {
		t.Errorf("another name: %s", got)
	}
	if err := l.Update(r, newer); err != nil {
		t.Fatal(err)
	}
	if l.colour() != "none" {
		t.Errorf("a null left the chart's default %v", l.colour())
	}
	imported, err := l.Import(releaseType, r.ID)
	if err != nil || imported.Output("chart") != "paint" || imported.Output("version") != "1.1.0" {
		t.Errorf("import: %+v %v", imported, err)
	}
	if err := l.Delete(r); err != nil {
		t.Fatal(err)
	}
	if got, err := l.Refresh(r); got != "gone" || err != nil || l.exists("wall") {
		t.Errorf("refresh after deletion: %s %v", got, err)
	}
	if err := l.Delete(r); err == nil {
		t.Error("deleting what is gone is no error, unlike Helm's")
	}
}

func TestFailedInstallIsInTheState(t *testing.T) {
	l, mirror := newLab(t, nil), mirror(t)
	r, err := l.Create(releaseType, l.paint(mirror, map[string]any{"stuck": true}))
	if err == nil || r == nil || r.ID != l.namespace+"/wall" {
		t.Fatalf("a release that does not become ready: %+v %v", r, err)
	}
	if status := provider.Plain(r.Outputs)["status"].(map[string]any); status["status"] != "failed" {
		t.Errorf("status is %v", status)
	}
	if err := l.Update(r, l.paint(mirror, map[string]any{"stuck": false})); err != nil || l.exists("wall-extra") {
		t.Errorf("the next run: %v", err)
	}
}

func TestFailedAtomicInstallLeavesNothing(t *testing.T) {
	l, mirror := newLab(t, nil), mirror(t)
	r, err := l.Create(releaseType, l.paint(mirror, map[string]any{"stuck": true}).With(provider.Values{"atomic": true}))
	if err == nil || r != nil || l.exists("wall") {
		t.Errorf("the state holds %+v: %v", r, err)
	}
}

func TestFailedUpgradeCleansUp(t *testing.T) {
	l, mirror := newLab(t, nil), mirror(t)
	r := l.MustCreate(releaseType, l.paint(mirror, nil))
	stuck := l.paint(mirror, map[string]any{"stuck": true}).With(provider.Values{"cleanupOnFail": true})
	if err := l.Update(r, stuck); err == nil || !strings.Contains(err.Error(), "upgrading release") {
		t.Errorf("an upgrade that does not become ready: %v", err)
	}
	if l.exists("wall-extra") || !l.exists("wall") {
		t.Error("what the upgrade brought is still there")
	}
}

// A run may have a release alone.
func TestReleaseIsTheFirstOfItsRun(t *testing.T) {
	l, mirror := newLab(t, nil), mirror(t)
	next := newKubernetes()
	e := providertest.Configured(t, next, provider.Values{"kubeconfig": l.plugin.kubeconfig})
	e.MustCreate(releaseType, l.paint(mirror, nil))
	if l.colour() != "red" {
		t.Errorf("the release is %v", l.colour())
	}
}

// A run that is killed in an install leaves a release that Helm lets nobody
// touch.
func TestReleaseLeftPending(t *testing.T) {
	l, mirror := newLab(t, nil), mirror(t)
	r := l.MustCreate(releaseType, l.paint(mirror, nil))
	config := l.helm()
	cut, err := config.Releases.Last("wall")
	if err != nil {
		t.Fatal(err)
	}
	cut.Info.Status = release.StatusPendingInstall
	if err := config.Releases.Update(cut); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Create(releaseType, l.paint(mirror, nil)); err == nil || !strings.Contains(err.Error(), "still in use") {
		t.Errorf("installing it again: %v", err)
	}
	if err := l.Update(r, l.paint(mirror, map[string]any{"colour": "blue"})); err == nil || !strings.Contains(err.Error(), "in progress") {
		t.Errorf("upgrading it: %v", err)
	}
	if got, err := l.Refresh(r); got != "same" || err != nil {
		t.Errorf("refresh: %s %v", got, err)
	}
	if status := provider.Plain(r.Outputs)["status"].(map[string]any); status["status"] != "pending-install" {
		t.Errorf("status is %v", status)
	}
}

func TestSecretValuesStaySecret(t *testing.T) {
	l, mirror := newLab(t, nil), mirror(t)
	in := l.paint(mirror, map[string]any{"colour": resource.MakeSecret(resource.NewProperty("s3cret"))})
	r := l.MustCreate(releaseType, in)
	if l.colour() != "s3cret" {
		t.Errorf("the release got %v", l.colour())
	}
	if _, err := l.Refresh(r); err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]resource.PropertyMap{"inputs": r.Inputs, "outputs": r.Outputs} {
		if !m["values"].ObjectValue()["colour"].IsSecret() {
			t.Errorf("%s hold %v", name, m["values"])
		}
	}
	if got := l.Diff(r, in); got != "same" {
		t.Errorf("without a change: %s", got)
	}
}

func TestDriftOfARelease(t *testing.T) {
	l, mirror := newLab(t, nil), mirror(t)
	r := l.MustCreate(releaseType, l.paint(mirror, map[string]any{"colour": "blue"}))
	upgrade := action.NewUpgrade(l.helm())
	upgrade.Namespace = l.namespace
	loaded, err := l.plugin.charts.load(l.paint(mirror, nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := upgrade.Run("wall", loaded, map[string]any{"colour": "green"}); err != nil {
		t.Fatal(err)
	}
	if got, err := l.Refresh(r); got != "update values.colour" || err != nil {
		t.Errorf("refresh after another's upgrade: %s %v", got, err)
	}
}

func TestCheckOfARelease(t *testing.T) {
	l, mirror := newLab(t, nil), mirror(t)
	good := l.paint(mirror, nil)
	for name, bad := range map[string]provider.Values{
		"postrender": {"postrender": "x"}, "username": {"repositoryOpts": map[string]any{"repo": mirror, "username": "x"}},
		"no chart": {"chart": "absent"}, "no version": {"version": "7.0.0"},
	} {
		if _, err := l.Check(releaseType, nil, good.With(bad)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	delete(good, "namespace")
	delete(good, "timeout")
	in, err := l.Check(releaseType, nil, good)
	if err != nil || in["namespace"].StringValue() != "default" || in["timeout"].NumberValue() != 300 {
		t.Errorf("defaults are %v, %v", in, err)
	}
	in, err = l.Check(releaseType, nil, good.With(provider.Values{"skipAwait": true}))
	if err != nil || in.HasValue("timeout") {
		t.Errorf("the timeout of what is not waited for is %v, %v", in["timeout"], err)
	}
}

func TestChartsTellScopes(t *testing.T) {
	l, mirror := newLab(t, nil), mirror(t)
	kinds := l.paint(mirror, nil).With(provider.Values{"chart": "kinds"})
	if _, err := l.Check(releaseType, nil, kinds); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"One", "Two"} {
		in, err := l.Check("kubernetes:example.com/v1:"+kind, nil, provider.Values{
			"apiVersion": "example.com/v1", "kind": kind, "metadata": map[string]any{"name": "x"},
		})
		if err != nil || in["metadata"].ObjectValue().HasValue("namespace") {
			t.Errorf("%s: %v %v", kind, in, err)
		}
	}
}

// A slow repository holds up those alone who wait for it.
func TestFetchesDoNotWaitForEachOther(t *testing.T) {
	var f fetches[string]
	arrived, held := make(chan struct{}), make(chan struct{})
	go func() {
		_, _ = f.get("slow", func() (string, error) {
			close(arrived)
			<-held
			return "", nil
		})
	}()
	<-arrived
	defer close(held)
	done := make(chan struct{})
	go func() {
		_, _ = f.get("quick", func() (string, error) { return "", nil })
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("the quick one waits for the slow one")
	}
}

func TestFetchesTryAgainAfterAnError(t *testing.T) {
	var f fetches[string]
	if _, err := f.get("x", func() (string, error) { return "", http.ErrServerClosed }); err == nil {
		t.Error("an error is lost")
	}
	for range 2 {
		got, err := f.get("x", func() (string, error) { return "first", nil })
		if got != "first" || err != nil {
			t.Errorf("%q %v", got, err)
		}
	}
}
