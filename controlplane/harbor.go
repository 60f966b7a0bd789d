package controlplane

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumiverse/pulumi-harbor/sdk/v3/go/harbor"

	"platform/components"
)

// HarborArgs configure the registry.
type HarborArgs struct {
	Cluster *components.Cluster
	Sizes   Sizes
	// Issuer is OpenUnison's.
	Issuer string
	// Password of Harbor's admin.
	Password pulumi.StringInput
	// Provider talks to Harbor as admin.
	Provider pulumi.ProviderResource
}

// Harbor holds container images.
type Harbor struct {
	pulumi.ResourceState

	// Host is the first part of every image name, URL the address of the API.
	Host, URL string

	databasePassword pulumi.StringOutput
}

// NewHarbor installs Harbor with log-in through OpenUnison.
func NewHarbor(ctx *pulumi.Context, name string, args *HarborArgs, opts ...pulumi.ResourceOption) (*Harbor, error) {
	h := &Harbor{Host: args.Cluster.Host("harbor")}
	h.URL = "https://" + h.Host
	if err := ctx.RegisterComponentResource("platform:controlplane:Harbor", name, h, opts...); err != nil {
		return nil, err
	}
	labels := components.PlatformLabels()
	ns, err := components.NewNamespace(ctx, name+"-namespace", args.Cluster, &components.NamespaceArgs{
		Name: "harbor", Labels: labels, Security: components.Baseline,
	}, h, pulumi.Protect(true))
	if err != nil {
		return nil, err
	}
	namespace := ns.Metadata.Name().Elem()
	certificate, err := components.NewCertificate(ctx, name+"-certificate", args.Cluster, &components.CertificateArgs{
		Name: "harbor-tls", Namespace: namespace, Labels: labels, DNSNames: []string{h.Host},
	}, h)
	if err != nil {
		return nil, err
	}
	inputs, err := h.secrets(ctx, name, args, namespace)
	if err != nil {
		return nil, err
	}
	release, err := components.NewRelease(ctx, name, args.Cluster, &components.ReleaseArgs{
		Chart: components.Harbor, Name: "harbor", Namespace: namespace, Values: h.values(args),
	}, h, pulumi.DependsOn(append(inputs, certificate)))
	if err != nil {
		return nil, err
	}
	if err := h.login(ctx, name, args, release); err != nil {
		return nil, err
	}
	return h, ctx.RegisterResourceOutputs(h, pulumi.Map{"url": pulumi.String(h.URL)})
}

// harborKeys are keys that Harbor's parts share: the Secret, the key in it, and
// the length that the chart asks for. The chart makes Secrets of its own without
// the suffix.
var harborKeys = []struct {
	secret, key string
	length      int
}{
	{"harbor-core-key", "secret", 16},
	{"harbor-xsrf-key", "CSRF_KEY", 32},
	{"harbor-encryption-key", "secretKey", 16},
	{"harbor-jobservice-key", "JOBSERVICE_SECRET", 16},
	{"harbor-registry-key", "REGISTRY_HTTP_SECRET", 16},
}

// registryUser is whom Harbor's core logs in as at its registry.
const registryUser = "harbor_registry_user"

func (h *Harbor) secrets(ctx *pulumi.Context, name string, args *HarborArgs, namespace pulumi.StringInput,
) ([]pulumi.Resource, error) {
	var made []pulumi.Resource
	secret := func(secretName string, data pulumi.StringMap) error {
		s, err := components.NewSecret(ctx, secretName, args.Cluster, &components.SecretArgs{
			Name: secretName, Namespace: namespace, Labels: components.PlatformLabels(), Data: data,
		}, h)
		made = append(made, s)
		return err
	}
	err := secret(name+"-admin", pulumi.StringMap{
		"HARBOR_ADMIN_PASSWORD": pulumi.ToSecret(args.Password).(pulumi.StringOutput),
	})
	if err != nil {
		return nil, err
	}
	for _, k := range harborKeys {
		value, err := components.NewKey(ctx, k.secret, k.length, h)
		if err != nil {
			return nil, err
		}
		if err := secret(k.secret, pulumi.StringMap{k.key: value}); err != nil {
			return nil, err
		}
	}
	password, hash, err := components.NewPasswordWithHash(ctx, name+"-registry-credentials", h)
	if err != nil {
		return nil, err
	}
	err = secret(name+"-registry-credentials", pulumi.StringMap{
		"REGISTRY_PASSWD":   password,
		"REGISTRY_HTPASSWD": pulumi.Sprintf("%s:%s", registryUser, hash),
	})
	if err != nil {
		return nil, err
	}
	h.databasePassword, err = components.NewPassword(ctx, name+"-database", h)
	return made, err
}

