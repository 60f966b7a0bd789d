package controlplane

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"platform/components"
)

// HostClusterArgs configure a cluster that carries vClusters.
type HostClusterArgs struct {
	Cluster *components.Cluster
	CAKey   pulumi.StringInput
	Sizes   Sizes
}

// HostCluster is what the vClusters of a cluster stand on.
type HostCluster struct {
	pulumi.ResourceState
}

// NewHostCluster installs policy, certificates and the SQL server.
func NewHostCluster(ctx *pulumi.Context, name string, args *HostClusterArgs, opts ...pulumi.ResourceOption,
) (*HostCluster, error) {
	h := &HostCluster{}
	if err := ctx.RegisterComponentResource("platform:controlplane:HostCluster", name, h, opts...); err != nil {
		return nil, err
	}
	parent := pulumi.Parent(h)
	// Policy first, as on the control plane.
	policy, err := NewGatekeeper(ctx, name+"-gatekeeper", &GatekeeperArgs{Cluster: args.Cluster, Sizes: args.Sizes}, parent)
	if err != nil {
		return nil, err
	}
	certificates, err := NewCertManager(ctx, name+"-cert-manager", &CertManagerArgs{
		Cluster: args.Cluster, CAKey: args.CAKey, Sizes: args.Sizes,
	}, parent, pulumi.DependsOn([]pulumi.Resource{policy}))
	if err != nil {
		return nil, err
	}
	_, err = NewMariaDB(ctx, name+"-mariadb", &MariaDBArgs{Cluster: args.Cluster, Sizes: args.Sizes},
		parent, pulumi.DependsOn([]pulumi.Resource{certificates}))
	if err != nil {
		return nil, err
	}
	return h, ctx.RegisterResourceOutputs(h, pulumi.Map{})
}
