package tenants

import (
	_ "embed"
	"fmt"
	"text/template"

	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"platform/components"
)

//go:embed manifests/managementproxy.yaml
var managementProxyManifest string

var managementProxyTemplate = template.Must(
	template.New("managementproxy.yaml").Funcs(template.FuncMap{"indent": indent}).Parse(managementProxyManifest))

// The proxy's certificate, in hours. Only the ingress sees it, which verifies no
// backend: it is there because the proxy serves nothing without one.
const (
	servingValidity = 10 * 365 * 24
	servingRenewal  = 365 * 24
)

// managementProxy is what has to be inside a vCluster before Argo CD can reach
// it: a proxy that takes OpenUnison's tokens. The manifests hold its key and are
// secret.
func managementProxy(ctx *pulumi.Context, name, identityHost, host string, cluster *components.Cluster, parent pulumi.Resource,
) (pulumi.StringInput, error) {
	key, err := tls.NewPrivateKey(ctx, name, &tls.PrivateKeyArgs{
		Algorithm: pulumi.String("ECDSA"), EcdsaCurve: pulumi.String("P256"),
	}, pulumi.Parent(parent))
	if err != nil {
		return nil, fmt.Errorf("key of the management proxy: %w", err)
	}
	certificate, err := tls.NewSelfSignedCert(ctx, name, &tls.SelfSignedCertArgs{
		PrivateKeyPem: key.PrivateKeyPem, DnsNames: pulumi.ToStringArray([]string{host}),
		AllowedUses:         pulumi.ToStringArray([]string{"digital_signature", "server_auth"}),
		ValidityPeriodHours: pulumi.Int(servingValidity), EarlyRenewalHours: pulumi.Int(servingRenewal),
	}, pulumi.Parent(parent))
	if err != nil {
		return nil, fmt.Errorf("certificate of the management proxy: %w", err)
	}
	manifests := pulumi.All(key.PrivateKeyPem, certificate.CertPem).ApplyT(func(pair []any) (string, error) {
		return render(managementProxyTemplate, map[string]any{
			"IdentityHost": identityHost,
			"Host":         host,
			"IngressClass": cluster.IngressClass,
			"Issuer":       components.ClusterIssuer,
			"CA":           cluster.CACertificate,
			"Key":          pair[0],
			"Certificate":  pair[1],
		})
	}).(pulumi.StringOutput)
	return pulumi.ToSecret(manifests).(pulumi.StringOutput), nil
}
