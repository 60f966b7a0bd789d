package components

// Role is what a person is in a tenant.
type Role string

// The roles of a tenant.
const (
	Owners     Role = "owners"
	Operations Role = "operations"
	Developers Role = "developers"
)

// Group is the OIDC group of the role's members in a tenant.
func (r Role) Group(tenant string) string { return tenant + "-" + string(r) }

// Administrators is the OIDC group of the platform's administrators.
const Administrators = "platform-administrators"

// Access is what one role may do in each system.
type Access struct {
	Role Role
	// GitLab levels in the application project, the operations project of
	// prod, and its fork for dev
	// (https://docs.gitlab.com/user/permissions/#roles).
	Application, ProdOperations, DevOperations string
	// Harbor role in the tenant's project
	// (https://goharbor.io/docs/main/administration/managing-users/).
	Registry string
	// ArgoCD actions on the applications of each environment
	// (https://argo-cd.readthedocs.io/en/stable/operator-manual/rbac/).
	ArgoCD map[string][]string
}

// AccessTable says who may do what. Permissions of every system are computed
// from it.
var AccessTable = []Access{
	{
		Role:        Owners,
		Application: "maintainer", ProdOperations: "maintainer", DevOperations: "maintainer",
		Registry: "projectadmin",
		ArgoCD:   map[string][]string{"dev": {"get", "sync", "override"}, "prod": {"get", "sync", "override"}},
	},
	{
		Role:        Operations,
		Application: "developer", ProdOperations: "developer", DevOperations: "maintainer",
		Registry: "maintainer",
		ArgoCD:   map[string][]string{"dev": {"get", "sync", "override"}, "prod": {"get", "sync", "override"}},
	},
	{
		Role:        Developers,
		Application: "developer", ProdOperations: "reporter", DevOperations: "developer",
		Registry: "developer",
		ArgoCD:   map[string][]string{"dev": {"get"}, "prod": {"get"}},
	},
}
