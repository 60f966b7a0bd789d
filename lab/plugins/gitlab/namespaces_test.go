package main

import (
	"strings"
	"testing"

	"platform/lab/plugins/provider"
	"platform/lab/plugins/provider/providertest"
)

const groupAnswer = `{"id": 3, "name": "acme", "path": "acme", "full_path": "acme", "full_name": "acme", "web_url": "https://g/acme",
	"visibility": "private", "description": "", "parent_id": null, "marked_for_deletion_on": null}`

var (
	groupInputs = provider.Values{"name": "acme", "path": "acme", "visibilityLevel": "private"}
	readGroup   = exchange{Request: "GET /api/v4/groups/3?with_projects=false", Answer: groupAnswer}
)

func createGroup(t *testing.T, e *providertest.Engine, script *providertest.Script) *providertest.Resource {
	t.Helper()
	script.Expect(
		exchange{Request: "POST /api/v4/groups", Status: 201, Body: `{"name": "acme", "path": "acme", "visibility": "private"}`, Answer: groupAnswer},
		exchange{Request: "GET /api/v4/groups/3", Status: 404},
		exchange{Request: "GET /api/v4/groups/3", Answer: groupAnswer},
		readGroup,
	)
	return e.MustCreate(groupToken, groupInputs)
}

func TestGroup(t *testing.T) {
	e, script := start(t)
	r := createGroup(t, e, script)
	if r.ID != "3" || r.Output("fullPath") != "acme" || r.Output("webUrl") != "https://g/acme" {
		t.Errorf("id %q, outputs %v", r.ID, r.Outputs)
	}
	marked := readGroup
	marked.Answer = strings.Replace(groupAnswer, `"marked_for_deletion_on": null`, `"marked_for_deletion_on": "2026-01-01"`, 1)
	public := readGroup
	public.Answer = strings.Replace(groupAnswer, `"private"`, `"public"`, 1)
	for _, c := range []struct {
		read exchange
		want string
	}{
		{readGroup, "same"}, {public, "update visibilityLevel"}, {marked, "gone"}, {exchange{Request: readGroup.Request, Status: 404}, "gone"},
	} {
		script.Expect(c.read)
		refreshed := *r
		if got, err := e.Refresh(&refreshed); err != nil || got != c.want {
			t.Errorf("%s: %s, %v, want %s", c.read.Answer, got, err, c.want)
		}
	}
	script.Expect(
		exchange{Request: "DELETE /api/v4/groups/3", Status: 202, Answer: `{"message": "202 Accepted"}`},
		exchange{Request: "GET /api/v4/groups/3", Answer: groupAnswer},
		exchange{Request: "GET /api/v4/groups/3", Status: 404},
	)
	if err := e.Delete(r); err != nil {
		t.Error(err)
	}
}

func TestGroupMovesBelowAnother(t *testing.T) {
	e, script := start(t)
	r := createGroup(t, e, script)
	moved := groupInputs.With(provider.Values{"parentId": 8.0})
	if got := e.Diff(r, moved); got != "update parentId" {
		t.Errorf("diff: %s", got)
	}
	script.Expect(
		exchange{Request: "PUT /api/v4/groups/3", Body: `{"name": "acme", "path": "acme", "visibility": "private"}`, Answer: groupAnswer},
		exchange{Request: "POST /api/v4/groups/3/transfer", Status: 201, Body: `{"group_id": 8}`, Answer: groupAnswer},
		readGroup,
	)
	if err := e.Update(r, moved); err != nil {
		t.Error(err)
	}
}

const projectAnswer = `{"id": 9, "name": "operations", "path": "operations", "path_with_namespace": "acme/operations", "visibility": "private",
	"namespace": {"id": 3, "kind": "group"}, "default_branch": "main", "import_status": "none", "web_url": "https://g/acme/operations",
	"ssh_url_to_repo": "git@g:acme/operations.git", "http_url_to_repo": "https://g/acme/operations.git"}`

