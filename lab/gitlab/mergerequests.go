package gitlab

import (
	"net/http"
	"slices"
	"strings"
)

func mergeRequestRoutes() []route {
	const all, one = "projects/:project/merge_requests", "projects/:project/merge_requests/:iid"
	create := []param{
		str("source_branch").must(), str("target_branch").must(), str("title").must(), num("target_project_id"),
		str("description"), boolean("remove_source_branch"), boolean("squash"),
	}
	find := []param{
		enum("state", "opened", "closed", "merged", "all"), str("source_branch"), str("target_branch"), num("author_id"),
		strs("iids"), str("search"), str("scope"),
	}
	update := []param{
		str("title"), str("description"), str("target_branch"), enum("state_event", "close", "reopen"),
		boolean("remove_source_branch"), boolean("squash"),
	}
	accept := []param{
		str("merge_commit_message"), str("squash_commit_message"), boolean("squash"), boolean("should_remove_source_branch"), str("sha"),
	}
	return []route{
		{http.MethodGet, all, 200, reading, find, listMergeRequests},
		{http.MethodPost, all, 201, writing, create, createMergeRequest},
		{http.MethodGet, one, 200, reading, nil, getMergeRequest},
		{http.MethodPut, one, 200, writing, update, updateMergeRequest},
		{http.MethodPut, one + "/merge", 200, writing, accept, acceptMergeRequest},
		{http.MethodGet, one + "/commits", 200, reading, nil, listMergeRequestCommits},
		{http.MethodGet, one + "/diffs", 200, reading, nil, listMergeRequestDiffs},
	}
}

func (c *call) renderMergeRequest(p *Project, m *MergeRequest) fields {
	draft := strings.HasPrefix(strings.ToLower(m.Title), "draft:")
	path := c.data.projectPath(p)
	reference := path + "!" + itoa(m.IID)
	return fields{
		"id": m.ID, "iid": m.IID, "project_id": p.ID, "title": m.Title, "description": nullableText(m.Description), "state": m.State,
		"created_at": m.CreatedAt, "updated_at": m.UpdatedAt, "merged_at": m.MergedAt, "closed_at": m.ClosedAt,
		"merged_by": c.brief(m.MergedBy), "merge_user": c.brief(m.MergedBy), "closed_by": c.brief(m.ClosedBy), "author": c.brief(m.Author),
		"target_branch": m.Target, "source_branch": m.Source, "source_project_id": m.SourceProject, "target_project_id": p.ID,
		"assignees": []any{}, "assignee": nil, "reviewers": []any{}, "labels": []any{}, "milestone": nil,
		"draft": draft, "work_in_progress": draft, "merge_when_pipeline_succeeds": false, "squash": m.Squash,
		"should_remove_source_branch": nil, "force_remove_source_branch": m.RemoveSource, "discussion_locked": nil,
		"sha": m.SHA, "merge_commit_sha": nullableText(m.MergeSHA), "squash_commit_sha": nullableText(m.SquashSHA),
		"merge_status": "unchecked", "detailed_merge_status": "unchecked", "has_conflicts": false, "blocking_discussions_resolved": true,
		"upvotes": 0, "downvotes": 0, "user_notes_count": 0, "imported": false, "prepared_at": m.CreatedAt,
		"reference": "!" + itoa(m.IID), "references": fields{"short": "!" + itoa(m.IID), "relative": "!" + itoa(m.IID), "full": reference},
		"web_url": c.server.link(path + "/-/merge_requests/" + itoa(m.IID)),
	}
}

// renderMergeRequestFully says in addition whether it could be merged now.
func (c *call) renderMergeRequestFully(p *Project, m *MergeRequest) (fields, error) {
	out := c.renderMergeRequest(p, m)
	status, err := c.server.mergeStatus(p, m)
	if err != nil {
		return nil, err
	}
	out["detailed_merge_status"] = status
	out["merge_status"] = "can_be_merged"
	if status == "conflict" || status == "broken_status" || status == "need_rebase" {
		out["merge_status"] = "cannot_be_merged"
	}
	out["has_conflicts"] = status == "conflict"
	rule, _ := c.data.branchRule(p, c.user, m.Target)
	out["user"] = fields{"can_merge": rule.merge}
	repo := c.server.repository(p.ID)
	out["diff_refs"] = fields{"base_sha": m.Base, "head_sha": m.SHA, "start_sha": repo.branch(m.Target)}
	out["merge_error"], out["subscribed"], out["first_contribution"] = nil, false, false
	return out, nil
}

// mergeRequest is the one in the path, with its source looked up anew.
func (c *call) mergeRequest() (*Project, *MergeRequest, error) {
	p, err := c.code()
	if err != nil {
		return nil, nil, err
	}
	m := p.MergeRequests[c.id("iid")]
	if m == nil {
		return nil, nil, notFound("")
	}
	return p, m, nil
}

