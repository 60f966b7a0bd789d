package gitlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// repository is a bare Git repository on disk.
type repository struct{ dir string }

func (s *Server) repositories() string { return filepath.Join(s.dir, "repositories") }

// repository of a project. It is named by number, so that moving a project
// moves no files.
func (s *Server) repository(project int) repository {
	return repository{filepath.Join(s.repositories(), itoa(project)+".git")}
}

// gitEnv keeps git free of the machine's and the user's configuration, and from
// leaving a clean-up running in the background.
func gitEnv(extra ...string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_LITERAL_PATHSPECS=1", "GIT_TERMINAL_PROMPT=0",
	}, append(gitConfig("gc.auto", "0", "maintenance.auto", "false"), extra...)...)
}

// gitConfig gives names and values of settings to git by its environment.
func gitConfig(pairs ...string) []string {
	env := []string{"GIT_CONFIG_COUNT=" + itoa(len(pairs)/2)}
	for i := 0; i+1 < len(pairs); i += 2 {
		n := itoa(i / 2)
		env = append(env, "GIT_CONFIG_KEY_"+n+"="+pairs[i], "GIT_CONFIG_VALUE_"+n+"="+pairs[i+1])
	}
	return env
}

// gitInput runs git on the repository with a text on its standard input.
func (r repository) gitInput(ctx context.Context, env []string, input io.Reader, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"--git-dir=" + r.dir}, args...)...)
	cmd.Env, cmd.Stdin = gitEnv(env...), input
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("git %s: %w: %s", args[0], err, bytes.TrimSpace(errs.Bytes()))
	}
	return out.Bytes(), nil
}

// git runs git on the repository and gives what it prints.
func (r repository) git(args ...string) ([]byte, error) {
	return r.gitInput(context.Background(), nil, nil, args...)
}

// line runs git for the one line it prints.
func (r repository) line(args ...string) (string, error) {
	out, err := r.git(args...)
	return strings.TrimSpace(string(out)), err
}

// create makes an empty repository, in place of what a killed server may have
// left there.
func (r repository) create(head string) error {
	if err := os.RemoveAll(r.dir); err != nil {
		return err
	}
	cmd := exec.Command("git", "init", "--quiet", "--bare", "--template=", "--initial-branch="+head, r.dir)
	cmd.Env = gitEnv()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("making a repository: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// cloneTo copies branches and tags to another repository.
func (r repository) cloneTo(ctx context.Context, to repository) error {
	cmd := exec.CommandContext(ctx, "git", "clone", "--quiet", "--bare", "--no-hardlinks", "--template=", r.dir, to.dir)
	cmd.Env = gitEnv()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("copying a repository: %w: %s", err, bytes.TrimSpace(out))
	}
	_, err := to.git("remote", "remove", "origin")
	return err
}

// empty says whether there is no branch. It reads the files itself: each project
// of a list is asked.
func (r repository) empty() bool {
	if packed, err := os.ReadFile(filepath.Join(r.dir, "packed-refs")); err == nil && bytes.Contains(packed, []byte(" refs/heads/")) {
		return false
	}
	found := errors.New("found")
	err := filepath.WalkDir(filepath.Join(r.dir, "refs", "heads"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && !strings.HasSuffix(path, ".lock") {
			return found
		}
		return err
	})
	return !errors.Is(err, found)
}

func (r repository) setHead(branch string) error {
	_, err := r.git("symbolic-ref", "HEAD", "refs/heads/"+branch)
	return err
}

// branch is the commit at a branch's tip, or "".
func (r repository) branch(name string) string {
	if !validRef(name) {
		return ""
	}
	return r.commitAt("refs/heads/" + name)
}

// commitAt resolves a full ref or object name to a commit, or gives "".
func (r repository) commitAt(rev string) string {
	sha, err := r.line("rev-parse", "--verify", "--quiet", rev+"^{commit}")
	if err != nil {
		return ""
	}
	return sha
}

var objectName = regexp.MustCompile(`^[0-9a-f]{7,40}$`)

// resolve finds the commit of a branch, a tag or a (shortened) object name; no
// further syntax of revisions is let through to git.
func (r repository) resolve(ref string) string {
	if ref == "HEAD" {
		return r.commitAt("HEAD")
	}
	if !validRef(ref) {
		return ""
	}
	for _, full := range []string{"refs/heads/" + ref, "refs/tags/" + ref} {
		if sha := r.commitAt(full); sha != "" {
			return sha
		}
	}
	if strings.HasPrefix(ref, "refs/") || objectName.MatchString(ref) {
		return r.commitAt(ref)
	}
	return ""
}

// noObject is git's name for nothing.
const noObject = "0000000000000000000000000000000000000000"

// moveRef points a ref from one commit to another, "" being none. It fails when
// the ref has moved meanwhile.
func (r repository) moveRef(ref, to, from string) error {
	if from == "" {
		from = noObject
	}
	if to == "" {
		to = noObject
	}
	_, err := r.git("update-ref", ref, to, from)
	return err
}

// contains says whether an older commit is part of a newer one's history.
func (r repository) contains(newer, older string) bool {
	_, err := r.git("merge-base", "--is-ancestor", older, newer)
	return err == nil
}

var badRef = regexp.MustCompile(`[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|^[-./]|^@$|[./]$`)

// validRef follows the rules of git check-ref-format for a branch's name.
func validRef(name string) bool { return name != "" && len(name) < 250 && !badRef.MatchString(name) }
