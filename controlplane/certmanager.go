package controlplane

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"platform/components"
)

// CertManagerArgs configure cert-manager on one cluster.
type CertManagerArgs struct {
	Cluster *components.Cluster
	CAKey   pulumi.StringInput
	Sizes   Sizes
}

// CertManager issues the certificates of a cluster from the platform's CA.
type CertManager struct {
	pulumi.ResourceState
}

// NewCertManager installs cert-manager and the ClusterIssuer of the platform's
// CA (https://cert-manager.io/docs/configuration/ca/).
func NewCertManager(ctx *pulumi.Context, name string, args *CertManagerArgs, opts ...pulumi.ResourceOption,
) (*CertManager, error) {
	c := &CertManager{}
	if err := ctx.RegisterComponentResource("platform:controlplane:CertManager", name, c, opts...); err != nil {
		return nil, err
	}
	labels := components.PlatformLabels()
	ns, err := components.NewNamespace(ctx, name+"-namespace", args.Cluster, &components.NamespaceArgs{
		Name: "cert-manager", Labels: labels, Security: components.Restricted,
	}, c)
	if err != nil {
		return nil, err
	}
	release, err := components.NewRelease(ctx, name, args.Cluster, &components.ReleaseArgs{
		Chart: components.CertManager, Name: "cert-manager", Namespace: ns.Metadata.Name().Elem(),
		Values: pulumi.Map{
			"crds":         pulumi.Map{"enabled": pulumi.Bool(true), "keep": pulumi.Bool(true)},
			"replicaCount": pulumi.Int(args.Sizes.Replicas),
			"webhook":      pulumi.Map{"replicaCount": pulumi.Int(args.Sizes.Replicas)},
			"cainjector":   pulumi.Map{"replicaCount": pulumi.Int(args.Sizes.Replicas)},
		},
	}, c)
	if err != nil {
		return nil, err
	}
	ca, err := components.NewSecret(ctx, name+"-ca", args.Cluster, &components.SecretArgs{
		Name: components.ClusterIssuer, Namespace: ns.Metadata.Name().Elem(), Labels: labels,
		Data: pulumi.StringMap{
			"tls.crt": pulumi.String(args.Cluster.CACertificate),
			"tls.key": pulumi.ToSecret(args.CAKey).(pulumi.StringOutput),
		},
	}, c)
	if err != nil {
		return nil, err
	}
	_, err = components.NewCustomResource(ctx, name+"-issuer", args.Cluster, &components.CustomResourceArgs{
		APIVersion: "cert-manager.io/v1", Kind: "ClusterIssuer", Name: components.ClusterIssuer, Labels: labels,
		Spec: map[string]any{"ca": map[string]any{"secretName": components.ClusterIssuer}},
	}, c, pulumi.DependsOn([]pulumi.Resource{release, ca}))
	if err != nil {
		return nil, fmt.Errorf("issuer of cluster %s: %w", args.Cluster.Name, err)
	}
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{})
}
