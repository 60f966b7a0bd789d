package components

import (
	"fmt"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// kineImage speaks etcd's protocol on an SQL database.
const kineImage = "docker.io/rancher/kine:v0.17.5"

const (
	kineName = "kine"
	kinePort = 2379
)

// kineConnections bound what each replica opens to the database at once.
const kineConnections = 20

// KineConnections is how many connections the replicas of a vCluster's kine may
// have together, one more of them included that a rollout starts.
func KineConnections(replicas int) int { return (replicas + 1) * kineConnections }

// newKine runs kine on the environment's database. vCluster's open source
// edition allows a single replica on SQL of its own; with kine in between, as
// an etcd, replicas can be raised later without a change of store, which
// vCluster refuses.
func newKine(ctx *pulumi.Context, name string, cluster *Cluster, args *VClusterArgs, parent pulumi.Resource,
) (pulumi.Resource, error) {
	certificate, err := NewCertificate(ctx, name+"-server", cluster, &CertificateArgs{
		Name: kineName + "-server", Namespace: args.Namespace, Labels: args.Labels,
		DNSNames: []string{kineName},
	}, parent)
	if err != nil {
		return nil, err
	}
	labels := args.Labels.With("app.kubernetes.io/name", kineName)
	selector := pulumi.StringMap{
		"app.kubernetes.io/name": pulumi.String(kineName),
		LabelTenant:              pulumi.String(args.Labels[LabelTenant]),
	}
	meta := &metav1.ObjectMetaArgs{
		Name: pulumi.String(kineName), Namespace: args.Namespace.ToStringOutput().ToStringPtrOutput(),
		Labels: labels.StringMap(),
	}
	_, err = corev1.NewService(ctx, name+"-service", &corev1.ServiceArgs{
		Metadata: meta,
		Spec: &corev1.ServiceSpecArgs{
			Selector: selector,
			Ports:    corev1.ServicePortArray{&corev1.ServicePortArgs{Name: pulumi.String("etcd"), Port: pulumi.Int(kinePort)}},
		},
	}, cluster.Options(parent)...)
	if err != nil {
		return nil, fmt.Errorf("service of kine: %w", err)
	}
	d, err := appsv1.NewDeployment(ctx, name, &appsv1.DeploymentArgs{
		Metadata: meta,
		Spec: &appsv1.DeploymentSpecArgs{
			Replicas: pulumi.Int(args.Replicas),
			Selector: &metav1.LabelSelectorArgs{MatchLabels: selector},
			Template: &corev1.PodTemplateSpecArgs{
				Metadata: &metav1.ObjectMetaArgs{Labels: labels.StringMap()},
				Spec:     kinePod(args.Database),
			},
		},
	}, cluster.Options(parent, pulumi.DependsOn([]pulumi.Resource{certificate, args.Database}))...)
	if err != nil {
		return nil, fmt.Errorf("kine: %w", err)
	}
	return d, nil
}

// kinePod satisfies the restricted Pod Security level. kine's flags:
// https://github.com/k3s-io/kine/blob/v0.17.5/pkg/app/app.go.
func kinePod(db *Database) *corev1.PodSpecArgs {
	mount := func(name string) *corev1.VolumeMountArgs {
		return &corev1.VolumeMountArgs{
			Name: pulumi.String(name), MountPath: pulumi.String("/etc/kine/" + name), ReadOnly: pulumi.Bool(true),
		}
	}
	volume := func(name, secret string) *corev1.VolumeArgs {
		return &corev1.VolumeArgs{
			Name: pulumi.String(name), Secret: &corev1.SecretVolumeSourceArgs{SecretName: pulumi.String(secret)},
		}
	}
	return &corev1.PodSpecArgs{
		AutomountServiceAccountToken: pulumi.Bool(false),
		SecurityContext:              RestrictedPod(),
		Containers: corev1.ContainerArray{&corev1.ContainerArgs{
			Name:  pulumi.String(kineName),
			Image: pulumi.String(kineImage),
			Args: pulumi.ToStringArray([]string{
				"--endpoint=" + db.DataSource,
				"--ca-file=/etc/kine/client/ca.crt",
				"--cert-file=/etc/kine/client/tls.crt",
				"--key-file=/etc/kine/client/tls.key",
				fmt.Sprintf("--listen-address=0.0.0.0:%d", kinePort),
				"--server-cert-file=/etc/kine/server/tls.crt",
				"--server-key-file=/etc/kine/server/tls.key",
				"--metrics-bind-address=0",
				fmt.Sprintf("--datastore-max-open-connections=%d", kineConnections),
			}),
			Ports:           corev1.ContainerPortArray{&corev1.ContainerPortArgs{ContainerPort: pulumi.Int(kinePort)}},
			Resources:       SmallResources(),
			SecurityContext: RestrictedContainer(),
			VolumeMounts:    corev1.VolumeMountArray{mount("client"), mount("server")},
		}},
		Volumes: corev1.VolumeArray{volume("client", db.ClientSecret), volume("server", kineName+"-server")},
	}
}
