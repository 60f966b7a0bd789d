package stacks

import (
	"fmt"

	"github.com/pulumi/pulumi-gitlab/sdk/v8/go/gitlab"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-random/sdk/v4/go/random"
	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi-vault/sdk/v6/go/vault"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumiverse/pulumi-harbor/sdk/v3/go/harbor"

	"platform/components"
	"platform/controlplane"
)

// providers are all that a stack has, whatever the number of its tenants: each
// is a process. What they log in with is made here, and handed to the systems
// by the control plane.
type providers struct {
	controlPlane *components.Cluster
	hosts        map[string]*components.Cluster

	gitlab *gitlab.Provider
	harbor *harbor.Provider
	vault  *vault.Provider
	random *random.Provider
	tls    *tls.Provider

	gitlabToken, harborPassword pulumi.StringOutput
	vaultLogin                  controlplane.AppRole
}

func newProviders(ctx *pulumi.Context, config *Config, trust string) (*providers, error) {
	p := &providers{hosts: map[string]*components.Cluster{}}
	var err error
	if p.controlPlane, err = newCluster(ctx, "control-plane", config.Clusters.ControlPlane, config); err != nil {
		return nil, err
	}
	if p.hosts["dev"], err = newCluster(ctx, "dev", config.Clusters.Dev, config); err != nil {
		return nil, err
	}
	if p.hosts["prod"], err = newCluster(ctx, "prod", config.Clusters.Prod, config); err != nil {
		return nil, err
	}
	if p.random, err = random.NewProvider(ctx, "random", &random.ProviderArgs{}); err != nil {
		return nil, fmt.Errorf("provider random: %w", err)
	}
	if p.tls, err = tls.NewProvider(ctx, "tls", &tls.ProviderArgs{}); err != nil {
		return nil, fmt.Errorf("provider tls: %w", err)
	}
	if err := p.credentials(ctx); err != nil {
		return nil, err
	}
	return p, p.systems(ctx, trust)
}

// newCluster makes the provider of a cluster. What a killed run created and
// did not save is taken over by its name (upsertExistingObjects), with the fields
// that the killed run's field manager owned (enablePatchForce), and a changed
// address is no reason to replace everything there (clusterIdentifier).
func newCluster(ctx *pulumi.Context, name string, c Cluster, config *Config) (*components.Cluster, error) {
	args := &kubernetes.ProviderArgs{
		Kubeconfig:            pulumi.String(c.Kubeconfig),
		ClusterIdentifier:     pulumi.String(name),
		EnableServerSideApply: pulumi.Bool(true),
		UpsertExistingObjects: pulumi.Bool(true),
		EnablePatchForce:      pulumi.Bool(true),
	}
	if c.Context != "" {
		args.Context = pulumi.String(c.Context)
	}
	provider, err := kubernetes.NewProvider(ctx, name, args)
	if err != nil {
		return nil, fmt.Errorf("provider of cluster %s: %w", name, err)
	}
	return &components.Cluster{
		Name: name, Domain: c.Domain, IngressClass: c.Ingress.Class, IngressAnnotations: c.Ingress.Annotations,
		StorageClass: c.StorageClass, Charts: components.Mirror(config.Charts.Mirror),
		CACertificate: config.CA.Certificate, Provider: provider,
	}, nil
}

// credentials are what the program chose for itself in each system.
func (p *providers) credentials(ctx *pulumi.Context) error {
	at := pulumi.Provider(p.random)
	password := func(name string, length int) (pulumi.StringOutput, error) {
		r, err := random.NewRandomPassword(ctx, name, &random.RandomPasswordArgs{
			Length: pulumi.Int(length), Special: pulumi.Bool(false),
			MinLower: pulumi.Int(2), MinUpper: pulumi.Int(2), MinNumeric: pulumi.Int(2),
		}, at)
		if err != nil {
			return pulumi.StringOutput{}, fmt.Errorf("credential %s: %w", name, err)
		}
		return pulumi.ToSecret(r.Result).(pulumi.StringOutput), nil
	}
	token, err := password("gitlab-token", 32)
	if err != nil {
		return err
	}
	// The prefix lets secret scanners know a token of GitLab's.
	p.gitlabToken = pulumi.Sprintf("glpat-%s", token)
	if p.harborPassword, err = password("harbor-admin", 32); err != nil {
		return err
	}
	secretID, err := password("vault-secret-id", 48)
	if err != nil {
		return err
	}
	roleID, err := random.NewRandomUuid(ctx, "vault-role-id", &random.RandomUuidArgs{}, at)
	if err != nil {
		return fmt.Errorf("credential vault-role-id: %w", err)
	}
	p.vaultLogin = controlplane.AppRole{RoleID: roleID.Result, SecretID: secretID}
	return nil
}

// systems make the providers of GitLab, Harbor and Vault, which verify TLS.
func (p *providers) systems(ctx *pulumi.Context, trust string) error {
	var err error
	host := p.controlPlane.Host
	p.gitlab, err = gitlab.NewProvider(ctx, "gitlab", &gitlab.ProviderArgs{
		BaseUrl: pulumi.String("https://" + host("gitlab") + "/api/v4/"), Token: p.gitlabToken,
		CacertFile: pulumi.String(trust),
		// GitLab may be made by this very run.
		EarlyAuthCheck: pulumi.Bool(false),
	})
	if err != nil {
		return fmt.Errorf("provider gitlab: %w", err)
	}
	p.harbor, err = harbor.NewProvider(ctx, "harbor", &harbor.ProviderArgs{
		Url: pulumi.String("https://" + host("harbor")), Username: pulumi.String("admin"), Password: p.harborPassword,
		Insecure: pulumi.Bool(false),
	})
	if err != nil {
		return fmt.Errorf("provider harbor: %w", err)
	}
	p.vault, err = vault.NewProvider(ctx, "vault", &vault.ProviderArgs{
		Address: pulumi.String("https://" + host("vault")), CaCertFile: pulumi.String(trust), Token: pulumi.String(""),
		AuthLogin: &vault.ProviderAuthLoginArgs{
			Path: pulumi.String("auth/approle/login"),
			Parameters: pulumi.StringMap{
				"role_id": p.vaultLogin.RoleID.ToStringOutput(), "secret_id": p.vaultLogin.SecretID.ToStringOutput(),
			},
		},
	})
	if err != nil {
		return fmt.Errorf("provider vault: %w", err)
	}
	return nil
}
