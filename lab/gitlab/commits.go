package gitlab

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

func commitRoutes() []route {
	const all, one = "projects/:project/repository/commits", "projects/:project/repository/commits/:sha"
	find := []param{str("ref_name"), str("path"), str("since"), str("until"), str("author"), boolean("all"), boolean("with_stats"), boolean("first_parent")}
	create := []param{
		str("branch").must(), str("commit_message").must(), str("start_branch"), str("start_sha"), objs("actions").must(),
		str("author_email"), str("author_name"), boolean("stats"), boolean("force"),
	}
	return []route{
		{http.MethodGet, all, 200, readingCode, find, listCommits},
		{http.MethodPost, all, 201, writing, create, createCommit},
		{http.MethodGet, one, 200, readingCode, []param{boolean("stats")}, getCommit},
		{http.MethodGet, one + "/diff", 200, readingCode, nil, getCommitDiff},
	}
}

// logged is a commit as git log tells it.
type logged struct {
	sha               string
	parents           []string
	author, committer person
	authored, written string
	message           string
}

// log lists commits, newest first.
func (r repository) log(revisions string, args ...string) ([]logged, error) {
	const format = "--format=%H%x1f%P%x1f%an%x1f%ae%x1f%aI%x1f%cn%x1f%ce%x1f%cI%x1f%B"
	args = append([]string{"log", "-z", format, revisions}, args...)
	listing, err := r.git(args...)
	if err != nil {
		return nil, err
	}
	var out []logged
	for _, line := range strings.Split(strings.TrimSuffix(string(listing), "\x00"), "\x00") {
		f := strings.SplitN(line, "\x1f", 9)
		if len(f) != 9 {
			continue
		}
		out = append(out, logged{
			sha: f[0], parents: strings.Fields(f[1]), author: person{f[2], f[3]}, authored: f[4],
			committer: person{f[5], f[6]}, written: f[7], message: f[8],
		})
	}
	return out, nil
}

func (c *call) renderCommit(p *Project, l logged) fields {
	title, _, _ := strings.Cut(l.message, "\n")
	parents := l.parents
	if parents == nil {
		parents = []string{}
	}
	return fields{
		"id": l.sha, "short_id": l.sha[:8], "created_at": l.written, "parent_ids": parents, "title": title,
		"message": l.message, "author_name": l.author.name, "author_email": l.author.email, "authored_date": l.authored,
		"committer_name": l.committer.name, "committer_email": l.committer.email, "committed_date": l.written,
		"trailers": fields{}, "extended_trailers": fields{},
		"web_url": c.server.link(c.data.projectPath(p) + "/-/commit/" + l.sha),
	}
}

// renderCommitFully adds what only a single commit's answer has.
func (c *call) renderCommitFully(p *Project, sha string) (fields, error) {
	repo := c.server.repository(p.ID)
	commits, err := repo.log(sha, "-1")
	if err != nil {
		return nil, err
	}
	out := c.renderCommit(p, commits[0])
	out["status"], out["project_id"], out["last_pipeline"] = nil, p.ID, nil
	stats, err := repo.git("show", "--numstat", "--format=", "--first-parent", sha)
	if err != nil {
		return nil, err
	}
	var added, deleted int
	for _, line := range strings.Split(string(stats), "\n") {
		var a, d int
		if n, _ := fmt.Sscanf(line, "%d\t%d", &a, &d); n == 2 {
			added, deleted = added+a, deleted+d
		}
	}
	out["stats"] = fields{"additions": added, "deletions": deleted, "total": added + deleted}
	return out, nil
}

