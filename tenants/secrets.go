package tenants

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"text/template"

	"github.com/pulumi/pulumi-gitlab/sdk/v8/go/gitlab"
	"github.com/pulumi/pulumi-vault/sdk/v6/go/vault"
	"github.com/pulumi/pulumi-vault/sdk/v6/go/vault/kubernetes"
	"github.com/pulumi/pulumi-vault/sdk/v6/go/vault/kv"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Secrets is a tenant's part of Vault, one path for each environment, and what
// brings the secrets from there into the vCluster.
type Secrets struct {
	pulumi.ResourceState
}

// Who reads secrets in a vCluster: External Secrets, by this account.
const (
	secretsNamespace = "external-secrets"
	secretsAccount   = "external-secrets"
	secretsRole      = "external-secrets"
)

// pullSecretKey is the key of the robot's login in Vault and in the vCluster.
const pullSecretKey = ".dockerconfigjson"

// NewSecrets makes for each environment a path, a policy that reads it, and a
// way in for External Secrets of that vCluster alone: Vault lets the vCluster
// review the token that a caller shows, with that very token, so no standing
// reviewer is needed (https://developer.hashicorp.com/vault/docs/auth/kubernetes).
func NewSecrets(ctx *pulumi.Context, name string, args *TenantArgs, environments []*Environment, registry *Registry,
	opts ...pulumi.ResourceOption,
) (*Secrets, error) {
	s := &Secrets{}
	opts = append(opts, pulumi.Providers(args.Platform.Vault, args.Platform.GitLab))
	if err := ctx.RegisterComponentResource("platform:tenants:Secrets", name, s, opts...); err != nil {
		return nil, err
	}
	for _, e := range environments {
		if err := s.path(ctx, name+"-"+e.Name, args, e, registry.PullSecrets[e.Name]); err != nil {
			return nil, fmt.Errorf("path of %s: %w", e.Name, err)
		}
		if err := s.login(ctx, name+"-"+e.Name, args, e); err != nil {
			return nil, fmt.Errorf("log-in of %s: %w", e.Name, err)
		}
		if err := s.delivery(ctx, name+"-"+e.Name, args, e); err != nil {
			return nil, fmt.Errorf("manifests of %s: %w", e.Name, err)
		}
	}
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{})
}

func secretsPath(args *TenantArgs, environment string) string {
	return "tenants/" + args.Name + "/" + environment
}

// path holds the environment's secrets: the registry's login, and what the
// tenant puts beside it.
func (s *Secrets) path(ctx *pulumi.Context, name string, args *TenantArgs, e *Environment, pullSecret pulumi.StringOutput,
) error {
	data := pullSecret.ApplyT(func(config string) (string, error) {
		b, err := json.Marshal(map[string]string{pullSecretKey: config})
		return string(b), err
	}).(pulumi.StringOutput)
	_, err := kv.NewSecretV2(ctx, name+"-registry", &kv.SecretV2Args{
		Mount: args.Platform.SecretsMount, Name: pulumi.String(secretsPath(args, e.Name) + "/registry"),
		DataJson: pulumi.ToSecret(data).(pulumi.StringOutput),
		// The robot's login is made anew with the robot; nothing is lost.
		DeleteAllVersions: pulumi.Bool(true),
	}, pulumi.Parent(s))
	if err != nil {
		return fmt.Errorf("registry login: %w", err)
	}
	return nil
}

