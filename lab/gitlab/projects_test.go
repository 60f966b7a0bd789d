package gitlab

import (
	"strings"
	"testing"
)

func TestGroups(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	top := l.group("top", fields{"description": "d", "visibility": "internal"})
	sub := l.group("my.sub", fields{"parent_id": top})
	other := l.group("other", nil)
	_, alice := l.user("alice")
	byPath := "groups/" + escape("top/my.sub")
	l.run([]step{
		{rootToken, "GET", "groups/" + top + "?with_projects=false", nil, 200, `"default_branch_protection":2`},
		{rootToken, "GET", "groups/TOP", nil, 200, `"path":"top"`},
		{rootToken, "GET", byPath, nil, 200, `"full_path":"top/my.sub"`},
		{rootToken, "GET", "groups/top/my.sub", nil, 501, ""},
		{alice, "GET", "groups/" + top, nil, 200, `"name":"top"`},
		{"", "GET", "groups/" + top, nil, 404, "404 Group Not Found"},
		{alice, "GET", "groups/" + sub, nil, 404, "404 Group Not Found"},
		{alice, "PUT", "groups/" + top, fields{"name": "x"}, 403, "403 Forbidden"},
		{rootToken, "POST", "groups", fields{"name": "TOP", "path": "TOP"}, 400, `Failed to save group {:path=\u003e[\"has already been taken\"]}`},
		{rootToken, "POST", "groups", fields{"name": "x", "path": "a b"}, 400, "can only include"},
		{rootToken, "POST", "groups", fields{"name": "x", "path": "admin"}, 400, "reserved"},
		{rootToken, "POST", "groups", fields{"name": "x", "path": "root"}, 400, "taken"},
		{rootToken, "POST", "groups", fields{"name": "x", "path": "x", "parent_id": 999}, 404, "404 Group Not Found"},
		{rootToken, "POST", "groups", fields{"name": "x", "path": "x", "parent_id": other, "visibility": "public"}, 400, "parent group has a private visibility"},
		{alice, "POST", "groups", fields{"name": "x", "path": "x", "parent_id": top}, 403, ""},
		{alice, "POST", "groups", fields{"name": "mine", "path": "mine"}, 201, `"visibility":"private"`},
		{rootToken, "PUT", "groups/" + top, fields{"description": "e", "project_creation_level": "maintainer"}, 200, `"project_creation_level":"maintainer"`},
		{rootToken, "PUT", "groups/" + top, fields{"path": "other"}, 400, `{"message":{"path":["has already been taken"]}}`},
		{rootToken, "GET", "groups?search=sub", nil, 200, `"full_path":"top/my.sub"`},
		{alice, "GET", "groups?top_level_only=true&owned=true", nil, 200, `"path":"mine"`},
		{rootToken, "GET", "groups/" + top + "/subgroups", nil, 200, "my.sub"},
		{rootToken, "GET", "groups/" + top + "/descendant_groups", nil, 200, "my.sub"},
		{rootToken, "POST", "groups/" + top + "/transfer", fields{"group_id": sub}, 400, "Transfer failed"},
		{rootToken, "POST", "groups/" + sub + "/transfer", fields{"group_id": other}, 201, `"full_path":"other/my.sub"`},
		{rootToken, "POST", "groups/" + sub + "/transfer", nil, 201, `"parent_id":null`},
		{rootToken, "GET", "groups/" + top + "/push_rule", nil, 404, ""},
	})
}

func TestDeletionTakesAMoment(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	top := l.group("top", nil)
	sub := l.group("sub", fields{"parent_id": top})
	team := l.group("team", nil)
	shared := l.project(team, "shared")
	l.do(rootToken, "POST", "projects/"+shared+"/share", fields{"group_id": sub, "group_access": 30}, 201)
	p := l.project(sub, "app")
	_, alice := l.user("alice")
	l.run([]step{
		{alice, "DELETE", "groups/" + top, nil, 404, ""},
		{rootToken, "DELETE", "groups/" + top, nil, 202, `{"message":"202 Accepted"}`},
		{rootToken, "GET", "groups/" + top, nil, 200, ""},
		{rootToken, "POST", "groups", fields{"name": "top", "path": "top"}, 400, "taken"},
	})
	l.wait("the deletion", func() bool { return l.send(rootToken, "GET", "groups/"+top, nil).status == 404 })
	l.run([]step{
		{rootToken, "GET", "groups/" + sub, nil, 404, ""},
		{rootToken, "GET", "projects/" + p, nil, 404, ""},
		{rootToken, "GET", "projects/" + shared, nil, 200, `"shared_with_groups":[]`},
		{rootToken, "POST", "groups", fields{"name": "top", "path": "top"}, 201, ""},
		{rootToken, "DELETE", "projects/" + shared, nil, 202, "202 Accepted"},
		{rootToken, "GET", "projects/" + shared, nil, 200, ""},
	})
	l.wait("the deletion", func() bool { return l.send(rootToken, "GET", "projects/"+shared, nil).status == 404 })
}

