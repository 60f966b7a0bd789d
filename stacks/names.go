package stacks

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"platform/components"
	"platform/tenants"
)

// maxTenantName leaves room for what is added in each system; the tightest is
// the StatefulSet of a vCluster. It is smaller than need be, so that names can
// still be read in a list, and so that later additions fit existing tenants.
const maxTenantName = 30

var tenantName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// reserved are names that a tenant may not have, and why. GitLab's are
// TOP_LEVEL_ROUTES, for the tenant's group, and PROJECT_WILDCARD_ROUTES, for
// the application's project, of
// https://gitlab.com/gitlab-org/gitlab/-/blob/master/lib/gitlab/path_regex.rb.
var reserved = []struct {
	why   string
	names []string
}{
	{"it is the platform's own", []string{"platform", "system"}},
	{"it is a cluster", []string{"control-plane", "dev", "prod"}},
	{"it is a host of the platform", []string{"charts", "mgmt"}},
	{"it is a host of OpenUnison", []string{"api", "k8sou"}},
	{"it is a host and a namespace of the platform", []string{"argocd", "gitlab", "harbor", "openunison", "vault"}},
	{"it is a namespace of the platform", []string{
		"cert-manager", "external-secrets", "gatekeeper-system", "ingress-nginx", "mariadb",
	}},
	{"it is the platform's own GitLab project", []string{"cluster-operations"}},
	{"it is a GitLab group of each tenant", []string{"developers", "operations", "owners"}},
	{"it is a namespace of Kubernetes and a project of Argo CD", []string{"default"}},
	{"it is a project of Harbor", []string{"library"}},
	{"it is GitLab's administrator", []string{"root"}},
	{"GitLab keeps it for itself", []string{
		"admin", "assets", "badges", "blame", "blob", "builds", "commits", "create", "dashboard", "edit", "explore",
		"files", "groups", "help", "import", "jwt", "login", "new", "oauth", "preview", "profile", "projects", "public",
		"raw", "refs", "s", "search", "sitemap", "snippets", "tree", "unsubscribes", "update", "uploads", "users", "v2",
		"wikis",
	}},
}

// reservedPrefixes are beginnings of names that belong to a system.
var reservedPrefixes = map[string]string{
	"kube-":     "names of that kind are Kubernetes' own",
	"mgmt-":     "names of that kind are hosts of the management proxies",
	"platform-": "names of that kind are the platform's own",
}

func checkTenantName(path, name string, found *problems) {
	switch {
	case name == "":
		found.add(path, "is missing; write a DNS label such as checkout")
		return
	case len(name) > maxTenantName:
		found.add(path, "%q has %d characters; write at most %d, so that names made of it fit every system", name, len(name), maxTenantName)
		return
	case !tenantName.MatchString(name):
		found.add(path, "%q is not a DNS label; write small letters, digits and single hyphens, first a letter", name)
		return
	}
	for _, r := range reserved {
		if slices.Contains(r.names, name) {
			found.add(path, "%q is reserved: %s; choose another", name, r.why)
		}
	}
	for prefix, why := range reservedPrefixes {
		if strings.HasPrefix(name, prefix) {
			found.add(path, "%q is reserved: %s; choose another", name, why)
		}
	}
	for _, n := range derivedNames(name, nil) {
		if len(n.name) > n.max || !n.form.MatchString(n.name) {
			found.add(path, "%q makes the %s %q, which is not allowed there; choose another", name, n.system, n.name)
		}
	}
}

// derivedName is a name that the program makes of a tenant's.
type derivedName struct {
	// system and kind of the thing that has the name.
	system string
	name   string
	// form and max are what the system allows.
	form *regexp.Regexp
	max  int
}

// What the systems allow:
// https://kubernetes.io/docs/concepts/overview/working-with-objects/names/,
// https://docs.gitlab.com/user/reserved_names/#rules-for-usernames-project-and-group-names-and-slugs,
// Harbor's api/v2.0 Project and Robot (lower case, '.', '_' or '-' between),
// MariaDB's names that need no quotes (https://mariadb.com/kb/en/identifier-names/),
// a segment of Vault's paths and policies.
var (
	dnsLabel    = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)
	hostName    = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?(\.[-a-z0-9]+)*$`)
	gitlabPath  = regexp.MustCompile(`^[a-zA-Z0-9_]([a-zA-Z0-9_.-]*[a-zA-Z0-9_])?(/[a-zA-Z0-9_]([a-zA-Z0-9_.-]*[a-zA-Z0-9_])?)*$`)
	harborName  = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)
	harborRobot = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*\+[a-z0-9]+([._-][a-z0-9]+)*$`)
	sqlName     = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	vaultName   = regexp.MustCompile(`^[a-z0-9]+([/-][a-z0-9]+)*$`)
)

