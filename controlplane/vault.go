package controlplane

import (
	_ "embed"
	"fmt"
	"strings"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi-vault/sdk/v6/go/vault"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"platform/components"
)

// VaultArgs configure the secret store.
type VaultArgs struct {
	Cluster *components.Cluster
	Sizes   Sizes
	// Login is the AppRole that the bootstrap Job gives the program.
	Login AppRole
	// Provider talks to Vault with that AppRole.
	Provider pulumi.ProviderResource
}

// Vault keeps the tenants' secrets.
type Vault struct {
	pulumi.ResourceState

	URL string
	// Mount is the path of the KV v2 engine with the tenants' secrets.
	Mount pulumi.StringOutput
}

const (
	vaultNamespace = "vault"
	vaultImage     = "hashicorp/vault"
	// vaultTag is the server and, in the bootstrap Job, the client.
	vaultTag = "1.21.0"
	// kubectlImage holds nothing but kubectl; it has no shell.
	kubectlImage = "registry.k8s.io/kubectl:v1.34.4"
)

// NewVault installs Vault on raft storage with TLS end to end, and the Job that
// initialises and unseals it.
func NewVault(ctx *pulumi.Context, name string, args *VaultArgs, opts ...pulumi.ResourceOption) (*Vault, error) {
	host := args.Cluster.Host("vault")
	v := &Vault{URL: "https://" + host}
	if err := ctx.RegisterComponentResource("platform:controlplane:Vault", name, v, opts...); err != nil {
		return nil, err
	}
	labels := components.PlatformLabels()
	ns, err := components.NewNamespace(ctx, name+"-namespace", args.Cluster, &components.NamespaceArgs{
		Name: vaultNamespace, Labels: labels, Security: components.Restricted,
	}, v, pulumi.Protect(true))
	if err != nil {
		return nil, err
	}
	namespace := ns.Metadata.Name().Elem()
	certificate, err := components.NewCertificate(ctx, name+"-certificate", args.Cluster, &components.CertificateArgs{
		Name: "vault-tls", Namespace: namespace, Labels: labels, DNSNames: v.serverNames(host),
	}, v)
	if err != nil {
		return nil, err
	}
	release, err := components.NewRelease(ctx, name, args.Cluster, &components.ReleaseArgs{
		Chart: components.Vault, Name: "vault", Namespace: namespace, Values: v.values(host, args),
		// The pods are ready only when unsealed, which the Job does.
		Unready: true,
	}, v, pulumi.DependsOn([]pulumi.Resource{certificate}))
	if err != nil {
		return nil, err
	}
	job, err := v.bootstrap(ctx, name+"-bootstrap", args, ns, release)
	if err != nil {
		return nil, err
	}
	mount, err := vault.NewMount(ctx, name+"-secrets", &vault.MountArgs{
		Path: pulumi.String("secret"), Type: pulumi.String("kv"),
		Description: pulumi.String("Secrets of tenants, one path a tenant and environment."),
		Options:     pulumi.StringMap{"version": pulumi.String("2")},
	}, pulumi.Parent(v), pulumi.Provider(args.Provider), pulumi.Protect(true), pulumi.DependsOn([]pulumi.Resource{job}))
	if err != nil {
		return nil, fmt.Errorf("KV engine: %w", err)
	}
	v.Mount = mount.Path
	return v, ctx.RegisterResourceOutputs(v, pulumi.Map{"url": pulumi.String(v.URL), "mount": mount.Path})
}

// serverNames are the names a client may reach a server of Vault by.
func (v *Vault) serverNames(host string) []string {
	return []string{
		host, "vault", "vault.vault.svc", "vault-active.vault.svc", "*.vault-internal", "*.vault-internal.vault.svc",
	}
}

func (v *Vault) servers(args *VaultArgs) []string {
	var urls []string
	for i := range args.Sizes.VaultReplicas {
		urls = append(urls, fmt.Sprintf("https://vault-%d.vault-internal.%s.svc:8200", i, vaultNamespace))
	}
	return urls
}