func (s *Secrets) login(ctx *pulumi.Context, name string, args *TenantArgs, e *Environment) error {
	id := args.environmentID(e.Name)
	policy, err := vault.NewPolicy(ctx, name, &vault.PolicyArgs{
		Name: pulumi.String("tenant-" + id),
		Policy: pulumi.Sprintf("path \"%[1]s/data/%[2]s/*\" {\n  capabilities = [\"read\"]\n}\n"+
			"path \"%[1]s/metadata/%[2]s/*\" {\n  capabilities = [\"read\", \"list\"]\n}\n",
			args.Platform.SecretsMount, secretsPath(args, e.Name)),
	}, pulumi.Parent(s))
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	backend, err := vault.NewAuthBackend(ctx, name, &vault.AuthBackendArgs{
		Type: pulumi.String("kubernetes"), Path: pulumi.String("vcluster-" + id),
		Description: pulumi.Sprintf("Accounts of the vCluster %s in %s.", args.Name, e.Name),
		// Without it, the plugin would update the backend at every run:
		// https://github.com/pulumi/pulumi-vault/issues/744
		Tune: &vault.AuthBackendTuneArgs{MaxLeaseTtl: pulumi.String("1h")},
	}, pulumi.Parent(s), pulumi.DependsOn([]pulumi.Resource{policy}))
	if err != nil {
		return fmt.Errorf("auth backend: %w", err)
	}
	config, err := kubernetes.NewAuthBackendConfig(ctx, name, &kubernetes.AuthBackendConfigArgs{
		Backend: backend.Path, KubernetesHost: pulumi.String(e.VCluster.URL),
		KubernetesCaCert:  pulumi.String(e.Cluster.CACertificate),
		DisableLocalCaJwt: pulumi.Bool(true),
	}, pulumi.Parent(s))
	if err != nil {
		return fmt.Errorf("auth backend's cluster: %w", err)
	}
	_, err = kubernetes.NewAuthBackendRole(ctx, name, &kubernetes.AuthBackendRoleArgs{
		Backend: backend.Path, RoleName: pulumi.String(secretsRole),
		BoundServiceAccountNames:      pulumi.ToStringArray([]string{secretsAccount}),
		BoundServiceAccountNamespaces: pulumi.ToStringArray([]string{secretsNamespace}),
		TokenPolicies:                 pulumi.StringArray{policy.Name},
		TokenTtl:                      pulumi.Int(600), TokenMaxTtl: pulumi.Int(3600),
	}, pulumi.Parent(s), pulumi.DependsOn([]pulumi.Resource{config}))
	if err != nil {
		return fmt.Errorf("role: %w", err)
	}
	return nil
}

//go:embed manifests/secrets.yaml
var secretsManifest string

var secretsTemplate = template.Must(
	template.New("secrets.yaml").Funcs(template.FuncMap{"indent": indent}).Parse(secretsManifest))

// delivery writes the manifests that bring the secrets into the vCluster to
// cluster-operations, from where Argo CD keeps them there. They hold no secret.
func (s *Secrets) delivery(ctx *pulumi.Context, name string, args *TenantArgs, e *Environment) error {
	p := args.Platform
	content := pulumi.ToOutput(p.SecretsMount).ApplyT(func(mount any) (string, error) {
		return render(secretsTemplate, map[string]any{
			"Namespace": secretsNamespace, "Account": secretsAccount, "Role": secretsRole,
			"Vault": p.VaultURL, "CA": e.Cluster.CACertificate, "Mount": mount,
			"Backend": "vcluster-" + args.environmentID(e.Name), "Path": secretsPath(args, e.Name),
			"Key": pullSecretKey,
		})
	}).(pulumi.StringOutput)
	_, err := gitlab.NewRepositoryFile(ctx, name, &gitlab.RepositoryFileArgs{
		Project: p.OperationsProject, Branch: pulumi.String(p.OperationsBranch),
		FilePath: pulumi.Sprintf("vclusters/%s/secrets.yaml", args.environmentID(e.Name)),
		Content:  content, Encoding: pulumi.String("text"),
		CommitMessage:     pulumi.Sprintf("Secrets of %s in %s", args.Name, e.Name),
		AuthorName:        pulumi.String("platform"),
		AuthorEmail:       pulumi.Sprintf("platform@%s", p.ControlPlane.Domain),
		OverwriteOnCreate: pulumi.Bool(true),
	}, pulumi.Parent(s))
	if err != nil {
		return fmt.Errorf("file of cluster-operations: %w", err)
	}
	return nil
}
