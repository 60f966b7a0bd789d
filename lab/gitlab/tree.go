package gitlab

import (
	"net/http"
	"path"
	"strings"
)

func treeRoutes() []route {
	return []route{
		{http.MethodGet, "projects/:project/repository/tree", 200, readingCode, []param{str("path"), str("ref"), boolean("recursive")}, listTree},
		{http.MethodGet, "projects/:project/repository/compare", 200, readingCode, []param{str("from").must(), str("to").must(), boolean("straight")}, compare},
	}
}

// commitIn resolves a ref in the repository of a project; no ref is the default
// branch.
func (c *call) commitIn(p *Project, ref string) string {
	if ref == "" || ref == "HEAD" {
		ref = p.DefaultBranch
	}
	return c.server.repository(p.ID).resolve(ref)
}

func listTree(c *call) (any, error) {
	p, err := c.code()
	if err != nil {
		return nil, err
	}
	sha := c.commitIn(p, c.text("ref"))
	if sha == "" {
		return nil, notFound("Tree")
	}
	args := []string{"ls-tree", "-z", "--full-tree"}
	if c.flag("recursive") {
		args = append(args, "-r", "-t")
	}
	folder := strings.Trim(c.text("path"), "/")
	args = append(args, sha)
	if folder != "" {
		if !safePath(folder) {
			return nil, notFound("invalid revision or path")
		}
		args = append(args, folder+"/")
	}
	listing, err := c.server.repository(p.ID).git(args...)
	if err != nil {
		return nil, err
	}
	out := list{}
	for _, line := range strings.Split(strings.TrimSuffix(string(listing), "\x00"), "\x00") {
		meta, name, _ := strings.Cut(line, "\t")
		parts := strings.Fields(meta)
		// With -t, ls-tree also names the folders that lead to the path.
		if len(parts) != 3 || folder != "" && !strings.HasPrefix(name, folder+"/") {
			continue
		}
		out = append(out, fields{"id": parts[2], "name": path.Base(name), "type": parts[1], "path": name, "mode": parts[0]})
	}
	if folder != "" && len(out) == 0 {
		return nil, notFound("invalid revision or path")
	}
	return out, nil
}

// compare shows what `to` has that `from` has not: since they parted, or with
// straight as they are.
func compare(c *call) (any, error) {
	p, err := c.code()
	if err != nil {
		return nil, err
	}
	repo := c.server.repository(p.ID)
	from, to := c.commitIn(p, c.text("from")), c.commitIn(p, c.text("to"))
	if from == "" || to == "" {
		return nil, notFound("Ref")
	}
	commits, err := repo.log(from+".."+to, "--reverse")
	if err != nil {
		return nil, err
	}
	base := from
	if !c.flag("straight") {
		if base, err = repo.line("merge-base", from, to); err != nil {
			return nil, notFound("Ref")
		}
	}
	diffs, err := repo.diffs(base, to)
	if err != nil {
		return nil, err
	}
	out := fields{
		"commit": nil, "commits": listOf(commits, func(l logged) fields { return c.renderCommit(p, l) }), "diffs": diffs,
		"compare_timeout": false, "compare_same_ref": from == to,
		"web_url": c.server.link(c.data.projectPath(p) + "/-/compare/" + from + "..." + to),
	}
	if len(commits) > 0 {
		out["commit"] = c.renderCommit(p, commits[len(commits)-1])
	}
	return out, nil
}

// diffs are the files that differ between two commits.
func (r repository) diffs(from, to string) (list, error) {
	raw, err := r.git("diff-tree", "-r", "-z", "-M", "--raw", "--no-abbrev", from, to)
	if err != nil {
		return nil, err
	}
	out := list{}
	words := strings.Split(strings.TrimSuffix(string(raw), "\x00"), "\x00")
	for len(words) > 1 {
		meta, oldPath := strings.Fields(words[0]), words[1]
		words = words[2:]
		newPath, status := oldPath, meta[4][0]
		if status == 'R' || status == 'C' {
			newPath, words = words[0], words[1:]
		}
		text, err := r.git("diff-tree", "-p", "-M", "--no-commit-id", from, to, "--", oldPath, newPath)
		if err != nil {
			return nil, err
		}
		// GitLab shows the hunks only.
		hunks := string(text)
		if at := strings.Index(hunks, "\n@@ "); at >= 0 {
			hunks = hunks[at+1:]
		} else {
			hunks = ""
		}
		out = append(out, fields{
			"old_path": oldPath, "new_path": newPath, "a_mode": mode(meta[0]), "b_mode": mode(meta[1]), "diff": hunks,
			"new_file": status == 'A', "renamed_file": status == 'R', "deleted_file": status == 'D', "generated_file": nil,
		})
	}
	return out, nil
}

// mode is a file's mode as GitLab writes it: 0 for none.
func mode(raw string) string {
	raw = strings.TrimPrefix(raw, ":")
	if strings.Trim(raw, "0") == "" {
		return "0"
	}
	return raw
}