func (v *Vault) values(host string, args *VaultArgs) pulumi.Map {
	tls := "/vault/userconfig/vault-tls"
	var config strings.Builder
	config.WriteString(`ui = true
listener "tcp" {
  address         = "[::]:8200"
  cluster_address = "[::]:8201"
  tls_cert_file   = "` + tls + `/tls.crt"
  tls_key_file    = "` + tls + `/tls.key"
}
storage "raft" {
  path = "/vault/data"
`)
	for _, server := range v.servers(args) {
		fmt.Fprintf(&config, "  retry_join {\n    leader_api_addr = %q\n    leader_ca_cert_file = %q\n  }\n", server, tls+"/ca.crt")
	}
	config.WriteString("}\nservice_registration \"kubernetes\" {}\n")

	storage := pulumi.Map{"size": pulumi.String(args.Sizes.VaultStorage)}
	if args.Cluster.StorageClass != "" {
		storage["storageClass"] = pulumi.String(args.Cluster.StorageClass)
	}
	return pulumi.Map{
		"global":   pulumi.Map{"tlsDisable": pulumi.Bool(false)},
		"injector": pulumi.Map{"enabled": pulumi.Bool(false)},
		"ui":       pulumi.Map{"enabled": pulumi.Bool(true), "serviceType": pulumi.String("ClusterIP")},
		"server": pulumi.Map{
			"image": pulumi.Map{"repository": pulumi.String(vaultImage), "tag": pulumi.String(vaultTag)},
			// The reviewer of a login is the caller's own token.
			"authDelegator": pulumi.Map{"enabled": pulumi.Bool(false)},
			"dataStorage":   storage,
			"statefulSet":   pulumi.Map{"securityContext": vaultSecurity()},
			"extraEnvironmentVars": pulumi.Map{
				"VAULT_CACERT": pulumi.String(tls + "/ca.crt"),
			},
			"volumes": pulumi.Array{pulumi.Map{
				"name": pulumi.String("vault-tls"), "secret": pulumi.Map{"secretName": pulumi.String("vault-tls")},
			}},
			"volumeMounts": pulumi.Array{pulumi.Map{
				"name": pulumi.String("vault-tls"), "mountPath": pulumi.String(tls), "readOnly": pulumi.Bool(true),
			}},
			"ha": pulumi.Map{
				"enabled": pulumi.Bool(true), "replicas": pulumi.Int(args.Sizes.VaultReplicas),
				"raft": pulumi.Map{
					"enabled": pulumi.Bool(true), "setNodeId": pulumi.Bool(true), "config": pulumi.String(config.String()),
				},
			},
			"ingress": pulumi.Map{
				"enabled":          pulumi.Bool(true),
				"ingressClassName": pulumi.String(args.Cluster.IngressClass),
				"annotations": pulumi.ToStringMap(args.Cluster.Annotations(map[string]string{
					"nginx.ingress.kubernetes.io/backend-protocol": "HTTPS",
				})),
				"hosts": pulumi.Array{pulumi.Map{"host": pulumi.String(host)}},
				"tls": pulumi.Array{pulumi.Map{
					"hosts": pulumi.ToStringArray([]string{host}), "secretName": pulumi.String("vault-tls"),
				}},
			},
		},
	}
}

// vaultSecurity satisfies the restricted Pod Security level, which the chart's own
// does not; the user and group are the image's.
func vaultSecurity() pulumi.Map {
	return pulumi.Map{
		"pod": pulumi.Map{
			"runAsNonRoot": pulumi.Bool(true), "runAsUser": pulumi.Int(100), "runAsGroup": pulumi.Int(1000), "fsGroup": pulumi.Int(1000),
			"seccompProfile": pulumi.Map{"type": pulumi.String("RuntimeDefault")},
		},
		"container": pulumi.Map{
			"allowPrivilegeEscalation": pulumi.Bool(false),
			"capabilities":             pulumi.Map{"drop": pulumi.ToStringArray([]string{"ALL"})},
		},
	}
}

//go:embed scripts/vault-init.sh
var vaultInitScript string

//go:embed scripts/vault-configure.sh
var vaultConfigureScript string

//go:embed scripts/vault-policy.hcl
var vaultPolicy string

// bootstrapInputs are the scripts and the AppRole that the Job works with.
func (v *Vault) bootstrapInputs(ctx *pulumi.Context, name string, args *VaultArgs, ns *corev1.Namespace,
) ([]pulumi.Resource, error) {
	labels, namespace := components.PlatformLabels(), ns.Metadata.Name()
	scripts, err := corev1.NewConfigMap(ctx, name+"-scripts", &corev1.ConfigMapArgs{
		Metadata: &metav1.ObjectMetaArgs{
			Name: pulumi.String(name + "-scripts"), Namespace: namespace, Labels: labels.StringMap(),
		},
		Data: pulumi.StringMap{
			"init.sh":      pulumi.String(vaultInitScript),
			"configure.sh": pulumi.String(vaultConfigureScript),
			"policy.hcl":   pulumi.String(vaultPolicy),
		},
	}, args.Cluster.Options(v)...)
	if err != nil {
		return nil, fmt.Errorf("scripts of Vault's bootstrap: %w", err)
	}
	login, err := components.NewSecret(ctx, name+"-approle", args.Cluster, &components.SecretArgs{
		Name: name + "-approle", Namespace: namespace.Elem(), Labels: labels,
		Data: pulumi.StringMap{
			"role-id":   args.Login.RoleID.ToStringOutput(),
			"secret-id": pulumi.ToSecret(args.Login.SecretID).(pulumi.StringOutput),
		},
	}, v)
	if err != nil {
		return nil, err
	}
	return []pulumi.Resource{scripts, login}, nil
}
