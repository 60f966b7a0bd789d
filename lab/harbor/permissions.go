package harbor

import "slices"

// permission is what a robot may do in one project, in all ("*"), or in the
// system ("/").
type permission struct {
	Kind      string   `json:"kind"`
	Namespace string   `json:"namespace"`
	Access    []access `json:"access"`
}

type access struct {
	Resource string `json:"resource"`
	Action   string `json:"action"`
	Effect   string `json:"effect,omitempty"`
}

const (
	system         = "system"
	project        = "project"
	everyNamespace = "*"
)

// covers says whether the permission is for a project, or for the system when p
// is nil.
func (g permission) covers(p *Project) bool {
	if p == nil {
		return g.Kind == system
	}
	return g.Kind == project && (g.Namespace == everyNamespace || g.Namespace == p.Name)
}

func contains(list []access, want access) bool {
	return slices.ContainsFunc(list, func(a access) bool { return a.Resource == want.Resource && a.Action == want.Action })
}

// publicAccess is what everybody has in a public project.
var publicAccess = []access{
	{Resource: "project", Action: "read"}, {Resource: "repository", Action: "list"}, {Resource: "repository", Action: "pull"},
}

// grantable is what a robot can be given, by kind, resource and action: the
// PoliciesMap of Harbor's src/common/rbac/const.go.
var grantable = map[string]map[string][]string{
	system: {
		"audit-log":           {"list"},
		"catalog":             {"read"},
		"configuration":       {"read", "update"},
		"export-cve":          {"create", "read"},
		"garbage-collection":  {"create", "list", "read", "stop", "update"},
		"jobservice-monitor":  {"list", "stop"},
		"label":               {"create", "delete", "list", "read", "update"},
		"ldap-user":           {"create", "list"},
		"preheat-instance":    {"create", "delete", "list", "read", "update"},
		"project":             {"create", "list"},
		"purge-audit":         {"create", "list", "read", "stop", "update"},
		"quota":               {"list", "read", "update"},
		"registry":            {"create", "delete", "list", "read", "update"},
		"replication":         {"create", "list", "read"},
		"replication-adapter": {"list"},
		"replication-policy":  {"create", "delete", "list", "read", "update"},
		"robot":               {"create", "delete", "list", "read"},
		"scan-all":            {"create", "read", "stop", "update"},
		"scanner":             {"create", "delete", "list", "read", "update"},
		"security-hub":        {"list", "read"},
		"system-volumes":      {"read"},
		"user":                {"create", "delete", "list", "read", "update"},
		"user-group":          {"create", "delete", "list", "read", "update"},
	},
	project: {
		"accessory":           {"list"},
		"artifact":            {"create", "delete", "list", "read"},
		"artifact-addition":   {"read"},
		"artifact-label":      {"create", "delete"},
		"export-cve":          {"create", "read"},
		"immutable-tag":       {"create", "delete", "list", "update"},
		"label":               {"create", "delete", "list", "read", "update"},
		"log":                 {"list"},
		"member":              {"create", "delete", "list", "read", "update"},
		"metadata":            {"create", "delete", "list", "read", "update"},
		"notification-policy": {"create", "delete", "list", "read", "update"},
		"preheat-policy":      {"create", "delete", "list", "read", "update"},
		"project":             {"delete", "read", "update"},
		"quota":               {"read"},
		"repository":          {"delete", "list", "pull", "push", "read", "update"},
		"robot":               {"create", "delete", "list", "read"},
		"sbom":                {"create", "read", "stop"},
		"scan":                {"create", "read", "stop"},
		"scanner":             {"create", "read"},
		"tag":                 {"create", "delete", "list"},
		"tag-retention":       {"create", "delete", "list", "operate", "read", "update"},
	},
}

// checkPermissions says what is wrong with the permissions of a robot.
func (c *call) checkPermissions(level string, permissions []permission) error {
	switch {
	case len(permissions) == 0:
		return badRequest("bad request empty permission")
	case level == project && (len(permissions) > 1 || permissions[0].Kind != project || permissions[0].Namespace == everyNamespace):
		return badRequest("bad request permission: a project robot must have one permission, in its project")
	}
	for _, p := range permissions {
		resources, ok := grantable[p.Kind]
		switch {
		case !ok:
			return badRequest("bad request permission kind: %s", p.Kind)
		case len(p.Access) == 0:
			return badRequest("bad request empty access")
		case p.Kind == project && p.Namespace != everyNamespace && c.data.projectNamed(p.Namespace) == nil:
			return notFound("project %s not found", p.Namespace)
		}
		for _, a := range p.Access {
			if !slices.Contains(resources[a.Resource], a.Action) {
				return badRequest("bad request permission: %s:%s", a.Resource, a.Action)
			}
			if a.Effect != "" && a.Effect != "allow" {
				return unknown("the effect %q of an access", a.Effect)
			}
		}
	}
	return c.checkEscalation(permissions)
}

// checkEscalation keeps a robot from giving what it does not have.
func (c *call) checkEscalation(permissions []permission) error {
	if c.who.admin {
		return nil
	}
	for _, wanted := range permissions {
		for _, a := range wanted.Access {
			if !c.who.holds(wanted, a) {
				return c.denied()
			}
		}
	}
	return nil
}

func (w caller) holds(wanted permission, a access) bool {
	return w.robot != nil && slices.ContainsFunc(w.robot.Permissions, func(own permission) bool {
		return own.Kind == wanted.Kind && (own.Namespace == everyNamespace || own.Namespace == wanted.Namespace) && contains(own.Access, a)
	})
}
