package gitlab

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Kinds of automatic protection of a new default branch.
// https://docs.gitlab.com/17.11/ee/api/groups/#options-for-default_branch_protection
const (
	noProtection      = 0
	partialProtection = 1
	fullProtection    = 2
	protectedPushes   = 3
	afterInitialPush  = 4
)

// automatic are the levels that the kinds of automatic protection give.
var automatic = map[int]struct{ push, merge int }{
	partialProtection: {developer, developer},
	fullProtection:    {maintainer, maintainer},
	protectedPushes:   {maintainer, developer},
	afterInitialPush:  {maintainer, maintainer},
}

var protectionNames = map[int]string{
	noAccess: "No one", developer: "Developers + Maintainers", maintainer: "Maintainers", adminOnly: "Instance admins",
}

func protectionRoutes() []route {
	levels := []string{"0", "30", "40", "60"}
	create := slices.Concat(
		[]param{str("name").must(), boolean("allow_force_push"), level("push_access_level", levels...), level("merge_access_level", levels...)},
		paid("unprotect_access_level", "code_owner_approval_required", "allowed_to_push", "allowed_to_merge", "allowed_to_unprotect"),
	)
	update := slices.Concat(
		[]param{boolean("allow_force_push")},
		paid("name", "code_owner_approval_required", "allowed_to_push", "allowed_to_merge", "allowed_to_unprotect"),
	)
	const all, one = "projects/:project/protected_branches", "projects/:project/protected_branches/:branch"
	return []route{
		{http.MethodGet, all, 200, readingAsUser, []param{str("search")}, listProtections},
		{http.MethodPost, all, 201, writing, create, addProtection},
		{http.MethodGet, one, 200, readingAsUser, nil, getProtection},
		{http.MethodPatch, one, 200, writing, update, changeProtection},
		{http.MethodDelete, one, 204, writing, nil, removeProtection},
	}
}

// protectionDefaults is the newer way to write a kind of automatic protection.
func protectionDefaults(kind int) fields {
	if kind == noProtection {
		return fields{}
	}
	level := func(n int) []fields { return []fields{{"access_level": n}} }
	return fields{
		"allowed_to_push": level(automatic[kind].push), "allowed_to_merge": level(automatic[kind].merge),
		"allow_force_push": false, "developer_can_initial_push": kind == afterInitialPush,
	}
}

// protectionKind is the automatic protection of a namespace's projects.
func (d *data) protectionKind(namespace int) int {
	if g := d.Groups[namespace]; g != nil {
		return groupSettings.number(g.Settings, "default_branch_protection")
	}
	return fullProtection
}

// protectDefaultBranch gives a project's first branch its automatic protection,
// once.
func (d *data) protectDefaultBranch(p *Project) {
	p.BranchProtected = true
	rule, wanted := automatic[d.protectionKind(p.Namespace)]
	if _, exists := p.Protected[p.DefaultBranch]; exists || !wanted {
		return
	}
	p.Protected[p.DefaultBranch] = d.newProtection(rule.push, rule.merge)
}

func (d *data) newProtection(push, merge int) *Protection {
	return &Protection{
		ID: d.next("protection"), Push: push, Merge: merge,
		PushID: d.next("protection level"), MergeID: d.next("protection level"),
	}
}

// protectSoon leaves the protection to settle, as GitLab leaves it to a job.
func (c *call) protectSoon(p *Project) {
	at := time.Now().Add(protectionDelay)
	p.BranchProtected, p.ProtectAt = true, &at
}

func renderProtection(name string, r *Protection) fields {
	level := func(id, level int) []fields {
		return []fields{{
			"id": id, "access_level": level, "access_level_description": protectionNames[level], "deploy_key_id": nil,
		}}
	}
	return fields{
		"id": r.ID, "name": name, "allow_force_push": r.AllowForce,
		"push_access_levels": level(r.PushID, r.Push), "merge_access_levels": level(r.MergeID, r.Merge),
	}
}

func listProtections(c *call) (any, error) {
	p, err := c.project(maintainer)
	if err != nil {
		return nil, err
	}
	out := list{}
	for _, name := range sortedNames(p.Protected) {
		if strings.Contains(name, c.text("search")) {
			out = append(out, renderProtection(name, p.Protected[name]))
		}
	}
	return out, nil
}

