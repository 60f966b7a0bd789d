package charts

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// needed are the values that a chart cannot do without.
var needed = map[string]map[string]any{
	"gitlab":                    {"certmanager-issuer": map[string]any{"email": "nobody@example.com"}},
	"orchestra-kube-oidc-proxy": {"impersonation": map[string]any{"orchestra_release_name": "orchestra"}},
}

func TestRenders(t *testing.T) {
	decoder, kinds := strictDecoder(t), customKinds(t)
	for name := range loadIndex(t).Entries {
		values := map[string]map[string]any{"defaults": needed[name]}
		if data, err := os.ReadFile(filepath.Join("testdata", name+".yaml")); err == nil {
			var sample map[string]any
			if err := yaml.UnmarshalStrict(data, &sample); err != nil {
				t.Fatal(err)
			}
			values["sample"] = sample
		}
		for of, values := range values {
			t.Run(name+"/"+of, func(t *testing.T) {
				c := loadChart(t, name)
				documents, err := render(c, values)
				if err != nil {
					t.Fatal(err)
				}
				for _, crd := range c.CRDObjects() {
					documents = append(documents, string(crd.File.Data))
				}
				if len(documents) < 2 {
					t.Errorf("only %d objects", len(documents))
				}
				for _, document := range documents {
					checkObject(t, decoder, kinds, document)
				}
			})
		}
	}
}

// checkObject fails for an object of an unknown kind or with an unknown field.
func checkObject(t *testing.T, decoder runtime.Decoder, kinds map[schema.GroupVersionKind]bool, document string) {
	t.Helper()
	var object struct {
		APIVersion, Kind string
		Metadata         struct{ Name string }
	}
	if err := yaml.Unmarshal([]byte(document), &object); err != nil {
		t.Errorf("not an object: %v\n%s", err, document)
		return
	}
	if object.Metadata.Name == "" {
		t.Errorf("a %s without a name", object.Kind)
	}
	if kinds[schema.FromAPIVersionAndKind(object.APIVersion, object.Kind)] {
		return
	}
	if _, _, err := decoder.Decode([]byte(document), nil, nil); err != nil {
		t.Errorf("%s %s: %v", object.Kind, object.Metadata.Name, err)
	}
}

func strictDecoder(t *testing.T) runtime.Decoder {
	t.Helper()
	known := runtime.NewScheme()
	if err := scheme.AddToScheme(known); err != nil {
		t.Fatal(err)
	}
	if err := apiextensions.AddToScheme(known); err != nil {
		t.Fatal(err)
	}
	return json.NewSerializerWithOptions(json.DefaultMetaFactory, known, known,
		json.SerializerOptions{Yaml: true, Strict: true})
}

// customKinds are the kinds that the mirror's own CRDs define.
func customKinds(t *testing.T) map[schema.GroupVersionKind]bool {
	t.Helper()
	kinds := map[schema.GroupVersionKind]bool{}
	for _, crd := range renderCRDs(t) {
		for _, version := range crd.Spec.Versions {
			kinds[schema.GroupVersionKind{Group: crd.Spec.Group, Version: version.Name, Kind: crd.Spec.Names.Kind}] = true
		}
	}
	return kinds
}

func renderCRDs(t *testing.T) map[string]apiextensions.CustomResourceDefinition {
	t.Helper()
	all := map[string]apiextensions.CustomResourceDefinition{}
	for name := range loadIndex(t).Entries {
		c := loadChart(t, name)
		values := needed[name]
		if name == "cert-manager" {
			values = map[string]any{"crds": map[string]any{"enabled": true}}
		}
		documents, err := render(c, values)
		if err != nil {
			t.Fatal(err)
		}
		for _, crd := range c.CRDObjects() {
			documents = append(documents, string(crd.File.Data))
		}
		for _, document := range documents {
			var crd apiextensions.CustomResourceDefinition
			if err := yaml.Unmarshal([]byte(document), &crd); err == nil && crd.Kind == "CustomResourceDefinition" {
				all[crd.Name] = crd
			}
		}
	}
	return all
}

// render gives the objects of a release, as `helm template` does.
func render(c *chart.Chart, values map[string]any) ([]string, error) {
	if values == nil {
		values = map[string]any{}
	}
	if err := chartutil.ProcessDependenciesWithMerge(c, values); err != nil {
		return nil, err
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = chartutil.KubeVersion{Version: "v1.34.4", Major: "1", Minor: "34"}
	all, err := chartutil.ToRenderValues(c, values, chartutil.ReleaseOptions{
		Name: c.Name(), Namespace: "test", IsInstall: true,
	}, capabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(c, all)
	if err != nil {
		return nil, err
	}
	var documents []string
	for name, content := range files {
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		for document := range strings.SplitSeq("\n"+content, "\n---") {
			if stripped, err := yaml.YAMLToJSON([]byte(document)); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			} else if !bytes.Equal(stripped, []byte("null")) {
				documents = append(documents, document)
			}
		}
	}
	return documents, nil
}

func TestRefuses(t *testing.T) {
	for _, test := range []struct {
		chart, values, message string
	}{
		{"argo-cd", `{confgs: {}}`, "confgs"},
		{"argo-cd", `{server: true}`, "server"},
		{"harbor", `{expose: {type: nodePort}}`, "expose.type nodePort"},
		{"harbor", `{externalUrl: "https://harbor"}`, "externalUrl"},
		{"harbor", `{expose: {tls: {certSource: secret}}}`, "expose.tls.secret.secretName is required"},
		{"gitlab", `{installCertmanager: false}`, "installCertmanager"},
		{"gitlab", `{}`, "certmanager-issuer.email is required"},
		{"gitlab", `{global: {ingress: {enabled: false}}, gitlab: {toolbox: {extraVolumes: [{name: a}]}}}`, "extraVolumes has to be a string"},
		{"gitlab", `{global: {ingress: {enabled: false}}, gitlab: {toolbox: {extraVolumes: "a: b"}}}`, "extraVolumes is not a YAML list"},
		{"gitlab", `{global: {ingress: {enabled: false}}, traefik: {install: true}}`, "traefik is not in this stand-in"},
		{"mariadb-operator", `{crds: {enabled: true}}`, "mariadb-operator-crds"},
		{"openunison-operator", `{crds: {}}`, "crds"},
		{"orchestra", `{openunison: {management_proxy: {enabled: true}}}`, "remote.issuer is required"},
		{"orchestra", `{networks: {}}`, "networks"},
		{"orchestra-login-portal", `{oidc: {client_id: a, issuer: b}}`, "oidc.claims.sub is required"},
		{"orchestra-kube-oidc-proxy", `{}`, "orchestra_release_name is required"},
		{"external-secrets", `{bitwarden-sdk-server: {enabled: true}}`, "subchart bitwarden-sdk-server is not in this chart mirror"},
		{"vcluster", `{controlplane: {}}`, "controlplane"},
	} {
		t.Run(test.chart+test.values, func(t *testing.T) {
			var values map[string]any
			if err := yaml.Unmarshal([]byte(test.values), &values); err != nil {
				t.Fatal(err)
			}
			_, err := render(loadChart(t, test.chart), values)
			if err == nil || !strings.Contains(err.Error(), test.message) {
				t.Errorf("got %v, want an error with %q", err, test.message)
			}
		})
	}
}
