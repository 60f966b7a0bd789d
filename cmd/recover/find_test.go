package main

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFind asks servers that answer as the systems do
// (https://docs.gitlab.com/api/, Harbor's and Vault's API documents).
func TestFind(t *testing.T) {
	answers := map[string]string{
		"/api/v4/groups/7":                            `{"id": 7, "full_path": "checkout"}`,
		"/api/v4/groups/checkout%2Fdev":               `{"id": 8, "created_at": "2026-01-02T03:04:05Z"}`,
		"/api/v4/groups/billing":                      `{"id": 9}`,
		"/api/v4/projects/checkout%2Foperations":      `{"id": 4}`,
		"/api/v4/projects/4":                          `{"shared_with_groups": [{"group_id": 11}]}`,
		"/api/v4/projects/4/deploy_keys?per_page=100": `[{"id": 1, "title": "other"}, {"id": 2, "title": "argocd"}]`,
		"/api/v4/projects/4/protected_branches/main":  `{"push_access_levels": [{"access_level": 40}]}`,
		"/api/v4/projects/5/protected_branches/main":  `{"push_access_levels": [{"access_level": 0}]}`,
		"/api/v2.0/projects/checkout":                 `{"project_id": 3}`,
		"/api/v2.0/projects/3/members?page_size=100":  `[{"id": 6, "entity_name": "checkout-owners"}]`,
		"/v1/sys/mounts":                              `{"data": {"secret/": {}}}`,
		"/v1/sys/auth":                                `{"data": {"checkout-dev/": {}}}`,
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/auth/approle/login" {
			body, _ := io.ReadAll(r.Body)
			if string(body) != `{"role_id":"role"}` {
				w.WriteHeader(http.StatusBadRequest)
			}
			_, _ = io.WriteString(w, `{"auth": {"client_token": "vault-token"}}`)
			return
		}
		if r.Header.Get("Authorization") != "Bearer gitlab-token" && r.Header.Get("X-Vault-Token") != "vault-token" && r.Header.Get("Authorization") != "Basic YWRtaW46cHc=" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if strings.HasPrefix(r.URL.Path, "/api/v2.0/robots") {
			if q := r.URL.Query().Get("q"); q != "Level=project,ProjectID=3" {
				t.Errorf("robots are asked for with %q", q)
			}
			_, _ = io.WriteString(w, `[{"id": 5, "name": "robot$checkout+pull"}, {"id": 6, "name": "robot$checkout+push"}]`)
			return
		}
		answer, known := answers[r.URL.RequestURI()]
		if !known {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, answer)
	}))
	defer server.Close()
	s := &state{}
	s.plain.Deployment.Resources = providersAt(t, server)

	for _, test := range []struct{ kind, inputs, want string }{
		{"gitlab:index/group:Group", `{"path": "dev", "parentId": 7}`, "8"},
		{"gitlab:index/group:Group", `{"path": "billing"}`, "9"},
		{"gitlab:index/group:Group", `{"path": "none"}`, ""},
		{"gitlab:index/group:Group", `{"path": "dev", "parentId": 99}`, ""},
		{"gitlab:index/project:Project", `{"path": "operations", "namespaceId": "7"}`, "4"},
		{"gitlab:index/projectShareGroup:ProjectShareGroup", `{"project": "4", "groupId": 11}`, "4:11"},
		{"gitlab:index/projectShareGroup:ProjectShareGroup", `{"project": "4", "groupId": 12}`, ""},
		{"gitlab:index/deployKey:DeployKey", `{"project": "4", "title": "argocd"}`, "4:2"},
		{"gitlab:index/deployKey:DeployKey", `{"project": "4", "title": "none"}`, ""},
		{"gitlab:index/branchProtection:BranchProtection", `{"project": "5", "branch": "main", "pushAccessLevel": "no one"}`, "5:main"},
		{"gitlab:index/branchProtection:BranchProtection", `{"project": "4", "branch": "main", "pushAccessLevel": "no one"}`, ""},
		{"harbor:index/project:Project", `{"name": "checkout"}`, "/projects/3"},
		{"harbor:index/projectMemberGroup:ProjectMemberGroup", `{"projectId": "/projects/3", "groupName": "checkout-owners"}`, "/projects/3/members/6"},
		{"harbor:index/projectMemberGroup:ProjectMemberGroup", `{"projectId": "/projects/3", "groupName": "none"}`, ""},
		{"harbor:index/robotAccount:RobotAccount", `{"name": "pull", "permissions": [{"namespace": "checkout"}]}`, "/robots/5"},
		{"vault:index/mount:Mount", `{"path": "secret"}`, "secret"},
		{"vault:index/mount:Mount", `{"path": "none"}`, ""},
		{"vault:index/authBackend:AuthBackend", `{"path": "checkout-dev"}`, "checkout-dev"},
	} {
		system, _, _ := strings.Cut(test.kind, ":")
		r := resource{Type: test.kind, Provider: system + "::id"}
		if err := decode([]byte(test.inputs), &r.Inputs); err != nil {
			t.Fatal(err)
		}
		found, looked, err := s.find(t.Context(), r)
		if err != nil || !looked || found.ID != test.want {
			t.Errorf("%s %s: found %q (looked: %v, %v), want %q", test.kind, test.inputs, found.ID, looked, err, test.want)
		}
	}

	r := resource{Type: "gitlab:index/group:Group", Provider: "gitlab::id", Inputs: map[string]any{"path": "dev", "parentId": 7}}
	found, _, err := s.find(t.Context(), r)
	if want := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC); err != nil || !found.Made.Equal(want) {
		t.Errorf("made %v (%v), want %v", found.Made, err, want)
	}
}

// providersAt are the providers of a state whose systems are all at one server.
func providersAt(t *testing.T, server *httptest.Server) []resource {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	trusting, err := trusting(ca)
	if err != nil {
		t.Fatal(err)
	}
	// Harbor's provider trusts what the machine trusts.
	old := http.DefaultClient
	http.DefaultClient = trusting
	t.Cleanup(func() { http.DefaultClient = old })

	secret := func(v any) map[string]any {
		plain, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return map[string]any{secretSignature: "1b47061264138c4ac30d75fd1eb44270", "plaintext": string(plain)}
	}
	return []resource{
		{URN: "gitlab", Inputs: map[string]any{"baseUrl": server.URL + "/api/v4/", "token": secret("gitlab-token"), "cacertFile": ca}},
		{URN: "harbor", Inputs: map[string]any{"url": server.URL, "username": "admin", "password": secret("pw")}},
		{URN: "vault", Inputs: map[string]any{
			"address": server.URL, "caCertFile": ca,
			"authLogin": secret(fmt.Sprintf(`{"path": "auth/approle/login", "parameters": {"role_id": %q}}`, "role")),
		}},
	}
}

func TestAnUnreachableSystemIsNotAnAbsentObject(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	s := &state{}
	s.plain.Deployment.Resources = providersAt(t, server)
	server.Close()
	for kind, provider := range map[string]string{
		"gitlab:index/group:Group":     "gitlab::id",
		"harbor:index/project:Project": "harbor::id",
		"vault:index/mount:Mount":      "vault::id",
	} {
		if found, _, err := s.find(t.Context(), resource{Type: kind, Provider: provider}); err == nil {
			t.Errorf("%s: found %+v, want an error", kind, found)
		}
	}
}
