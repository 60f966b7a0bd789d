package stacks

import (
	"cmp"
	"slices"
)

// size is a row of the table of tenant sizes.
type size struct {
	quota Quota
	// registry is the size of the tenant's Harbor project, in GiB.
	registry int
	// replicas of the vCluster of a prod environment; dev has one.
	replicas int
}

// sizes is the table of tenant sizes.
var sizes = map[string]size{
	"small":  {Quota{CPU: "4", Memory: "8Gi", Storage: "50Gi", Pods: 50}, 50, 1},
	"medium": {Quota{CPU: "8", Memory: "16Gi", Storage: "100Gi", Pods: 100}, 100, 2},
	"large":  {Quota{CPU: "16", Memory: "32Gi", Storage: "200Gi", Pods: 200}, 200, 3},
}

// The defaults that are the same for everyone; fill has the others.
const (
	defaultProfile      = "small"
	defaultSize         = "small"
	defaultIngressClass = "nginx"
)

// fill puts in the defaults, and the tenants in the order of their names: the
// order of the list must never matter.
func (c *Config) fill() {
	c.Profile = cmp.Or(c.Profile, defaultProfile)
	c.Clusters.ControlPlane.fill(c.Domain)
	c.Clusters.Dev.fill("dev." + c.Domain)
	c.Clusters.Prod.fill("prod." + c.Domain)
	for i := range c.Tenants {
		c.Tenants[i].fill()
	}
	slices.SortFunc(c.Tenants, func(a, b Tenant) int { return cmp.Compare(a.Name, b.Name) })
}

func (c *Cluster) fill(domain string) {
	c.Domain = cmp.Or(c.Domain, domain)
	c.Ingress.Class = cmp.Or(c.Ingress.Class, defaultIngressClass)
}

func (t *Tenant) fill() {
	t.Size = cmp.Or(t.Size, defaultSize)
	for _, e := range []*Environment{&t.Environments.Dev, &t.Environments.Prod} {
		e.Size = cmp.Or(e.Size, t.Size)
		row := sizes[e.Size].quota
		e.Quota = Quota{
			CPU:     cmp.Or(e.Quota.CPU, row.CPU),
			Memory:  cmp.Or(e.Quota.Memory, row.Memory),
			Storage: cmp.Or(e.Quota.Storage, row.Storage),
			Pods:    cmp.Or(e.Quota.Pods, row.Pods),
		}
	}
}
