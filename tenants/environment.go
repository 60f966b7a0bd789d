package tenants

import (
	"fmt"
	"strings"
	"text/template"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"platform/components"
)

// EnvironmentArgs are one environment of an entry.
type EnvironmentArgs struct {
	// Name is dev or prod.
	Name  string
	Quota Quota
	// Replicas of the vCluster's control plane.
	Replicas int
}

// Quota is what an environment may use on its host cluster, as Kubernetes
// quantities; Pods is a number.
type Quota struct {
	CPU, Memory, Storage string
	Pods                 int
}

// Environment is a tenant's place on one host cluster.
type Environment struct {
	pulumi.ResourceState

	Name     string
	Cluster  *components.Cluster
	VCluster *components.VCluster
	// ManagementURL is where Argo CD reaches the vCluster: a proxy inside it
	// that trusts OpenUnison's tokens.
	ManagementURL string
}

// NewEnvironment makes the namespace of an environment on its host cluster,
// with its limits, and in it the database's client and the vCluster.
func NewEnvironment(ctx *pulumi.Context, name string, tenant *TenantArgs, args *EnvironmentArgs,
	opts ...pulumi.ResourceOption,
) (*Environment, error) {
	cluster, ok := tenant.Platform.Hosts[args.Name]
	if !ok {
		return nil, fmt.Errorf("no host cluster carries environment %q", args.Name)
	}
	managementHost := cluster.Host("mgmt-" + tenant.Name)
	e := &Environment{Name: args.Name, Cluster: cluster, ManagementURL: "https://" + managementHost}
	if err := ctx.RegisterComponentResource("platform:tenants:Environment", name, e, opts...); err != nil {
		return nil, err
	}
	labels := tenant.labels().With(components.LabelEnvironment, args.Name)
	ns, err := components.NewNamespace(ctx, name+"-namespace", cluster, &components.NamespaceArgs{
		// vCluster's control plane runs as root inside its container.
		Name: tenant.environmentID(args.Name), Labels: labels, Security: components.Baseline,
	}, e)
	if err != nil {
		return nil, err
	}
	limits, err := e.limits(ctx, name, args, ns, labels)
	if err != nil {
		return nil, err
	}
	database, err := components.NewDatabase(ctx, name+"-database", cluster, &components.DatabaseArgs{
		Name: components.DatabaseName(tenant.Name, args.Name), Namespace: ns.Metadata.Name().Elem(), Labels: labels,
		Connections: components.KineConnections(args.Replicas),
	}, pulumi.Parent(e))
	if err != nil {
		return nil, err
	}
	manifests, err := managementProxy(ctx, name+"-management", tenant.Platform.IdentityHost, managementHost, cluster, e)
	if err != nil {
		return nil, err
	}
	e.VCluster, err = components.NewVCluster(ctx, name+"-vcluster", cluster, &components.VClusterArgs{
		Name: tenant.Name, Namespace: ns.Metadata.Name().Elem(), Labels: labels,
		Replicas: args.Replicas, Database: database, Manifests: manifests,
	}, pulumi.Parent(e), pulumi.DependsOn(limits))
	if err != nil {
		return nil, err
	}
	return e, ctx.RegisterResourceOutputs(e, pulumi.Map{"url": pulumi.String(e.VCluster.URL)})
}

// limits bound what everything in the namespace together, and each container
// that says nothing itself, may use.
func (e *Environment) limits(ctx *pulumi.Context, name string, args *EnvironmentArgs, ns *corev1.Namespace,
	labels components.Labels,
) ([]pulumi.Resource, error) {
	meta := &metav1.ObjectMetaArgs{
		Name: pulumi.String("tenant"), Namespace: ns.Metadata.Name(), Labels: labels.StringMap(),
	}
	quota, err := corev1.NewResourceQuota(ctx, name+"-quota", &corev1.ResourceQuotaArgs{
		Metadata: meta,
		Spec: &corev1.ResourceQuotaSpecArgs{Hard: pulumi.ToStringMap(map[string]string{
			"limits.cpu":       args.Quota.CPU,
			"limits.memory":    args.Quota.Memory,
			"requests.storage": args.Quota.Storage,
			"pods":             fmt.Sprint(args.Quota.Pods),
		})},
	}, e.Cluster.Options(e)...)
	if err != nil {
		return nil, fmt.Errorf("quota: %w", err)
	}
	defaults, err := corev1.NewLimitRange(ctx, name+"-limits", &corev1.LimitRangeArgs{
		Metadata: meta,
		Spec: &corev1.LimitRangeSpecArgs{Limits: corev1.LimitRangeItemArray{&corev1.LimitRangeItemArgs{
			Type:           pulumi.String("Container"),
			Default:        pulumi.ToStringMap(map[string]string{"cpu": "500m", "memory": "512Mi"}),
			DefaultRequest: pulumi.ToStringMap(map[string]string{"cpu": "50m", "memory": "64Mi"}),
		}}},
	}, e.Cluster.Options(e)...)
	if err != nil {
		return nil, fmt.Errorf("limits: %w", err)
	}
	return []pulumi.Resource{quota, defaults}, nil
}

func render(t *template.Template, data any) (string, error) {
	var text strings.Builder
	if err := t.Execute(&text, data); err != nil {
		return "", fmt.Errorf("manifest %s: %w", t.Name(), err)
	}
	return text.String(), nil
}

func indent(spaces int, text string) string {
	by := strings.Repeat(" ", spaces)
	return by + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+by)
}
