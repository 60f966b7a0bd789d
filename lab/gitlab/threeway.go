package gitlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// mergeTrees merges two commits without a work tree and gives the merged tree.
// It is made of commands that every supported git has (`git merge-tree
// --write-tree` came with 2.38), and does not look for renames: what such a
// search would settle is a conflict here.
func (r repository) mergeTrees(ours, theirs string) (tree string, conflict bool, err error) {
	base, err := r.line("merge-base", ours, theirs)
	if err != nil {
		return "", true, nil // no common history
	}
	tmp, err := os.MkdirTemp(r.dir, "index-*")
	if err != nil {
		return "", false, err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	index := []string{"GIT_INDEX_FILE=" + filepath.Join(tmp, "index")}
	ctx := context.Background()
	if _, err := r.gitInput(ctx, index, nil, "read-tree", "-i", "-m", "--aggressive", base, ours, theirs); err != nil {
		return "", false, err
	}
	unmerged, err := r.gitInput(ctx, index, nil, "ls-files", "-u", "-z")
	if err != nil {
		return "", false, err
	}
	var settled bytes.Buffer
	for name, sides := range unmergedFiles(string(unmerged)) {
		merged, conflict, err := r.mergeFile(tmp, sides)
		if err != nil || conflict {
			return "", conflict, err
		}
		// The first line clears the three sides, the second puts the result.
		fmt.Fprintf(&settled, "0 %s\t%s\x00%s %s\t%s\x00", noObject, name, merged.mode, merged.blob, name)
	}
	if _, err := r.gitInput(ctx, index, &settled, "update-index", "-z", "--index-info"); err != nil {
		return "", false, err
	}
	out, err := r.gitInput(ctx, index, nil, "write-tree")
	return strings.TrimSpace(string(out)), false, err
}

// unmergedFiles sorts git's list of undecided entries by file: the base, ours
// and theirs, in this order.
func unmergedFiles(listing string) map[string][3]entry {
	out := map[string][3]entry{}
	for _, line := range strings.Split(strings.TrimSuffix(listing, "\x00"), "\x00") {
		meta, name, ok := strings.Cut(line, "\t")
		parts := strings.Fields(meta)
		if !ok || len(parts) != 3 {
			continue
		}
		sides := out[name]
		sides[parts[2][0]-'1'] = entry{mode: parts[0], blob: parts[1]}
		out[name] = sides
	}
	return out
}

// mergeFile merges the texts of a file that both sides changed. A file that one
// side removed, or whose mode both changed, is a conflict.
func (r repository) mergeFile(tmp string, sides [3]entry) (entry, bool, error) {
	names := [3]string{"base", "ours", "theirs"}
	for i, side := range sides {
		if side.mode != plainFile && side.mode != executableFile {
			return entry{}, true, nil
		}
		text, err := r.git("cat-file", "blob", side.blob)
		if err != nil {
			return entry{}, false, err
		}
		names[i] = filepath.Join(tmp, names[i])
		if err := os.WriteFile(names[i], text, 0o600); err != nil {
			return entry{}, false, err
		}
	}
	mode := sides[1].mode
	if mode == sides[0].mode {
		mode = sides[2].mode
	}
	merged, err := r.git("merge-file", "-p", names[1], names[0], names[2])
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return entry{}, true, nil // conflicting lines, or no text at all
	}
	if err != nil {
		return entry{}, false, err
	}
	blob, err := r.gitInput(context.Background(), nil, bytes.NewReader(merged), "hash-object", "-w", "--stdin")
	return entry{mode: mode, blob: strings.TrimSpace(string(blob))}, false, err
}
