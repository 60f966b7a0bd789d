package gitlab

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestFiles(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p := l.project(l.group("top", nil), "app")
	_, stranger := l.user("stranger")
	one := "projects/" + p + "/repository/files/" + escape("deploy/a b.yaml")
	file := func(content, message string, more fields) fields {
		out := fields{"branch": "main", "content": content, "commit_message": message, "author_name": "A", "author_email": "a@x.test"}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	encoded := base64.StdEncoding.EncodeToString([]byte("two\n"))
	l.run([]step{
		{rootToken, "GET", one + "?ref=main", nil, 404, "404 File Not Found"},
		{rootToken, "POST", one, file("one\n", "m", nil), 201, `{"branch":"main","file_path":"deploy/a b.yaml"}`},
		{rootToken, "POST", one, file("one\n", "m", nil), 400, "A file with this name already exists"},
		{rootToken, "GET", one + "?ref=main", nil, 200, `"content":"` + base64.StdEncoding.EncodeToString([]byte("one\n"))},
		{rootToken, "GET", one + "?ref=nowhere", nil, 404, "404 Commit Not Found"},
		{rootToken, "GET", one + "/raw?ref=main", nil, 200, "one\n"},
		{stranger, "GET", one + "?ref=main", nil, 404, "404 Project Not Found"},
		{rootToken, "PUT", one, file(encoded, "m", fields{"encoding": "base64", "execute_filemode": true}), 200, ""},
		{rootToken, "PUT", one, file("%", "m", fields{"encoding": "base64"}), 400, "invalid base64"},
		{rootToken, "GET", one + "?ref=main", nil, 200, `"execute_filemode":true`},
		{rootToken, "PUT", one, file("x", "m", fields{"last_commit_id": strings.Repeat("0", 40)}), 400, "has changed since you started editing it"},
		{rootToken, "POST", "projects/" + p + "/repository/files/deploy", file("x", "m", nil), 400, "already exists"},
		{rootToken, "POST", "projects/" + p + "/repository/files/" + escape("../../etc/passwd"), file("x", "m", nil), 400, "valid file path"},
		{rootToken, "POST", "projects/" + p + "/repository/files/" + escape(".git/config"), file("x", "m", nil), 400, "valid file path"},
		{rootToken, "POST", one, file("x", "m", fields{"branch": "new"}), 400, "when you are on a branch"},
		{rootToken, "PUT", one, file("x", "m", fields{"branch": "new", "start_branch": "main"}), 200, ""},
		{rootToken, "GET", one + "/raw?ref=new", nil, 200, "x"},
		{rootToken, "PUT", "projects/" + p + "/repository/files/none", file("x", "m", nil), 400, "A file with this name doesn't exist"},
		{rootToken, "DELETE", one + "?branch=main&commit_message=%5BDELETE%5D%3A%20m&author_name=A&author_email=a%40x.test", nil, 204, ""},
		{rootToken, "GET", one + "?ref=main", nil, 404, "404 File Not Found"},
		{rootToken, "GET", "projects/" + p + "/repository/commits?per_page=1", nil, 200, `"author_email":"a@x.test"`},
	})
}

// TestLastCommit is the exchange by which the provider updates a file.
func TestLastCommit(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p := l.project(l.group("top", nil), "app")
	one := "projects/" + p + "/repository/files/README%2Emd"
	known := l.do(rootToken, "GET", one+"?ref=main", nil, 200).object(t)["last_commit_id"].(string)
	body := fields{"branch": "main", "content": "x", "commit_message": "m", "last_commit_id": known}
	l.run([]step{
		{rootToken, "PUT", one, body, 200, ""},
		{rootToken, "PUT", one, body, 400, "has changed"},
	})
}

func TestCommits(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p := l.project(l.group("top", nil), "app")
	id, dev := l.user("dev")
	l.do(rootToken, "POST", "projects/"+p+"/members", fields{"user_id": id, "access_level": 30}, 201)
	all := "projects/" + p + "/repository/commits"
	commit := func(branch string, more fields, actions ...fields) fields {
		out := fields{"branch": branch, "commit_message": "several", "actions": actions}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	create := func(path string) fields { return fields{"action": "create", "file_path": path, "content": path} }
	done := l.do(rootToken, "POST", all, commit("main", nil, create("a/1"), create("a/2"), create("b")), 201)
	if !strings.Contains(done.text, `"stats":{"additions":3,"deletions":0,"total":3}`) {
		t.Error(done.text)
	}
	sha := done.object(t)["id"].(string)
	l.run([]step{
		{dev, "POST", all, commit("main", nil, create("c")), 403, "403 Forbidden - You are not allowed to push into this branch"},
		{dev, "POST", all, commit("topic", fields{"start_branch": "main"}, create("c")), 201, `"title":"several"`},
		{dev, "POST", all, commit("topic", fields{"start_branch": "main"}, create("d")), 400, "A branch called 'topic' already exists"},
		{dev, "POST", all, commit("topic", nil, fields{"action": "move", "previous_path": "c", "file_path": "d"}, fields{"action": "delete", "file_path": "b"}), 201, ""},
		{dev, "POST", all, commit("topic", nil, fields{"action": "chmod", "file_path": "d", "execute_filemode": true}), 201, ""},
		{dev, "POST", all, commit("topic", nil, fields{"action": "burn", "file_path": "d"}), 400, "valid value"},
		{dev, "POST", all, commit("topic", nil, fields{"action": "create"}), 400, "file_path"},
		{dev, "POST", all, commit("topic", nil, fields{"action": "update", "file_path": "d"}), 400, "content"},
		{dev, "POST", all, commit("topic", nil), 400, "actions"},
		{dev, "POST", all, commit("topic", nil, fields{"action": "create", "file_path": "e", "colour": "red"}), 501, "colour"},
		{dev, "POST", all, commit("to..pic", nil, create("x")), 400, "invalid"},
		// Nothing of a commit that fails in its second step is kept.
		{dev, "POST", all, commit("topic", nil, create("kept"), create("a/1")), 400, "already exists"},
		{dev, "GET", "projects/" + p + "/repository/files/kept?ref=topic", nil, 404, ""},
		{dev, "GET", "projects/" + p + "/repository/tree?ref=topic&recursive=true", nil, 200, `"mode":"100755","name":"d"`},
		{dev, "GET", "projects/" + p + "/repository/tree?path=a", nil, 200, `"path":"a/1"`},
		{dev, "GET", "projects/" + p + "/repository/tree?path=none", nil, 404, ""},
		{dev, "GET", "projects/" + p + "/repository/tree?ref=none", nil, 404, "404 Tree Not Found"},
		{dev, "GET", all + "?ref_name=topic&path=d", nil, 200, `"id"`},
		{dev, "GET", all + "?ref_name=none", nil, 404, "404 Ref Not Found"},
		{dev, "GET", all + "?since=2999-01-01T00:00:00Z", nil, 200, "[]"},
		{dev, "GET", all + "?all=true&with_stats=true", nil, 200, `"stats"`},
		{dev, "GET", all + "/" + sha, nil, 200, `"short_id":"` + sha[:8]},
		{dev, "GET", all + "/" + sha + "/diff", nil, 200, `"new_file":true`},
		{dev, "GET", all + "/main~1", nil, 404, "404 Commit Not Found"},
		{dev, "GET", all + "/--all", nil, 404, "404 Commit Not Found"},
		{dev, "GET", "projects/" + p + "/repository/compare?from=main&to=topic", nil, 200, `"a_mode":"0","b_mode":"100755"`},
		{dev, "GET", "projects/" + p + "/repository/compare?from=main&to=none", nil, 404, ""},
	})
}

func TestBranches(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p := l.project(l.group("top", nil), "app")
	id, dev := l.user("dev")
	l.do(rootToken, "POST", "projects/"+p+"/members", fields{"user_id": id, "access_level": 30}, 201)
	l.do(rootToken, "POST", "projects/"+p+"/protected_branches", fields{"name": "release/*"}, 201)
	all := "projects/" + p + "/repository/branches"
	l.run([]step{
		{dev, "POST", all + "?branch=topic&ref=main", nil, 201, `"name":"topic"`},
		{dev, "POST", all, fields{"branch": "topic", "ref": "main"}, 400, "Branch already exists"},
		{dev, "POST", all, fields{"branch": "x", "ref": "none"}, 400, "Invalid reference name"},
		{dev, "POST", all, fields{"branch": "release/1", "ref": "main"}, 400, "not allowed to create protected branches"},
		{rootToken, "POST", all, fields{"branch": "release/1", "ref": "main"}, 201, `"protected":true`},
		{dev, "GET", all + "/release%2F1", nil, 200, `"can_push":false`},
		{dev, "GET", all + "?search=top", nil, 200, `"name":"topic"`},
		{dev, "DELETE", all + "/release%2F1", nil, 405, ""},
		{dev, "DELETE", all + "/main", nil, 405, "Cannot remove HEAD branch"},
		{dev, "DELETE", all + "/none", nil, 404, "404 Branch Not Found"},
		{dev, "DELETE", all + "/topic", nil, 204, ""},
		{rootToken, "PUT", "projects/" + p, fields{"default_branch": "none"}, 400, "Do you have a branch named"},
		{rootToken, "PUT", "projects/" + p, fields{"default_branch": "release/1"}, 200, ""},
		{rootToken, "DELETE", all + "/main", nil, 204, ""},
	})
}

func TestProtections(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p := l.project(l.group("top", nil), "app")
	id, dev := l.user("dev")
	l.do(rootToken, "POST", "projects/"+p+"/members", fields{"user_id": id, "access_level": 30}, 201)
	all := "projects/" + p + "/protected_branches"
	file := func(branch string) fields {
		return fields{"branch": branch, "content": "x", "commit_message": "m"}
	}
	// What the provider sends: it unprotects the default branch first.
	create := fields{
		"name": "main", "push_access_level": 0, "merge_access_level": 30, "unprotect_access_level": 40, "allow_force_push": false,
		"code_owner_approval_required": false, "allowed_to_push": []any{}, "allowed_to_merge": []any{}, "allowed_to_unprotect": []any{},
	}
	l.run([]step{
		{rootToken, "GET", all + "/main", nil, 200, `"access_level_description":"Maintainers"`},
		{dev, "GET", all, nil, 403, ""},
		{dev, "POST", "projects/" + p + "/repository/files/a", file("main"), 400, "You are not allowed to push into this branch"},
		{rootToken, "POST", all, create, 409, "Protected branch 'main' already exists"},
		{rootToken, "DELETE", all + "/main", nil, 204, ""},
		{rootToken, "GET", all + "/main", nil, 404, ""},
		{dev, "POST", "projects/" + p + "/repository/files/a", file("main"), 201, ""},
		{rootToken, "POST", all, create, 201, `"access_level":0,"access_level_description":"No one"`},
		{rootToken, "POST", "projects/" + p + "/repository/files/b", file("main"), 400, "not allowed"},
		{rootToken, "PATCH", all + "/main", fields{"name": "main", "allow_force_push": true, "allowed_to_push": []any{}}, 200, `"allow_force_push":true`},
		{rootToken, "PUT", all + "/main", fields{}, 501, ""},
		{rootToken, "POST", all, fields{"name": "x", "push_access_level": 50}, 400, "valid value"},
		{rootToken, "POST", all, fields{"name": "a..b"}, 422, "Name is invalid"},
		{rootToken, "GET", all + "?search=mai", nil, 200, `"name":"main"`},
	})
}

func TestMatchBranch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, branch string
		want            bool
	}{
		{"main", "main", true}, {"main", "main2", false}, {"*", "a/b", true}, {"release/*", "release/1", true},
		{"release/*", "release", false}, {"*-stable", "1-stable", true}, {"a*b*c", "aXbYc", true}, {"a*b*c", "aXc", false},
		{"ab*ba", "aba", false},
	} {
		if matchBranch(c.pattern, c.branch) != c.want {
			t.Errorf("%s against %s", c.pattern, c.branch)
		}
	}
}

