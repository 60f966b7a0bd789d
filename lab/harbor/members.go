package harbor

import (
	"strings"
)

const projectAdmin = 1

// roles of members, by number, as answers call them.
var roles = map[int]string{projectAdmin: "projectAdmin", 2: "developer", 3: "guest", 4: "maintainer", 5: "limitedGuest"}

// groupTypes are where groups come from: LDAP, an authenticating proxy, OIDC.
var groupTypes = map[int]string{1: "ldap", 2: "http", 3: "oidc"}

type memberBody struct {
	Role int `json:"role_id"`
	User struct {
		ID   int    `json:"user_id"`
		Name string `json:"username"`
	} `json:"member_user"`
	Group struct {
		ID   int    `json:"id"`
		Name string `json:"group_name"`
		Type int    `json:"group_type"`
		DN   string `json:"ldap_group_dn"`
	} `json:"member_group"`
}

func (c *call) memberBody() (*memberBody, error) {
	b := &memberBody{}
	if err := c.body(b); err != nil {
		return nil, err
	}
	if roles[b.Role] == "" {
		return nil, badRequest("Failed to update project member, role is not in 1,2,3,4,5: %d", b.Role)
	}
	return b, nil
}

// group finds the group that is to be a member. One that another system keeps is
// made by being named.
func (c *call) group(b *memberBody) (int, error) {
	g := b.Group
	switch {
	case b.User.Name == adminName || b.User.ID == adminID:
		return 0, nil
	case b.User.Name != "" || b.User.ID != 0:
		return 0, notFound("user %s not found", b.User.Name)
	case g.ID != 0 && c.data.Groups[g.ID] == nil:
		return 0, notFound("user group %d not found", g.ID)
	case g.ID != 0:
		return g.ID, nil
	case g.DN != "":
		return 0, unknown("groups by their LDAP name (ldap_group_dn)")
	case g.Name == "":
		return 0, badRequest("member_user or member_group must be given")
	case groupTypes[g.Type] == "":
		return 0, badRequest("unknown type of group: %d", g.Type)
	}
	for id, known := range c.data.Groups {
		if known.Name == g.Name && known.Type == g.Type {
			return id, nil
		}
	}
	made := &Group{ID: c.data.next("group"), Type: g.Type, Name: g.Name}
	c.data.Groups[made.ID] = made
	return made.ID, nil
}

func (c *call) createMember() (any, error) {
	p, err := c.projectFor("member", "create")
	if err != nil {
		return nil, err
	}
	b, err := c.memberBody()
	if err != nil {
		return nil, err
	}
	group, err := c.group(b)
	if err != nil {
		return nil, err
	}
	for _, m := range p.Members {
		if m.Group == group {
			return nil, conflict("The project member specified already exist")
		}
	}
	m := &Member{ID: c.data.next("member"), Role: b.Role, Group: group}
	p.Members[m.ID] = m
	return created{id: m.ID}, nil
}

// member finds the member in the path, for a caller who may do that to members.
func (c *call) member(action string) (*Project, *Member, error) {
	p, err := c.projectFor("member", action)
	if err != nil {
		return nil, nil, err
	}
	id, err := c.id("member")
	if err != nil {
		return nil, nil, err
	}
	m := p.Members[id]
	if m == nil {
		return nil, nil, notFound("the project member is not found with project_id: %d and member id: %d", p.ID, id)
	}
	return p, m, nil
}

func (c *call) readMember() (any, error) {
	p, m, err := c.member("read")
	if err != nil {
		return nil, err
	}
	return c.renderMember(p, m), nil
}

func (c *call) renderMember(p *Project, m *Member) fields {
	out := fields{
		"id": m.ID, "project_id": p.ID, "role_id": m.Role, "role_name": roles[m.Role],
		"entity_name": adminName, "entity_id": adminID, "entity_type": "u",
	}
	if g := c.data.Groups[m.Group]; g != nil {
		out["entity_name"], out["entity_id"], out["entity_type"] = g.Name, g.ID, "g"
	}
	return out
}

func (c *call) updateMember() (any, error) {
	_, m, err := c.member("update")
	if err != nil {
		return nil, err
	}
	b, err := c.memberBody()
	if err != nil {
		return nil, err
	}
	m.Role = b.Role
	return nil, nil
}

func (c *call) deleteMember() (any, error) {
	p, m, err := c.member("delete")
	if err != nil {
		return nil, err
	}
	delete(p.Members, m.ID)
	return nil, nil
}

func (c *call) listMembers() (any, error) {
	p, err := c.projectFor("member", "list")
	if err != nil {
		return nil, err
	}
	all := list{}
	for _, id := range sortedIDs(p.Members) {
		out := c.renderMember(p, p.Members[id])
		if strings.Contains(out["entity_name"].(string), c.request.URL.Query().Get("entityname")) {
			all = append(all, out)
		}
	}
	return all, nil
}

func (c *call) listGroups() (any, error) {
	if err := c.require(nil, "user-group", "list"); err != nil {
		return nil, err
	}
	all := list{}
	for _, id := range sortedIDs(c.data.Groups) {
		g := c.data.Groups[id]
		all = append(all, fields{"id": g.ID, "group_name": g.Name, "group_type": g.Type})
	}
	return all, nil
}