func TestProjects(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	top := l.group("top", nil)
	_, alice := l.user("alice")
	plain := l.do(rootToken, "POST", "projects", fields{
		"name": "My App", "path": "my.app", "namespace_id": top, "merge_method": "ff", "wiki_enabled": false, "topics": []string{"a"},
		"approvals_before_merge": 2, "container_registry_access_level": "disabled", "public_builds": false,
	}, 201)
	id := plain.id(t)
	for _, want := range []string{
		`"import_status":"none"`, `"default_branch":"main"`, `"empty_repo":true`, `"kind":"group"`, `"path_with_namespace":"top/my.app"`,
		`"http_url_to_repo":"https://gitlab.platform.test/top/my.app.git"`, `"merge_method":"ff"`, `"wiki_enabled":false`, `"wiki_access_level":"disabled"`,
		`"container_registry_enabled":false`, `"public_jobs":false`, `"topics":["a"]`, `"visibility":"private"`, `"ci_default_git_depth":20`,
	} {
		if !strings.Contains(plain.text, want) {
			t.Errorf("a new project has no %s:\n%s", want, plain.text)
		}
	}
	one := "projects/" + id
	l.run([]step{
		{rootToken, "GET", "projects/" + escape("top/my.app"), nil, 200, `"id":` + id},
		{rootToken, "GET", one + "/push_rule", nil, 404, ""},
		{rootToken, "GET", one + "/repository/branches/main", nil, 404, "404 Branch Not Found"},
		{rootToken, "GET", one + "/repository/branches/", nil, 404, "404 Branch Not Found"},
		{rootToken, "GET", one + "/repository/branches", nil, 200, "[]"},
		{rootToken, "GET", one + "/repository/commits", nil, 200, "[]"},
		{rootToken, "POST", "projects", fields{"path": "my.app", "namespace_id": top}, 400, `"path":["has already been taken"]`},
		{rootToken, "POST", "projects", fields{"path": "-x", "namespace_id": top}, 400, "can contain only"},
		{rootToken, "POST", "projects", fields{"path": "x", "namespace_id": 9999}, 404, "404 Namespace Not Found"},
		{rootToken, "POST", "projects", fields{"path": "x", "namespace_id": top, "visibility": "public"}, 400, "public is not allowed in a private group"},
		{rootToken, "POST", "projects", fields{"namespace_id": top}, 400, "at least one parameter"},
		{alice, "POST", "projects", fields{"path": "x", "namespace_id": top}, 404, ""},
		{alice, "POST", "projects", fields{"name": "Own"}, 201, `"path_with_namespace":"alice/own"`},
		{rootToken, "PUT", one, fields{"name": "App", "ci_config_path": "ci.yml", "ci_default_git_depth": 5}, 200, `"ci_config_path":"ci.yml"`},
		{rootToken, "GET", one, nil, 200, `"ci_default_git_depth":5`},
		{rootToken, "PUT", one, fields{"default_branch": "dev"}, 200, `"default_branch":"dev"`},
		{rootToken, "PUT", one, fields{"merge_method": "octopus"}, 400, "valid value"},
		{rootToken, "POST", one + "/archive", nil, 201, `"archived":true`},
		{rootToken, "PUT", one, fields{"description": "x"}, 403, ""},
		{rootToken, "POST", one + "/unarchive", nil, 201, `"archived":false`},
		{rootToken, "PUT", one + "/transfer", fields{"namespace": "nowhere"}, 404, "404 Namespace Not Found"},
		{rootToken, "PUT", one + "/transfer", fields{"namespace": top}, 400, "already in this namespace"},
		{rootToken, "PUT", one + "/transfer", fields{"namespace": "platform"}, 200, `"path_with_namespace":"platform/my.app"`},
		{rootToken, "GET", "projects?search=my.app&simple=true", nil, 200, `"path":"my.app"`},
		{alice, "GET", "projects?membership=true", nil, 200, `"path":"own"`},
		{rootToken, "GET", "groups/" + top + "/projects", nil, 200, "[]"},
	})
}

func TestReadmeProjectIsProtectedLater(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.do(rootToken, "POST", "projects", fields{"name": "a", "initialize_with_readme": true}, 201).id(t)
	branch := "projects/" + id + "/repository/branches/main"
	l.do(rootToken, "GET", branch, nil, 200)
	l.wait("protection", func() bool { return strings.Contains(l.send(rootToken, "GET", branch, nil).text, `"protected":true`) })
	open := l.group("open", fields{"default_branch_protection": 0})
	id = l.do(rootToken, "POST", "projects", fields{"name": "b", "namespace_id": open, "initialize_with_readme": true}, 201).id(t)
	l.do(rootToken, "POST", "projects/"+id+"/protected_branches", fields{"name": "main"}, 201)
	partial := l.group("partial", fields{"default_branch_protection": 1})
	p := l.project(partial, "c")
	l.run([]step{{rootToken, "GET", "projects/" + p + "/protected_branches/main", nil, 200, `"push_access_levels":[{"access_level":30,"access_level_description":"Developers + Maintainers"`}})
}