// values follow https://github.com/goharbor/harbor-helm.
func (h *Harbor) values(args *HarborArgs) pulumi.Map {
	claim := func(size string) pulumi.Map {
		c := pulumi.Map{"size": pulumi.String(size)}
		if args.Cluster.StorageClass != "" {
			c["storageClass"] = pulumi.String(args.Cluster.StorageClass)
		}
		return c
	}
	replicas := pulumi.Int(args.Sizes.Replicas)
	return pulumi.Map{
		"externalURL": pulumi.String(h.URL),
		"expose": pulumi.Map{
			"type": pulumi.String("ingress"),
			"tls": pulumi.Map{
				"enabled": pulumi.Bool(true), "certSource": pulumi.String("secret"),
				"secret": pulumi.Map{"secretName": pulumi.String("harbor-tls")},
			},
			"ingress": pulumi.Map{
				"hosts":       pulumi.Map{"core": pulumi.String(h.Host)},
				"className":   pulumi.String(args.Cluster.IngressClass),
				"annotations": pulumi.ToStringMap(args.Cluster.IngressAnnotations),
			},
		},
		"existingSecretAdminPassword":    pulumi.String("harbor-admin"),
		"existingSecretAdminPasswordKey": pulumi.String("HARBOR_ADMIN_PASSWORD"),
		"existingSecretSecretKey":        pulumi.String("harbor-encryption-key"),
		"caBundleSecretName":             pulumi.String("harbor-tls"),
		"core": pulumi.Map{
			"replicas": replicas, "existingSecret": pulumi.String("harbor-core-key"),
			"existingXsrfSecret": pulumi.String("harbor-xsrf-key"),
		},
		"jobservice": pulumi.Map{"replicas": replicas, "existingSecret": pulumi.String("harbor-jobservice-key")},
		"registry": pulumi.Map{
			"replicas": replicas, "existingSecret": pulumi.String("harbor-registry-key"),
			"credentials": pulumi.Map{
				"username": pulumi.String(registryUser), "existingSecret": pulumi.String("harbor-registry-credentials"),
			},
		},
		"portal":   pulumi.Map{"replicas": replicas},
		"database": pulumi.Map{"internal": pulumi.Map{"password": h.databasePassword}},
		"persistence": pulumi.Map{"persistentVolumeClaim": pulumi.Map{
			"registry": claim(args.Sizes.RegistryStorage),
		}},
	}
}

// login makes OpenUnison the one way in for people
// (https://goharbor.io/docs/main/administration/configure-authentication/oidc-auth/).
func (h *Harbor) login(ctx *pulumi.Context, name string, args *HarborArgs, release pulumi.Resource) error {
	client, err := components.NewOIDCClient(ctx, name+"-oidc", args.Cluster, &components.OIDCClientArgs{
		ClientID: "harbor", RedirectURIs: []string{h.URL + "/c/oidc/callback"},
	}, pulumi.Parent(h))
	if err != nil {
		return err
	}
	_, err = harbor.NewConfigAuth(ctx, name+"-login", &harbor.ConfigAuthArgs{
		AuthMode:         pulumi.String("oidc_auth"),
		PrimaryAuthMode:  pulumi.Bool(true),
		OidcName:         pulumi.String("openunison"),
		OidcEndpoint:     pulumi.String(args.Issuer),
		OidcClientId:     pulumi.String(client.ClientID),
		OidcClientSecret: client.ClientSecret,
		OidcScope:        pulumi.String("openid,email,profile,groups"),
		OidcGroupsClaim:  pulumi.String("groups"),
		OidcAdminGroup:   pulumi.String(components.Administrators),
		OidcUserClaim:    pulumi.String("sub"),
		OidcVerifyCert:   pulumi.Bool(true),
		OidcAutoOnboard:  pulumi.Bool(true),
	}, pulumi.Parent(h), pulumi.Provider(args.Provider), pulumi.DependsOn([]pulumi.Resource{release, client}))
	if err != nil {
		return fmt.Errorf("log-in of Harbor: %w", err)
	}
	return nil
}
