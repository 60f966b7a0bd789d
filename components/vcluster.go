package components

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// VClusterArgs describe a virtual cluster.
type VClusterArgs struct {
	// Name is the tenant's: the release's name and the first label of the host.
	Name      string
	Namespace pulumi.StringInput
	Labels    Labels
	// Replicas of the vCluster and of kine.
	Replicas int
	Database *Database
	// Manifests are applied inside the vCluster when it starts.
	Manifests pulumi.StringInput
}

// VCluster is a tenant's cluster inside a host cluster.
type VCluster struct {
	pulumi.ResourceState

	// URL of its API server, behind the host cluster's ingress.
	URL string
}

// NewVCluster installs a vCluster of the k8s distro on kine, in the open source
// edition (https://www.vcluster.com/docs/vcluster/configure/vcluster-yaml/).
func NewVCluster(ctx *pulumi.Context, name string, cluster *Cluster, args *VClusterArgs,
	opts ...pulumi.ResourceOption,
) (*VCluster, error) {
	host := cluster.Host(args.Name)
	v := &VCluster{URL: "https://" + host}
	if err := ctx.RegisterComponentResource("platform:components:VCluster", name, v, opts...); err != nil {
		return nil, err
	}
	kine, err := newKine(ctx, name+"-kine", cluster, args, v)
	if err != nil {
		return nil, err
	}
	certificate, err := NewCertificate(ctx, name+"-ingress", cluster, &CertificateArgs{
		Name: ingressSecret, Namespace: args.Namespace, Labels: args.Labels, DNSNames: []string{host},
	}, v)
	if err != nil {
		return nil, err
	}
	_, err = NewRelease(ctx, name, cluster, &ReleaseArgs{
		Chart: VClusterChart, Name: args.Name, Namespace: args.Namespace, Values: vclusterValues(cluster, host, args),
	}, v, pulumi.DependsOn([]pulumi.Resource{kine, certificate}))
	if err != nil {
		return nil, fmt.Errorf("vCluster %s: %w", args.Name, err)
	}
	return v, ctx.RegisterResourceOutputs(v, pulumi.Map{"url": pulumi.String(v.URL)})
}

const ingressSecret = "vcluster-ingress"

// vclusterValues are valid for vCluster 0.34.0 and 0.36.1.
func vclusterValues(cluster *Cluster, host string, args *VClusterArgs) pulumi.Map {
	etcd := "/etc/kine"
	annotations := cluster.Annotations(map[string]string{
		// The API server behind the ingress speaks TLS itself.
		"nginx.ingress.kubernetes.io/backend-protocol": "HTTPS",
		// The chart's default, ended here: a passed-through connection would
		// show the vCluster's own certificate, which no client trusts.
		"nginx.ingress.kubernetes.io/ssl-passthrough": "false",
	})
	secretVolume := func(name, secret string) pulumi.Map {
		return pulumi.Map{
			"name": pulumi.String(name), "secret": pulumi.Map{"secretName": pulumi.String(secret)},
		}
	}
	return pulumi.Map{
		"controlPlane": pulumi.Map{
			"distro": pulumi.Map{"k8s": pulumi.Map{"enabled": pulumi.Bool(true)}},
			"backingStore": pulumi.Map{"etcd": pulumi.Map{"external": pulumi.Map{
				"enabled":  pulumi.Bool(true),
				"endpoint": pulumi.String(fmt.Sprintf("https://%s:%d", kineName, kinePort)),
				"tls": pulumi.Map{
					"caFile":   pulumi.String(etcd + "/ca.crt"),
					"certFile": pulumi.String(etcd + "/tls.crt"),
					"keyFile":  pulumi.String(etcd + "/tls.key"),
				},
			}}},
			"proxy": pulumi.Map{"extraSANs": pulumi.ToStringArray([]string{host})},
			"statefulSet": pulumi.Map{
				"image":            pulumi.Map{"repository": pulumi.String("loft-sh/vcluster-oss")},
				"highAvailability": pulumi.Map{"replicas": pulumi.Int(args.Replicas)},
				"persistence": pulumi.Map{
					"addVolumes": pulumi.Array{secretVolume("kine", args.Database.ClientSecret)},
					"addVolumeMounts": pulumi.Array{pulumi.Map{
						"name": pulumi.String("kine"), "mountPath": pulumi.String(etcd), "readOnly": pulumi.Bool(true),
					}},
				},
			},
			"ingress": pulumi.Map{
				"enabled":     pulumi.Bool(true),
				"host":        pulumi.String(host),
				"annotations": pulumi.ToStringMap(annotations),
				"spec": pulumi.Map{
					"ingressClassName": pulumi.String(cluster.IngressClass),
					"tls": pulumi.Array{pulumi.Map{
						"hosts": pulumi.ToStringArray([]string{host}), "secretName": pulumi.String(ingressSecret),
					}},
				},
			},
		},
		"sync": pulumi.Map{
			"toHost": pulumi.Map{
				"pods":      pulumi.Map{"useSecretsForSATokens": pulumi.Bool(true)},
				"ingresses": pulumi.Map{"enabled": pulumi.Bool(true)},
			},
			"fromHost": pulumi.Map{"ingressClasses": pulumi.Map{"enabled": pulumi.Bool(true)}},
		},
		"experimental": pulumi.Map{"deploy": pulumi.Map{"vcluster": pulumi.Map{
			"manifests": args.Manifests,
		}}},
		"telemetry": pulumi.Map{"enabled": pulumi.Bool(false)},
	}
}
