package charts

import (
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

// splitDocuments splits a YAML file into its documents.
func splitDocuments(file string) []string {
	var documents []string
	for document := range strings.SplitSeq(file, "\n---\n") {
		document = strings.TrimPrefix(document, "---\n")
		if strings.TrimSpace(document) != "" {
			documents = append(documents, strings.TrimRight(document, "\n")+"\n")
		}
	}
	return documents
}

// kindNames are the names of a kind.
type kindNames struct{ Kind, Singular, Plural string }

func crdNames(document string) (kindNames, error) {
	var crd struct {
		Kind string
		Spec struct{ Names kindNames }
	}
	if err := yaml.Unmarshal([]byte(document), &crd); err != nil {
		return kindNames{}, fmt.Errorf("reading a CRD: %w", err)
	}
	if crd.Kind != "CustomResourceDefinition" || crd.Spec.Names.Plural == "" {
		return kindNames{}, fmt.Errorf("a %s stands where a CustomResourceDefinition is due", crd.Kind)
	}
	return crd.Spec.Names, nil
}

// crdTemplate makes a template of a CRD: installed on a condition, with further
// annotations, which are lines of a template, and its own text left as it is.
func crdTemplate(document, condition, annotations string) string {
	document = strings.ReplaceAll(document, "{{", `{{ "{{" }}`)
	const metadata = "metadata:\n"
	const annotated = metadata + "  annotations:\n"
	if !strings.Contains(document, annotated) {
		document = strings.Replace(document, metadata, annotated, 1)
	}
	document = strings.Replace(document, annotated, annotated+annotations+"\n", 1)
	return "{{- if " + condition + " }}\n" + document + "{{- end }}\n"
}
