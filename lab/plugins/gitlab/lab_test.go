package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"platform/lab/gitlab"
	"platform/lab/plugins/provider"
	"platform/lab/plugins/provider/providertest"
)

// labGitLab is the lab's own GitLab and a provider that talks to it.
func labGitLab(t *testing.T) *providertest.Engine {
	t.Helper()
	server, err := gitlab.New(gitlab.Options{
		Dir: t.TempDir(), ExternalURL: "https://gitlab.platform.test", Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	const token = "glpat-a-token-of-this-test-0001"
	account, err := json.Marshal(gitlab.ServiceAccount{
		Username: "platform", Name: "platform", Token: token, Scopes: []string{"api", "sudo"},
		Expires: time.Now().AddDate(0, 0, 30).Format(time.DateOnly),
	})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	server.Rails().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/service-account", bytes.NewReader(account)))
	if w.Code != http.StatusOK {
		t.Fatalf("service account: %d %s", w.Code, w.Body)
	}
	listener := httptest.NewTLSServer(server.Handler())
	t.Cleanup(listener.Close)
	ca := filepath.Join(t.TempDir(), "ca.crt")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: listener.Certificate().Raw})
	if err := os.WriteFile(ca, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	return providertest.Configured(t, plugin(&client{}).Provider(), provider.Values{
		"baseUrl": listener.URL, "token": token, "cacertFile": ca,
	})
}

func id(t *testing.T, r *providertest.Resource) float64 {
	t.Helper()
	n, err := strconv.Atoi(r.ID)
	if err != nil {
		t.Fatal(err)
	}
	return float64(n)
}

func publicKey(t *testing.T) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(ssh.MarshalAuthorizedKey(key))
}

// TestPlatformsResourcesOnTheLabsGitLab makes what a tenant has: nothing of it
// may differ when it is read again, and all of it can be taken away.
func TestPlatformsResourcesOnTheLabsGitLab(t *testing.T) {
	e := labGitLab(t)
	var made []*providertest.Resource
	create := func(token string, in provider.Values) *providertest.Resource {
		t.Helper()
		r := e.MustCreate(token, in)
		made = append(made, r)
		return r
	}
	group := func(path string, more provider.Values) *providertest.Resource {
		t.Helper()
		return create(groupToken, provider.Values{
			"name": path, "path": path, "description": "d", "visibilityLevel": "private", "requestAccessEnabled": false,
		}.With(more))
	}
	acme := group("acme", nil)
	dev := group("dev", provider.Values{"parentId": id(t, acme)})
	team := group("acme-team", nil)
	project := provider.Values{
		"name": "operations", "path": "operations", "visibilityLevel": "private", "defaultBranch": "main",
		"requestAccessEnabled": false, "containerRegistryAccessLevel": "disabled",
	}
	prod := create(projectToken, project.With(provider.Values{"namespaceId": id(t, acme), "initializeWithReadme": true}))
	fork := create(projectToken, project.With(provider.Values{"namespaceId": id(t, dev), "forkedFromProjectId": id(t, prod)}))
	for _, p := range []*providertest.Resource{prod, fork} {
		create(shareToken, provider.Values{"project": p.ID, "groupId": id(t, team), "groupAccess": "developer"})
		create(deployKeyToken, provider.Values{
			"project": p.ID, "title": "argocd", "canPush": false,
			"key": publicKey(t),
		})
	}
	create(protectionToken, provider.Values{
		"project": prod.ID, "branch": "main", "pushAccessLevel": "no one", "mergeAccessLevel": "maintainer",
		"unprotectAccessLevel": "maintainer", "allowForcePush": false,
	})
	file := create(fileToken, fileInputs.With(provider.Values{"project": fork.ID}))

	for _, r := range made {
		if got, err := e.Refresh(r); err != nil || got != "same" {
			t.Errorf("refresh of %s %s: %s, %v", r.URN.Type(), r.ID, got, err)
		}
		imported, err := e.Import(string(r.URN.Type()), r.ID)
		if err != nil {
			t.Errorf("import of %s %s: %v", r.URN.Type(), r.ID, err)
		} else if imported.ID != r.ID {
			t.Errorf("import of %s %s: id %s", r.URN.Type(), r.ID, imported.ID)
		}
	}
	if err := e.Update(file, fileInputs.With(provider.Values{"project": fork.ID, "content": "a: c\n"})); err != nil {
		t.Error(err)
	}
	if _, err := e.Create(groupToken, provider.Values{"name": "again", "path": "acme"}); err == nil {
		t.Error("two groups with one path")
	}
	// GitLab deletes namespaces a little later; at once, they wait together.
	for _, tokens := range [][]string{{fileToken, protectionToken, deployKeyToken, shareToken}, {projectToken}, {groupToken}} {
		var all sync.WaitGroup
		for _, r := range made {
			if !slices.Contains(tokens, string(r.URN.Type())) {
				continue
			}
			all.Go(func() {
				if err := e.Delete(r); err != nil {
					t.Errorf("deleting %s %s: %v", r.URN.Type(), r.ID, err)
				}
			})
		}
		all.Wait()
	}
	if got, err := e.Refresh(acme); err != nil || got != "gone" {
		t.Errorf("after the end: %s, %v", got, err)
	}
}
