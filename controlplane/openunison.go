package controlplane

import (
	"encoding/base64"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"platform/components"
)

// OpenUnisonArgs configure identity and the portal.
type OpenUnisonArgs struct {
	Cluster        *components.Cluster
	Sizes          Sizes
	Login          Login
	Administrators []string
}

// OpenUnison is the identity provider of every system and the portal.
type OpenUnison struct {
	pulumi.ResourceState

	URL string
	// Issuer is the OIDC issuer that the other systems trust.
	Issuer string
}

// NewOpenUnison installs the operator, OpenUnison itself, its portal and the
// API server's proxy for people (https://openunison.github.io/deployauth/).
func NewOpenUnison(ctx *pulumi.Context, name string, args *OpenUnisonArgs, opts ...pulumi.ResourceOption,
) (*OpenUnison, error) {
	host := args.Cluster.Host("openunison")
	o := &OpenUnison{URL: "https://" + host, Issuer: "https://" + host + "/auth/idp/k8sIdp"}
	if err := ctx.RegisterComponentResource("platform:controlplane:OpenUnison", name, o, opts...); err != nil {
		return nil, err
	}
	ns, err := components.NewNamespace(ctx, name+"-namespace", args.Cluster, &components.NamespaceArgs{
		Name: components.OpenUnisonNamespace, Labels: components.PlatformLabels(), Security: components.Restricted,
	}, o)
	if err != nil {
		return nil, err
	}
	secrets, err := o.secrets(ctx, name, args, ns.Metadata.Name().Elem())
	if err != nil {
		return nil, err
	}
	certificate, err := components.NewCertificate(ctx, name+"-certificate", args.Cluster, &components.CertificateArgs{
		Name: "ou-tls-certificate", Namespace: ns.Metadata.Name().Elem(), Labels: components.PlatformLabels(),
		DNSNames: []string{host, args.Cluster.Host("api")},
	}, o)
	if err != nil {
		return nil, err
	}

	values := o.values(args)
	previous := []pulumi.Resource{secrets, certificate}
	for _, part := range []struct {
		suffix string
		chart  components.Chart
		values pulumi.Map
	}{
		{"operator", components.OpenUnisonOperator, pulumi.Map{}},
		{"orchestra", components.Orchestra, values},
		{"portal", components.OrchestraPortal, values},
		{"kube-proxy", components.OrchestraKubeProxy, values},
	} {
		release, err := components.NewRelease(ctx, name+"-"+part.suffix, args.Cluster, &components.ReleaseArgs{
			Chart: part.chart, Name: part.chart.Name, Namespace: ns.Metadata.Name().Elem(), Values: part.values,
		}, o, pulumi.DependsOn(previous))
		if err != nil {
			return nil, err
		}
		previous = []pulumi.Resource{release}
	}
	return o, ctx.RegisterResourceOutputs(o, pulumi.Map{
		"url": pulumi.String(o.URL), "issuer": pulumi.String(o.Issuer),
	})
}

// secrets are what the chart reads from the Secret orchestra-secrets-source.
func (o *OpenUnison) secrets(ctx *pulumi.Context, name string, args *OpenUnisonArgs, namespace pulumi.StringInput,
) (pulumi.Resource, error) {
	data := pulumi.StringMap{"OIDC_CLIENT_SECRET": pulumi.ToSecret(args.Login.ClientSecret).(pulumi.StringOutput)}
	for key, logical := range map[string]string{
		"K8S_DB_SECRET":          name + "-dashboard",
		"unisonKeystorePassword": name + "-keystore",
	} {
		password, err := components.NewPassword(ctx, logical, o)
		if err != nil {
			return nil, err
		}
		data[key] = password
	}
	return components.NewSecret(ctx, name+"-secrets", args.Cluster, &components.SecretArgs{
		Name: "orchestra-secrets-source", Namespace: namespace, Labels: components.PlatformLabels(), Data: data,
	}, o)
}

// values are shared by OpenUnison's charts: each reads of them what it needs.
func (o *OpenUnison) values(args *OpenUnisonArgs) pulumi.Map {
	return pulumi.Map{
		"network": pulumi.Map{
			"openunison_host":          pulumi.String(args.Cluster.Host("openunison")),
			"api_server_host":          pulumi.String(args.Cluster.Host("api")),
			"createIngressCertificate": pulumi.Bool(false),
			"ingress_type":             pulumi.String("nginx"),
			"ingress_annotations": pulumi.ToStringMap(args.Cluster.Annotations(map[string]string{
				"kubernetes.io/ingress.class": args.Cluster.IngressClass,
			})),
		},
		"k8s_cluster_name":     pulumi.String(args.Cluster.Name),
		"enable_impersonation": pulumi.Bool(true),
		"impersonation": pulumi.Map{
			"use_jetstack": pulumi.Bool(true), "explicit_certificate_trust": pulumi.Bool(true),
			"orchestra_release_name": pulumi.String(components.Orchestra.Name),
		},
		"dashboard": pulumi.Map{"enabled": pulumi.Bool(false)},
		"headlamp":  pulumi.Map{"enabled": pulumi.Bool(false)},
		"trusted_certs": pulumi.Array{pulumi.Map{
			"name":    pulumi.String("unison-ca"),
			"pem_b64": pulumi.String(base64.StdEncoding.EncodeToString([]byte(args.Cluster.CACertificate))),
		}},
		"oidc": pulumi.Map{
			"client_id":       pulumi.String(args.Login.ClientID),
			"issuer":          pulumi.String(args.Login.Issuer),
			"user_in_idtoken": pulumi.Bool(false),
			"scopes":          pulumi.String("openid email profile groups"),
			"claims": pulumi.ToStringMap(map[string]string{
				"sub": "sub", "email": "email", "given_name": "given_name", "family_name": "family_name",
				"display_name": "name", "groups": "groups",
			}),
		},
		"openunison": pulumi.Map{
			"replicas": pulumi.Int(args.Sizes.Replicas),
			// The proxy for people is a release of its own.
			"kubeAuth": pulumi.Map{"enabled": pulumi.Bool(false)},
			"non_secret_data": pulumi.Map{
				"SHOW_PORTAL_ORGS":        pulumi.String("true"),
				"PLATFORM_ADMINISTRATORS": pulumi.String(strings.Join(args.Administrators, ",")),
			},
		},
	}
}
