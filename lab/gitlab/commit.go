package gitlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// entry is a file in a tree.
type entry struct{ mode, blob string }

const (
	plainFile      = "100644"
	executableFile = "100755"
)

// person is an author or committer.
type person struct{ name, email string }

// change is one step from a commit's parent to the commit.
type change struct {
	// action is create, update, delete, move or chmod.
	action, path, previous string
	content                []byte
	// keepContent leaves the text alone: of a move, or a chmod.
	keepContent bool
	executable  *bool
	// lastCommit, when given, is the last one the caller knows of the file.
	lastCommit string
}

// newCommit is a commit to be made.
type newCommit struct {
	branch string
	// parent is the commit to build on, "" for the first one; tip is where the
	// branch is now, "" if it is new.
	parent, tip string
	message     string
	author      person
	committer   person
	changes     []change
}

// files lists all files of a commit's tree; "" has none.
func (r repository) files(commit string) (map[string]entry, error) {
	out := map[string]entry{}
	if commit == "" {
		return out, nil
	}
	listing, err := r.git("ls-tree", "-r", "-z", "--full-tree", commit)
	if err != nil {
		return nil, err
	}
	for _, line := range strings.Split(strings.TrimSuffix(string(listing), "\x00"), "\x00") {
		meta, name, ok := strings.Cut(line, "\t")
		if parts := strings.Fields(meta); ok && len(parts) == 3 {
			out[name] = entry{mode: parts[0], blob: parts[2]}
		}
	}
	return out, nil
}

// make writes the commit and moves the branch to it.
func (r repository) make(n newCommit) (string, error) {
	files, err := r.files(n.parent)
	if err != nil {
		return "", err
	}
	for _, ch := range n.changes {
		if err := r.apply(files, ch, n.parent); err != nil {
			return "", err
		}
	}
	tree, err := r.writeTree(files)
	if err != nil {
		return "", err
	}
	parents := []string{}
	if n.parent != "" {
		parents = append(parents, n.parent)
	}
	sha, err := r.commitTree(tree, parents, n.message, n.author, n.committer)
	if err != nil {
		return "", err
	}
	if err := r.moveRef("refs/heads/"+n.branch, sha, n.tip); err != nil {
		return "", fault(fmt.Sprintf("Could not update refs/heads/%s. Please refresh and try again.", n.branch))
	}
	return sha, nil
}

// apply makes one change to the list of files. What it refuses, it refuses in
// GitLab's words.
func (r repository) apply(files map[string]entry, ch change, parent string) error {
	from := ch.path
	if ch.action == "move" {
		from = ch.previous
	}
	old, exists := files[from]
	if !safePath(ch.path) || !safePath(from) {
		return fault("Path cannot include directory traversal")
	}
	if ch.action != "create" && !exists {
		return fault("A file with this name doesn't exist")
	}
	if _, taken := files[ch.path]; taken && (ch.action == "create" || ch.action == "move" && from != ch.path) {
		return fault("A file with this name already exists")
	}
	if ch.lastCommit != "" && exists {
		if last, err := r.lastCommit(parent, from); err != nil || last != ch.lastCommit {
			return fault("You are attempting to update a file that has changed since you started editing it.")
		}
	}
	delete(files, from)
	if ch.action == "delete" {
		return nil
	}
	if blocked(files, ch.path) {
		return fault("A file with this name already exists")
	}
	next := entry{mode: plainFile, blob: old.blob}
	if exists {
		next.mode = old.mode
	}
	if ch.executable != nil {
		next.mode = map[bool]string{true: executableFile, false: plainFile}[*ch.executable]
	}
	if !ch.keepContent {
		out, err := r.gitInput(context.Background(), nil, bytes.NewReader(ch.content), "hash-object", "-w", "--stdin")
		if err != nil {
			return err
		}
		next.blob = strings.TrimSpace(string(out))
	}
	files[ch.path] = next
	return nil
}

