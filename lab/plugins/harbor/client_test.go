package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"platform/lab/plugins/provider"
	"platform/lab/plugins/provider/providertest"
)

const (
	projectToken = "harbor:index/project:Project"
	memberToken  = "harbor:index/projectMemberGroup:ProjectMemberGroup"
	robotToken   = "harbor:index/robotAccount:RobotAccount"
	authToken    = "harbor:index/configAuth:ConfigAuth"
)

type exchange = providertest.Exchange

// start makes a provider, with what the Go SDK adds to its inputs, and the
// Harbor that it talks to.
func start(t *testing.T) (*providertest.Engine, *providertest.Script) {
	t.Helper()
	script := providertest.NewScript(t, map[string]string{
		"Authorization": "Basic YWRtaW46aHVzaA==", "Content-Type": "application/json", // admin:hush
	})
	return providertest.Configured(t, plugin(&client{}).Provider(), provider.Values{
		"url": script.URL + "/", "username": "admin", "password": "hush", "insecure": false, "apiVersion": 2.0,
	}), script
}

func TestOnlyTheExpectedCodeIsASuccess(t *testing.T) {
	for _, c := range []struct {
		status         int
		location, want string
	}{
		{200, "/api/v2.0/projects/7", "unexpected status code 200, not 201"},
		{201, "", "names no Location"},
		{401, "", "unexpected status code 401"},
		{403, "", "unexpected status code 403"},
		{409, "", "The project named p already exists"},
		{500, "", "unexpected status code 500"},
	} {
		e, script := start(t)
		answer := `{"errors": [{"code": "CONFLICT", "message": "The project named p already exists"}]}`
		script.Expect(exchange{Request: "POST /api/v2.0/projects", Status: c.status, Location: c.location, Answer: answer})
		_, err := e.Create(projectToken, provider.Values{"name": "p"})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d: %v, want %q", c.status, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("the error tells the password: %v", err)
		}
		script.Ended()
	}
}

func TestCertificateIsVerifiedWhenAskedFor(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"oidc_name": {"value": "o"}}`))
	}))
	t.Cleanup(server.Close)
	for _, c := range []struct {
		config provider.Values
		want   string
	}{
		{provider.Values{"insecure": false}, "certificate"},
		{provider.Values{"insecure": true}, ""},
		{provider.Values{}, ""}, // the real plugin's default
	} {
		e := providertest.Configured(t, plugin(&client{}).Provider(), provider.Values{"url": server.URL}.With(c.config))
		_, err := e.Import(authToken, "/configurations")
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.config, err, c.want)
		}
	}
}

func TestAnotherVersionOfTheAPIIsRefused(t *testing.T) {
	e := providertest.Configured(t, plugin(&client{}).Provider(), provider.Values{"url": "http://127.0.0.1:1", "apiVersion": 1.0})
	if _, err := e.Import(authToken, "/configurations"); err == nil || !strings.Contains(err.Error(), "version 1 of Harbor's API") {
		t.Errorf("%v", err)
	}
}
