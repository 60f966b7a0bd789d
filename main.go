// The platform: one Pulumi program that builds a multi-tenant Kubernetes
// developer platform from a stack's config.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"platform/stacks"
)

func main() {
	pulumi.Run(stacks.Platform)
}
