package gitlab

import (
	"net/http"
	"slices"
)

func shareRoutes() []route {
	params := slices.Concat(paid("member_role_id"), []param{num("group_id").must(), level("group_access", grantable...).must(), str("expires_at")})
	return []route{
		{http.MethodPost, "groups/:group/share", 201, writing, params, addShare},
		{http.MethodDelete, "groups/:group/share/:other", 204, writing, nil, removeShare},
		{http.MethodPost, "projects/:project/share", 201, writing, params, addShare},
		{http.MethodDelete, "projects/:project/share/:other", 204, writing, nil, removeShare},
	}
}

func addShare(c *call) (any, error) {
	h, err := c.holder(owner, maintainer)
	if err != nil {
		return nil, err
	}
	other, err := c.groupWith(c.data.Groups[c.number("group_id")], noAccess)
	switch {
	case err != nil:
		return nil, err
	case !atLeast(c.user, h.level, c.number("group_access")):
		return nil, forbidden("")
	case c.sharingLocked(h.above):
		return nil, notFound("")
	case h.shares[other.ID] != nil:
		return nil, refuse(http.StatusConflict, "Shared group The group has already been shared with this group")
	case h.kind == "Group" && h.id == other.ID, h.kind == "Project" && c.data.within(h.above, other.ID):
		return nil, refuse(http.StatusConflict, "%s cannot be shared with the group it is in or one of its ancestors.", h.kind)
	}
	share := &Share{Level: c.number("group_access"), Expires: c.text("expires_at")}
	h.shares[other.ID] = share
	if h.kind == "Group" {
		return c.renderGroupFully(c.data.Groups[h.id]), nil
	}
	return fields{
		"id": c.data.next("share"), "project_id": h.id, "group_id": other.ID, "group_access": share.Level,
		"expires_at": nullableText(share.Expires),
	}, nil
}

// sharingLocked says whether a group above forbids shares.
func (c *call) sharingLocked(above int) bool {
	return slices.ContainsFunc(c.data.lineage(above), func(g *Group) bool {
		return groupSettings.flag(g.Settings, "share_with_group_lock")
	})
}

func removeShare(c *call) (any, error) {
	h, err := c.holder(owner, maintainer)
	if err != nil {
		return nil, err
	}
	if h.shares[c.id("other")] == nil {
		return nil, notFound("Group Link")
	}
	delete(h.shares, c.id("other"))
	return nil, nil
}
