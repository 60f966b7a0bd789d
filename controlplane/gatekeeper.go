package controlplane

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"platform/components"
)

// GatekeeperArgs configure Gatekeeper on one cluster.
type GatekeeperArgs struct {
	Cluster *components.Cluster
	Sizes   Sizes
}

// Gatekeeper checks what is asked of a cluster's API server against policy.
type Gatekeeper struct {
	pulumi.ResourceState
}

// NewGatekeeper installs Gatekeeper, whose webhook refuses requests while it
// cannot be reached
// (https://open-policy-agent.github.io/gatekeeper/website/docs/failing-closed).
func NewGatekeeper(ctx *pulumi.Context, name string, args *GatekeeperArgs, opts ...pulumi.ResourceOption,
) (*Gatekeeper, error) {
	g := &Gatekeeper{}
	if err := ctx.RegisterComponentResource("platform:controlplane:Gatekeeper", name, g, opts...); err != nil {
		return nil, err
	}
	ns, err := components.NewNamespace(ctx, name+"-namespace", args.Cluster, &components.NamespaceArgs{
		Name: "gatekeeper-system", Security: components.Restricted,
		// Gatekeeper must be able to start while it is down itself.
		Labels: components.PlatformLabels().With("admission.gatekeeper.sh/ignore", "no-self-managing"),
	}, g)
	if err != nil {
		return nil, err
	}
	// What the cluster itself lives by, its nodes' leases above all, must go on
	// without Gatekeeper, or neither comes back
	// (https://open-policy-agent.github.io/gatekeeper/website/docs/exempt-namespaces).
	exempt := pulumi.Map{"kubernetes.io/metadata.name": pulumi.ToStringArray([]string{"kube-system", "kube-node-lease"})}
	_, err = components.NewRelease(ctx, name, args.Cluster, &components.ReleaseArgs{
		Chart: components.Gatekeeper, Name: "gatekeeper", Namespace: ns.Metadata.Name().Elem(),
		Values: pulumi.Map{
			"replicas":                                  pulumi.Int(args.Sizes.Replicas),
			"validatingWebhookFailurePolicy":            pulumi.String("Fail"),
			"validatingWebhookCheckIgnoreFailurePolicy": pulumi.String("Fail"),
			"validatingWebhookExemptNamespacesLabels":   exempt,
			// The namespace is labelled above, not by a hook.
			"postInstall": pulumi.Map{"labelNamespace": pulumi.Map{"enabled": pulumi.Bool(false)}},
		},
	}, g)
	if err != nil {
		return nil, err
	}
	return g, ctx.RegisterResourceOutputs(g, pulumi.Map{})
}
