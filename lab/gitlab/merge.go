package gitlab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// headRef keeps the commits of a merge request in the target's repository, as
// GitLab does, also when they come from a fork.
func headRef(m *MergeRequest) string { return "refs/merge-requests/" + itoa(m.IID) + "/head" }

// follow brings the source's commits into the target's repository and notes
// where the two are.
func (s *Server) follow(p *Project, m *MergeRequest) error {
	source, target := s.repository(m.SourceProject), s.repository(p.ID)
	sha := source.branch(m.Source)
	if sha == "" || sha == m.SHA {
		return nil // gone, or known: the last commits stay as they are
	}
	refspec := "+refs/heads/" + m.Source + ":" + headRef(m)
	if _, err := target.git("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", source.dir, refspec); err != nil {
		return fmt.Errorf("following a merge request: %w", err)
	}
	m.SHA, m.Base = sha, ""
	if base, err := target.line("merge-base", sha, "refs/heads/"+m.Target); err == nil {
		m.Base = base
	}
	m.UpdatedAt = now()
	return nil
}

// noticeMerge follows an open merge request after a push, and takes it for
// merged when the target already has all of it.
func (s *Server) noticeMerge(p *Project, m *MergeRequest) {
	if err := s.follow(p, m); err != nil {
		s.log.Error("following a merge request", "project", p.ID, "merge request", m.IID, "error", err)
		return
	}
	tip := s.repository(p.ID).branch(m.Target)
	if m.SHA != m.Base && tip != "" && s.repository(p.ID).contains(tip, m.SHA) {
		at := now()
		m.State, m.MergedAt = "merged", &at
	}
}

// mergeStatus is GitLab's detailed_merge_status, as far as it can arise here.
// https://docs.gitlab.com/17.11/ee/api/merge_requests/#merge-status
func (s *Server) mergeStatus(p *Project, m *MergeRequest) (string, error) {
	repo := s.repository(p.ID)
	target := repo.branch(m.Target)
	switch {
	case m.State != "opened":
		return "not_open", nil
	case strings.HasPrefix(strings.ToLower(m.Title), "draft:"):
		return "draft_status", nil
	case target == "" || m.Base == "" || m.SHA == m.Base:
		return "broken_status", nil
	case projectSettings.text(p.Settings, "merge_method") != "merge" && !repo.contains(m.SHA, target):
		return "need_rebase", nil
	}
	_, conflict, err := repo.mergeTrees(target, m.SHA)
	if conflict {
		return "conflict", err
	}
	return "mergeable", err
}

// acceptMergeRequest merges, if the caller may merge into the target branch.
// https://docs.gitlab.com/17.11/ee/api/merge_requests/#merge-a-merge-request
func acceptMergeRequest(c *call) (any, error) {
	p, m, err := c.mergeRequest()
	if err != nil {
		return nil, err
	}
	rule, _ := c.data.branchRule(p, c.user, m.Target)
	if !rule.merge || p.Archived {
		return nil, unauthorized
	}
	status, err := c.server.mergeStatus(p, m)
	switch {
	case err != nil:
		return nil, err
	case c.has("sha") && c.text("sha") != m.SHA:
		return nil, refuse(http.StatusConflict, "SHA does not match HEAD of source branch: %s", m.SHA)
	case status == "conflict":
		return nil, refuse(http.StatusUnprocessableEntity, "Branch cannot be merged")
	case status != "mergeable":
		return nil, refuse(http.StatusMethodNotAllowed, "405 Method Not Allowed")
	}
	if err := c.merge(p, m); err != nil {
		return nil, err
	}
	at := now()
	m.State, m.MergedAt, m.MergedBy, m.UpdatedAt = "merged", &at, c.user.ID, at
	if remove, given := m.RemoveSource, c.has("should_remove_source_branch"); remove || given && c.flag("should_remove_source_branch") {
		c.removeSource(m)
	}
	c.server.afterPush(c.data, p)
	return c.renderMergeRequestFully(p, m)
}

// merge moves the target branch as the project's merge method says.
func (c *call) merge(p *Project, m *MergeRequest) error {
	repo := c.server.repository(p.ID)
	target, head := repo.branch(m.Target), m.SHA
	tree, conflict, err := repo.mergeTrees(target, head)
	if err != nil || conflict {
		return errors.Join(err, refuse(http.StatusUnprocessableEntity, "Branch cannot be merged"))
	}
	me := person{c.user.Name, c.user.Email}
	method := projectSettings.text(p.Settings, "merge_method")
	if c.squashes(p, m) {
		parent := m.Base
		if method == "ff" {
			parent = target
		}
		message := c.textOr("squash_commit_message", m.Title+"\n")
		squashed, err := repo.squash(head, parent, message, me)
		if err != nil {
			return err
		}
		m.SquashSHA, head = squashed, squashed
	}
	if method != "ff" {
		message := c.textOr("merge_commit_message", fmt.Sprintf("Merge branch '%s' into '%s'\n\n%s\n\nSee merge request %s!%d",
			m.Source, m.Target, m.Title, c.data.projectPath(p), m.IID))
		if m.MergeSHA, err = repo.commitTree(tree, []string{target, head}, message, me, me); err != nil {
			return err
		}
		head = m.MergeSHA
	}
	if err := repo.moveRef("refs/heads/"+m.Target, head, target); err != nil {
		return refuse(http.StatusConflict, "Could not update refs/heads/%s. Please refresh and try again.", m.Target)
	}
	return nil
}

func (c *call) squashes(p *Project, m *MergeRequest) bool {
	switch projectSettings.text(p.Settings, "squash_option") {
	case "always":
		return true
	case "never":
		return false
	}
	if c.has("squash") {
		return c.flag("squash")
	}
	return m.Squash
}

// squash makes one commit of all that leads from a parent to a head.
func (r repository) squash(head, parent, message string, who person) (string, error) {
	tree, err := r.gitInput(context.Background(), nil, nil, "rev-parse", head+"^{tree}")
	if err != nil {
		return "", err
	}
	return r.commitTree(strings.TrimSpace(string(tree)), []string{parent}, message, who, who)
}

// removeSource deletes a merged branch, if the caller may and it is no default
// or protected branch.
func (c *call) removeSource(m *MergeRequest) {
	source := c.data.Projects[m.SourceProject]
	if source == nil || m.Source == source.DefaultBranch {
		return
	}
	if rule, protected := c.data.branchRule(source, c.user, m.Source); protected || !rule.push {
		return
	}
	if err := c.server.repository(source.ID).moveRef("refs/heads/"+m.Source, "", m.SHA); err != nil {
		c.server.log.Warn("a merged branch was not removed", "project", source.ID, "branch", m.Source, "error", err)
	}
}
