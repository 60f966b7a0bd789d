// Command pulumi-resource-kubernetes manages objects of Kubernetes and releases
// of Helm, as the real plugin does
// (https://www.pulumi.com/registry/packages/kubernetes/): objects are created
// and updated by server-side apply, and waited for; a release is Helm's own.
package main

import (
	"platform/lab/plugins/provider"
)

func main() {
	provider.Serve("kubernetes", newKubernetes())
}
