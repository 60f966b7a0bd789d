package main

import (
	"strings"
	"testing"

	"platform/lab/plugins/provider"
)

func TestProjectShare(t *testing.T) {
	e, script := start(t)
	in := provider.Values{"project": "acme/my.proj", "groupId": 4.0, "groupAccess": "developer"}
	script.Expect(exchange{
		Request: "POST /api/v4/projects/acme%2Fmy%2Eproj/share", Status: 201, Body: `{"group_id": 4, "group_access": 30}`, Answer: `{"id": 1}`,
	})
	r := e.MustCreate(shareToken, in)
	if r.ID != "acme/my.proj:4" {
		t.Errorf("id %q", r.ID)
	}
	read := exchange{Request: "GET /api/v4/projects/acme%2Fmy%2Eproj"}
	for _, c := range []struct{ answer, want string }{
		{`{"shared_with_groups": [{"group_id": 4, "group_access_level": 30}]}`, "same"},
		{`{"shared_with_groups": [{"group_id": 4, "group_access_level": 40}]}`, "replace groupAccess"},
		{`{"shared_with_groups": [{"group_id": 5, "group_access_level": 30}]}`, "gone"},
	} {
		read.Answer = c.answer
		script.Expect(read)
		refreshed := *r
		if got, err := e.Refresh(&refreshed); err != nil || got != c.want {
			t.Errorf("%s: %s, %v, want %s", c.answer, got, err, c.want)
		}
	}
	script.Expect(exchange{Request: "DELETE /api/v4/projects/acme%2Fmy%2Eproj/share/4", Status: 204})
	if err := e.Delete(r); err != nil {
		t.Error(err)
	}
	if _, err := e.Create(shareToken, in.With(provider.Values{"groupAccess": "boss"})); err == nil || !strings.Contains(err.Error(), `unknown level "boss"`) {
		t.Errorf("%v", err)
	}
}

var protectionInputs = provider.Values{
	"project": "9", "branch": "main", "pushAccessLevel": "no one", "mergeAccessLevel": "maintainer", "allowForcePush": false,
}

const protection = "/api/v4/projects/9/protected_branches"

func TestProtectionOfTheDefaultBranchReplacesGitLabsOwn(t *testing.T) {
	e, script := start(t)
	script.Expect(
		exchange{Request: "GET " + protection + "/main", Answer: `{"name": "main"}`},
		exchange{Request: "GET /api/v4/projects/9", Answer: `{"default_branch": "main"}`},
		exchange{Request: "DELETE " + protection + "/main", Status: 204},
		exchange{
			Request: "POST " + protection, Status: 201, Answer: `{"id": 1}`,
			Body: `{"name": "main", "push_access_level": 0, "merge_access_level": 40, "unprotect_access_level": 40, "allow_force_push": false,
				"allowed_to_push": [], "allowed_to_merge": [], "allowed_to_unprotect": []}`,
		},
	)
	r := e.MustCreate(protectionToken, protectionInputs)
	if r.ID != "9:main" {
		t.Errorf("id %q", r.ID)
	}
	// The free edition does not tell who may unprotect.
	read := exchange{
		Request: "GET " + protection + "/main",
		Answer: `{"name": "main", "allow_force_push": false, "push_access_levels": [{"access_level": 0, "user_id": null, "group_id": null}],
			"merge_access_levels": [{"access_level": 40, "user_id": null, "group_id": null}], "unprotect_access_levels": []}`,
	}
	open := read
	open.Answer = strings.Replace(read.Answer, `"access_level": 0`, `"access_level": 30`, 1)
	for _, c := range []struct {
		read exchange
		want string
	}{{read, "same"}, {open, "replace pushAccessLevel"}, {exchange{Request: read.Request, Status: 404}, "gone"}} {
		script.Expect(c.read)
		refreshed := *r
		if got, err := e.Refresh(&refreshed); err != nil || got != c.want {
			t.Errorf("refresh: %s, %v, want %s", got, err, c.want)
		}
	}
	script.Expect(exchange{Request: "PATCH " + protection + "/main", Body: `{"name": "main", "allow_force_push": true}`, Answer: `{}`})
	if err := e.Update(r, protectionInputs.With(provider.Values{"allowForcePush": true})); err != nil {
		t.Error(err)
	}
}

func TestProtectionOfAnotherBranchIsSomebodys(t *testing.T) {
	e, script := start(t)
	script.Expect(
		exchange{Request: "GET " + protection + "/release%2F1%2E0", Answer: `{"name": "release/1.0"}`},
		exchange{Request: "GET /api/v4/projects/9", Answer: `{"default_branch": "main"}`},
	)
	_, err := e.Create(protectionToken, protectionInputs.With(provider.Values{"branch": "release/1.0"}))
	if err == nil || !strings.Contains(err.Error(), "is protected already") {
		t.Errorf("%v", err)
	}
}

func TestDeployKey(t *testing.T) {
	e, script := start(t)
	in := provider.Values{"project": "9", "title": "argocd", "key": "ssh-ed25519 AAAA argocd\n", "canPush": false}
	script.Expect(exchange{
		Request: "POST /api/v4/projects/9/deploy_keys", Status: 201, Answer: `{"id": 12}`,
		Body: `{"title": "argocd", "key": "ssh-ed25519 AAAA argocd", "can_push": false}`,
	})
	r := e.MustCreate(deployKeyToken, in)
	if r.ID != "9:12" || r.Output("deployKeyId") != 12.0 {
		t.Errorf("id %q, outputs %v", r.ID, r.Outputs)
	}
	read := exchange{Request: "GET /api/v4/projects/9/deploy_keys/12"}
	for _, c := range []struct{ answer, want string }{
		{`{"id": 12, "title": "argocd", "key": "ssh-ed25519 AAAA", "can_push": false}`, "same"},
		{`{"id": 12, "title": "argocd", "key": "ssh-ed25519 AAAA", "can_push": true}`, "replace canPush"},
		{`{"id": 12, "title": "argocd", "key": "ssh-ed25519 BBBB", "can_push": false}`, "replace key"},
	} {
		read.Answer = c.answer
		script.Expect(read)
		refreshed := *r
		if got, err := e.Refresh(&refreshed); err != nil || got != c.want {
			t.Errorf("%s: %s, %v, want %s", c.answer, got, err, c.want)
		}
	}
	if _, err := e.Import(deployKeyToken, "12"); err == nil {
		t.Error("an id without its project")
	}
}
