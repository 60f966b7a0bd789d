package main

import (
	"net/http"
	"strings"
	"testing"

	"platform/lab/plugins/provider"
	"platform/lab/plugins/provider/providertest"
)

type exchange = providertest.Exchange

func TestMountIsMadeReadTunedAndRemoved(t *testing.T) {
	e, script := loggedIn(t)
	in := provider.Values{"path": "secret", "type": "kv", "description": "ours", "options": map[string]any{"version": "2"}}
	read := exchange{
		Request: "GET /v1/sys/mounts/secret", Headers: asChild,
		Answer: `{"data": {"type": "kv", "description": "ours", "accessor": "kv_1", "options": {"version": "2"}}}`,
	}
	script.Expect(exchange{
		Request: "POST /v1/sys/mounts/secret", Headers: asChild, Status: http.StatusNoContent,
		Body: `{"type": "kv", "description": "ours", "options": {"version": "2"}}`,
	}, read)
	r := e.MustCreate(mountToken, in)
	if r.ID != "secret" || r.Output("accessor") != "kv_1" {
		t.Errorf("id %q, outputs %v", r.ID, r.Outputs)
	}
	for _, c := range []struct {
		change provider.Values
		want   string
	}{{nil, "same"}, {provider.Values{"description": "theirs"}, "update description"}, {provider.Values{"type": "pki"}, "replace type"}} {
		if got := e.Diff(r, in.With(c.change)); got != c.want {
			t.Errorf("%v: %s, want %s", c.change, got, c.want)
		}
	}
	script.Expect(exchange{
		Request: "POST /v1/sys/mounts/secret/tune", Body: `{"description": "theirs", "options": {"version": "2"}}`, Status: http.StatusNoContent,
	}, read)
	if err := e.Update(r, in.With(provider.Values{"description": "theirs"})); err != nil {
		t.Error(err)
	}
	script.Expect(exchange{Request: "GET /v1/sys/mounts/secret", Status: 400, Answer: `{"errors": ["No secret engine mount at secret/"]}`})
	if got, err := e.Refresh(r); err != nil || got != "gone" {
		t.Errorf("refresh: %s, %v", got, err)
	}
	script.Expect(exchange{Request: "DELETE /v1/sys/mounts/secret", Status: http.StatusNoContent})
	if err := e.Delete(r); err != nil {
		t.Error(err)
	}
}

func TestMountOverAnExistingPathFails(t *testing.T) {
	e, script := loggedIn(t)
	script.Expect(exchange{Request: "POST /v1/sys/mounts/secret", Status: 400, Answer: `{"errors": ["path is already in use at secret/"]}`})
	_, err := e.Create(mountToken, provider.Values{"path": "secret", "type": "kv"})
	if err == nil || !strings.Contains(err.Error(), "already in use") {
		t.Errorf("%v", err)
	}
}

func TestMissingPolicyIsWrittenAgain(t *testing.T) {
	e, script := loggedIn(t)
	script.Expect(policyExchange)
	r := e.MustCreate(policyToken, policyInputs)
	script.Expect(exchange{Request: "GET /v1/sys/policies/acl/reader", Status: 404, Answer: `{"errors": []}`})
	if got, err := e.Refresh(r); err != nil || got != "update policy" {
		t.Errorf("refresh: %s, %v", got, err)
	}
	if got := e.Diff(r, policyInputs.With(provider.Values{"name": "other"})); !strings.HasPrefix(got, "delete first name") {
		t.Errorf("another name: %s", got)
	}
	script.Expect(exchange{Request: "GET /v1/sys/policies/acl/reader", Status: 403, Answer: `{"errors": ["permission denied"]}`})
	if _, err := e.Refresh(r); err == nil {
		t.Error("a forbidden read is fine")
	}
}