func listMergeRequests(c *call) (any, error) {
	p, err := c.code()
	if err != nil {
		return nil, err
	}
	var out []*MergeRequest
	for _, m := range sorted(p.MergeRequests) {
		switch {
		case c.has("state") && c.text("state") != "all" && m.State != c.text("state"),
			c.has("source_branch") && m.Source != c.text("source_branch"),
			c.has("target_branch") && m.Target != c.text("target_branch"),
			c.has("author_id") && m.Author != c.number("author_id"),
			c.has("iids") && !slices.Contains(c.texts("iids"), itoa(m.IID)),
			c.text("scope") == "created_by_me" && m.Author != c.userID(),
			!strings.Contains(strings.ToLower(m.Title+" "+m.Description), strings.ToLower(c.text("search"))):
			continue
		}
		out = append(out, m)
	}
	slices.Reverse(out)
	return listOf(out, func(m *MergeRequest) fields { return c.renderMergeRequest(p, m) }), nil
}

// createMergeRequest is asked of the source project; the target is that project
// or, of a fork, its parent if so given.
func createMergeRequest(c *call) (any, error) {
	source, err := c.pushable()
	if err != nil {
		return nil, err
	}
	target := source
	if c.has("target_project_id") {
		target, err = c.projectWith(c.data.Projects[c.number("target_project_id")], noAccess)
		if err != nil {
			return nil, err
		}
		if !c.data.canReadCode(target, c.user) || target != source && source.ForkedFrom != target.ID && target.ForkedFrom != source.ID {
			return nil, forbidden("")
		}
	}
	from, to := c.text("source_branch"), c.text("target_branch")
	sha := c.server.repository(source.ID).branch(from)
	switch {
	case source == target && from == to:
		return nil, refuse(http.StatusUnprocessableEntity, "You can't use same project/branch for source and target")
	case sha == "":
		return nil, &apiError{http.StatusBadRequest, fields{"message": fields{"source_branch": []string{"does not exist"}}}}
	case c.server.repository(target.ID).branch(to) == "":
		return nil, &apiError{http.StatusBadRequest, fields{"message": fields{"target_branch": []string{"does not exist"}}}}
	}
	for _, m := range target.MergeRequests {
		if m.State == "opened" && m.SourceProject == source.ID && m.Source == from && m.Target == to {
			return nil, &apiError{http.StatusConflict, fields{"message": []string{
				"Another open merge request already exists for this source branch: !" + itoa(m.IID),
			}}}
		}
	}
	m := &MergeRequest{
		ID: c.data.next("merge request"), Author: c.user.ID, SourceProject: source.ID, Source: from, Target: to,
		Title: c.text("title"), Description: c.text("description"), State: "opened", Squash: c.flag("squash"),
		RemoveSource: c.flag("remove_source_branch"), CreatedAt: now(), UpdatedAt: now(),
	}
	for iid := range target.MergeRequests {
		m.IID = max(m.IID, iid)
	}
	m.IID++
	if err := c.server.follow(target, m); err != nil {
		return nil, err
	}
	target.MergeRequests[m.IID] = m
	return c.renderMergeRequest(target, m), nil
}

func getMergeRequest(c *call) (any, error) {
	p, m, err := c.mergeRequest()
	if err != nil {
		return nil, err
	}
	return c.renderMergeRequestFully(p, m)
}

// updateMergeRequest is for its author and for those who may push.
func updateMergeRequest(c *call) (any, error) {
	p, m, err := c.mergeRequest()
	if err != nil {
		return nil, err
	}
	if c.user.ID != m.Author && !atLeast(c.user, c.data.projectLevel(p, c.user), developer) {
		return nil, forbidden("")
	}
	m.Title, m.Description = c.textOr("title", m.Title), c.textOr("description", m.Description)
	if c.has("squash") {
		m.Squash = c.flag("squash")
	}
	if c.has("remove_source_branch") {
		m.RemoveSource = c.flag("remove_source_branch")
	}
	if to := c.textOr("target_branch", m.Target); to != m.Target {
		if c.server.repository(p.ID).branch(to) == "" {
			return nil, invalid("target_branch", "does not exist")
		}
		m.Target = to
	}
	switch {
	case c.text("state_event") == "close" && m.State == "opened":
		at := now()
		m.State, m.ClosedAt, m.ClosedBy = "closed", &at, c.user.ID
	case c.text("state_event") == "reopen" && m.State == "closed":
		m.State, m.ClosedAt, m.ClosedBy = "opened", nil, 0
	}
	m.UpdatedAt = now()
	return c.renderMergeRequestFully(p, m)
}

func listMergeRequestCommits(c *call) (any, error) {
	p, m, err := c.mergeRequest()
	if err != nil {
		return nil, err
	}
	commits, err := c.server.repository(p.ID).log(m.Base + ".." + m.SHA)
	if err != nil {
		return nil, err
	}
	return listOf(commits, func(l logged) fields { return c.renderCommit(p, l) }), nil
}

func listMergeRequestDiffs(c *call) (any, error) {
	p, m, err := c.mergeRequest()
	if err != nil {
		return nil, err
	}
	return c.server.repository(p.ID).diffs(m.Base, m.SHA)
}