func listCommits(c *call) (any, error) {
	p, err := c.code()
	if err != nil {
		return nil, err
	}
	repo := c.server.repository(p.ID)
	if repo.empty() {
		return list{}, nil
	}
	revisions := "--branches"
	if !c.flag("all") {
		if revisions = c.commitIn(p, c.text("ref_name")); revisions == "" {
			return nil, notFound("Ref")
		}
	}
	var args []string
	for _, bound := range []string{"since", "until"} {
		if !c.has(bound) {
			continue
		}
		at, err := time.Parse(time.RFC3339, c.text(bound))
		if err != nil {
			return nil, &apiError{http.StatusBadRequest, fields{"error": bound + " is invalid"}}
		}
		args = append(args, "--"+bound+"="+at.UTC().Format(time.RFC3339))
	}
	if c.has("author") {
		args = append(args, "--fixed-strings", "--author="+c.text("author"))
	}
	if c.flag("first_parent") {
		args = append(args, "--first-parent")
	}
	if file := strings.Trim(c.text("path"), "/"); file != "" {
		args = append(args, "--", file)
	}
	commits, err := repo.log(revisions, args...)
	if err != nil {
		return nil, err
	}
	if c.flag("with_stats") {
		out := list{}
		for _, l := range commits {
			one, err := c.renderCommitFully(p, l.sha)
			if err != nil {
				return nil, err
			}
			out = append(out, one)
		}
		return out, nil
	}
	return listOf(commits, func(l logged) fields { return c.renderCommit(p, l) }), nil
}

func (c *call) pathCommit() (*Project, string, error) {
	p, err := c.code()
	if err != nil {
		return nil, "", err
	}
	sha := c.commitIn(p, c.path["sha"])
	if sha == "" {
		return nil, "", notFound("Commit")
	}
	return p, sha, nil
}

func getCommit(c *call) (any, error) {
	p, sha, err := c.pathCommit()
	if err != nil {
		return nil, err
	}
	return c.renderCommitFully(p, sha)
}

func getCommitDiff(c *call) (any, error) {
	p, sha, err := c.pathCommit()
	if err != nil {
		return nil, err
	}
	repo := c.server.repository(p.ID)
	parent := repo.commitAt(sha + "^")
	if parent == "" {
		// The hash of a tree with nothing in it, the same in every repository.
		parent = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
	}
	return repo.diffs(parent, sha)
}

// createCommit takes several changes of files at once.
// https://docs.gitlab.com/17.11/ee/api/commits/#create-a-commit-with-multiple-files-and-actions
func createCommit(c *call) (any, error) {
	p, err := c.pushable()
	if err != nil {
		return nil, err
	}
	if !c.server.mayPush(c.data, p, c.user, c.text("branch")) {
		return nil, forbidden("You are not allowed to push into this branch")
	}
	actions, ok := c.params["actions"].([]any)
	if !ok || len(actions) == 0 {
		return nil, &apiError{http.StatusBadRequest, fields{"error": "actions is empty"}}
	}
	var changes []change
	for i, a := range actions {
		ch, err := parseAction(i, a)
		if err != nil {
			return nil, err
		}
		changes = append(changes, ch)
	}
	sha, err := c.commit(p, changes)
	if err != nil {
		return nil, err
	}
	return c.renderCommitFully(p, sha)
}

// parseAction reads the action at an index of the list.
func parseAction(at int, raw any) (change, error) {
	bad := func(what string) (change, error) {
		return change{}, &apiError{http.StatusBadRequest, fields{"error": fmt.Sprintf("actions[%d][%s", at, what)}}
	}
	object, ok := raw.(map[string]any)
	if !ok {
		return bad("action] is missing")
	}
	var ch change
	var content, encoding string
	texts := map[string]*string{
		"action": &ch.action, "file_path": &ch.path, "previous_path": &ch.previous, "content": &content,
		"encoding": &encoding, "last_commit_id": &ch.lastCommit,
	}
	for name, v := range object {
		if into, known := texts[name]; known {
			if *into, ok = v.(string); !ok && v != nil {
				return bad(name + "] is invalid")
			}
			continue
		}
		executable, isFlag := v.(bool)
		if name != "execute_filemode" || !isFlag {
			return change{}, refuse(http.StatusNotImplemented, "501 The lab's GitLab does not know %s of an action", name)
		}
		ch.executable = &executable
	}
	switch ch.action {
	case "create", "update", "delete", "chmod", "move":
	default:
		return bad("action] does not have a valid value")
	}
	if ch.path == "" {
		return bad("file_path] is missing")
	}
	if ch.action == "move" && ch.previous == "" {
		return bad("previous_path] is missing")
	}
	_, given := object["content"]
	ch.keepContent = ch.action == "chmod" || ch.action == "move" && !given
	if ch.action == "update" && !given {
		return bad("content] is missing")
	}
	var err error
	ch.content, err = decodeContent(content, encoding)
	return ch, err
}
