package harbor

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestProject(t *testing.T) {
	l := newLab(t)
	body := `{"project_name":"team","cve_allowlist":{},"storage_limit":5368709120,"metadata":{"public":"false","auto_scan":"true",
		"severity":"low","prevent_vul":"false","reuse_sys_cve_allowlist":"true"}}`
	id, a := l.create(asAdmin, "/projects", body)
	if id != "/projects/2" || a.text != "" {
		t.Errorf("%s %q: the first project is library, and nothing is told of a new one", id, a.text)
	}
	l.call(asAdmin, post, "/projects", body, 409, `"code":"CONFLICT"`)
	l.call(asAdmin, get, id, "", 200, `"auto_scan":"true"`)
	l.call(asAdmin, get, "/projects/team", "", 200, `"project_id":2`)
	l.call(asAdmin, get, "/quotas/2", "", 200, `"hard":{"storage":5368709120}`)
	l.call(asAdmin, put, id, `{"metadata":{"public":"true"},"storage_limit":1,"cve_allowlist":{"items":[{"cve_id":"CVE-1"}]}}`, 200, "")
	l.call(asNobody, get, id, "", 200, `"cve_id":"CVE-1"`)
	l.call(asAdmin, get, "/quotas/2", "", 200, "5368709120")
	l.call(asAdmin, http.MethodHead, "/projects?project_name=team", "", 200, "")
	l.call(asAdmin, http.MethodHead, "/projects?project_name=no", "", 404, "")

	l.call(asAdmin, del, id, "", 200, "")
	l.call(asAdmin, get, id, "", 404, `{"errors":[{"code":"NOT_FOUND"`)
	l.call(asAdmin, del, id, "", 404, "")
	l.call(asNobody, get, id, "", 401, "UNAUTHORIZED")
	if id, _ := l.create(asAdmin, "/projects", `{"project_name":"team"}`); id != "/projects/3" {
		t.Errorf("an id is used again: %s", id)
	}
}

func TestProjectRules(t *testing.T) {
	l := newLab(t)
	for body, status := range map[string]int{
		`{"project_name":""}`:                                     400,
		`{"project_name":"Team"}`:                                 400,
		`{"project_name":"a__b"}`:                                 400,
		`{"project_name":"` + strings.Repeat("a", 256) + `"}`:     400,
		`{"project_name":"a","metadata":{"public":"yes"}}`:        400,
		`{"project_name":"a","metadata":{"severity":"worst"}}`:    400,
		`{"project_name":"a","storage_limit":-2}`:                 400,
		`{"project_name":"a","metadata":{"public":true}}`:         422,
		`{"project_name":"a","metadata":{"favourite":"true"}}`:    501,
		`{"project_name":"a-1.b_c","metadata":{"public":"true"}}`: 201,
	} {
		l.call(asAdmin, post, "/projects", body, status, "")
	}
	l.call(asNobody, post, "/projects", `{"project_name":"b"}`, 401, "")
	l.call(login{adminName, "wrong"}, post, "/projects", `{"project_name":"b"}`, 401, "")

	l.call(asAdmin, put, "/configurations", `{"storage_per_project":1000}`, 200, "")
	id, _ := l.create(asAdmin, "/projects", `{"project_name":"b"}`)
	l.call(asAdmin, get, "/quotas?reference=project&reference_id="+strings.TrimPrefix(id, "/projects/"), "", 200, `"storage":1000`)

	// A number is an id, unless the header says otherwise.
	l.create(asAdmin, "/projects", `{"project_name":"1"}`)
	l.call(asAdmin, get, "/projects/1", "", 200, `"name":"library"`)
	r, _ := http.NewRequest(get, l.http.URL+api+"/projects/1", nil)
	r.SetBasicAuth(adminName, adminPassword)
	r.Header.Set("X-Is-Resource-Name", "true")
	if a := l.do(r); !strings.Contains(a.text, `"name":"1"`) {
		t.Errorf("%d %s", a.status, a.text)
	}
}

func TestProjectWithImages(t *testing.T) {
	l := newLab(t)
	id, _ := l.create(asAdmin, "/projects", `{"project_name":"team"}`)
	if err := l.server.AddRepository("team", "a/b"); err != nil {
		t.Fatal(err)
	}
	l.call(asAdmin, get, id+"/_deletable", "", 200, `"deletable":false`)
	l.call(asAdmin, del, id, "", 412, `"code":"PRECONDITION"`)
	l.call(asAdmin, get, "/projects/team/repositories?page=1&page_size=100", "", 200, `"name":"team/a/b"`)
	l.call(asAdmin, get, "/projects/team/repositories?page=2&page_size=100", "", 200, "[]")
	l.call(asAdmin, del, "/projects/team/repositories/a", "", 404, "")
	l.call(asAdmin, del, "/projects/team/repositories/a%252Fb", "", 200, "")
	l.call(asAdmin, del, id, "", 200, "")
	if err := l.server.AddRepository("team", "a"); err == nil {
		t.Error("a push to a project that is gone")
	}
}

