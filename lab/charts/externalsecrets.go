package charts

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
)

// finishExternalSecrets does what `make helm.build` of External Secrets does:
// it makes templates of the CRDs. In the place of the subchart, whose repository
// is not at hand here, it puts a refusal.
func finishExternalSecrets(c *chart.Chart, m module) error {
	bundle, err := os.ReadFile(filepath.Join(m.Dir, "deploy", "crds", "bundle.yaml"))
	if err != nil {
		return err
	}
	for _, document := range splitDocuments(string(bundle)) {
		template, err := externalSecretsCRD(document)
		if err != nil {
			return err
		}
		c.Templates = append(c.Templates, template)
	}
	refuseSubchart(c, "bitwarden-sdk-server")
	return nil
}

// externalSecretsCRD makes a template of a CRD, as hack/helm.generate.sh of
// External Secrets does. The webhook that it also names is only in CRDs of
// older releases.
func externalSecretsCRD(document string) (*chart.File, error) {
	names, err := crdNames(document)
	if err != nil {
		return nil, err
	}
	condition := ".Values.installCRDs"
	if strings.Contains(names.Kind, "Cluster") || strings.Contains(names.Kind, "PushSecret") {
		condition = "and .Values.installCRDs .Values.crds.create" + names.Kind
	}
	template := crdTemplate(document, condition, `    {{- with .Values.crds.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- if and .Values.crds.conversion.enabled .Values.webhook.certManager.enabled .Values.webhook.certManager.addInjectorAnnotations }}
    cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/{{ include "external-secrets.fullname" . }}-webhook
    {{- end }}`)
	if strings.Contains(names.Kind, "ExternalSecret") || strings.Contains(names.Kind, "SecretStore") {
		// Only v1beta1 is unserved.
		template = unserved.ReplaceAllString(template, "${1}served: {{ .Values.crds.unsafeServeV1Beta1 }}")
	}
	return &chart.File{Name: "templates/crds/" + names.Singular + ".yaml", Data: []byte(template)}, nil
}

var unserved = regexp.MustCompile(`(?m)^( *)served: false$`)

// refuseSubchart puts a subchart that refuses to be enabled in the place of one
// that the mirror does not have.
func refuseSubchart(c *chart.Chart, name string) {
	c.Lock = nil
	for _, d := range c.Metadata.Dependencies {
		if d.Name == name {
			c.AddDependency(&chart.Chart{
				Metadata: &chart.Metadata{
					APIVersion: chart.APIVersionV2, Name: name, Version: d.Version,
					Description: "Stands for a subchart that this mirror does not have.",
				},
				Templates: []*chart.File{{
					Name: "templates/refuse.yaml",
					Data: fmt.Appendf(nil, "{{ fail \"subchart %s is not in this chart mirror\" }}\n", name),
				}},
			})
		}
	}
}
