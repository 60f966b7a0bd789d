package main

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"platform/lab/cluster/clustertest"
	"platform/lab/openunison"
)

// cluster is a real API server for all tests. It is the control plane, whose
// OpenUnison gives tokens, and the cluster that the proxy is in front of.
var cluster *clustertest.Server

func TestMain(m *testing.M) {
	code, err := withCluster(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func withCluster(run func() int) (int, error) {
	var err error
	if cluster, err = clustertest.Start(filepath.Join("..", "..", "tools")); err != nil {
		return 1, err
	}
	defer cluster.Stop()
	client, err := cluster.Client()
	if err != nil {
		return 1, err
	}
	impersonate := func(group, resource string, names ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{Verbs: []string{"impersonate"}, APIGroups: []string{group}, Resources: []string{resource}, ResourceNames: names}
	}
	// As the chart orchestra has it, templates/infrastructure/mgmt-proxy.yaml.
	rules := []rbacv1.PolicyRule{
		impersonate("", "users", "openunison-control-plane"), impersonate("", "groups", "system:authenticated"),
		impersonate("authentication.k8s.io", "userextras/authentication.kubernetes.io/credential-id"),
	}
	for account, rules := range map[string][]rbacv1.PolicyRule{"management-proxy": rules, "proxy-without-extra": rules[:2]} {
		if err := allow(client, account, rules); err != nil {
			return 1, err
		}
	}
	return run(), nil
}

// allow gives an account of the proxy's rights in the whole cluster.
func allow(client kubernetes.Interface, account string, rules []rbacv1.PolicyRule) error {
	meta := metav1.ObjectMeta{Name: account}
	_, err := client.RbacV1().ClusterRoles().Create(context.Background(), &rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	_, err = client.RbacV1().ClusterRoleBindings().Create(context.Background(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: account},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "platform-management", Name: account}},
	}, metav1.CreateOptions{})
	return err
}

// identity is an OpenUnison whose targets are all addresses.
type identity struct {
	t    *testing.T
	http *httptest.Server
	// issuer is the URL of its provider, and ca the file that vouches for it.
	issuer, ca string
}

func newIdentity(t *testing.T) *identity {
	t.Helper()
	var handler http.Handler
	i := &identity{t: t, ca: filepath.Join(t.TempDir(), "ca.crt")}
	i.http = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	server, err := openunison.New(openunison.Options{
		Dir: t.TempDir(), Host: i.http.Listener.Addr().String(), Caller: openunison.ApplicationController,
		Cluster: func() (kubernetes.Interface, error) { return cluster.Client() },
		Target:  func(_ context.Context, name string) (string, bool, error) { return name, true, nil },
		Log:     slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	handler = server.Handler()
	i.http.StartTLS()
	t.Cleanup(i.http.Close)
	i.issuer = i.http.URL + "/auth/idp/remotek8s"
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.http.Certificate().Raw})
	if err := os.WriteFile(i.ca, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	return i
}

// token is what Argo CD gets for an audience.
func (i *identity) token(audience string) string {
	i.t.Helper()
	request, err := http.NewRequestWithContext(i.t.Context(), http.MethodGet, i.http.URL+"/api/get-target-token?targetName="+audience, nil)
	if err != nil {
		i.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+accountToken(i.t, "argocd", "argocd-application-controller"))
	response, err := i.http.Client().Do(request)
	if err != nil {
		i.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		i.t.Fatalf("status %d: %s %v", response.StatusCode, body, err)
	}
	return string(body)
}

// authenticator is one that trusts this OpenUnison's tokens for the audience.
func (i *identity) authenticator() *authenticator {
	i.t.Helper()
	a, err := newAuthenticator(options{issuer: i.issuer, audience: audience, username: "sub", caFile: i.ca}, slog.New(slog.DiscardHandler))
	if err != nil {
		i.t.Fatal(err)
	}
	a.discover(i.t.Context())
	return a
}

const audience = "https://mgmt-payments.dev.platform.test/"

// inFront is a proxy that asks an API server with an account's token.
func inFront(t *testing.T, a *authenticator, config *rest.Config, token string) http.Handler {
	t.Helper()
	config = rest.AnonymousClientConfig(config)
	config.BearerToken = token
	handler, err := newProxy(config, a, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

// managementProxy is a proxy in front of the cluster, and its address.
func managementProxy(t *testing.T, a *authenticator, account string) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(inFront(t, a, cluster.Admin, accountToken(t, "platform-management", account)))
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// client is Argo CD's for the cluster behind a proxy.
func client(t *testing.T, server *httptest.Server, token string) *kubernetes.Clientset {
	t.Helper()
	c, err := kubernetes.NewForConfig(&rest.Config{
		Host: server.URL, BearerToken: token,
		TLSClientConfig: rest.TLSClientConfig{CAData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func accountToken(t *testing.T, namespace, account string) string {
	t.Helper()
	token, err := cluster.Token(t.Context(), namespace, account)
	if err != nil {
		t.Fatal(err)
	}
	return token
}
