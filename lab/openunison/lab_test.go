package openunison

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"platform/lab/cluster/clustertest"
)

var (
	// controlPlane is a real API server for all tests.
	controlPlane *clustertest.Server
	// trusted is an OpenUnison whose tokens for managementURL the control plane
	// takes itself.
	trusted *lab
)

func TestMain(m *testing.M) {
	code, err := withControlPlane(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func withControlPlane(run func() int) (int, error) {
	dir, err := os.MkdirTemp("", "openunison-test-")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if trusted, err = open(filepath.Join(dir, "openunison")); err != nil {
		return 1, err
	}
	defer trusted.http.Close()
	ca := filepath.Join(dir, "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: trusted.http.Certificate().Raw}), 0o600); err != nil {
		return 1, err
	}
	controlPlane, err = clustertest.Start(filepath.Join("..", "tools"),
		"--oidc-issuer-url="+trusted.http.URL+providerPath, "--oidc-client-id="+managementURL+"/",
		"--oidc-username-claim=sub", "--oidc-username-prefix=-", "--oidc-ca-file="+ca)
	if err != nil {
		return 1, err
	}
	defer controlPlane.Stop()
	client, err := controlPlane.Client()
	if err != nil {
		return 1, err
	}
	ctx := context.Background()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "argocd"}}
	if _, err := client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		return 1, err
	}
	cluster := map[string]string{"argocd.argoproj.io/secret-type": "cluster"}
	for name, secret := range map[string]*corev1.Secret{
		"vcluster-payments-dev":  {ObjectMeta: metav1.ObjectMeta{Labels: cluster}, StringData: map[string]string{"server": managementURL}},
		"vcluster-payments-prod": {StringData: map[string]string{"server": managementURL}},
		"vcluster-other-dev":     {ObjectMeta: metav1.ObjectMeta{Labels: cluster}, StringData: map[string]string{"server": "http://mgmt"}},
	} {
		secret.Name = name
		if _, err := client.CoreV1().Secrets("argocd").Create(ctx, secret, metav1.CreateOptions{}); err != nil {
			return 1, err
		}
	}
	return run(), nil
}

const managementURL = "https://mgmt-payments.dev.platform.test"

// lab is a server at an address of its own, over TLS.
type lab struct {
	*Server
	http *httptest.Server
}

func open(dir string) (*lab, error) {
	l := &lab{}
	l.http = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.Handler().ServeHTTP(w, r)
	}))
	// The issuer's name is the listener's address.
	if err := l.reopen(dir, func() (kubernetes.Interface, error) { return controlPlane.Client() }); err != nil {
		return nil, err
	}
	l.http.StartTLS()
	return l, nil
}

// reopen puts another server at the address.
func (l *lab) reopen(dir string, cluster Client) (err error) {
	l.Server, err = New(Options{
		Dir: dir, Host: l.http.Listener.Addr().String(), Cluster: cluster, Caller: ApplicationController,
		Target: ClusterSecrets(cluster, "argocd"), Log: slog.New(slog.DiscardHandler),
	})
	return err
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l, err := open(filepath.Join(t.TempDir(), "openunison"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.http.Close)
	return l
}

// ask asks for a path, with a value of the header Authorization if there is one.
func (l *lab) ask(t *testing.T, method, path, authorization string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, l.http.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := l.http.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// targetToken is what the application controller gets.
func (l *lab) targetToken(t *testing.T) string {
	t.Helper()
	status, body := l.ask(t, http.MethodGet, target, "Bearer "+accountToken(t, "argocd", "argocd-application-controller"))
	if status != http.StatusOK {
		t.Fatalf("status %d: %s", status, body)
	}
	return body
}

// verifier is one that knows of the issuer no more than its address.
func (l *lab) verifier(t *testing.T, config *oidc.Config) *oidc.IDTokenVerifier {
	t.Helper()
	provider, err := oidc.NewProvider(oidc.ClientContext(t.Context(), l.http.Client()), l.http.URL+providerPath)
	if err != nil {
		t.Fatal(err)
	}
	return provider.Verifier(config)
}

func accountToken(t *testing.T, namespace, account string, audiences ...string) string {
	t.Helper()
	token, err := controlPlane.Token(t.Context(), namespace, account, audiences...)
	if err != nil {
		t.Fatal(err)
	}
	return token
}
