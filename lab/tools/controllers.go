package tools

// Controllers are the tools that the full lab runs beside the Servers: what
// real clusters have from images.
var Controllers = []Tool{
	{
		// The module is our own, below upstream's path: the library holds every
		// controller, and the commands are in modules that no proxy serves.
		Name: "cert-manager", Version: "v1.21.1",
		Programs: map[string]string{
			"cert-manager-controller": certManager + "/controller",
			"cert-manager-webhook":    certManager + "/webhook",
			"cert-manager-cainjector": certManager + "/cainjector",
			"startupapicheck":         certManager + "/startupapicheck",
		},
	},
	{
		Name: "gatekeeper", Version: "v3.23.1",
		Programs: map[string]string{"gatekeeper": "github.com/open-policy-agent/gatekeeper/v3"},
	},
	{
		Name: "kine", Version: "v0.17.5",
		Programs: map[string]string{"kine": "github.com/k3s-io/kine"},
	},
	{
		// The newest that is served whole; the kinds that the platform uses are those
		// of the chart's version.
		Name: "mariadb-operator", Version: "v0.38.1",
		Programs: map[string]string{"mariadb-operator": "github.com/mariadb-operator/mariadb-operator/cmd/controller"},
	},
	{
		Name: "vcluster", Version: "v0.34.0",
		Programs:  map[string]string{"vcluster": vcluster + "/cmd/vcluster"},
		Variables: map[string]string{vcluster + "/pkg/telemetry.SyncerVersion": "0.34.0"},
	},
}

const (
	certManager = "github.com/cert-manager/cert-manager/lab"
	vcluster    = "github.com/loft-sh/vcluster"
)

// all are the tools of every lab.
func all() []Tool { return append(append([]Tool{}, Servers...), Controllers...) }
