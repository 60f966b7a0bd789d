package stacks

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"platform/components"
	"platform/controlplane"
	"platform/tenants"
)

// Platform is the program: it reads the stack's config and builds from it the
// control plane and the tenants.
func Platform(ctx *pulumi.Context) error {
	source, err := FromEnvironment(ctx)
	if err != nil {
		return err
	}
	config, err := Load(source)
	if err != nil {
		return err
	}
	trust, err := writeTrust(ctx.Stack(), config.CA.Certificate)
	if err != nil {
		return err
	}
	return Deploy(ctx, config, trust)
}

// Deploy registers every resource of a platform. trust is the file with the CA
// that the providers read.
func Deploy(ctx *pulumi.Context, config *Config, trust string) error {
	providers, err := newProviders(ctx, config, trust)
	if err != nil {
		return err
	}
	shared, err := controlplane.New(ctx, "control-plane", &controlplane.Args{
		Cluster: providers.controlPlane,
		Hosts:   []*components.Cluster{providers.hosts["dev"], providers.hosts["prod"]},
		CAKey:   pulumi.ToSecret(pulumi.String(config.CAKey)).(pulumi.StringOutput),
		Sizes:   controlplane.Profiles[config.Profile],
		Login: controlplane.Login{
			Issuer: config.Login.Issuer, ClientID: config.Login.ClientID,
			ClientSecret: pulumi.ToSecret(pulumi.String(config.LoginClientSecret)).(pulumi.StringOutput),
		},
		Administrators: config.Administrators,
		GitLabToken:    providers.gitlabToken, HarborPassword: providers.harborPassword, VaultLogin: providers.vaultLogin,
		GitLab: providers.gitlab, Harbor: providers.harbor, Vault: providers.vault,
	}, pulumi.Providers(providers.random, providers.tls))
	if err != nil {
		return fmt.Errorf("control plane: %w", err)
	}
	platform := &tenants.Platform{
		ControlPlane: providers.controlPlane, Hosts: providers.hosts,
		OperationsProject: shared.GitLab.OperationsProject, OperationsBranch: shared.GitLab.OperationsBranch,
		RegistryHost: shared.Harbor.Host, VaultURL: shared.Vault.URL, SecretsMount: shared.Vault.Mount,
		DeliveryNamespace: shared.ArgoCD.Namespace, CredentialPlugin: controlplane.CredentialPlugin,
		IdentityHost: providers.controlPlane.Host("openunison"),
		GitLab:       providers.gitlab, Harbor: providers.harbor, Vault: providers.vault,
	}
	made := pulumi.Map{}
	for _, entry := range config.Tenants {
		tenant, err := tenants.NewTenant(ctx, entry.Name, tenantArgs(entry, platform),
			pulumi.Providers(providers.random, providers.tls), pulumi.DependsOn([]pulumi.Resource{shared}))
		if err != nil {
			return err
		}
		made[entry.Name] = tenant.Outputs()
	}
	ctx.Export("urls", pulumi.StringMap{
		"portal": pulumi.String(shared.OpenUnison.URL), "gitlab": pulumi.String(shared.GitLab.URL),
		"harbor": pulumi.String(shared.Harbor.URL), "vault": pulumi.String(shared.Vault.URL),
		"argocd": pulumi.String(shared.ArgoCD.URL),
	})
	ctx.Export("tenants", made)
	return nil
}

func tenantArgs(t Tenant, platform *tenants.Platform) *tenants.TenantArgs {
	environment := func(name string, e Environment) tenants.EnvironmentArgs {
		replicas := 1
		if name == "prod" {
			replicas = sizes[e.Size].replicas
		}
		return tenants.EnvironmentArgs{Name: name, Replicas: replicas, Quota: tenants.Quota(e.Quota)}
	}
	return &tenants.TenantArgs{
		Platform: platform, Name: t.Name, Description: t.Description, CostCentre: t.CostCentre, Owners: t.Owners,
		RegistryStorage: sizes[t.Size].registry,
		Environments: []tenants.EnvironmentArgs{
			environment("dev", t.Environments.Dev), environment("prod", t.Environments.Prod),
		},
	}
}

// writeTrust keeps the CA beside the state: the GitLab and Vault providers take
// it as a file only, and want the same one when the program does not run, in
// `pulumi destroy`. The name is relative, so that a project that moved shows no
// change.
func writeTrust(stack, certificate string) (string, error) {
	file := filepath.Join("state", stack, "trust.pem")
	if current, err := os.ReadFile(file); err == nil && string(current) == certificate {
		return file, nil
	}
	err := errors.Join(
		os.MkdirAll(filepath.Dir(file), 0o700),
		os.WriteFile(file, []byte(certificate), 0o600),
	)
	if err != nil {
		return "", fmt.Errorf("writing the CA for the providers: %w", err)
	}
	return file, nil
}