func TestMergeRequests(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p := l.project(l.group("top", nil), "app")
	id, dev := l.user("dev")
	l.do(rootToken, "POST", "projects/"+p+"/members", fields{"user_id": id, "access_level": 30}, 201)
	all := "projects/" + p + "/merge_requests"
	put := func(branch, path, content string) {
		t.Helper()
		l.do(dev, "POST", "projects/"+p+"/repository/commits", fields{
			"branch": branch, "start_branch": "main", "commit_message": "m",
			"actions": []fields{{"action": "create", "file_path": path, "content": content}},
		}, 201)
	}
	open := func(branch string) step {
		return step{dev, "POST", all, fields{"source_branch": branch, "target_branch": "main", "title": branch}, 201, `"state":"opened"`}
	}
	put("one", "one", "1")
	put("two", "one", "2")
	put("three", "three", "3")
	put("four", "four", "4")
	l.run([]step{
		open("one"), open("two"), open("three"), open("four"),
		{dev, "POST", all, fields{"source_branch": "one", "target_branch": "main", "title": "x"}, 409, "Another open merge request already exists"},
		{dev, "POST", all, fields{"source_branch": "none", "target_branch": "main", "title": "x"}, 400, "source_branch"},
		{dev, "POST", all, fields{"source_branch": "main", "target_branch": "main", "title": "x"}, 422, "same project/branch"},
		{dev, "GET", all + "/1", nil, 200, `"detailed_merge_status":"mergeable"`},
		{dev, "GET", all + "/1", nil, 200, `"user":{"can_merge":false}`},
		{dev, "GET", all + "/1/diffs", nil, 200, `"new_path":"one"`},
		{dev, "GET", all + "/1/commits", nil, 200, `"title":"m"`},
		{dev, "PUT", all + "/1/merge", nil, 401, "401 Unauthorized"},
		{rootToken, "PUT", all + "/1/merge", fields{"sha": strings.Repeat("0", 40)}, 409, "SHA does not match"},
		{rootToken, "PUT", all + "/1/merge", fields{"should_remove_source_branch": true}, 200, `"state":"merged"`},
		{dev, "GET", "projects/" + p + "/repository/branches/one", nil, 404, ""},
		{rootToken, "PUT", all + "/1/merge", nil, 405, "405 Method Not Allowed"},
		{dev, "GET", all + "/2", nil, 200, `"has_conflicts":true`},
		{rootToken, "PUT", all + "/2/merge", nil, 422, "Branch cannot be merged"},
		{dev, "PUT", all + "/2", fields{"state_event": "close"}, 200, `"state":"closed"`},
		{rootToken, "PUT", "projects/" + p, fields{"merge_method": "ff"}, 200, ""},
		{dev, "GET", all + "/3", nil, 200, `"detailed_merge_status":"need_rebase"`},
		{rootToken, "PUT", "projects/" + p, fields{"merge_method": "merge"}, 200, ""},
		{dev, "PUT", all + "/3", fields{"title": "Draft: three"}, 200, `"draft":true`},
		{rootToken, "PUT", all + "/3/merge", nil, 405, ""},
		{dev, "PUT", all + "/3", fields{"title": "three"}, 200, ""},
		{rootToken, "PUT", all + "/3/merge", fields{"squash": true}, 200, `"squash_commit_sha":"`},
		{dev, "GET", all + "?state=opened", nil, 200, `"source_branch":"four"`},
		// Who may push but not merge by the level for merging, may merge.
		{rootToken, "DELETE", "projects/" + p + "/protected_branches/main", nil, 204, ""},
		{rootToken, "POST", "projects/" + p + "/protected_branches", fields{"name": "main", "push_access_level": 0, "merge_access_level": 30}, 201, ""},
		{dev, "PUT", all + "/4/merge", nil, 200, `"state":"merged"`},
		{dev, "GET", all + "/99", nil, 404, ""},
		{dev, "GET", "projects/" + p + "/repository/tree", nil, 200, `"name":"four"`},
	})
}