var (
	projectInputs = provider.Values{
		"name": "operations", "path": "operations", "namespaceId": 3.0, "visibilityLevel": "private", "defaultBranch": "main",
		"initializeWithReadme": true,
	}
	readProject = exchange{Request: "GET /api/v4/projects/9", Answer: projectAnswer}
	branch      = exchange{Request: "GET /api/v4/projects/9/repository/branches/main", Answer: `{"name": "main", "protected": true}`}
)

func TestProjectWaitsForItsBranch(t *testing.T) {
	e, script := start(t)
	early := branch
	early.Answer = `{"name": "main", "protected": false}`
	script.Expect(exchange{
		Request: "POST /api/v4/projects", Status: 201, Answer: projectAnswer,
		Body: `{"name": "operations", "path": "operations", "namespace_id": 3, "visibility": "private", "default_branch": "main",
			"initialize_with_readme": true}`,
	}, readProject, early, branch, readProject)
	r := e.MustCreate(projectToken, projectInputs)
	if r.ID != "9" || r.Output("sshUrlToRepo") != "git@g:acme/operations.git" || r.Output("pathWithNamespace") != "acme/operations" {
		t.Errorf("id %q, outputs %v", r.ID, r.Outputs)
	}
	script.Expect(readProject)
	if got, err := e.Refresh(r); err != nil || got != "same" {
		t.Errorf("refresh: %s, %v", got, err)
	}
	script.Expect(
		exchange{Request: "PUT /api/v4/projects/9", Answer: projectAnswer},
		exchange{Request: "PUT /api/v4/projects/9/transfer", Body: `{"namespace": 4}`, Answer: projectAnswer},
		readProject,
	)
	if err := e.Update(r, projectInputs.With(provider.Values{"namespaceId": 4.0})); err != nil {
		t.Error(err)
	}
}

func TestForkIsImportedAndThenChanged(t *testing.T) {
	e, script := start(t)
	in := provider.Values{
		"name": "operations", "path": "operations", "namespaceId": 3.0, "visibilityLevel": "private", "forkedFromProjectId": 5.0,
		"containerRegistryAccessLevel": "disabled",
	}
	fork := strings.Replace(projectAnswer, `"import_status": "none"`, `"import_status": "scheduled", "forked_from_project": {"id": 5}`, 1)
	status := exchange{Request: "GET /api/v4/projects/9/import", Answer: `{"import_status": "started"}`}
	finished := status
	finished.Answer = `{"import_status": "finished"}`
	read := exchange{Request: readProject.Request, Answer: fork}
	script.Expect(
		exchange{
			Request: "POST /api/v4/projects/5/fork", Status: 201, Answer: fork,
			Body: `{"name": "operations", "path": "operations", "namespace_id": 3, "visibility": "private"}`,
		},
		status, finished, read, branch,
		exchange{
			Request: "PUT /api/v4/projects/9", Answer: fork,
			Body: `{"name": "operations", "path": "operations", "visibility": "private", "container_registry_access_level": "disabled"}`,
		},
		read,
	)
	r := e.MustCreate(projectToken, in)
	if r.Output("forkedFromProjectId") != 5.0 {
		t.Errorf("outputs %v", r.Outputs)
	}
}

func TestFailedForkIsInTheState(t *testing.T) {
	e, script := start(t)
	fork := strings.Replace(projectAnswer, `"none"`, `"scheduled"`, 1)
	script.Expect(
		exchange{Request: "POST /api/v4/projects/5/fork", Status: 201, Answer: fork},
		exchange{Request: "GET /api/v4/projects/9/import", Answer: `{"import_status": "failed", "import_error": "disk is full"}`},
	)
	r, err := e.Create(projectToken, provider.Values{"name": "operations", "forkedFromProjectId": 5.0})
	if err == nil || !strings.Contains(err.Error(), "disk is full") || r == nil || r.ID != "9" {
		t.Errorf("%v, %v", r, err)
	}
}
