package components

import (
	"path"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Chart is a Helm chart at a fixed version.
type Chart struct {
	// Repository is the public address of the chart's repository.
	Repository string
	Name       string
	Version    string
}

// The charts of the platform. This table is the only place where a chart's
// version stands.
var (
	CertManager         = Chart{"https://charts.jetstack.io", "cert-manager", "v1.21.1"}
	ExternalSecrets     = Chart{"https://charts.external-secrets.io", "external-secrets", "1.3.2"}
	Gatekeeper          = Chart{"https://open-policy-agent.github.io/gatekeeper/charts", "gatekeeper", "3.23.1"}
	Vault               = Chart{"https://helm.releases.hashicorp.com", "vault", "0.34.1"}
	VClusterChart       = Chart{"https://charts.loft.sh", "vcluster", "0.34.0"}
	ArgoCD              = Chart{"https://argoproj.github.io/argo-helm", "argo-cd", "10.1.1"}
	Harbor              = Chart{"https://helm.goharbor.io", "harbor", "1.19.1"}
	GitLab              = Chart{"https://charts.gitlab.io", "gitlab", "8.11.0"}
	MariaDBOperatorCRDs = Chart{"https://helm.mariadb.com/mariadb-operator", "mariadb-operator-crds", "26.6.0"}
	MariaDBOperator     = Chart{"https://helm.mariadb.com/mariadb-operator", "mariadb-operator", "26.6.0"}
	OpenUnisonOperator  = Chart{"https://nexus.tremolo.io/repository/helm", "openunison-operator", "3.0.25"}
	Orchestra           = Chart{"https://nexus.tremolo.io/repository/helm", "orchestra", "3.1.40"}
	OrchestraPortal     = Chart{"https://nexus.tremolo.io/repository/helm", "orchestra-login-portal", "2.3.88"}
	OrchestraKubeProxy  = Chart{"https://nexus.tremolo.io/repository/helm", "orchestra-kube-oidc-proxy", "1.0.14"}
)

// AllCharts lists every chart of the table.
var AllCharts = []Chart{
	CertManager, ExternalSecrets, Gatekeeper, Vault, VClusterChart, ArgoCD, Harbor, GitLab,
	MariaDBOperatorCRDs, MariaDBOperator,
	OpenUnisonOperator, Orchestra, OrchestraPortal, OrchestraKubeProxy,
}

// Mirror is where a site keeps its charts: the address of an HTTP or OCI
// repository, or a directory of chart archives. Empty means the public
// repositories.
type Mirror string

// RepositoryURL is the HTTP address that serves the chart, for Argo CD.
func (m Mirror) RepositoryURL(c Chart) string {
	if m == "" {
		return c.Repository
	}
	return string(m)
}

// locate gives the chart and repository inputs of a Release. OCI charts and
// archives are named by the chart alone
// (https://www.pulumi.com/registry/packages/kubernetes/api-docs/helm/v3/release/).
func (m Mirror) locate(c Chart) pulumi.Map {
	switch {
	case strings.HasPrefix(string(m), "oci://"):
		return pulumi.Map{"chart": pulumi.String(strings.TrimSuffix(string(m), "/") + "/" + c.Name)}
	case m != "" && !strings.Contains(string(m), "://"):
		return pulumi.Map{"chart": pulumi.String(path.Join(string(m), c.Name+"-"+c.Version+".tgz"))}
	}
	return pulumi.Map{
		"chart":          pulumi.String(c.Name),
		"repositoryOpts": pulumi.Map{"repo": pulumi.String(m.RepositoryURL(c))},
	}
}
