package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"platform/lab/cluster"
)

// cluster is a client of one of the three clusters.
func (p *platform) cluster(name string) *kubernetes.Clientset {
	p.t.Helper()
	client, err := cluster.Client(p.site, name)
	if err != nil {
		p.t.Fatal(err)
	}
	return client
}

// secret reads a value that the program handed to a system of the control plane.
func (p *platform) secret(namespace, name, key string) string {
	p.t.Helper()
	s, err := p.cluster("control-plane").CoreV1().Secrets(namespace).Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	return string(s.Data[key])
}

// web is a client that reaches the platform by its real names and trusts its
// CA alone.
func (p *platform) web() *http.Client {
	p.t.Helper()
	port, err := p.site.Port("proxy")
	if err != nil {
		p.t.Fatal(err)
	}
	ca, err := os.ReadFile(p.site.CACert)
	if err != nil {
		p.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	proxy := &url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)}
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}}
}

// ask makes a request and gives the status and the answer.
func (p *platform) ask(method, address string, authorize func(*http.Request), body any) (int, []byte) {
	p.t.Helper()
	var content io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			p.t.Fatal(err)
		}
		content = bytes.NewReader(data)
	}
	req, err := http.NewRequest(method, address, content)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if authorize != nil {
		authorize(req)
	}
	resp, err := p.web().Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

// gitlab asks GitLab's API with a token and wants a status.
func (p *platform) gitlab(token, method, path string, body any, want int) map[string]any {
	p.t.Helper()
	status, answer := p.ask(method, "https://gitlab.platform.test/api/v4"+path, bearer(token), body)
	if status != want {
		p.t.Fatalf("GitLab: %s %s: %d, want %d: %s", method, path, status, want, answer)
	}
	object := map[string]any{}
	_ = json.Unmarshal(answer, &object) // a list, or nothing, is no object
	return object
}

// harbor asks Harbor's API as admin and wants a status.
func (p *platform) harbor(method, path string, want int) []byte {
	p.t.Helper()
	password := p.secret("harbor", "harbor-admin", "HARBOR_ADMIN_PASSWORD")
	status, answer := p.ask(method, "https://harbor.platform.test/api/v2.0"+path,
		func(r *http.Request) { r.SetBasicAuth("admin", password) }, nil)
	if status != want {
		p.t.Fatalf("Harbor: %s %s: %d, want %d: %s", method, path, status, want, answer)
	}
	return answer
}

// workload is the token of an account of a tenant's vCluster, which may have
// tokens reviewed as that of External Secrets may.
func (p *platform) workload(t *testing.T, environment, tenant, account string) (jwt string) {
	t.Helper()
	ctx, client := context.Background(), p.vcluster(tenant, environment)
	const namespace = "external-secrets"
	_, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	ignoreExists(t, err)
	_, err = client.CoreV1().ServiceAccounts(namespace).Create(ctx,
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: account}}, metav1.CreateOptions{})
	ignoreExists(t, err)
	_, err = client.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "e2e-" + account},
		RoleRef:    rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: "system:auth-delegator"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: account, Namespace: namespace}},
	}, metav1.CreateOptions{})
	ignoreExists(t, err)
	return accountToken(t, client, namespace, account)
}

// loginFrom logs in at Vault's backend of a tenant's vCluster.
func (p *platform) loginFrom(environment, tenant, jwt string) (token string, status int) {
	status, body := p.ask(http.MethodPost, fmt.Sprintf("https://vault.platform.test/v1/auth/vcluster-%s-%s/login", tenant, environment),
		nil, map[string]string{"role": "external-secrets", "jwt": jwt})
	var login struct {
		Auth struct {
			Token string `json:"client_token"`
		} `json:"auth"`
	}
	_ = json.Unmarshal(body, &login) // an error has no token
	return login.Auth.Token, status
}

func ignoreExists(t *testing.T, err error) {
	t.Helper()
	if err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
}

// vaultStatus is the status of a read in Vault.
func (p *platform) vaultStatus(token, path string) int {
	p.t.Helper()
	status, _ := p.ask(http.MethodGet, "https://vault.platform.test/v1/"+path, bearer(token), nil)
	return status
}
