package components

import (
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// ClusterIssuer is the cert-manager issuer of the platform's CA on each cluster.
const ClusterIssuer = "platform-ca"

// CertificateArgs say whom a certificate is for. It ends up in the Secret of
// the same name, keys tls.crt, tls.key and ca.crt.
type CertificateArgs struct {
	Name      string
	Namespace pulumi.StringInput
	Labels    Labels
	// DNSNames of a server; empty for a client.
	DNSNames []string
	// CommonName and Organization of a client; cert-manager's spec.commonName
	// and spec.subject.organizations.
	CommonName   string
	Organization string
}

// NewCertificate asks cert-manager for a certificate of 90 days, renewed 15
// days before its end (https://cert-manager.io/docs/usage/certificate/).
func NewCertificate(ctx *pulumi.Context, name string, cluster *Cluster, args *CertificateArgs,
	parent pulumi.Resource, opts ...pulumi.ResourceOption,
) (*apiextensions.CustomResource, error) {
	usages := []string{"digital signature", "server auth"}
	spec := kubernetes.UntypedArgs{
		"secretName":  args.Name,
		"duration":    "2160h",
		"renewBefore": "360h",
		"privateKey":  map[string]any{"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
		"issuerRef":   map[string]any{"kind": "ClusterIssuer", "group": "cert-manager.io", "name": ClusterIssuer},
	}
	if len(args.DNSNames) > 0 {
		spec["dnsNames"] = args.DNSNames
	} else {
		usages[1] = "client auth"
	}
	spec["usages"] = usages
	if args.CommonName != "" {
		spec["commonName"] = args.CommonName
	}
	if args.Organization != "" {
		spec["subject"] = map[string]any{"organizations": []string{args.Organization}}
	}
	c, err := NewCustomResource(ctx, name, cluster, &CustomResourceArgs{
		APIVersion: "cert-manager.io/v1", Kind: "Certificate",
		Name: args.Name, Namespace: args.Namespace, Labels: args.Labels, Spec: spec,
	}, parent, opts...)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", args.Name, err)
	}
	return c, nil
}

// CustomResourceArgs are an object of a kind that a chart of the platform
// defines. Namespace is nil for cluster-wide kinds.
type CustomResourceArgs struct {
	APIVersion, Kind string
	Name             string
	Namespace        pulumi.StringInput
	Labels           Labels
	Spec             map[string]any
}

// NewCustomResource makes an object of a kind defined by a chart.
func NewCustomResource(ctx *pulumi.Context, name string, cluster *Cluster, args *CustomResourceArgs,
	parent pulumi.Resource, opts ...pulumi.ResourceOption,
) (*apiextensions.CustomResource, error) {
	meta := &metav1.ObjectMetaArgs{Name: pulumi.String(args.Name), Labels: args.Labels.StringMap()}
	if args.Namespace != nil {
		meta.Namespace = args.Namespace.ToStringOutput().ToStringPtrOutput()
	}
	r, err := apiextensions.NewCustomResource(ctx, name, &apiextensions.CustomResourceArgs{
		ApiVersion:  pulumi.String(args.APIVersion),
		Kind:        pulumi.String(args.Kind),
		Metadata:    meta,
		OtherFields: kubernetes.UntypedArgs{"spec": args.Spec},
	}, cluster.Options(parent, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", args.Kind, args.Name, err)
	}
	return r, nil
}
