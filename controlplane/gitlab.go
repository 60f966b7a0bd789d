package controlplane

import (
	_ "embed"
	"fmt"

	"github.com/pulumi/pulumi-gitlab/sdk/v8/go/gitlab"
	batchv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/batch/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"platform/components"
)

// GitLabArgs configure source code and pipelines.
type GitLabArgs struct {
	Cluster *components.Cluster
	Sizes   Sizes
	// Issuer is OpenUnison's.
	Issuer string
	// Token is the personal access token that the bootstrap Job sets.
	Token pulumi.StringInput
	// Provider talks to GitLab with that token.
	Provider pulumi.ProviderResource
}

// GitLab holds source code. Its project cluster-operations is the platform's
// own: what Argo CD puts inside the vClusters.
type GitLab struct {
	pulumi.ResourceState

	URL string
	// OperationsProject is the id of cluster-operations, OperationsURL its
	// HTTPS clone address and OperationsBranch the branch that is deployed.
	OperationsProject pulumi.StringOutput
	OperationsURL     string
	OperationsBranch  string
}

const (
	gitlabNamespace = "gitlab"
	operationsPath  = "cluster-operations"
	defaultBranch   = "main"
)

// NewGitLab installs GitLab's Community Edition, with log-in through OpenUnison
// only, and the Job that gives the program its token.
func NewGitLab(ctx *pulumi.Context, name string, args *GitLabArgs, opts ...pulumi.ResourceOption) (*GitLab, error) {
	g := &GitLab{URL: "https://" + args.Cluster.Host("gitlab"), OperationsBranch: defaultBranch}
	g.OperationsURL = fmt.Sprintf("%s/%s/%s.git", g.URL, operationsPath, operationsPath)
	if err := ctx.RegisterComponentResource("platform:controlplane:GitLab", name, g, opts...); err != nil {
		return nil, err
	}
	labels := components.PlatformLabels()
	ns, err := components.NewNamespace(ctx, name+"-namespace", args.Cluster, &components.NamespaceArgs{
		Name: gitlabNamespace, Labels: labels, Security: components.Baseline,
	}, g, pulumi.Protect(true))
	if err != nil {
		return nil, err
	}
	namespace := ns.Metadata.Name().Elem()
	inputs, err := g.inputs(ctx, name, args, namespace)
	if err != nil {
		return nil, err
	}
	release, err := components.NewRelease(ctx, name, args.Cluster, &components.ReleaseArgs{
		Chart: components.GitLab, Name: "gitlab", Namespace: namespace, Values: g.values(args),
	}, g, pulumi.DependsOn(inputs))
	if err != nil {
		return nil, err
	}
	job, err := g.bootstrap(ctx, name+"-bootstrap", args, ns, release)
	if err != nil {
		return nil, err
	}
	if err := g.operations(ctx, args.Provider, job); err != nil {
		return nil, err
	}
	return g, ctx.RegisterResourceOutputs(g, pulumi.Map{
		"url": pulumi.String(g.URL), "operationsUrl": pulumi.String(g.OperationsURL),
	})
}

