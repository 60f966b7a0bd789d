package main

import (
	"net/http"
	"strings"
	"testing"

	"platform/lab/plugins/provider"
)

var robotInputs = provider.Values{
	"name": "dev-pull", "level": "project", "description": "Pulls.", "duration": 365.0, "secret": "Hush12345",
	"permissions": []any{map[string]any{
		"kind": "project", "namespace": "acme", "accesses": []any{map[string]any{"resource": "repository", "action": "pull"}},
	}},
}

const robotAsked = `"level": "project", "description": "Pulls.", "duration": 365, "permissions": [
	{"kind": "project", "namespace": "acme", "access": [{"resource": "repository", "action": "pull"}]}]}`

var (
	createRobot = exchange{
		Request: "POST /api/v2.0/robots", Body: `{"name": "dev-pull", ` + robotAsked, Status: http.StatusCreated,
		Location: "/api/v2.0/robots/5", Answer: `{"id": 5, "name": "robot$acme+dev-pull", "secret": "made-by-harbor", "expires_at": 1}`,
	}
	setSecret = exchange{Request: "PATCH /api/v2.0/robots/5", Body: `{"secret": "Hush12345"}`}
	readRobot = exchange{
		Request: "GET /api/v2.0/robots/5", Answer: `{"id": 5, "name": "robot$acme+dev-pull", ` + robotAsked,
	}
)

func TestRobotWithTheProgramsSecret(t *testing.T) {
	e, script := start(t)
	script.Expect(createRobot, setSecret, readRobot)
	r := e.MustCreate(robotToken, robotInputs)
	if r.ID != "/robots/5" || r.Output("fullName") != "robot$acme+dev-pull" || r.Output("robotId") != "5" {
		t.Errorf("id %q, outputs %v", r.ID, r.Outputs)
	}
	if !r.Secret("secret") || r.Output("secret") != "Hush12345" {
		t.Error("the secret is not the program's, or not secret")
	}
	script.Expect(readRobot)
	if got, err := e.Refresh(r); err != nil || got != "same" {
		t.Errorf("refresh: %s, %v", got, err)
	}
	disabled := readRobot
	disabled.Answer = strings.Replace(readRobot.Answer, `"level"`, `"disable": true, "level"`, 1)
	script.Expect(disabled)
	if got, err := e.Refresh(r); err != nil || got != "same" { // the program says nothing of it
		t.Errorf("refresh: %s, %v", got, err)
	}
	changed := robotInputs.With(provider.Values{"secret": "Other12345", "description": "Pulls more."})
	script.Expect(readRobot, exchange{
		Request: "PUT /api/v2.0/robots/5",
		Body:    `{"name": "robot$acme+dev-pull", ` + strings.Replace(robotAsked, "Pulls.", "Pulls more.", 1),
	}, exchange{Request: "PATCH /api/v2.0/robots/5", Body: `{"secret": "Other12345"}`}, readRobot)
	if err := e.Update(r, changed); err != nil {
		t.Error(err)
	}
	if !r.Secret("secret") || r.Output("secret") != "Other12345" {
		t.Error("the new secret is not in the state, or not secret")
	}
}

func TestRobotWithHarborsSecret(t *testing.T) {
	e, script := start(t)
	in := robotInputs.With(nil)
	delete(in, "secret")
	script.Expect(createRobot, readRobot)
	r := e.MustCreate(robotToken, in)
	if !r.Secret("secret") || r.Output("secret") != "made-by-harbor" {
		t.Error("the secret is not Harbor's, or not secret")
	}
}

func TestRobotWhoseSecretIsRefusedIsNotLost(t *testing.T) {
	e, script := start(t)
	refusal := setSecret
	refusal.Status, refusal.Answer = http.StatusBadRequest, `{"errors": [{"message": "the secret must be longer"}]}`
	script.Expect(createRobot, refusal)
	r, err := e.Create(robotToken, robotInputs)
	if err == nil || !strings.Contains(err.Error(), "setting the robot's secret") {
		t.Fatal(err)
	}
	if r == nil || r.ID != "/robots/5" || !r.Secret("secret") {
		t.Errorf("the robot is not in the state: %v", r)
	}
}

func TestRobotThatIsGone(t *testing.T) {
	e, script := start(t)
	script.Expect(createRobot, setSecret, readRobot)
	r := e.MustCreate(robotToken, robotInputs)
	script.Expect(exchange{Request: "DELETE /api/v2.0/robots/5", Status: http.StatusNotFound})
	if err := e.Delete(r); err == nil {
		t.Error("the real plugin fails here")
	}
	script.Expect(exchange{Request: readRobot.Request, Status: http.StatusNotFound})
	if got, err := e.Refresh(r); err != nil || got != "gone" {
		t.Errorf("refresh: %s, %v", got, err)
	}
}

func TestRobotOfTheSystemIsRefused(t *testing.T) {
	e, _ := start(t)
	if _, err := e.Create(robotToken, robotInputs.With(provider.Values{"level": "system"})); err == nil {
		t.Error("a robot of level system")
	}
}

func TestConfigAuth(t *testing.T) {
	e, script := start(t)
	in := provider.Values{
		"authMode": "oidc_auth", "primaryAuthMode": true, "oidcName": "openunison", "oidcEndpoint": "https://ou",
		"oidcClientId": "harbor", "oidcClientSecret": "hush", "oidcScope": "openid", "oidcVerifyCert": true, "oidcAdminGroup": "",
	}
	script.Expect(exchange{
		Request: "PUT /api/v2.0/configurations",
		Body: `{"auth_mode": "oidc_auth", "primary_auth_mode": true, "oidc_name": "openunison", "oidc_endpoint": "https://ou",
			"oidc_client_id": "harbor", "oidc_client_secret": "hush", "oidc_scope": "openid", "oidc_verify_cert": true}`,
	})
	r := e.MustCreate(authToken, in)
	if !r.Secret("oidcClientSecret") {
		t.Error("the client's secret is not secret")
	}
	read := exchange{
		Request: "GET /api/v2.0/configurations",
		Answer: `{"auth_mode": {"value": "oidc_auth", "editable": true}, "primary_auth_mode": {"value": true}, "oidc_name": {"value": "openunison"},
			"oidc_endpoint": {"value": "https://ou"}, "oidc_client_id": {"value": "harbor"}, "oidc_scope": {"value": "openid"},
			"oidc_verify_cert": {"value": true}, "oidc_admin_group": {"value": ""}, "storage_per_project": {"value": -1}}`,
	}
	script.Expect(read)
	if got, err := e.Refresh(r); err != nil || got != "same" || !r.Secret("oidcClientSecret") {
		t.Errorf("refresh: %s, %v", got, err)
	}
	read.Answer = strings.Replace(read.Answer, "https://ou", "https://evil", 1)
	script.Expect(read)
	if got, err := e.Refresh(r); err != nil || got != "update oidcEndpoint" {
		t.Errorf("drift: %s, %v", got, err)
	}
	if err := e.Delete(r); err != nil { // the script expects nothing
		t.Error(err)
	}
}