func TestForks(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	top, other := l.group("top", nil), l.group("other", nil)
	from := l.project(top, "app")
	_, alice := l.user("alice")
	fork := l.do(rootToken, "POST", "projects/"+from+"/fork", fields{"name": "app", "path": "app", "namespace_id": other, "description": "d", "mr_default_target_self": true}, 201)
	if !strings.Contains(fork.text, `"import_status":"scheduled"`) || !strings.Contains(fork.text, `"forked_from_project":{`) {
		t.Error(fork.text)
	}
	one := "projects/" + fork.id(t)
	l.wait("the copy", func() bool {
		return strings.Contains(l.do(rootToken, "GET", one+"/import", nil, 200).text, `"import_status":"finished"`)
	})
	l.run([]step{
		{rootToken, "GET", one + "/repository/files/README%2Emd?ref=main", nil, 200, `"file_path":"README.md"`},
		{rootToken, "GET", one + "/repository/branches/main", nil, 200, `"protected":true`},
		{rootToken, "GET", "projects/" + from + "/forks", nil, 200, `"id":` + fork.id(t)},
		{rootToken, "GET", "projects/" + from, nil, 200, `"forks_count":1`},
		{rootToken, "POST", "projects/" + from + "/fork", fields{"namespace_id": other}, 409, "has already been taken"},
		{rootToken, "POST", "projects/" + from + "/fork", fields{"namespace_id": 999}, 404, "404 Target Namespace Not Found"},
		{rootToken, "POST", "projects/" + from + "/fork", fields{"namespace_path": "other", "path": "b", "name": "b", "visibility": "private"}, 201, ""},
		{alice, "POST", "projects/" + from + "/fork", nil, 404, "404 Project Not Found"},
		{rootToken, "DELETE", one + "/fork", nil, 204, ""},
		{rootToken, "GET", one, nil, 200, `"import_status":"finished"`},
		{rootToken, "POST", one + "/fork/" + from, nil, 201, `"forked_from_project":{`},
		{rootToken, "POST", one + "/fork/" + from, nil, 409, "already forked"},
		{rootToken, "POST", one + "/fork/999", nil, 404, ""},
	})
}

const (
	keyOne = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJl3dIeudNqd0DPMRD6OIh65tjkxFNOtwGcWB2gCgPhk test"
	keyTwo = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMe0bX2hFmm8nS3rN0KkYVmJHgH2WQ0s7UhrqFsHzY4p"
)

func TestDeployKeys(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	top := l.group("top", nil)
	a, b := l.project(top, "a"), l.project(top, "b")
	_, alice := l.user("alice")
	own := l.do(alice, "POST", "projects", fields{"name": "own"}, 201).id(t)
	keys := "projects/" + a + "/deploy_keys"
	id := l.do(rootToken, "POST", keys, fields{"title": "argo", "key": keyOne + "\n", "can_push": false}, 201).id(t)
	l.run([]step{
		{rootToken, "GET", keys + "/" + id, nil, 200, `"fingerprint_sha256":"SHA256:`},
		{rootToken, "POST", keys, fields{"title": "again", "key": keyOne}, 201, `"title":"argo"`},
		{rootToken, "POST", keys, fields{"title": "bad", "key": "ssh-rsa x"}, 400, `"key":["is invalid"]`},
		{alice, "POST", "projects/" + own + "/deploy_keys", fields{"title": "stolen", "key": keyOne}, 400, `"fingerprint_sha256":["has already been taken"]`},
		{alice, "POST", "projects/" + own + "/deploy_keys/" + id + "/enable", nil, 404, ""},
		{alice, "GET", keys, nil, 404, ""},
		{rootToken, "POST", "projects/" + b + "/deploy_keys/" + id + "/enable", nil, 201, `"can_push":false`},
		{rootToken, "PUT", "projects/" + b + "/deploy_keys/" + id, fields{"can_push": true}, 200, `"can_push":true`},
		{rootToken, "GET", keys, nil, 200, `"can_push":false`},
		{rootToken, "POST", keys, fields{"title": "two", "key": keyTwo}, 201, ""},
		{rootToken, "DELETE", keys + "/" + id, nil, 204, ""},
		{rootToken, "GET", keys + "/" + id, nil, 404, ""},
		{rootToken, "GET", "projects/" + b + "/deploy_keys/" + id, nil, 200, ""},
		{rootToken, "DELETE", "projects/" + b + "/deploy_keys/" + id, nil, 204, ""},
		{alice, "POST", "projects/" + own + "/deploy_keys", fields{"title": "free", "key": keyOne}, 201, ""},
	})
}

