package charts

import (
	"fmt"
	"path/filepath"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
)

// upstreamChart is a chart in the Go module of its own project.
type upstreamChart struct {
	name, version string
	// appVersion is what the release tools of the project put in; empty where
	// the chart's file has it.
	appVersion string
	// module and folder say where the chart lies.
	module, folder string
	// finish does what else the project does between its repository and a
	// release.
	finish func(c *chart.Chart, m module) error
}

// upstream are the charts that the mirror has from their projects. The versions
// of their modules stand in sources/go.mod, those of the charts are the ones
// that the platform installs.
var upstream = []upstreamChart{
	{
		// make/manifests.mk sets both versions to the tag.
		name: "cert-manager", version: "v1.21.1", appVersion: "v1.21.1",
		module: "github.com/cert-manager/cert-manager", folder: "deploy/charts/cert-manager",
	},
	{
		name: "external-secrets", version: "1.3.2", appVersion: "v1.3.2",
		module: "github.com/external-secrets/external-secrets", folder: "deploy/charts/external-secrets",
		finish: finishExternalSecrets,
	},
	{
		name: "gatekeeper", version: "3.23.1",
		module: "github.com/open-policy-agent/gatekeeper/v3", folder: "charts/gatekeeper",
	},
	{
		name: "vault", version: "0.34.1",
		module: "github.com/hashicorp/vault-helm", folder: ".",
	},
	{
		// The release pipeline sets both versions to the tag, without its v.
		name: "vcluster", version: "0.34.0", appVersion: "0.34.0",
		module: "github.com/loft-sh/vcluster", folder: "chart",
	},
	{
		// The module of 26.6.0 is not served. The kinds that the platform uses are
		// the same in 0.38.1.
		name: "mariadb-operator-crds", version: "26.6.0", appVersion: "0.38.1",
		module: "github.com/mariadb-operator/mariadb-operator", folder: "deploy/charts/mariadb-operator-crds",
	},
	{
		name: "mariadb-operator", version: "26.6.0", appVersion: "0.38.1",
		module: "github.com/mariadb-operator/mariadb-operator", folder: "deploy/charts/mariadb-operator",
		finish: func(c *chart.Chart, _ module) error {
			refuseSubchart(c, "mariadb-operator-crds")
			return nil
		},
	},
}

// load reads the chart out of its module.
func (u upstreamChart) load(modules map[string]module) (*chart.Chart, error) {
	m, ok := modules[u.module]
	if !ok {
		return nil, fmt.Errorf("module %s is not in %s/go.mod", u.module, sourcesFolder)
	}
	c, err := loader.LoadDir(filepath.Join(m.Dir, filepath.FromSlash(u.folder)))
	if err != nil {
		return nil, err
	}
	if c.Name() != u.name {
		return nil, fmt.Errorf("module %s holds chart %s there", u.module, c.Name())
	}
	c.Metadata.Version = u.version
	if u.appVersion != "" {
		c.Metadata.AppVersion = u.appVersion
	}
	if u.finish != nil {
		if err := u.finish(c, m); err != nil {
			return nil, err
		}
	}
	return c, nil
}
