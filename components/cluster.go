package components

import (
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Cluster is a Kubernetes cluster and what a site says of it.
type Cluster struct {
	// Name is control-plane, dev or prod.
	Name string
	// Domain is the DNS suffix of the cluster's ingress hosts.
	Domain string
	// IngressClass and IngressAnnotations are those of the site's controller.
	IngressClass       string
	IngressAnnotations map[string]string
	// StorageClass of the platform's volumes; empty is the cluster's default.
	StorageClass string
	// Charts is where releases on this cluster come from.
	Charts Mirror
	// CACertificate is the PEM of the CA that every client here trusts.
	CACertificate string

	Provider *kubernetes.Provider
}

// Host is the name of an ingress host of this cluster.
func (c *Cluster) Host(name string) string { return name + "." + c.Domain }

// Options are the options of a resource on this cluster: the cluster's
// provider, the parent, and what else is given.
func (c *Cluster) Options(parent pulumi.Resource, more ...pulumi.ResourceOption) []pulumi.ResourceOption {
	return append([]pulumi.ResourceOption{pulumi.Parent(parent), pulumi.Provider(c.Provider)}, more...)
}

// Annotations are the site's ingress annotations and the ones given, which win.
func (c *Cluster) Annotations(more map[string]string) map[string]string {
	all := map[string]string{}
	for _, m := range []map[string]string{c.IngressAnnotations, more} {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

// PodSecurity is a level of the Pod Security Standards
// (https://kubernetes.io/docs/concepts/security/pod-security-standards/).
type PodSecurity string

// The levels that the platform uses.
const (
	Restricted PodSecurity = "restricted"
	Baseline   PodSecurity = "baseline"
)

// NamespaceArgs say what a namespace is called and what its pods may do.
type NamespaceArgs struct {
	Name     string
	Labels   Labels
	Security PodSecurity
}

// NewNamespace makes a namespace with the labels of its Pod Security level and
// the ConfigMap platform-ca, whose key ca.crt is the CA that its pods trust.
func NewNamespace(ctx *pulumi.Context, name string, cluster *Cluster, args *NamespaceArgs,
	parent pulumi.Resource, opts ...pulumi.ResourceOption,
) (*corev1.Namespace, error) {
	labels := args.Labels.With("pod-security.kubernetes.io/enforce", string(args.Security))
	ns, err := corev1.NewNamespace(ctx, name, &corev1.NamespaceArgs{
		Metadata: &metav1.ObjectMetaArgs{Name: pulumi.String(args.Name), Labels: labels.StringMap()},
	}, cluster.Options(parent, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("namespace %s: %w", args.Name, err)
	}
	_, err = corev1.NewConfigMap(ctx, name+"-ca", &corev1.ConfigMapArgs{
		Metadata: &metav1.ObjectMetaArgs{
			Name: pulumi.String(CAConfigMap), Namespace: ns.Metadata.Name(), Labels: args.Labels.StringMap(),
		},
		Data: pulumi.StringMap{CAKey: pulumi.String(cluster.CACertificate)},
	}, cluster.Options(ns)...)
	if err != nil {
		return nil, fmt.Errorf("CA of namespace %s: %w", args.Name, err)
	}
	return ns, nil
}

// CAConfigMap is the ConfigMap with the platform's CA in each of the
// platform's namespaces, and CAKey the key of the certificate in it.
const (
	CAConfigMap = "platform-ca"
	CAKey       = "ca.crt"
)
