package main

import (
	"net/http"
	"strings"
	"testing"

	"platform/lab/plugins/provider"
	"platform/lab/plugins/provider/providertest"
)

const (
	mountToken    = "vault:index/mount:Mount"
	policyToken   = "vault:index/policy:Policy"
	authToken     = "vault:index/authBackend:AuthBackend"
	configToken   = "vault:kubernetes/authBackendConfig:AuthBackendConfig"
	roleToken     = "vault:kubernetes/authBackendRole:AuthBackendRole"
	secretV2Token = "vault:kv/secretV2:SecretV2"
)

// approle is how the platform logs in.
var approle = provider.Values{
	"path":       "auth/approle/login",
	"parameters": map[string]any{"role_id": "role", "secret_id": "hush"},
}

// login is what a run asks Vault before anything else.
var login = []providertest.Exchange{
	{
		Request: "PUT /v1/auth/approle/login", Body: `{"role_id": "role", "secret_id": "hush"}`,
		Answer: `{"auth": {"client_token": "parent"}}`,
	},
	{Request: "GET /v1/auth/token/lookup-self", Headers: asParent, Answer: `{"data": {"id": "parent"}}`},
	{
		Request: "POST /v1/auth/token/create", Headers: asParent,
		Body:   `{"display_name": "pulumi", "ttl": "20m0s", "explicit_max_ttl": "20m0s", "renewable": false}`,
		Answer: `{"auth": {"client_token": "child"}}`,
	},
}

var asParent, asChild = map[string]string{"X-Vault-Token": "parent"}, map[string]string{"X-Vault-Token": "child"}

// start makes a provider and the Vault that it talks to. Nothing is asked yet.
func start(t *testing.T, config provider.Values) (*providertest.Engine, *providertest.Script) {
	t.Helper()
	t.Setenv("VAULT_TOKEN", "")
	script := providertest.NewScript(t, nil)
	config = provider.Values{"address": script.URL, "token": "", "version": "6.7.4", "maxRetries": 0.0}.With(config)
	return providertest.Configured(t, plugin(&client{}).Provider(), config), script
}

// loggedIn is start with the platform's log-in already expected.
func loggedIn(t *testing.T) (*providertest.Engine, *providertest.Script) {
	t.Helper()
	e, script := start(t, provider.Values{"authLogin": map[string]any(approle), "maxLeaseTtlSeconds": 1200.0})
	script.Expect(login...)
	return e, script
}

var policyExchange = providertest.Exchange{
	Request: "PUT /v1/sys/policies/acl/reader", Headers: asChild, Body: `{"policy": "path \"a\" {}"}`, Status: http.StatusNoContent,
}

var policyInputs = provider.Values{"name": "reader", "policy": `path "a" {}`}

func TestLogsInOnceAndOnlyWhenUsed(t *testing.T) {
	e, script := start(t, provider.Values{"authLogin": map[string]any(approle)})
	if _, err := e.Preview(policyToken, policyInputs); err != nil {
		t.Fatal(err)
	}
	script.Expect(login...)
	script.Expect(policyExchange, policyExchange)
	e.MustCreate(policyToken, policyInputs)
	e.MustCreate(policyToken, policyInputs)
}

func TestTokenWithoutAChild(t *testing.T) {
	e, script := start(t, provider.Values{"token": "child", "skipChildToken": true})
	script.Expect(providertest.Exchange{Request: "GET /v1/auth/token/lookup-self", Headers: asChild, Answer: `{"data": {}}`}, policyExchange)
	e.MustCreate(policyToken, policyInputs)
}

func TestFailedLogIns(t *testing.T) {
	for name, c := range map[string]struct {
		config    provider.Values
		exchanges []providertest.Exchange
		want      string
	}{
		"no token": {nil, nil, "no vault token set"},
		"unknown role": {
			provider.Values{"authLogin": map[string]any(approle)},
			[]providertest.Exchange{{Request: "PUT /v1/auth/approle/login", Status: 400, Answer: `{"errors": ["invalid role or secret ID"]}`}},
			"invalid role or secret ID",
		},
		"no child": {
			provider.Values{"authLogin": map[string]any(approle)},
			append(login[:2:2], providertest.Exchange{Request: "POST /v1/auth/token/create", Status: 403, Answer: `{"errors": ["permission denied"]}`}),
			"making a child token",
		},
		"another way to log in": {
			provider.Values{"authLogin": map[string]any{"method": "aws", "path": "hush"}}, nil, "authLogin is not an object of path and parameters",
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, script := start(t, c.config)
			script.Expect(c.exchanges...)
			_, err := e.Create(policyToken, policyInputs)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "hush") {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}
