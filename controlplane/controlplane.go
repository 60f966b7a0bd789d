// Package controlplane deploys the systems that all tenants share: one file and
// one component each.
package controlplane

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"platform/components"
)

// Args are what the control plane needs to know of its site.
type Args struct {
	// Cluster carries the control plane; Hosts carry the tenants' vClusters.
	Cluster *components.Cluster
	Hosts   []*components.Cluster
	// CAKey is the PEM of the key of the platform's CA.
	CAKey pulumi.StringInput
	// Sizes is the row of the table of profiles that the stack names.
	Sizes Sizes
	Login Login
	// Administrators are the user names of the first administrators.
	Administrators []string
	// GitLabToken is the token that the program itself uses at GitLab,
	// HarborPassword that of Harbor's admin, and VaultLogin its AppRole: the
	// program chooses them, and the systems take them over.
	GitLabToken    pulumi.StringInput
	HarborPassword pulumi.StringInput
	VaultLogin     AppRole
	// GitLab, Harbor and Vault hold the providers that talk to the systems once
	// these run.
	GitLab, Harbor, Vault pulumi.ProviderResource
}

// Login is the OIDC provider behind OpenUnison's portal.
type Login struct {
	Issuer, ClientID string
	ClientSecret     pulumi.StringInput
}

// AppRole is a login at Vault (https://developer.hashicorp.com/vault/docs/auth/approle).
type AppRole struct {
	RoleID, SecretID pulumi.StringInput
}

// Sizes are the numbers that differ between the profiles of a site.
type Sizes struct {
	// Replicas of stateless servers, and of Vault's raft.
	Replicas, VaultReplicas int
	// Storage of a server's volume.
	VaultStorage, RegistryStorage, GitStorage, DatabaseStorage string
}

// Profiles is the table of `platform:profile`.
var Profiles = map[string]Sizes{
	"small": {
		Replicas: 1, VaultReplicas: 1,
		VaultStorage: "10Gi", RegistryStorage: "50Gi", GitStorage: "50Gi", DatabaseStorage: "20Gi",
	},
	"ha": {
		Replicas: 3, VaultReplicas: 3,
		VaultStorage: "20Gi", RegistryStorage: "500Gi", GitStorage: "200Gi", DatabaseStorage: "100Gi",
	},
}

// ControlPlane is every shared system.
type ControlPlane struct {
	pulumi.ResourceState

	GitLab     *GitLab
	Harbor     *Harbor
	Vault      *Vault
	ArgoCD     *ArgoCD
	OpenUnison *OpenUnison
	// Hosts are the systems on each host cluster, by its name.
	Hosts map[string]*HostCluster
}

// New deploys the shared systems, and on each host cluster what the tenants'
// vClusters stand on.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*ControlPlane, error) {
	c := &ControlPlane{Hosts: map[string]*HostCluster{}}
	if err := ctx.RegisterComponentResource("platform:controlplane:ControlPlane", name, c, opts...); err != nil {
		return nil, err
	}
	parent := pulumi.Parent(c)

	// Policy first: until its webhook answers, the API server refuses all else.
	policy, err := NewGatekeeper(ctx, "gatekeeper", &GatekeeperArgs{Cluster: args.Cluster, Sizes: args.Sizes}, parent)
	if err != nil {
		return nil, err
	}
	certificates, err := NewCertManager(ctx, "cert-manager", &CertManagerArgs{
		Cluster: args.Cluster, CAKey: args.CAKey, Sizes: args.Sizes,
	}, parent, pulumi.DependsOn([]pulumi.Resource{policy}))
	if err != nil {
		return nil, err
	}
	onCA := pulumi.DependsOn([]pulumi.Resource{certificates})

	c.OpenUnison, err = NewOpenUnison(ctx, "openunison", &OpenUnisonArgs{
		Cluster: args.Cluster, Sizes: args.Sizes, Login: args.Login, Administrators: args.Administrators,
	}, parent, onCA)
	if err != nil {
		return nil, err
	}
	onLogin := pulumi.DependsOn([]pulumi.Resource{certificates, c.OpenUnison})
	issuer := c.OpenUnison.Issuer

	c.GitLab, err = NewGitLab(ctx, "gitlab", &GitLabArgs{
		Cluster: args.Cluster, Sizes: args.Sizes, Issuer: issuer, Token: args.GitLabToken, Provider: args.GitLab,
	}, parent, onLogin)
	if err != nil {
		return nil, err
	}
	c.Harbor, err = NewHarbor(ctx, "harbor", &HarborArgs{
		Cluster: args.Cluster, Sizes: args.Sizes, Issuer: issuer, Password: args.HarborPassword, Provider: args.Harbor,
	}, parent, onLogin)
	if err != nil {
		return nil, err
	}
	c.Vault, err = NewVault(ctx, "vault", &VaultArgs{
		Cluster: args.Cluster, Sizes: args.Sizes, Login: args.VaultLogin, Provider: args.Vault,
	}, parent, onCA)
	if err != nil {
		return nil, err
	}
	c.ArgoCD, err = NewArgoCD(ctx, "argocd", &ArgoCDArgs{
		Cluster: args.Cluster, Sizes: args.Sizes, Issuer: issuer, GitLab: c.GitLab,
	}, parent, onLogin)
	if err != nil {
		return nil, err
	}
	for _, host := range args.Hosts {
		c.Hosts[host.Name], err = NewHostCluster(ctx, host.Name, &HostClusterArgs{
			Cluster: host, CAKey: args.CAKey, Sizes: args.Sizes,
		}, parent)
		if err != nil {
			return nil, err
		}
	}
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{})
}
