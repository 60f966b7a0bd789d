package main

import (
	"net/http"
	"strings"
	"testing"

	"platform/lab/plugins/provider"
	"platform/lab/plugins/provider/providertest"
)

var projectInputs = provider.Values{
	"name": "acme", "public": false, "storageQuota": 10.0, "vulnerabilityScanning": true, "forceDestroy": false,
}

var readProject = exchange{
	Request: "GET /api/v2.0/projects/7",
	Answer:  `{"project_id": 7, "name": "acme", "metadata": {"public": "false", "auto_scan": "true", "retention_id": "3"}}`,
}

func createProject(t *testing.T, e *providertest.Engine, script *providertest.Script) *providertest.Resource {
	t.Helper()
	script.Expect(exchange{
		Request: "POST /api/v2.0/projects", Status: http.StatusCreated, Location: "/api/v2.0/projects/7",
		Body: `{"project_name": "acme", "storage_limit": 10737418240, "metadata": {"public": "false", "auto_scan": "true",
			"severity": "low", "prevent_vul": "false", "reuse_sys_cve_allowlist": "true"}}`,
	}, readProject)
	return e.MustCreate(projectToken, projectInputs)
}

func TestProject(t *testing.T) {
	e, script := start(t)
	r := createProject(t, e, script)
	if r.ID != "/projects/7" || r.Output("projectId") != 7.0 {
		t.Errorf("id %q, outputs %v", r.ID, r.Outputs)
	}
	for _, c := range []struct {
		change provider.Values
		want   string
	}{
		{nil, "same"}, {provider.Values{"public": true}, "update public"}, {provider.Values{"name": "other"}, "delete first name"},
	} {
		if got := e.Diff(r, projectInputs.With(c.change)); got != c.want {
			t.Errorf("%v: %s, want %s", c.change, got, c.want)
		}
	}
	public := readProject
	public.Answer = strings.Replace(readProject.Answer, `"public": "false"`, `"public": "true"`, 1)
	for _, c := range []struct {
		read exchange
		want string
	}{
		{readProject, "same"}, {public, "update public"}, {exchange{Request: readProject.Request, Status: http.StatusNotFound}, "gone"},
	} {
		script.Expect(c.read)
		refreshed := *r
		if got, err := e.Refresh(&refreshed); err != nil || got != c.want {
			t.Errorf("refresh: %s, %v, want %s", got, err, c.want)
		}
	}
	script.Expect(exchange{Request: readProject.Request, Status: http.StatusForbidden})
	if _, err := e.Refresh(r); err == nil {
		t.Error("a forbidden read is fine")
	}
}

func TestProjectQuotaIsAnObjectOfItsOwn(t *testing.T) {
	e, script := start(t)
	r := createProject(t, e, script)
	script.Expect(
		exchange{Request: "PUT /api/v2.0/projects/7"},
		exchange{Request: "GET /api/v2.0/quotas/?page=1&page_size=100", Answer: `[{"id": 1, "ref": {"id": 6}}, {"id": 2, "ref": {"id": 7}}]`},
		exchange{Request: "PUT /api/v2.0/quotas/2", Body: `{"hard": {"storage": -1}}`},
		exchange{Request: "GET /api/v2.0/quotas/?page=2&page_size=100", Answer: `[]`},
		readProject,
	)
	if err := e.Update(r, projectInputs.With(provider.Values{"storageQuota": -1.0})); err != nil {
		t.Error(err)
	}
}

func TestProjectWithImagesStays(t *testing.T) {
	e, script := start(t)
	r := createProject(t, e, script)
	page := func(n, answer string) exchange {
		return exchange{Request: "GET /api/v2.0/projects/acme/repositories?page=" + n + "&page_size=100", Answer: answer}
	}
	script.Expect(page("1", `[{"name": "acme/team/api"}]`), page("2", `[]`))
	if err := e.Delete(r); err == nil || !strings.Contains(err.Error(), "acme/team/api") {
		t.Errorf("%v", err)
	}
	script.Expect(
		exchange{Request: "PUT /api/v2.0/projects/7"}, readProject,
		page("1", `[{"name": "acme/team/api"}]`), page("2", `[]`),
		exchange{Request: "DELETE /api/v2.0/projects/acme/repositories/team%252Fapi"},
		exchange{Request: "DELETE /api/v2.0/projects/7"},
	)
	if err := e.Update(r, projectInputs.With(provider.Values{"forceDestroy": true})); err != nil {
		t.Fatal(err)
	}
	if err := e.Delete(r); err != nil {
		t.Error(err)
	}
}

func TestMemberGroup(t *testing.T) {
	e, script := start(t)
	in := provider.Values{"projectId": "/projects/7", "groupName": "acme-dev", "role": "developer", "type": "oidc"}
	script.Expect(exchange{
		Request: "POST /api/v2.0/projects/7/members", Status: http.StatusCreated, Location: "/api/v2.0/projects/7/members/4",
		Body: `{"role_id": 2, "member_group": {"group_type": 3, "group_name": "acme-dev"}}`,
	})
	r := e.MustCreate(memberToken, in)
	if r.ID != "/projects/7/members/4" {
		t.Errorf("id %q", r.ID)
	}
	script.Expect(exchange{
		Request: "GET /api/v2.0/projects/7/members/4", Answer: `{"role_id": 1, "project_id": 7, "entity_name": "acme-dev", "entity_type": "g"}`,
	})
	if got, err := e.Refresh(r); err != nil || got != "update role" {
		t.Errorf("refresh: %s, %v", got, err)
	}
	script.Expect(exchange{
		Request: "PUT /api/v2.0/projects/7/members/4", Body: `{"role_id": 2, "member_group": {"group_type": 3, "group_name": "acme-dev"}}`,
	})
	if err := e.Update(r, in); err != nil {
		t.Error(err)
	}
	if got := e.Diff(r, in.With(provider.Values{"groupName": "x"})); got != "replace groupName" {
		t.Errorf("another group: %s", got)
	}
	script.Expect(exchange{Request: "DELETE /api/v2.0/projects/7/members/4", Status: http.StatusNotFound})
	if err := e.Delete(r); err != nil {
		t.Errorf("a membership that is gone: %v", err)
	}
	for key, value := range map[string]string{"role": "owner", "type": "saml"} {
		if _, err := e.Create(memberToken, in.With(provider.Values{key: value})); err == nil || !strings.Contains(err.Error(), value) {
			t.Errorf("%s %s: %v", key, value, err)
		}
	}
}