// inputs are what the release reads: certificates, the OIDC client, and what
// the toolbox needs to make the program's service account.
func (g *GitLab) inputs(ctx *pulumi.Context, name string, args *GitLabArgs, namespace pulumi.StringInput,
) ([]pulumi.Resource, error) {
	labels := components.PlatformLabels()
	certificate, err := components.NewCertificate(ctx, name+"-certificate", args.Cluster, &components.CertificateArgs{
		Name: "gitlab-tls", Namespace: namespace, Labels: labels, DNSNames: []string{args.Cluster.Host("gitlab")},
	}, g)
	if err != nil {
		return nil, err
	}
	client, err := components.NewOIDCClient(ctx, name+"-oidc", args.Cluster, &components.OIDCClientArgs{
		ClientID: "gitlab", RedirectURIs: []string{g.URL + "/users/auth/openid_connect/callback"},
	}, pulumi.Parent(g))
	if err != nil {
		return nil, err
	}
	provider := pulumi.Sprintf(gitlabLogin, args.Issuer, client.ClientID, client.ClientSecret, g.URL)
	login, err := components.NewSecret(ctx, name+"-login", args.Cluster, &components.SecretArgs{
		Name: "gitlab-login", Namespace: namespace, Labels: labels, Data: pulumi.StringMap{"provider": provider},
	}, g)
	if err != nil {
		return nil, err
	}
	root, err := components.NewPassword(ctx, name+"-root", g)
	if err != nil {
		return nil, err
	}
	password, err := components.NewSecret(ctx, name+"-root", args.Cluster, &components.SecretArgs{
		Name: "gitlab-root", Namespace: namespace, Labels: labels, Data: pulumi.StringMap{"password": root},
	}, g)
	if err != nil {
		return nil, err
	}
	token, err := components.NewSecret(ctx, name+"-token", args.Cluster, &components.SecretArgs{
		Name: "platform-token", Namespace: namespace, Labels: labels,
		Data: pulumi.StringMap{
			"username": pulumi.String("platform"),
			"name":     pulumi.String("pulumi"),
			"scopes":   pulumi.String("api"),
			// Days from the Job's run; GitLab allows a year at the most.
			"expires": pulumi.String("365"),
			"token":   pulumi.ToSecret(args.Token).(pulumi.StringOutput),
		},
	}, g)
	if err != nil {
		return nil, err
	}
	script, err := corev1.NewConfigMap(ctx, name+"-scripts", &corev1.ConfigMapArgs{
		Metadata: &metav1.ObjectMetaArgs{
			Name: pulumi.String("platform-scripts"), Namespace: namespace.ToStringOutput().ToStringPtrOutput(),
			Labels: labels.StringMap(),
		},
		Data: pulumi.StringMap{"service-account.rb": pulumi.String(gitlabServiceAccountScript)},
	}, args.Cluster.Options(g)...)
	if err != nil {
		return nil, fmt.Errorf("script of GitLab's bootstrap: %w", err)
	}
	return []pulumi.Resource{certificate, client, login, password, token, script}, nil
}

//go:embed scripts/service-account.rb
var gitlabServiceAccountScript string

// gitlabLogin is an OmniAuth provider
// (https://docs.gitlab.com/administration/auth/oidc/).
const gitlabLogin = `name: openid_connect
label: Platform
args:
  name: openid_connect
  scope: [openid, profile, email]
  response_type: code
  issuer: %[1]s
  discovery: true
  client_auth_method: basic
  uid_field: sub
  pkce: true
  client_options:
    identifier: %[2]s
    secret: %[3]s
    redirect_uri: %[4]s/users/auth/openid_connect/callback
`

// toolboxMounts is where the toolbox finds the script and the token.
const toolboxMounts = `- {name: platform-scripts, mountPath: /etc/platform, readOnly: true}
- {name: platform-token, mountPath: /etc/platform-token, readOnly: true}
`

const toolboxVolumes = `- {name: platform-scripts, configMap: {name: platform-scripts}}
- {name: platform-token, secret: {secretName: platform-token}}
`

// values follow https://docs.gitlab.com/charts/charts/globals/.
func (g *GitLab) values(args *GitLabArgs) pulumi.Map {
	off := pulumi.Map{"enabled": pulumi.Bool(false)}
	replicas := pulumi.Map{"minReplicas": pulumi.Int(args.Sizes.Replicas), "maxReplicas": pulumi.Int(2 * args.Sizes.Replicas)}
	return pulumi.Map{
		"global": pulumi.Map{
			"edition": pulumi.String("ce"),
			"hosts": pulumi.Map{
				"domain": pulumi.String(args.Cluster.Domain), "https": pulumi.Bool(true),
				"gitlab": pulumi.Map{"name": pulumi.String(args.Cluster.Host("gitlab"))},
			},
			"ingress": pulumi.Map{
				"class": pulumi.String(args.Cluster.IngressClass), "configureCertmanager": pulumi.Bool(false),
				"annotations": pulumi.ToStringMap(args.Cluster.IngressAnnotations),
				"tls":         pulumi.Map{"enabled": pulumi.Bool(true), "secretName": pulumi.String("gitlab-tls")},
			},
			"initialRootPassword": pulumi.Map{"secret": pulumi.String("gitlab-root"), "key": pulumi.String("password")},
			"certificates": pulumi.Map{"customCAs": pulumi.Array{
				pulumi.Map{"configMap": pulumi.String(components.CAConfigMap)},
			}},
			"appConfig": pulumi.Map{"omniauth": pulumi.Map{
				"enabled":                pulumi.Bool(true),
				"allowSingleSignOn":      pulumi.ToStringArray([]string{"openid_connect"}),
				"blockAutoCreatedUsers":  pulumi.Bool(false),
				"autoSignInWithProvider": pulumi.String("openid_connect"),
				"providers":              pulumi.Array{pulumi.Map{"secret": pulumi.String("gitlab-login")}},
			}},
		},
		"certmanager":   pulumi.Map{"install": pulumi.Bool(false)},
		"nginx-ingress": off,
		"prometheus":    pulumi.Map{"install": pulumi.Bool(false)},
		"gitlab-runner": pulumi.Map{"install": pulumi.Bool(false)},
		"registry":      off,
		"gitlab": pulumi.Map{
			"webservice": replicas,
			"sidekiq":    replicas,
			"gitaly":     pulumi.Map{"persistence": pulumi.Map{"size": pulumi.String(args.Sizes.GitStorage)}},
			"toolbox": pulumi.Map{
				"enabled":           pulumi.Bool(true),
				"extraVolumes":      pulumi.String(toolboxVolumes),
				"extraVolumeMounts": pulumi.String(toolboxMounts),
			},
		},
	}
}

