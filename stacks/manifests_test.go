package stacks

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"gopkg.in/yaml.v3"
)

// What a vCluster starts with holds the key of its management proxy.
func TestManifestsOfVClusters(t *testing.T) {
	checked := 0
	for _, r := range run(t, tenant("checkout")).of("kubernetes:helm.sh/v3:Release") {
		walk(resource.NewProperty(r.inputs), false, func(text string, secret bool) {
			if !strings.Contains(text, "kind: Deployment") {
				return
			}
			checked++
			if !secret {
				t.Errorf("%s: the manifests are in plain", r.name)
			}
			kinds := kindsIn(t, text)
			for _, kind := range []string{"Namespace", "Secret", "Deployment", "Service", "Ingress"} {
				if !kinds[kind] {
					t.Errorf("%s: the manifests hold no %s", r.name, kind)
				}
			}
		})
	}
	if checked != 2 {
		t.Errorf("%d releases bring manifests, want that of each environment's vCluster", checked)
	}
}

func kindsIn(t *testing.T, text string) map[string]bool {
	t.Helper()
	kinds := map[string]bool{}
	for decoder := yaml.NewDecoder(strings.NewReader(text)); ; {
		var object struct{ Kind string }
		err := decoder.Decode(&object)
		if errors.Is(err, io.EOF) {
			return kinds
		}
		if err != nil {
			t.Fatalf("the manifests are no YAML: %v", err)
		}
		kinds[object.Kind] = true
	}
}
