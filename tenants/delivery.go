package tenants

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"platform/components"
)

// Delivery is a tenant's part of Argo CD: for each environment a project, the
// cluster, the repository's key, and what is delivered.
type Delivery struct {
	pulumi.ResourceState

	// Namespace holds the tenant's ApplicationSets on the control plane.
	Namespace pulumi.StringOutput
}

// ControlPlaneNamespace is the tenant's namespace on the control plane; Argo CD
// takes applications from namespaces of this prefix.
func ControlPlaneNamespace(tenant string) string { return "tenant-" + tenant }

// NewDelivery joins each environment's Git project to its vCluster.
func NewDelivery(ctx *pulumi.Context, name string, args *TenantArgs, environments []*Environment, source *Source,
	opts ...pulumi.ResourceOption,
) (*Delivery, error) {
	d := &Delivery{}
	if err := ctx.RegisterComponentResource("platform:tenants:Delivery", name, d, opts...); err != nil {
		return nil, err
	}
	ns, err := components.NewNamespace(ctx, name+"-namespace", args.Platform.ControlPlane, &components.NamespaceArgs{
		Name: ControlPlaneNamespace(args.Name), Labels: args.labels(), Security: components.Restricted,
	}, d)
	if err != nil {
		return nil, err
	}
	d.Namespace = ns.Metadata.Name().Elem()
	for _, e := range environments {
		operations := source.Operations[e.Name]
		project, err := d.project(ctx, name+"-"+e.Name, args, e, operations)
		if err != nil {
			return nil, fmt.Errorf("project of %s: %w", e.Name, err)
		}
		cluster, err := d.cluster(ctx, name+"-"+e.Name, args, e)
		if err != nil {
			return nil, fmt.Errorf("cluster of %s: %w", e.Name, err)
		}
		repository, err := d.repository(ctx, name+"-"+e.Name, args, e, operations)
		if err != nil {
			return nil, fmt.Errorf("repository of %s: %w", e.Name, err)
		}
		err = d.applications(ctx, name+"-"+e.Name, args, e, operations, []pulumi.Resource{project, cluster, repository})
		if err != nil {
			return nil, fmt.Errorf("applications of %s: %w", e.Name, err)
		}
	}
	return d, ctx.RegisterResourceOutputs(d, pulumi.Map{"namespace": d.Namespace})
}

// project limits an environment's applications to its repository and its
// vCluster, and says what each role may do with them
// (https://argo-cd.readthedocs.io/en/stable/user-guide/projects/).
func (d *Delivery) project(ctx *pulumi.Context, name string, args *TenantArgs, e *Environment, operations *Operations,
) (pulumi.Resource, error) {
	id := args.environmentID(e.Name)
	var roles []any
	for _, access := range components.AccessTable {
		var policies []string
		for _, action := range access.ArgoCD[e.Name] {
			policies = append(policies, fmt.Sprintf("p, proj:%s:%s, applications, %s, %s/*, allow", id, access.Role, action, id))
		}
		roles = append(roles, map[string]any{
			"name": string(access.Role), "groups": []string{access.Role.Group(args.Name)}, "policies": policies,
		})
	}
	return components.NewCustomResource(ctx, name+"-project", args.Platform.ControlPlane, &components.CustomResourceArgs{
		APIVersion: "argoproj.io/v1alpha1", Kind: "AppProject",
		Name: id, Namespace: args.Platform.DeliveryNamespace, Labels: d.labels(args, e),
		Spec: map[string]any{
			"description":              fmt.Sprintf("%s of %s", e.Name, args.Name),
			"sourceRepos":              pulumi.Array{operations.Project.SshUrlToRepo},
			"sourceNamespaces":         []string{ControlPlaneNamespace(args.Name)},
			"destinations":             []any{map[string]any{"server": e.ManagementURL, "namespace": "*"}},
			"clusterResourceWhitelist": []any{map[string]any{"group": "*", "kind": "*"}},
			"roles":                    roles,
		},
	}, d)
}