func TestHooks(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p := l.project(l.group("top", nil), "a")
	hooks := "projects/" + p + "/hooks"
	created := l.do(rootToken, "POST", hooks, fields{
		"url": "https://argocd.platform.test/api/webhook", "token": "very-secret-token", "push_events": true,
		"custom_headers": []fields{{"key": "X-A", "value": "very-secret-header"}},
	}, 201)
	if strings.Contains(created.text, "very-secret") {
		t.Error("a hook shows its secrets:", created.text)
	}
	one := hooks + "/" + created.id(t)
	l.run([]step{
		{rootToken, "GET", one, nil, 200, `"enable_ssl_verification":true`},
		{rootToken, "GET", hooks, nil, 200, `"custom_headers":[{"key":"X-A"}]`},
		{rootToken, "PUT", one, fields{"url": "https://b.test/", "push_events": false, "issues_events": true}, 200, `"push_events":false`},
		{rootToken, "POST", hooks, fields{"url": "ftp://b.test/"}, 422, "Invalid url given"},
		{rootToken, "POST", hooks, fields{}, 400, "url is missing"},
		{rootToken, "DELETE", one, nil, 204, ""},
		{rootToken, "GET", one, nil, 404, ""},
	})
}

func TestVariables(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	p := l.project(l.group("top", nil), "a")
	all := "projects/" + p + "/variables"
	filter := "?filter%5Benvironment_scope%5D="
	l.run([]step{
		{rootToken, "POST", all, fields{"key": "K", "value": "v", "masked": false, "raw": false, "description": "", "environment_scope": "*"}, 201, `"variable_type":"env_var"`},
		{rootToken, "POST", all, fields{"key": "K", "value": "v"}, 400, `{"message":{"key":["(K) has already been taken"]}}`},
		{rootToken, "POST", all, fields{"key": "K", "value": "w", "environment_scope": "prod"}, 201, `"environment_scope":"prod"`},
		{rootToken, "GET", all + "/K", nil, 409, "multiple variables"},
		{rootToken, "GET", all + "/K" + filter + "prod", nil, 200, `"value":"w"`},
		{rootToken, "GET", all + "/K" + filter + "*", nil, 200, `"value":"v"`},
		{rootToken, "GET", all + "/K" + filter + "dev", nil, 404, "404 Variable Not Found"},
		{rootToken, "PUT", all + "/K" + filter + "prod", fields{"value": "x", "environment_scope": "*"}, 400, "has already been taken"},
		{rootToken, "PUT", all + "/K" + filter + "prod", fields{"value": "x", "protected": true}, 200, `"protected":true`},
		{rootToken, "PUT", all + "/K", fields{"value": "y", "filter": fields{"environment_scope": "prod"}}, 200, `"value":"y"`},
		{rootToken, "POST", all, fields{"key": "M", "value": "short", "masked": true}, 400, `"value":["is invalid"]`},
		{rootToken, "POST", all, fields{"key": "bad key", "value": "v"}, 400, `"key":[`},
		{rootToken, "POST", all, fields{"key": "H", "value": "long-enough-value", "masked": false, "masked_and_hidden": true}, 201, `"value":null`},
		{rootToken, "GET", all + "/H", nil, 200, `"hidden":true`},
		{rootToken, "DELETE", all + "/K" + filter + "prod", nil, 204, ""},
		{rootToken, "DELETE", all + "/K", nil, 204, ""},
		{rootToken, "DELETE", all + "/K", nil, 404, ""},
		{rootToken, "GET", all, nil, 200, `"key":"H"`},
	})
}

func TestPages(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, name := range []string{"a", "b", "c"} {
		l.group(name, nil)
	}
	first := l.do(rootToken, "GET", "groups?per_page=2", nil, 200)
	last := l.do(rootToken, "GET", "groups?per_page=2&page=2", nil, 200)
	for name, want := range map[string]string{"X-Page": "1", "X-Next-Page": "2", "X-Prev-Page": "", "X-Total": "3", "X-Total-Pages": "2", "X-Per-Page": "2"} {
		if got := first.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if last.header.Get("X-Next-Page") != "" || strings.Count(last.text, `"full_path"`) != 1 {
		t.Error("the last page:", last.header, last.text)
	}
	if link := first.header.Get("Link"); !strings.Contains(link, `<https://gitlab.platform.test/api/v4/groups?page=2&per_page=2>; rel="next"`) {
		t.Error("Link:", link)
	}
	l.do(rootToken, "GET", "groups?page=9", nil, 200)
	l.do(rootToken, "GET", "groups?page=0", nil, 400)
}
