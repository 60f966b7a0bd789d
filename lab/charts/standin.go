package charts

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
)

// workloadTemplate is put into every stand-in: it makes the workloads.
const workloadTemplate = "standins/_workload.tpl"

// loadStandin reads the stand-in in folder standins/<name> and completes it: the
// template of workloads, a schema of its values, and the CRDs of the real chart.
func loadStandin(name string, modules map[string]module) (*chart.Chart, error) {
	root := path.Join("standins", name)
	shared, err := standins.ReadFile(workloadTemplate)
	if err != nil {
		return nil, err
	}
	files := []*loader.BufferedFile{{Name: "templates/" + path.Base(workloadTemplate), Data: shared}}
	err = fs.WalkDir(standins, root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := standins.ReadFile(file)
		files = append(files, &loader.BufferedFile{Name: strings.TrimPrefix(file, root+"/"), Data: data})
		return err
	})
	if err != nil {
		return nil, err
	}
	c, err := loader.LoadFiles(files)
	if err != nil {
		return nil, err
	}
	if c.Name() != name {
		return nil, fmt.Errorf("its Chart.yaml calls it %s", c.Name())
	}
	if c.Schema, err = valuesSchema(c.Values); err != nil {
		return nil, err
	}
	if name == "argo-cd" {
		crds, err := argoCDCRDs(modules)
		if err != nil {
			return nil, err
		}
		c.Templates = append(c.Templates, crds...)
	}
	return c, nil
}

// valuesSchema is a JSON schema that allows the top-level keys of values and no
// others, each with a value of the same type. A default of null allows any: it
// stands for a key that the real chart reads but gives no default for.
func valuesSchema(values map[string]any) ([]byte, error) {
	// Helm adds global to the values of every chart.
	properties := map[string]any{"global": map[string]any{"type": "object"}}
	for key, value := range values {
		property := map[string]any{}
		switch value.(type) {
		case nil:
		case map[string]any:
			property["type"] = "object"
		case []any:
			property["type"] = "array"
		case string:
			property["type"] = "string"
		case bool:
			property["type"] = "boolean"
		case float64, json.Number:
			property["type"] = "number"
		default:
			return nil, fmt.Errorf("value %s is a %T", key, value)
		}
		properties[key] = property
	}
	return json.MarshalIndent(map[string]any{
		"$schema": "http://json-schema.org/draft-07/schema#",
		"type":    "object", "properties": properties, "additionalProperties": false,
	}, "", "  ")
}

// argoCDCRDs are the CRDs of Argo CD as the real chart installs them. They are
// of the newest Argo CD that builds as a module, not of the chart's own.
func argoCDCRDs(modules map[string]module) ([]*chart.File, error) {
	const argoCD = "github.com/argoproj/argo-cd/v3"
	folder := filepath.Join(modules[argoCD].Dir, "manifests", "crds")
	var templates []*chart.File
	for _, name := range []string{"application-crd.yaml", "applicationset-crd.yaml", "appproject-crd.yaml"} {
		data, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return nil, fmt.Errorf("reading the CRDs of Argo CD: %w", err)
		}
		template := crdTemplate(string(data), ".Values.crds.install", `    {{- if .Values.crds.keep }}
    "helm.sh/resource-policy": keep
    {{- end }}
    {{- with .Values.crds.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}`)
		templates = append(templates, &chart.File{Name: "templates/crds/" + name, Data: []byte(template)})
	}
	return templates, nil
}
