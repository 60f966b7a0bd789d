// Package tenants turns an entry of the tenant list into all that the tenant's
// application needs. Read NewTenant from top to bottom: it is the story of an
// onboarding. Each chapter is a file.
package tenants

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"platform/components"
)

// TenantArgs are an entry of the tenant list, with every default filled in.
type TenantArgs struct {
	Platform *Platform

	Name        string
	Description string
	CostCentre  string
	// Owners are the user names of the first owners.
	Owners []string
	// RegistryStorage is the size of the tenant's registry project, in GiB.
	RegistryStorage int
	// Environments from the first one to production: each is promoted to the next.
	Environments []EnvironmentArgs
}

// Platform is what the tenants get to know of the control plane.
type Platform struct {
	// ControlPlane is the cluster of Argo CD; Hosts, by environment, are those
	// of the vClusters.
	ControlPlane *components.Cluster
	Hosts        map[string]*components.Cluster

	GitLabURL string
	// OperationsProject is the id of the GitLab project that Argo CD fills
	// vClusters from, OperationsBranch the branch that counts.
	OperationsProject pulumi.StringInput
	OperationsBranch  string
	// RegistryHost is the first part of image names.
	RegistryHost string
	VaultURL     string
	// SecretsMount is the path of the KV v2 engine.
	SecretsMount pulumi.StringInput
	// DeliveryNamespace is Argo CD's.
	DeliveryNamespace pulumi.StringInput
	// CredentialPlugin is the command that gives Argo CD a token of a cluster,
	// from the OpenUnison at IdentityHost.
	CredentialPlugin, IdentityHost string

	// Providers of the systems, one each, whatever the number of tenants.
	GitLab, Harbor, Vault pulumi.ProviderResource
}

// Tenant is an application's place on the platform.
type Tenant struct {
	pulumi.ResourceState

	Environments []*Environment
	Source       *Source
	Registry     *Registry
	Secrets      *Secrets
	Delivery     *Delivery
}

// NewTenant onboards a tenant: a vCluster for each environment, Git, registry,
// secrets and delivery, joined with each other and with nobody else's.
func NewTenant(ctx *pulumi.Context, name string, args *TenantArgs, opts ...pulumi.ResourceOption) (*Tenant, error) {
	t := &Tenant{}
	if err := ctx.RegisterComponentResource("platform:tenants:Tenant", name, t, opts...); err != nil {
		return nil, err
	}
	parent := pulumi.Parent(t)
	chapter := func(what string, err error) error {
		return fmt.Errorf("tenant %s: %s: %w", name, what, err)
	}

	// Somewhere to run: on each host cluster a namespace with limits, a
	// database, and the vCluster that keeps its state in it.
	for i := range args.Environments {
		environment, err := NewEnvironment(ctx, name+"-"+args.Environments[i].Name, args, &args.Environments[i], parent)
		if err != nil {
			return nil, chapter("environment "+args.Environments[i].Name, err)
		}
		t.Environments = append(t.Environments, environment)
	}

	// Somewhere to write: the application's project, and the projects that say
	// what runs in each environment, the first one a fork of production's.
	var err error
	if t.Source, err = NewSource(ctx, name+"-source", args, parent); err != nil {
		return nil, chapter("source", err)
	}

	// Somewhere to keep images, and a robot for each environment to pull them.
	if t.Registry, err = NewRegistry(ctx, name+"-registry", args, parent); err != nil {
		return nil, chapter("registry", err)
	}

	// Somewhere to keep secrets, which the environment's workloads alone can
	// read. The robots' passwords are the first to go there.
	t.Secrets, err = NewSecrets(ctx, name+"-secrets", args, t.Environments, t.Registry, parent)
	if err != nil {
		return nil, chapter("secrets", err)
	}

	// The way from Git into the vClusters.
	t.Delivery, err = NewDelivery(ctx, name+"-delivery", args, t.Environments, t.Source, parent)
	if err != nil {
		return nil, chapter("delivery", err)
	}

	return t, ctx.RegisterResourceOutputs(t, t.Outputs())
}

// Outputs are what the stack's output says of the tenant; none of it is secret.
func (t *Tenant) Outputs() pulumi.Map {
	clusters := pulumi.StringMap{}
	for _, e := range t.Environments {
		clusters[e.Name] = pulumi.String(e.VCluster.URL)
	}
	return pulumi.Map{
		"clusters":    clusters,
		"application": t.Source.ApplicationURL,
		"operations":  t.Source.OperationsURLs(),
		"registry":    pulumi.String(t.Registry.Path),
	}
}

func (args *TenantArgs) labels() components.Labels {
	return components.TenantLabels(args.Name, args.CostCentre)
}

// environmentID names what is made once for each environment of a tenant.
func (args *TenantArgs) environmentID(environment string) string {
	return args.Name + "-" + environment
}