// blocked says whether a file stands where a folder is needed, or the other way
// round.
func blocked(files map[string]entry, name string) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, is := files[dir]; is {
			return true
		}
	}
	for other := range files {
		if strings.HasPrefix(other, name+"/") {
			return true
		}
	}
	return false
}

// safePath says whether git could check a file out under that path.
func safePath(name string) bool {
	if name == "" || strings.ContainsAny(name, "\x00\n") || len(name) > 4096 {
		return false
	}
	for _, part := range strings.Split(name, "/") {
		if part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git") {
			return false
		}
	}
	return true
}

// writeTree writes the tree objects for a list of files.
func (r repository) writeTree(files map[string]entry) (string, error) {
	tmp, err := os.MkdirTemp(r.dir, "index-*")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	index := []string{"GIT_INDEX_FILE=" + filepath.Join(tmp, "index")}
	var lines bytes.Buffer
	for _, name := range sortedNames(files) {
		fmt.Fprintf(&lines, "%s %s\t%s\x00", files[name].mode, files[name].blob, name)
	}
	ctx := context.Background()
	if _, err := r.gitInput(ctx, index, &lines, "update-index", "-z", "--index-info"); err != nil {
		return "", err
	}
	out, err := r.gitInput(ctx, index, nil, "write-tree")
	return strings.TrimSpace(string(out)), err
}

func (r repository) commitTree(tree string, parents []string, message string, author, committer person) (string, error) {
	at := fmt.Sprintf("%d +0000", time.Now().Unix())
	env := []string{
		"GIT_AUTHOR_NAME=" + author.name, "GIT_AUTHOR_EMAIL=" + author.email, "GIT_AUTHOR_DATE=" + at,
		"GIT_COMMITTER_NAME=" + committer.name, "GIT_COMMITTER_EMAIL=" + committer.email, "GIT_COMMITTER_DATE=" + at,
	}
	args := []string{"commit-tree", tree, "-F", "-"}
	for _, p := range parents {
		args = append(args, "-p", p)
	}
	out, err := r.gitInput(context.Background(), env, strings.NewReader(message), args...)
	return strings.TrimSpace(string(out)), err
}

// lastCommit is the newest commit that touched a file, as seen from another.
func (r repository) lastCommit(from, file string) (string, error) {
	sha, err := r.line("log", "-1", "--format=%H", from, "--", file)
	if err == nil && sha == "" {
		err = errors.New("no commit has that file")
	}
	return sha, err
}

// firstCommit adds the README that a project was asked to start with.
func (c *call) firstCommit(repo repository, p *Project) error {
	me := person{c.user.Name, c.user.Email}
	_, err := repo.make(newCommit{
		branch: p.DefaultBranch, message: "Initial commit", author: me, committer: me,
		changes: []change{{action: "create", path: "README.md", content: []byte("# " + p.Name + "\n")}},
	})
	return err
}

// afterPush notes that somebody changed the repository.
func (s *Server) afterPush(d *data, p *Project) {
	p.LastActivity = now()
	s.followBranches(d, p)
}

// followBranches does what GitLab does when branches have moved: a first branch
// gets its protection, becoming the default if that one does not exist, and merge
// requests whose source has arrived at its target are merged.
func (s *Server) followBranches(d *data, p *Project) {
	repo := s.repository(p.ID)
	if repo.empty() {
		return
	}
	if repo.branch(p.DefaultBranch) == "" && !p.BranchProtected {
		first, err := repo.line("for-each-ref", "--count=1", "--sort=committerdate", "--format=%(refname:short)", "refs/heads")
		if err == nil && repo.setHead(first) == nil {
			p.DefaultBranch = first
		}
	}
	if !p.BranchProtected && repo.branch(p.DefaultBranch) != "" {
		d.protectDefaultBranch(p)
	}
	for _, target := range d.Projects {
		for _, m := range target.MergeRequests {
			if m.State == "opened" && (m.SourceProject == p.ID || target == p) {
				s.noticeMerge(target, m)
			}
		}
	}
}
