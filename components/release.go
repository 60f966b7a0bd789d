package components

import (
	"fmt"

	helmv3 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/helm/v3"
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

// NewRelease installs a chart of the table at its pinned version.
func NewRelease(ctx *pulumi.Context, name string, cluster *Cluster, args *ReleaseArgs,
	parent pulumi.Resource, opts ...pulumi.ResourceOption,
) (*helmv3.Release, error) {
	chart, repository := cluster.Charts.locate(args.Chart)
	r, err := helmv3.NewRelease(ctx, name, &helmv3.ReleaseArgs{
		Name:           pulumi.String(args.Name),
		Namespace:      args.Namespace,
		Chart:          chart,
		RepositoryOpts: repository,
		Version:        pulumi.String(args.Chart.Version),
		Values:         args.Values,
		SkipAwait:      pulumi.Bool(args.Unready),
		Timeout:        pulumi.Int(releaseTimeout),
		CleanupOnFail:  pulumi.Bool(true),
		MaxHistory:     pulumi.Int(5),
	}, cluster.Options(parent, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("release %s of chart %s %s: %w", args.Name, args.Chart.Name, args.Chart.Version, err)
	}
	return r, nil
}
