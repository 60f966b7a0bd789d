package components

import (
	"fmt"
	"maps"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// ReleaseArgs say what to install and how.
type ReleaseArgs struct {
	Chart Chart
	// Name of the release; at most 53 characters.
	Name      string
	Namespace pulumi.StringInput
	Values    pulumi.Map
	// Unready releases are not waited for: their pods become ready only by
	// what comes after them.
	Unready bool
}

// releaseTimeout is how long Helm waits for a release's objects, in seconds.
// The provider ignores customTimeouts for releases.
const releaseTimeout = 900

// Release is a Helm release. The SDK's own type of it is in a package that brings
// every kind of every API group with it, minutes of compiling
// (https://www.pulumi.com/registry/packages/kubernetes/api-docs/helm/v3/release/).
type Release struct{ pulumi.CustomResourceState }

// NewRelease installs a chart of the table at its pinned version.
func NewRelease(ctx *pulumi.Context, name string, cluster *Cluster, args *ReleaseArgs,
	parent pulumi.Resource, opts ...pulumi.ResourceOption,
) (*Release, error) {
	inputs := cluster.Charts.locate(args.Chart)
	maps.Copy(inputs, pulumi.Map{
		"name":          pulumi.String(args.Name),
		"namespace":     args.Namespace,
		"version":       pulumi.String(args.Chart.Version),
		"skipAwait":     pulumi.Bool(args.Unready),
		"timeout":       pulumi.Int(releaseTimeout),
		"cleanupOnFail": pulumi.Bool(true),
		"maxHistory":    pulumi.Int(5),
		// As every SDK says to the provider.
		"compat": pulumi.String("true"),
	})
	if args.Values != nil {
		inputs["values"] = args.Values
	}
	r := &Release{}
	err := ctx.RegisterResource("kubernetes:helm.sh/v3:Release", name, inputs, r, cluster.Options(parent, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("release %s of chart %s %s: %w", args.Name, args.Chart.Name, args.Chart.Version, err)
	}
	return r, nil
}
