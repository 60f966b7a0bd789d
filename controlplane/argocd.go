package controlplane

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"platform/components"
)

// ArgoCDArgs configure delivery.
type ArgoCDArgs struct {
	Cluster *components.Cluster
	Sizes   Sizes
	// Issuer is OpenUnison's.
	Issuer string
	// GitLab holds the project cluster-operations.
	GitLab *GitLab
}

// ArgoCD puts what is in Git into the vClusters.
type ArgoCD struct {
	pulumi.ResourceState

	URL string
	// Namespace is where AppProjects and cluster Secrets live.
	Namespace pulumi.StringOutput
}

// The credential plugin of the application controller: a script from a
// ConfigMap, at a fixed place in the controller and the server.
const (
	credentialPluginPath   = "/platform/bin"
	credentialPluginScript = "cluster-token.sh"
)

// CredentialPlugin is the command in a cluster Secret that fetches a token of
// about a minute for the cluster.
const CredentialPlugin = credentialPluginPath + "/" + credentialPluginScript

//go:embed scripts/cluster-token.sh
var credentialPlugin string

// NewArgoCD installs Argo CD with log-in through OpenUnison only, and the
// platform's own applications.
func NewArgoCD(ctx *pulumi.Context, name string, args *ArgoCDArgs, opts ...pulumi.ResourceOption) (*ArgoCD, error) {
	host := args.Cluster.Host("argocd")
	a := &ArgoCD{URL: "https://" + host}
	if err := ctx.RegisterComponentResource("platform:controlplane:ArgoCD", name, a, opts...); err != nil {
		return nil, err
	}
	labels := components.PlatformLabels()
	ns, err := components.NewNamespace(ctx, name+"-namespace", args.Cluster, &components.NamespaceArgs{
		Name: "argocd", Labels: labels, Security: components.Restricted,
	}, a)
	if err != nil {
		return nil, err
	}
	namespace := ns.Metadata.Name().Elem()
	certificate, err := components.NewCertificate(ctx, name+"-certificate", args.Cluster, &components.CertificateArgs{
		Name: "argocd-server-tls", Namespace: namespace, Labels: labels, DNSNames: []string{host},
	}, a)
	if err != nil {
		return nil, err
	}
	client, err := components.NewOIDCClient(ctx, name+"-oidc", args.Cluster, &components.OIDCClientArgs{
		ClientID: "argocd", RedirectURIs: []string{a.URL + "/auth/callback"},
	}, pulumi.Parent(a))
	if err != nil {
		return nil, err
	}
	// Argo CD reads $argocd-oidc:clientSecret from a Secret with its own label
	// (https://argo-cd.readthedocs.io/en/stable/operator-manual/user-management/#sensitive-data-and-sso-client-secrets).
	login, err := components.NewSecret(ctx, name+"-login", args.Cluster, &components.SecretArgs{
		Name: "argocd-oidc", Namespace: namespace, Labels: labels.With("app.kubernetes.io/part-of", "argocd"),
		Data: pulumi.StringMap{"clientSecret": client.ClientSecret},
	}, a)
	if err != nil {
		return nil, err
	}
	release, err := components.NewRelease(ctx, name, args.Cluster, &components.ReleaseArgs{
		Chart: components.ArgoCD, Name: "argocd", Namespace: namespace, Values: a.values(host, args),
	}, a, pulumi.DependsOn([]pulumi.Resource{certificate, login}))
	if err != nil {
		return nil, err
	}
	if err := a.platformApplications(ctx, name, args, release); err != nil {
		return nil, err
	}
	// What tenants put here waits for Argo CD.
	a.Namespace = pulumi.All(namespace, release.ID()).ApplyT(func(all []any) string {
		return all[0].(string)
	}).(pulumi.StringOutput)
	return a, ctx.RegisterResourceOutputs(a, pulumi.Map{"url": pulumi.String(a.URL), "namespace": a.Namespace})
}