func (c *call) protection() (*Project, *Protection, error) {
	p, err := c.project(maintainer)
	if err != nil {
		return nil, nil, err
	}
	r := p.Protected[c.path["branch"]]
	if r == nil {
		return nil, nil, notFound("")
	}
	return p, r, nil
}

func getProtection(c *call) (any, error) {
	_, r, err := c.protection()
	if err != nil {
		return nil, err
	}
	return renderProtection(c.path["branch"], r), nil
}

func addProtection(c *call) (any, error) {
	p, err := c.project(maintainer)
	if err != nil {
		return nil, err
	}
	name := c.text("name")
	if p.Protected[name] != nil {
		return nil, refuse(http.StatusConflict, "Protected branch '%s' already exists", name)
	}
	if !validRef(strings.ReplaceAll(name, "*", "x")) {
		return nil, &apiError{http.StatusUnprocessableEntity, fields{"message": []string{"Name is invalid"}}}
	}
	push, merge := maintainer, maintainer
	if c.has("push_access_level") {
		push = c.number("push_access_level")
	}
	if c.has("merge_access_level") {
		merge = c.number("merge_access_level")
	}
	r := c.data.newProtection(push, merge)
	r.AllowForce = c.flag("allow_force_push")
	p.Protected[name] = r
	return renderProtection(name, r), nil
}

func changeProtection(c *call) (any, error) {
	_, r, err := c.protection()
	if err != nil {
		return nil, err
	}
	if c.has("allow_force_push") {
		r.AllowForce = c.flag("allow_force_push")
	}
	return renderProtection(c.path["branch"], r), nil
}

func removeProtection(c *call) (any, error) {
	p, _, err := c.protection()
	if err != nil {
		return nil, err
	}
	delete(p.Protected, c.path["branch"])
	// A rule taken away before the automatic one arrived keeps that one away.
	p.ProtectAt = nil
	return nil, nil
}

// rule is what one user may do to the branches that match a pattern.
type rule struct {
	pattern            string
	push, merge, force bool
}

// rules are a project's protections, seen by one user.
func (d *data) rules(p *Project, u *User) []rule {
	has := d.projectLevel(p, u)
	allowed := func(level int) bool { return level != noAccess && atLeast(u, has, level) }
	var out []rule
	for _, name := range sortedNames(p.Protected) {
		r := p.Protected[name]
		push := allowed(r.Push)
		out = append(out, rule{name, push, push || allowed(r.Merge), r.AllowForce})
	}
	return out
}

// branchRule is what a user may do to one branch: the sum of all rules that
// match it, or everything a developer may if there is none.
func (d *data) branchRule(p *Project, u *User, branch string) (sum rule, protected bool) {
	for _, r := range d.rules(p, u) {
		if matchBranch(r.pattern, branch) {
			protected = true
			sum.push, sum.merge, sum.force = sum.push || r.push, sum.merge || r.merge, sum.force || r.force
		}
	}
	if !protected {
		open := atLeast(u, d.projectLevel(p, u), developer)
		sum = rule{push: open, merge: open, force: open}
	}
	return sum, protected
}

// matchBranch: a star stands for any text, slashes included.
func matchBranch(pattern, branch string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == branch
	}
	rest, ok := strings.CutPrefix(branch, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		at := strings.Index(rest, part)
		if at < 0 {
			return false
		}
		rest = rest[at+len(part):]
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

// mayStart says whether a user may push the first commit of an empty repository.
func (d *data) mayStart(p *Project, u *User) bool {
	switch d.protectionKind(p.Namespace) {
	case noProtection, partialProtection, afterInitialPush:
		return atLeast(u, d.projectLevel(p, u), developer)
	}
	return atLeast(u, d.projectLevel(p, u), maintainer)
}

// mayPush says whether a user may commit to a branch by the API.
func (s *Server) mayPush(d *data, p *Project, u *User, branch string) bool {
	if s.repository(p.ID).empty() {
		return d.mayStart(p, u)
	}
	r, _ := d.branchRule(p, u, branch)
	return r.push
}