// TestMergeOfOneFile: both sides changed a file, in different lines.
func TestMergeOfOneFile(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p := l.project(l.group("top", nil), "app")
	file := "projects/" + p + "/repository/files/lines"
	text := func(first, last string) string { return first + "\n" + strings.Repeat("same\n", 20) + last + "\n" }
	put := func(branch, content string) fields {
		return fields{"branch": branch, "content": content, "commit_message": "m"}
	}
	l.run([]step{
		{rootToken, "POST", file, put("main", text("a", "z")), 201, ""},
		{rootToken, "POST", "projects/" + p + "/repository/branches?branch=topic&ref=main", nil, 201, ""},
		{rootToken, "PUT", file, put("topic", text("b", "z")), 200, ""},
		{rootToken, "PUT", file, put("main", text("a", "y")), 200, ""},
		{rootToken, "POST", "projects/" + p + "/merge_requests", fields{"source_branch": "topic", "target_branch": "main", "title": "t"}, 201, ""},
		{rootToken, "PUT", "projects/" + p + "/merge_requests/1/merge", nil, 200, `"merge_commit_sha":"`},
		{rootToken, "GET", file + "/raw?ref=main", nil, 200, text("b", "y")},
		{rootToken, "DELETE", file + "?branch=main&commit_message=m", nil, 204, ""},
		{rootToken, "PUT", file, put("topic", "other"), 200, ""},
		{rootToken, "POST", "projects/" + p + "/merge_requests", fields{"source_branch": "topic", "target_branch": "main", "title": "t"}, 201, ""},
		{rootToken, "GET", "projects/" + p + "/merge_requests/2", nil, 200, `"detailed_merge_status":"conflict"`},
	})
}

// TestMergeFromFork merges what exists in the fork's repository only.
func TestMergeFromFork(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	top := l.group("top", nil)
	p := l.project(top, "app")
	fork := l.do(rootToken, "POST", "projects/"+p+"/fork", fields{"path": "fork", "name": "fork", "namespace_id": top}, 201).id(t)
	l.wait("the copy", func() bool {
		return strings.Contains(l.send(rootToken, "GET", "projects/"+fork+"/import", nil).text, "finished")
	})
	l.run([]step{
		{rootToken, "POST", "projects/" + fork + "/repository/files/a", fields{"branch": "topic", "start_branch": "main", "content": "x", "commit_message": "m"}, 201, ""},
		{rootToken, "POST", "projects/" + fork + "/merge_requests", fields{
			"source_branch": "topic", "target_branch": "main", "title": "t", "target_project_id": p}, 201, `"target_project_id":` + p},
		{rootToken, "PUT", "projects/" + p + "/merge_requests/1/merge", nil, 200, `"state":"merged"`},
		{rootToken, "GET", "projects/" + p + "/repository/files/a/raw?ref=main", nil, 200, "x"},
	})
}