func TestAuthBackendTakesItsTypeForAPath(t *testing.T) {
	e, script := loggedIn(t)
	in := provider.Values{"type": "kubernetes", "tune": map[string]any{"maxLeaseTtl": "1h"}}
	read := exchange{Request: "GET /v1/sys/mounts/auth/kubernetes", Answer: `{"data": {"type": "kubernetes", "accessor": "a1", "description": ""}}`}
	script.Expect(
		exchange{Request: "POST /v1/sys/auth/kubernetes", Status: http.StatusNoContent},
		exchange{Request: "POST /v1/sys/mounts/auth/kubernetes/tune", Body: `{"description": "", "max_lease_ttl": "1h"}`, Status: http.StatusNoContent},
		read,
	)
	r := e.MustCreate(authToken, in)
	if r.ID != "kubernetes" || r.Output("path") != "kubernetes" || r.Output("accessor") != "a1" {
		t.Errorf("id %q, outputs %v", r.ID, r.Outputs)
	}
	script.Expect(read)
	if got, err := e.Refresh(r); err != nil || got != "same" {
		t.Errorf("refresh of what is as it was: %s, %v", got, err)
	}
	longer := in.With(provider.Values{"tune": map[string]any{"maxLeaseTtl": "2h"}})
	if got := e.Diff(r, longer); got != "update tune" {
		t.Errorf("a longer time: %s", got)
	}
	script.Expect(exchange{
		Request: "POST /v1/sys/mounts/auth/kubernetes/tune", Body: `{"description": "", "max_lease_ttl": "2h"}`, Status: http.StatusNoContent,
	}, read)
	if err := e.Update(r, longer); err != nil {
		t.Error(err)
	}
	if _, err := e.Create(authToken, provider.Values{"type": "kubernetes"}); err == nil || !strings.Contains(err.Error(), "tune") {
		t.Errorf("a backend that the real plugin updates at every run: %v", err)
	}
	script.Expect(exchange{Request: "GET /v1/sys/mounts/auth/kubernetes", Status: 400, Answer: `{"errors": ["No auth engine at kubernetes/"]}`})
	if got, err := e.Refresh(r); err != nil || got != "gone" {
		t.Errorf("refresh: %s, %v", got, err)
	}
	script.Expect(exchange{Request: "DELETE /v1/sys/auth/kubernetes", Status: http.StatusNoContent})
	if err := e.Delete(r); err != nil {
		t.Error(err)
	}
}

func TestKubernetesConfigStaysWithItsBackend(t *testing.T) {
	e, script := loggedIn(t)
	in := provider.Values{"backend": "vc", "kubernetesHost": "https://vc", "kubernetesCaCert": "PEM\n", "disableLocalCaJwt": true}
	read := exchange{
		Request: "GET /v1/auth/vc/config",
		Answer:  `{"data": {"kubernetes_host": "https://vc", "kubernetes_ca_cert": "PEM", "disable_local_ca_jwt": true, "issuer": ""}}`,
	}
	script.Expect(exchange{
		Request: "PUT /v1/auth/vc/config", Status: http.StatusNoContent,
		Body: `{"kubernetes_host": "https://vc", "kubernetes_ca_cert": "PEM\n", "disable_local_ca_jwt": true}`,
	}, read)
	r := e.MustCreate(configToken, in)
	script.Expect(read)
	if got, err := e.Refresh(r); err != nil || got != "same" {
		t.Errorf("a certificate without its last newline: %s, %v", got, err)
	}
	if err := e.Delete(r); err != nil { // the script expects nothing
		t.Error(err)
	}
	script.Expect(read)
	imported, err := e.Import(configToken, "auth/vc/config")
	if err != nil {
		t.Fatal(err)
	}
	if got := e.Diff(imported, in); got != "same" {
		t.Errorf("after the import: %s", got)
	}
}

