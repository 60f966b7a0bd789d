package main

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"platform/lab/plugins/provider"
	"platform/lab/plugins/provider/providertest"
)

const (
	groupToken      = "gitlab:index/group:Group"
	projectToken    = "gitlab:index/project:Project"
	shareToken      = "gitlab:index/projectShareGroup:ProjectShareGroup"
	protectionToken = "gitlab:index/branchProtection:BranchProtection"
	deployKeyToken  = "gitlab:index/deployKey:DeployKey"
	fileToken       = "gitlab:index/repositoryFile:RepositoryFile"
)

type exchange = providertest.Exchange

// start makes a provider and the GitLab that it talks to.
func start(t *testing.T) (*providertest.Engine, *providertest.Script) {
	t.Helper()
	script := providertest.NewScript(t, map[string]string{"Authorization": "Bearer hush", "Accept": "application/json"})
	return providertest.Configured(t, plugin(&client{}).Provider(), provider.Values{
		"baseUrl": script.URL + "/api/v4/", "token": "hush", "earlyAuthCheck": false,
	}), script
}

func TestConfiguration(t *testing.T) {
	for _, c := range []struct {
		config   provider.Values
		expected []exchange
		want     string
	}{
		{provider.Values{"earlyAuthCheck": false}, nil, "no token"},
		{provider.Values{"token": "x"}, []exchange{{Request: "GET /api/v4/user", Status: 401, Answer: `{"message": "401 Unauthorized"}`}}, "401"},
		{provider.Values{"token": "x", "earlyAuthCheck": false, "cacertFile": "/nowhere/ca.crt"}, nil, "reading GitLab's CA"},
	} {
		script := providertest.NewScript(t, nil)
		script.Expect(c.expected...)
		e := providertest.Configured(t, plugin(&client{}).Provider(), provider.Values{"baseUrl": script.URL}.With(c.config))
		if _, err := e.Import(groupToken, "1"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.config, err, c.want)
		}
		script.Ended()
	}
}

func TestCAFileReplacesTheRoots(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"id": 1, "path": "p"}`))
	}))
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.crt")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, c := range map[string]struct {
		file []byte
		want string
	}{"its own": {certificate, ""}, "none": {[]byte("nonsense"), "certificate"}} {
		if err := os.WriteFile(ca, c.file, 0o600); err != nil {
			t.Fatal(err)
		}
		e := providertest.Configured(t, plugin(&client{}).Provider(), provider.Values{
			"baseUrl": server.URL, "token": "x", "earlyAuthCheck": false, "cacertFile": ca,
		})
		_, err := e.Import(groupToken, "1")
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestBusyGitLabIsAskedAgain(t *testing.T) {
	e, script := start(t)
	read := exchange{Request: "GET /api/v4/groups/1?with_projects=false"}
	busy, ready := read, read
	busy.Status, ready.Answer = http.StatusBadGateway, `{"id": 1, "path": "p"}`
	script.Expect(busy, ready)
	if _, err := e.Import(groupToken, "1"); err != nil {
		t.Error(err)
	}
}

func TestRefusalsAreNotAskedAgain(t *testing.T) {
	for _, status := range []int{400, 401, 403, 409} {
		e, script := start(t)
		script.Expect(exchange{Request: "POST /api/v4/groups", Status: status, Answer: `{"message": "has already been taken"}`})
		_, err := e.Create(groupToken, provider.Values{"name": "g", "path": "g"})
		if err == nil || !strings.Contains(err.Error(), "has already been taken") || strings.Contains(err.Error(), "hush") {
			t.Errorf("%d: %v", status, err)
		}
	}
}
