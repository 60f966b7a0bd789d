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
}

const certManager = "github.com/cert-manager/cert-manager/lab"

// all are the tools of every lab.
func all() []Tool { return append(append([]Tool{}, Servers...), Controllers...) }