func TestKubernetesRole(t *testing.T) {
	e, script := loggedIn(t)
	in := provider.Values{
		"backend": "vc", "roleName": "eso", "boundServiceAccountNames": []any{"eso"}, "boundServiceAccountNamespaces": []any{"eso-ns"},
		"tokenPolicies": []any{"reader"}, "tokenTtl": 600.0, "tokenMaxTtl": 3600.0,
	}
	read := exchange{
		Request: "GET /v1/auth/vc/role/eso",
		Answer: `{"data": {"bound_service_account_names": ["eso"], "bound_service_account_namespaces": ["eso-ns"],
			"token_policies": ["reader"], "token_ttl": 600, "token_max_ttl": 3600, "alias_name_source": "serviceaccount_uid"}}`,
	}
	script.Expect(exchange{
		Request: "PUT /v1/auth/vc/role/eso", Status: http.StatusNoContent,
		Body: `{"bound_service_account_names": ["eso"], "bound_service_account_namespaces": ["eso-ns"],
			"token_policies": ["reader"], "token_ttl": 600, "token_max_ttl": 3600}`,
	}, read, read)
	r := e.MustCreate(roleToken, in)
	if got, err := e.Refresh(r); err != nil || got != "same" {
		t.Errorf("refresh: %s, %v", got, err)
	}
	drifted := read
	drifted.Answer = strings.Replace(read.Answer, `["reader"]`, `["root"]`, 1)
	script.Expect(drifted)
	if got, err := e.Refresh(r); err != nil || got != "update tokenPolicies" {
		t.Errorf("drift: %s, %v", got, err)
	}
	script.Expect(exchange{Request: "DELETE /v1/auth/vc/role/eso", Status: 404, Answer: `{"errors": []}`})
	if err := e.Delete(r); err != nil {
		t.Errorf("a role that is gone: %v", err)
	}
}

func TestSecretWaitsForItsEngine(t *testing.T) {
	e, script := loggedIn(t)
	in := provider.Values{"mount": "secret", "name": "t/dev/registry", "dataJson": `{"b": "hush", "a": "x"}`, "deleteAllVersions": true}
	write := exchange{Request: "PUT /v1/secret/data/t/dev/registry", Headers: asChild, Body: `{"data": {"a": "x", "b": "hush"}}`}
	upgrading := write
	upgrading.Status, upgrading.Answer = 400, `{"errors": ["Upgrading from non-versioned to versioned data."]}`
	write.Answer = `{"data": {"version": 1}}`
	script.Expect(upgrading, write)
	r := e.MustCreate(secretV2Token, in)
	if r.ID != "secret/data/t/dev/registry" || !r.Secret("dataJson") {
		t.Errorf("id %q, outputs %v", r.ID, r.Outputs)
	}
	if got := e.Diff(r, in.With(provider.Values{"dataJson": `{"a":"x","b":"hush"}`})); got != "same" {
		t.Errorf("other spaces and order: %s", got)
	}
	read := exchange{Request: "GET /v1/secret/data/t/dev/registry"}
	for _, c := range []struct {
		status       int
		answer, want string
	}{
		{200, `{"data": {"data": {"a": "x", "b": "hush"}, "metadata": {"version": 1}}}`, "same"},
		{200, `{"data": {"data": {"a": "x", "b": "other"}, "metadata": {"version": 2}}}`, "update dataJson"},
		// Deleted, but not destroyed: it is written again.
		{404, `{"data": {"data": null, "metadata": {"deletion_time": "2026-01-01T00:00:00Z"}}}`, "update dataJson"},
		{404, `{"errors": []}`, "gone"},
	} {
		read.Status, read.Answer = c.status, c.answer
		script.Expect(read)
		refreshed := *r
		if got, err := e.Refresh(&refreshed); err != nil || got != c.want {
			t.Errorf("%s: %s, %v, want %s", c.answer, got, err, c.want)
		}
	}
	script.Expect(exchange{Request: "DELETE /v1/secret/metadata/t/dev/registry", Status: http.StatusNoContent})
	if err := e.Delete(r); err != nil {
		t.Error(err)
	}
}

func TestSecretThatIsNoObjectIsNotTold(t *testing.T) {
	e, script := loggedIn(t)
	_, err := e.Create(secretV2Token, provider.Values{"mount": "secret", "name": "n", "dataJson": `["hush"`})
	if err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("%v", err)
	}
	script.Expect(exchange{Request: "PUT /v1/secret/data/n", Status: 403, Answer: `{"errors": ["permission denied"]}`})
	if _, err := e.Create(secretV2Token, provider.Values{"mount": "secret", "name": "n", "dataJson": "{}"}); err == nil {
		t.Error("a forbidden write is fine")
	}
}