// values follow https://github.com/argoproj/argo-helm/tree/main/charts/argo-cd.
func (a *ArgoCD) values(host string, args *ArgoCDArgs) pulumi.Map {
	oidc := fmt.Sprintf(`name: OpenUnison
issuer: %s
clientID: argocd
clientSecret: $argocd-oidc:clientSecret
requestedScopes: [openid, profile, email, groups]
rootCA: |
%s`, args.Issuer, indent(args.Cluster.CACertificate, "  "))
	replicas := pulumi.Int(args.Sizes.Replicas)
	plugin := pulumi.Map{
		"volumes": pulumi.Array{pulumi.Map{
			"name":      pulumi.String("credential-plugin"),
			"configMap": pulumi.Map{"name": pulumi.String("cluster-token"), "defaultMode": pulumi.Int(0o555)},
		}},
		"volumeMounts": pulumi.Array{pulumi.Map{
			"name": pulumi.String("credential-plugin"), "mountPath": pulumi.String(credentialPluginPath),
		}},
	}
	server := pulumi.Map{
		"replicas": replicas,
		"ingress": pulumi.Map{
			"enabled": pulumi.Bool(true), "ingressClassName": pulumi.String(args.Cluster.IngressClass),
			"hostname": pulumi.String(host), "tls": pulumi.Bool(true),
			"annotations": pulumi.ToStringMap(args.Cluster.Annotations(map[string]string{
				"nginx.ingress.kubernetes.io/backend-protocol": "HTTPS",
			})),
		},
	}
	return pulumi.Map{
		"global": pulumi.Map{"domain": pulumi.String(host)},
		"configs": pulumi.Map{
			"cm": pulumi.Map{
				"url":                    pulumi.String(a.URL),
				"oidc.config":            pulumi.String(oidc),
				"admin.enabled":          pulumi.String("false"),
				"exec.enabled":           pulumi.String("false"),
				"timeout.reconciliation": pulumi.String("60s"),
			},
			"params": pulumi.Map{
				"applicationsetcontroller.namespaces":           pulumi.String("tenant-*"),
				"application.namespaces":                        pulumi.String("tenant-*"),
				"applicationsetcontroller.enable.scm.providers": pulumi.String("false"),
			},
			"rbac": pulumi.Map{
				"policy.default": pulumi.String(""),
				"policy.csv":     pulumi.String("g, " + components.Administrators + ", role:admin\n"),
				"scopes":         pulumi.String("[groups]"),
			},
		},
		"dex":            pulumi.Map{"enabled": pulumi.Bool(false)},
		"controller":     plugin,
		"repoServer":     pulumi.Map{"replicas": replicas},
		"applicationSet": pulumi.Map{"replicas": replicas},
		"server":         server,
		"extraObjects": pulumi.Array{pulumi.Map{
			"apiVersion": pulumi.String("v1"), "kind": pulumi.String("ConfigMap"),
			"metadata": pulumi.Map{"name": pulumi.String("cluster-token")},
			"data":     pulumi.Map{credentialPluginScript: pulumi.String(credentialPlugin)},
		}},
	}
}

// platformApplications sync into every vCluster its folder of
// cluster-operations and External Secrets.
func (a *ArgoCD) platformApplications(ctx *pulumi.Context, name string, args *ArgoCDArgs, release pulumi.Resource) error {
	object := func(logical, kind, objectName string, spec map[string]any) error {
		_, err := components.NewCustomResource(ctx, name+"-"+logical, args.Cluster, &components.CustomResourceArgs{
			APIVersion: "argoproj.io/v1alpha1", Kind: kind, Name: objectName, Namespace: pulumi.String("argocd"),
			Labels: components.PlatformLabels(), Spec: spec,
		}, a, pulumi.DependsOn([]pulumi.Resource{release}))
		return err
	}
	charts := args.Cluster.Charts.RepositoryURL(components.ExternalSecrets)
	err := object("project", "AppProject", operationsPath, map[string]any{
		"description":              "What the platform puts inside vClusters.",
		"sourceRepos":              []string{args.GitLab.OperationsURL, charts},
		"destinations":             []any{map[string]any{"server": "*", "namespace": "*"}},
		"clusterResourceWhitelist": []any{map[string]any{"group": "*", "kind": "*"}},
		"sourceNamespaces":         []string{"argocd"},
	})
	if err != nil {
		return err
	}
	err = object("applications", "ApplicationSet", operationsPath, vclusterApplications("platform", map[string]any{
		"repoURL": args.GitLab.OperationsURL, "targetRevision": args.GitLab.OperationsBranch, "path": "vclusters/{{.name}}",
	}))
	if err != nil {
		return err
	}
	return object("external-secrets", "ApplicationSet", "external-secrets", vclusterApplications("external-secrets", map[string]any{
		"repoURL": charts, "chart": components.ExternalSecrets.Name, "targetRevision": components.ExternalSecrets.Version,
		"helm": map[string]any{"releaseName": "external-secrets", "valuesObject": map[string]any{"installCRDs": true}},
	}))
}

// vclusterApplications is the spec of an ApplicationSet with one application
// for every vCluster (https://argo-cd.readthedocs.io/en/stable/operator-manual/applicationset/Generators-Cluster/).
func vclusterApplications(suffix string, source map[string]any) map[string]any {
	return map[string]any{
		"goTemplate":        true,
		"goTemplateOptions": []string{"missingkey=error"},
		"generators": []any{map[string]any{"clusters": map[string]any{
			"selector": map[string]any{"matchLabels": map[string]any{components.LabelVCluster: "true"}},
		}}},
		"template": map[string]any{
			"metadata": map[string]any{"name": "{{.name}}-" + suffix},
			"spec": map[string]any{
				"project":     operationsPath,
				"source":      source,
				"destination": map[string]any{"server": "{{.server}}", "namespace": "external-secrets"},
				"syncPolicy": map[string]any{
					"automated":   map[string]any{"prune": true, "selfHeal": true},
					"syncOptions": []string{"ServerSideApply=true", "CreateNamespace=true"},
				},
			},
		},
	}
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+by) + "\n"
}
