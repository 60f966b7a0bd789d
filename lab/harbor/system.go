package harbor

import (
	"net/http"
	"sort"
	"strconv"
	"time"
)

// adminID is the id of the user admin, as in a real installation.
const adminID = 1

func sortedIDs[T any](m map[int]T) []int {
	ids := make([]int, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	sort.Ints(ids)
	return ids
}

func (c *call) ping() (any, error) { return "Pong", nil }

// health lists the parts that a real Harbor has; here they are one process,
// which is well if it answers.
func (c *call) health() (any, error) {
	var components []fields
	for _, name := range []string{"core", "database", "jobservice", "portal", "redis", "registry", "registryctl"} {
		components = append(components, fields{"name": name, "status": "healthy"})
	}
	return fields{"status": "healthy", "components": components}, nil
}

// systemInfo tells more to someone who is logged in.
func (c *call) systemInfo() (any, error) {
	out := fields{
		"auth_mode": c.data.setting("auth_mode"), "primary_auth_mode": c.data.setting("primary_auth_mode"),
		"self_registration": c.data.setting("self_registration"), "banner_message": c.data.setting("banner_message"),
	}
	if name := c.data.setting("oidc_name"); name != "" {
		out["oidc_provider_name"] = name
	}
	if !c.who.anonymous() {
		out["harbor_version"] = Version
		out["registry_url"] = c.server.external.Host
		out["external_url"] = c.server.external.String()
		out["project_creation_restriction"] = c.data.setting("project_creation_restriction")
		out["read_only"] = c.data.setting("read_only")
		out["notification_enable"] = c.data.setting("notification_enable")
		out["has_ca_root"] = false
	}
	return out, nil
}

// currentUser is for people: a robot is no user.
func (c *call) currentUser() (any, error) {
	if !c.who.admin {
		return nil, refuse(http.StatusUnauthorized, "UNAUTHORIZED", "unauthorized")
	}
	return fields{"user_id": adminID, "username": adminName, "sysadmin_flag": true, "admin_role_in_auth": false}, nil
}

func checkStorage(bytes int64) error {
	if bytes < unlimited || bytes == 0 {
		return badRequest("invalid hard limit of storage: %d, it must be positive, or -1 for none", bytes)
	}
	return nil
}

func (c *call) listQuotas() (any, error) {
	if err := c.require(nil, "quota", "list"); err != nil {
		return nil, err
	}
	query := c.request.URL.Query()
	all := list{}
	for _, id := range sortedIDs(c.data.Projects) {
		reference, of := query.Get("reference"), query.Get("reference_id")
		if (reference == "" || reference == project) && (of == "" || of == strconv.Itoa(id)) {
			all = append(all, renderQuota(c.data.Projects[id]))
		}
	}
	return all, nil
}

func renderQuota(p *Project) fields {
	return fields{
		"id": p.Quota.ID, "ref": fields{"id": p.ID, "name": p.Name, "owner_name": adminName},
		"hard": fields{"storage": p.Quota.Storage}, "used": fields{"storage": 0},
		"creation_time": p.Quota.Created, "update_time": p.Quota.Updated,
	}
}

// quotaProject finds the project whose quota is in the path.
func (c *call) quotaProject(action string) (*Project, error) {
	if err := c.require(nil, "quota", action); err != nil {
		return nil, err
	}
	id, err := c.id("quota")
	if err != nil {
		return nil, err
	}
	for _, p := range c.data.Projects {
		if p.Quota.ID == id {
			return p, nil
		}
	}
	return nil, notFound("quota %d not found", id)
}

func (c *call) readQuota() (any, error) {
	p, err := c.quotaProject("read")
	if err != nil {
		return nil, err
	}
	return renderQuota(p), nil
}

func (c *call) writeQuota() (any, error) {
	p, err := c.quotaProject("update")
	if err != nil {
		return nil, err
	}
	var b struct {
		Hard struct {
			Storage int64 `json:"storage"`
		} `json:"hard"`
	}
	if err := c.body(&b); err != nil {
		return nil, err
	}
	if err := checkStorage(b.Hard.Storage); err != nil {
		return nil, err
	}
	p.Quota.Storage, p.Quota.Updated = b.Hard.Storage, time.Now().UTC()
	return nil, nil
}