// bootstrap is the Job that makes the program's service account: it runs the
// mounted script in the toolbox, where GitLab's own console is.
func (g *GitLab) bootstrap(ctx *pulumi.Context, name string, args *GitLabArgs, ns *corev1.Namespace, release pulumi.Resource,
) (*batchv1.Job, error) {
	account, err := newJobAccount(ctx, name, args.Cluster, ns, []jobRule{
		{Group: "apps", Resource: "deployments", Names: []string{"gitlab-toolbox"}, Verbs: []string{"get"}},
		{Group: "apps", Resource: "replicasets", Verbs: []string{"list"}},
		{Group: "", Resource: "pods", Verbs: []string{"get", "list", "watch"}},
		{Group: "", Resource: "pods/exec", Verbs: []string{"create", "get"}},
	}, g)
	if err != nil {
		return nil, err
	}
	job, err := batchv1.NewJob(ctx, name, &batchv1.JobArgs{
		Metadata: jobMetadata(name, ns),
		Spec: &batchv1.JobSpecArgs{
			BackoffLimit: pulumi.Int(20),
			Template: &corev1.PodTemplateSpecArgs{
				Metadata: &metav1.ObjectMetaArgs{Labels: components.PlatformLabels().StringMap()},
				Spec: &corev1.PodSpecArgs{
					RestartPolicy:      pulumi.String("OnFailure"),
					ServiceAccountName: account.Metadata.Name(),
					SecurityContext:    components.RestrictedPod(),
					Containers: corev1.ContainerArray{
						jobContainer("service-account", kubectlImage, nil, []string{
							"exec", "--namespace", gitlabNamespace, "deployment/gitlab-toolbox", "--container", "toolbox", "--",
							"gitlab-rails", "runner", "/etc/platform/service-account.rb",
						}, nil, nil),
					},
				},
			},
		},
	}, args.Cluster.Options(g, pulumi.DependsOn([]pulumi.Resource{account, release}))...)
	if err != nil {
		return nil, fmt.Errorf("bootstrap of GitLab: %w", err)
	}
	return job, nil
}

// operations is the project cluster-operations, which nobody but the program
// writes to.
func (g *GitLab) operations(ctx *pulumi.Context, provider pulumi.ProviderResource, job pulumi.Resource) error {
	at := []pulumi.ResourceOption{pulumi.Parent(g), pulumi.Provider(provider), pulumi.Protect(true)}
	group, err := gitlab.NewGroup(ctx, operationsPath, &gitlab.GroupArgs{
		Name: pulumi.String(operationsPath), Path: pulumi.String(operationsPath),
		Description:     pulumi.String("The platform's own."),
		VisibilityLevel: pulumi.String("private"),
	}, append(at, pulumi.DependsOn([]pulumi.Resource{job}))...)
	if err != nil {
		return fmt.Errorf("GitLab group %s: %w", operationsPath, err)
	}
	project, err := gitlab.NewProject(ctx, operationsPath, &gitlab.ProjectArgs{
		Name: pulumi.String(operationsPath), Path: pulumi.String(operationsPath),
		NamespaceId:          components.IntID(group.ID()),
		Description:          pulumi.String("What Argo CD puts inside the tenants' vClusters."),
		VisibilityLevel:      pulumi.String("private"),
		DefaultBranch:        pulumi.String(defaultBranch),
		InitializeWithReadme: pulumi.Bool(true),
	}, at...)
	if err != nil {
		return fmt.Errorf("GitLab project %s: %w", operationsPath, err)
	}
	g.OperationsProject = project.ID().ToStringOutput()
	return nil
}
