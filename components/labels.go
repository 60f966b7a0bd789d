// Package components holds the parts that the control plane and the tenants
// both are made of: clusters, releases, certificates, credentials, databases,
// vClusters, and the table of who may do what.
package components

import (
	"maps"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Labels of every Kubernetes object that the platform makes.
const (
	LabelPartOf      = "app.kubernetes.io/part-of"
	LabelManagedBy   = "app.kubernetes.io/managed-by"
	LabelTenant      = "platform.dev/tenant"
	LabelEnvironment = "platform.dev/environment"
	LabelCostCentre  = "platform.dev/cost-centre"
	// LabelVCluster marks Argo CD's cluster Secrets of vClusters, each of which
	// gets the platform's own applications.
	LabelVCluster = "platform.dev/vcluster"
)

// Labels are the labels of an object: which system or tenant it belongs to.
type Labels map[string]string

// PlatformLabels are the labels of objects that belong to no tenant.
func PlatformLabels() Labels {
	return Labels{LabelPartOf: "platform", LabelManagedBy: "pulumi"}
}

// TenantLabels are the labels of a tenant's objects. costCentre may be empty.
func TenantLabels(tenant, costCentre string) Labels {
	l := PlatformLabels()
	l[LabelTenant] = tenant
	if costCentre != "" {
		l[LabelCostCentre] = costCentre
	}
	return l
}

// With is a copy of the labels with one more.
func (l Labels) With(key, value string) Labels {
	c := maps.Clone(l)
	c[key] = value
	return c
}

// StringMap is the labels as an input.
func (l Labels) StringMap() pulumi.StringMap { return pulumi.ToStringMap(l) }
