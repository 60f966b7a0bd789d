package harbor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWaitsForItsPassword(t *testing.T) {
	l := &lab{t: t, dir: t.TempDir()}
	password, reason := "", errors.New("no Secret yet")
	l.start(func() (string, error) { return password, reason })
	for _, path := range []string{api + "/health", api + "/projects", "/v2/", "/elsewhere"} {
		if a := l.send(asAdmin, get, path, ""); a.status != 503 || !strings.Contains(a.text, "not installed") {
			t.Errorf("%s: %d %s", path, a.status, a.text)
		}
	}
	reason = nil
	if a := l.send(login{adminName, ""}, get, api+"/health", ""); a.status != 503 {
		t.Errorf("an empty password installs: %d", a.status)
	}
	password = adminPassword
	l.call(asAdmin, get, "/projects/1", "", 200, `"name":"library"`)
	password = "Another-password-2"
	l.call(login{adminName, password}, get, "/configurations", "", 401, "UNAUTHORIZED")
	l.call(asAdmin, get, "/configurations", "", 200, "auth_mode")
}

func TestStateIsKeptAndKeepsNoSecret(t *testing.T) {
	l := newLab(t)
	id, _ := l.create(asAdmin, "/projects", `{"project_name":"team"}`)
	robot, a := l.create(asAdmin, "/robots", pullRobot("dev-pull", "team"))
	generated := a.object(t)["secret"].(string)
	l.call(asAdmin, put, "/configurations", `{"oidc_client_secret":"The-client-5ecret"}`, 200, "")

	file := filepath.Join(l.dir, "state.json")
	state, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{adminPassword, generated, "The-client-5ecret"} {
		if strings.Contains(string(state), secret) || strings.Contains(l.log.String(), secret) {
			t.Errorf("%q is in the state or the log", secret)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	// Half a write that a kill left behind.
	if err := os.WriteFile(file+".new", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.restart()
	l.call(asAdmin, get, id, "", 200, `"name":"team"`)
	l.call(login{"robot$team+dev-pull", generated}, get, "/projects/team/repositories", "", 403, "")
	l.call(asAdmin, get, robot, "", 200, "dev-pull")
	l.create(asAdmin, "/projects", `{"project_name":"other"}`)

	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Dir: l.dir, ExternalURL: "https://h.test"}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged state: %v", err)
	}
}

func TestWhatIsNotKnown(t *testing.T) {
	l := newLab(t)
	for _, c := range []struct{ method, path, body, part string }{
		{post, "/retentions", "{}", "route POST"},
		{del, "/configurations", "", "route DELETE"},
		{get, "/projects?owner=x", "", `parameter \"owner\"`},
		{get, "/robots?q=name=x", "", "query"},
		{post, "/projects", `{"project_name":"x","colour":"red"}`, `field \"colour\"`},
		{post, "/projects", `{"project_name":"x","registry_id":3}`, "proxy caches"},
		{put, "/configurations", `{"colour":"red"}`, `setting \"colour\"`},
	} {
		l.call(asAdmin, c.method, c.path, c.body, 501, c.part)
	}
	if !strings.Contains(l.log.String(), "/retentions") {
		t.Error("an unknown route is not in the log")
	}
	l.call(asAdmin, post, "/projects", `{`, 422, "parsing")
	l.call(asAdmin, get, "/robots/x", "", 422, "int64")
}

func TestSystem(t *testing.T) {
	l := newLab(t)
	l.call(asNobody, get, "/ping", "", 200, "Pong")
	l.call(asNobody, get, "/health", "", 200, `"status":"healthy"`)
	if a := l.call(asNobody, get, "/systeminfo", "", 200, "auth_mode"); strings.Contains(a.text, Version) {
		t.Error("the version is told to everybody")
	}
	l.call(asAdmin, get, "/systeminfo", "", 200, Version)
	l.call(asAdmin, get, "/users/current", "", 200, `"sysadmin_flag":true`)
	l.call(asNobody, get, "/users/current", "", 401, "")
}

func TestConfiguration(t *testing.T) {
	l := newLab(t)
	l.call(asNobody, get, "/configurations", "", 401, "UNAUTHORIZED")
	l.call(asNobody, put, "/configurations", `{"read_only":true}`, 401, "")
	// As the provider's ConfigAuth sends it.
	l.call(asAdmin, put, "/configurations", `{"auth_mode":"oidc_auth","primary_auth_mode":true,"oidc_name":"openunison",
		"oidc_endpoint":"https://openunison.platform.test/auth/idp/k8sIdp","oidc_client_id":"harbor","oidc_client_secret":"s3cret",
		"oidc_scope":"openid,groups","oidc_groups_claim":"groups","oidc_admin_group":"admins","oidc_user_claim":"sub",
		"oidc_verify_cert":true,"oidc_auto_onboard":true,"self_registration":false,"ldap_verify_cert":false,"ldap_scope":0,
		"ldap_group_search_scope":0,"scan_all_policy":{"type":"none"}}`, 200, "")
	l.restart()
	a := l.call(asAdmin, get, "/configurations", "", 200, `"auth_mode":{"editable":true,"value":"oidc_auth"}`)
	if strings.Contains(a.text, "oidc_client_secret") {
		t.Error("a password is told")
	}
	l.call(asNobody, get, "/systeminfo", "", 200, `"oidc_provider_name":"openunison"`)
	for _, body := range []string{`{"auth_mode":"magic"}`, `{"read_only":"true"}`, `{"ldap_timeout":1.5}`, `{"oidc_name":7}`, `{"oidc_name":null}`} {
		l.call(asAdmin, put, "/configurations", body, 400, "BAD_REQUEST")
	}
	// One fault, and nothing of it is done.
	l.call(asAdmin, put, "/configurations", `{"oidc_name":"x","read_only":1}`, 400, "")
	l.call(asAdmin, get, "/configurations", "", 200, `"oidc_name":{"editable":true,"value":"openunison"}`)
}