// cluster is the Secret by which Argo CD knows the vCluster. It holds no
// credential: the plugin fetches tokens of a minute
// (https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#clusters).
func (d *Delivery) cluster(ctx *pulumi.Context, name string, args *TenantArgs, e *Environment) (*corev1.Secret, error) {
	id := args.environmentID(e.Name)
	config, err := json.Marshal(map[string]any{
		"execProviderConfig": map[string]any{
			"command":    args.Platform.CredentialPlugin,
			"args":       []string{args.Platform.IdentityHost, "k8s-" + id, "/var/run/secrets/kubernetes.io/serviceaccount/token"},
			"apiVersion": "client.authentication.k8s.io/v1",
		},
		"tlsClientConfig": map[string]any{
			"insecure": false,
			"caData":   base64.StdEncoding.EncodeToString([]byte(e.Cluster.CACertificate)),
		},
	})
	if err != nil {
		return nil, err
	}
	labels := d.labels(args, e).
		With("argocd.argoproj.io/secret-type", "cluster").
		With(components.LabelVCluster, "true")
	return components.NewSecret(ctx, name+"-cluster", args.Platform.ControlPlane, &components.SecretArgs{
		Name: "vcluster-" + id, Namespace: args.Platform.DeliveryNamespace, Labels: labels,
		Data: pulumi.StringMap{
			"name": pulumi.String(id), "server": pulumi.String(e.ManagementURL), "config": pulumi.String(config),
		},
	}, d)
}

// repository gives Argo CD the key of the environment's project.
func (d *Delivery) repository(ctx *pulumi.Context, name string, args *TenantArgs, e *Environment, operations *Operations,
) (*corev1.Secret, error) {
	id := args.environmentID(e.Name)
	return components.NewSecret(ctx, name+"-repository", args.Platform.ControlPlane, &components.SecretArgs{
		Name: "repository-" + id, Namespace: args.Platform.DeliveryNamespace,
		Labels: d.labels(args, e).With("argocd.argoproj.io/secret-type", "repository"),
		Data: pulumi.StringMap{
			"type": pulumi.String("git"), "url": operations.Project.SshUrlToRepo,
			"project": pulumi.String(id), "sshPrivateKey": operations.DeployKey,
		},
	}, d)
}

// applications deliver what the environment's project holds. Production keeps
// what runs when its ApplicationSet goes.
func (d *Delivery) applications(ctx *pulumi.Context, name string, args *TenantArgs, e *Environment, operations *Operations,
	after []pulumi.Resource,
) error {
	id := args.environmentID(e.Name)
	_, err := components.NewCustomResource(ctx, name+"-applications", args.Platform.ControlPlane, &components.CustomResourceArgs{
		APIVersion: "argoproj.io/v1alpha1", Kind: "ApplicationSet",
		Name: id, Namespace: d.Namespace, Labels: d.labels(args, e),
		Spec: map[string]any{
			"goTemplate":        true,
			"goTemplateOptions": []string{"missingkey=error"},
			"generators": []any{map[string]any{"clusters": map[string]any{
				"selector": map[string]any{"matchLabels": map[string]any{
					components.LabelVCluster:    "true",
					components.LabelTenant:      args.Name,
					components.LabelEnvironment: e.Name,
				}},
			}}},
			"syncPolicy": map[string]any{"preserveResourcesOnDeletion": e.Name == production},
			"template": map[string]any{
				"metadata": map[string]any{"name": "{{.name}}"},
				"spec": map[string]any{
					"project": id,
					"source": map[string]any{
						"repoURL": operations.Project.SshUrlToRepo, "targetRevision": branch, "path": ".",
						"directory": map[string]any{"recurse": true},
					},
					"destination": map[string]any{"server": "{{.server}}", "namespace": "default"},
					"syncPolicy":  map[string]any{"automated": map[string]any{"prune": true, "selfHeal": true}},
				},
			},
		},
	}, d, pulumi.DependsOn(after))
	return err
}

func (d *Delivery) labels(args *TenantArgs, e *Environment) components.Labels {
	return args.labels().With(components.LabelEnvironment, e.Name)
}