// TestPages is for the provider's loops, which end with an empty page only.
func TestPages(t *testing.T) {
	l := newLab(t)
	for i := range 11 {
		l.create(asAdmin, "/projects", fmt.Sprintf(`{"project_name":"p%d"}`, i))
	}
	a := l.call(asAdmin, get, "/quotas/", "", 200, "")
	var quotas []any
	a.json(t, &quotas)
	if len(quotas) != 10 || a.header.Get("X-Total-Count") != "12" || a.header.Get("Link") != `</api/v2.0/quotas/?page=2&page_size=10>; rel="next"` {
		t.Errorf("%d %v", len(quotas), a.header)
	}
	l.call(asAdmin, get, "/quotas/?page=2&page_size=100", "", 200, "[]")
	l.call(asAdmin, get, "/quotas/?page=1&page_size=101", "", 422, "less than or equal to 100")
	l.call(asAdmin, get, "/projects?page=0", "", 422, "")
	l.call(asAdmin, put, "/quotas/3", `{"hard":{"storage":1073741824}}`, 200, "")
	l.call(asAdmin, get, "/quotas/3", "", 200, `"storage":1073741824`)
	l.call(asAdmin, put, "/quotas/3", `{"hard":{"storage":0}}`, 400, "")
	l.call(asAdmin, put, "/quotas/99", `{"hard":{"storage":1}}`, 404, "")
	l.call(asNobody, get, "/quotas", "", 401, "")
	a = l.call(asNobody, get, "/projects", "", 200, "library")
	if a.header.Get("X-Total-Count") != "1" {
		t.Errorf("everybody sees %s projects", a.header.Get("X-Total-Count"))
	}
}

func TestMembers(t *testing.T) {
	l := newLab(t)
	id, _ := l.create(asAdmin, "/projects", `{"project_name":"team"}`)
	group := func(role int, name string) string {
		return fmt.Sprintf(`{"role_id":%d,"member_user":{},"member_group":{"group_type":3,"group_name":%q}}`, role, name)
	}
	member, a := l.create(asAdmin, id+"/members", group(4, "team-leads"))
	if a.text != "" {
		t.Errorf("%q", a.text)
	}
	l.call(asAdmin, post, id+"/members", group(2, "team-leads"), 409, "CONFLICT")
	l.call(asAdmin, post, id+"/members", group(9, "others"), 400, "role")
	l.call(asAdmin, post, id+"/members", group(0, "others"), 400, "role")
	l.call(asAdmin, post, id+"/members", group(2, ""), 400, "must be given")
	l.call(asAdmin, post, id+"/members", `{"role_id":2,"member_user":{"username":"eve"}}`, 404, "eve")
	l.call(asAdmin, post, id+"/members", `{"role_id":2,"member_group":{"id":77}}`, 404, "77")
	l.call(asAdmin, post, "/projects/9/members", group(2, "x"), 404, "")
	l.call(asNobody, post, id+"/members", group(2, "x"), 401, "")

	m := l.call(asAdmin, get, member, "", 200, "").object(t)
	if m["role_id"] != 4.0 || m["role_name"] != "maintainer" || m["entity_name"] != "team-leads" || m["entity_type"] != "g" || m["project_id"] != 2.0 {
		t.Errorf("%v", m)
	}
	l.call(asAdmin, put, member, group(2, "team-leads"), 200, "")
	l.call(asAdmin, get, member, "", 200, `"role_name":"developer"`)
	l.call(asAdmin, get, id+"/members?entityname=leads", "", 200, "team-leads")
	l.call(asAdmin, get, "/usergroups", "", 200, `"group_type":3`)
	l.call(asAdmin, get, "/projects/library/members/"+member[strings.LastIndex(member, "/")+1:], "", 404, "")
	l.call(asAdmin, del, member, "", 200, "")
	l.call(asAdmin, get, member, "", 404, "")
	l.call(asAdmin, del, member, "", 404, "")
	l.create(asAdmin, id+"/members", group(2, "team-leads"))
}
