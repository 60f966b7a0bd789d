package gitlab

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"path"
	"strings"
)

func fileRoutes() []route {
	const one = "projects/:project/repository/files/:file"
	write := []param{
		str("branch").must(), str("start_branch"), str("commit_message").must(), str("author_email"), str("author_name"),
		enum("encoding", "text", "base64"), str("content").must(), boolean("execute_filemode"), str("last_commit_id"),
	}
	remove := []param{
		str("branch").must(), str("start_branch"), str("commit_message").must(), str("author_email"), str("author_name"), str("last_commit_id"),
	}
	read := []param{str("ref")}
	return []route{
		{http.MethodGet, one, 200, readingCode, read, getFile},
		{http.MethodGet, one + "/raw", 200, readingCode, read, getRawFile},
		{http.MethodPost, one, 201, writing, write, writeFile("create")},
		{http.MethodPut, one, 200, writing, write, writeFile("update")},
		{http.MethodDelete, one, 204, writing, remove, writeFile("delete")},
	}
}

// foundFile is a file at a commit.
type foundFile struct {
	project *Project
	commit  string
	entry   entry
	content []byte
}

func (c *call) file() (*foundFile, error) {
	p, err := c.code()
	if err != nil {
		return nil, err
	}
	repo := c.server.repository(p.ID)
	f := &foundFile{project: p, commit: c.commitIn(p, c.text("ref"))}
	if f.commit == "" {
		return nil, notFound("Commit")
	}
	files, err := repo.files(f.commit)
	if err != nil {
		return nil, err
	}
	var exists bool
	if f.entry, exists = files[c.path["file"]]; !exists {
		return nil, notFound("File")
	}
	f.content, err = repo.git("cat-file", "blob", f.entry.blob)
	return f, err
}

func getFile(c *call) (any, error) {
	f, err := c.file()
	if err != nil {
		return nil, err
	}
	name := c.path["file"]
	last, err := c.server.repository(f.project.ID).lastCommit(f.commit, name)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(f.content)
	ref := c.text("ref")
	if ref == "" || ref == "HEAD" {
		ref = f.project.DefaultBranch
	}
	return fields{
		"file_name": path.Base(name), "file_path": name, "size": len(f.content), "encoding": "base64",
		"content_sha256": hex.EncodeToString(sum[:]), "ref": ref, "blob_id": f.entry.blob, "commit_id": f.commit,
		"last_commit_id": last, "execute_filemode": f.entry.mode == executableFile,
		"content": base64.StdEncoding.EncodeToString(f.content),
	}, nil
}

func getRawFile(c *call) (any, error) {
	f, err := c.file()
	if err != nil {
		return nil, err
	}
	return rawFile{path.Base(c.path["file"]), f.content}, nil
}

func writeFile(action string) func(*call) (any, error) {
	return func(c *call) (any, error) {
		p, err := c.pushable()
		if err != nil {
			return nil, err
		}
		if !safePath(strings.TrimPrefix(c.path["file"], "/")) {
			return nil, &apiError{http.StatusBadRequest, fields{"error": "file_path should be a valid file path"}}
		}
		if !c.server.mayPush(c.data, p, c.user, c.text("branch")) {
			return nil, refuse(http.StatusBadRequest, "You are not allowed to push into this branch")
		}
		ch := change{action: action, path: c.path["file"], lastCommit: c.text("last_commit_id")}
		if ch.content, err = decodeContent(c.text("content"), c.text("encoding")); err != nil {
			return nil, err
		}
		if c.has("execute_filemode") {
			executable := c.flag("execute_filemode")
			ch.executable = &executable
		}
		if _, err := c.commit(p, []change{ch}); err != nil {
			return nil, err
		}
		return fields{"file_path": c.path["file"], "branch": c.text("branch")}, nil
	}
}

func decodeContent(text, encoding string) ([]byte, error) {
	if encoding != "base64" {
		return []byte(text), nil
	}
	raw, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(text, "\n", ""))
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "400 Bad request - invalid base64")
	}
	return raw, nil
}

// commit makes the commit that the call describes on its branch, which may have
// to be begun: from start_branch, start_sha or, in an empty repository, nothing.
func (c *call) commit(p *Project, changes []change) (string, error) {
	repo, branch := c.server.repository(p.ID), c.text("branch")
	if !validRef(branch) {
		return "", refuse(http.StatusBadRequest, "Branch name is invalid")
	}
	n := newCommit{branch: branch, tip: repo.branch(branch), message: c.text("commit_message"), changes: changes}
	n.parent = n.tip
	start := c.textOr("start_sha", c.text("start_branch"))
	switch {
	case n.tip != "" && start != "" && start != branch && !c.flag("force"):
		return "", refuse(http.StatusBadRequest, "A branch called '%s' already exists. Switch to that branch in order to make changes", branch)
	case start != "" && start != branch:
		if n.parent = repo.resolve(start); n.parent == "" {
			return "", refuse(http.StatusBadRequest, "Cannot find start branch '%s'", start)
		}
	case n.tip == "" && !repo.empty():
		return "", refuse(http.StatusBadRequest, "You can only create or edit files when you are on a branch")
	}
	if rule, protected := c.data.branchRule(p, c.user, branch); protected && !rule.force && n.tip != "" && !repo.contains(n.parent, n.tip) {
		return "", refuse(http.StatusBadRequest, "You are not allowed to force push code to a protected branch on this project.")
	}
	n.committer = person{c.user.Name, c.user.Email}
	n.author = person{c.textOr("author_name", c.user.Name), c.textOr("author_email", c.user.Email)}
	if n.author.name == "" {
		n.author.name = c.user.Name
	}
	if n.author.email == "" {
		n.author.email = c.user.Email
	}
	sha, err := repo.make(n)
	var why fault
	if errors.As(err, &why) {
		return "", refuse(http.StatusBadRequest, "%s", why)
	}
	if err != nil {
		return "", err
	}
	c.server.afterPush(c.data, p)
	return sha, nil
}