// derivedNames are the names that a tenant takes in each system. domains are
// those of the host clusters by environment; without them hosts are left out
// but for their first label.
func derivedNames(tenant string, domains map[string]string) []derivedName {
	names := []derivedName{
		{"GitLab group", tenant, gitlabPath, 255},
		{"GitLab project", tenant + "/" + tenant, gitlabPath, 255},
		{"Harbor project", tenant, harborName, 255},
		{"namespace of the control plane", tenants.ControlPlaneNamespace(tenant), dnsLabel, 63},
		{"label value", tenant, labelValue, 63},
		{"host label", tenant, dnsLabel, 63},
		{"host label", "mgmt-" + tenant, dnsLabel, 63},
		// https://helm.sh/docs/helm/helm_install/
		{"Helm release", tenant, dnsLabel, 53},
		// Its pods' label controller-revision-hash adds a hyphen and ten characters.
		{"StatefulSet", tenant, dnsLabel, 52},
	}
	for _, access := range components.AccessTable {
		names = append(names, derivedName{"OIDC group", access.Role.Group(tenant), dnsLabel, 63})
	}
	for _, e := range []string{"dev", "prod"} {
		id, database := tenant+"-"+e, components.DatabaseName(tenant, e)
		names = append(names,
			derivedName{"namespace of cluster " + e, id, dnsLabel, 63},
			derivedName{"database of cluster " + e, database, sqlName, 64},
			// MySQL would allow 32, MariaDB allows 80.
			derivedName{"database user of cluster " + e, database, sqlName, 80},
			// RFC 5280, ub-common-name.
			derivedName{"certificate of the database user of cluster " + e, database, sqlName, 64},
			derivedName{"Harbor robot", tenant + "+" + e + "-pull", harborRobot, 255},
			derivedName{"Argo CD project", id, dnsLabel, 63},
			derivedName{"Argo CD cluster", "vcluster-" + id, dnsLabel, 63},
			derivedName{"Vault policy", "tenant-" + id, vaultName, 128},
			derivedName{"Vault log-in", "vcluster-" + id, vaultName, 128},
			derivedName{"Vault path", "tenants/" + tenant + "/" + e, vaultName, 255},
		)
		if domain, ok := domains[e]; ok {
			names = append(names,
				derivedName{"host", tenant + "." + domain, hostName, 253},
				derivedName{"host", "mgmt-" + tenant + "." + domain, hostName, 253})
		}
	}
	return names
}

// checkNames finds names that two tenants, or two environments of one, share in
// a system where they must differ.
func (c *Config) checkNames(found *problems) {
	domains := map[string]string{
		"dev":  cmp.Or(c.Clusters.Dev.Domain, "dev."+c.Domain),
		"prod": cmp.Or(c.Clusters.Prod.Domain, "prod."+c.Domain),
	}
	if domains["dev"] == domains["prod"] {
		found.add("clusters.prod.domain", "%q is the domain of cluster dev as well; hosts of the two would be the same", domains["prod"])
	}
	for e, domain := range domains {
		if domain == c.Domain || domain == c.Clusters.ControlPlane.Domain {
			found.add("clusters."+e+".domain", "%q is the control plane's domain; a tenant's host could take that of a shared system", domain)
		}
	}
	owner := map[string]int{}
	for i, t := range c.Tenants {
		names := derivedNames(t.Name, domains)
		if domains["dev"] == domains["prod"] {
			names = slices.DeleteFunc(names, func(n derivedName) bool { return n.system == "host" })
		}
		for _, n := range names {
			key := n.system + "\x00" + n.name
			other, taken := owner[key]
			if taken && other != i && t.Name != "" {
				found.add(fmt.Sprintf("tenants[%d].name", i), "%q takes the %s %q, which tenants[%d] (%s) has; choose another",
					t.Name, n.system, n.name, other, c.Tenants[other].Name)
				break
			}
			owner[key] = i
		}
	}
}
