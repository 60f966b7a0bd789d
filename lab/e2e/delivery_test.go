package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// deliveryHasTokens shows that Argo CD's application controller, and nobody else,
// gets a token for a vCluster, and that the token is good there alone.
func deliveryHasTokens(t *testing.T, p *platform) {
	control := p.cluster("control-plane")
	controller := accountToken(t, control, "argocd", "argocd-application-controller")
	target := func(caller string) (int, string) {
		status, body := p.ask(http.MethodGet, "https://openunison.platform.test/api/get-target-token?targetName=k8s-checkout-dev",
			bearer(caller), nil)
		return status, string(body)
	}
	for name, test := range map[string]struct {
		caller string
		want   int
	}{
		"Argo CD's API server":           {accountToken(t, control, "argocd", "argocd-server"), http.StatusForbidden},
		"an account of the vCluster":     {p.workload(t, "dev", "checkout", "external-secrets"), http.StatusUnauthorized},
		"somebody with a word for token": {"word", http.StatusUnauthorized},
	} {
		if status, _ := target(test.caller); status != test.want {
			t.Errorf("%s asks for a token: %d, want %d", name, status, test.want)
		}
	}
	status, token := target(controller)
	if status != http.StatusOK {
		t.Fatalf("the application controller asks for a token: %d %s", status, token)
	}
	namespaces := func(host, token string) (int, string) {
		status, body := p.ask(http.MethodGet, "https://"+host+"/api/v1/namespaces", bearer(token), nil)
		return status, string(body)
	}
	took := within(t, time.Minute, "answer of the management proxy", func() bool {
		status, body := namespaces("mgmt-checkout.dev.platform.test", token)
		if status == http.StatusUnauthorized { // it lives for a minute
			_, token = target(controller)
		}
		return status == http.StatusOK && strings.Contains(body, `"platform-management"`)
	})
	t.Logf("the management proxy answers after %.1f s", took.Seconds())
	for what, test := range map[string]struct{ host, token string }{
		"the neighbour's vCluster":         {"mgmt-billing.dev.platform.test", token},
		"its own vCluster in prod":         {"mgmt-checkout.prod.platform.test", token},
		"the vCluster, by its own account": {"mgmt-checkout.dev.platform.test", controller},
	} {
		within(t, time.Minute, "refusal by "+what, func() bool {
			status, _ := namespaces(test.host, test.token)
			return status == http.StatusUnauthorized
		})
	}
}

// accountToken is a token as a pod of the account has.
func accountToken(t *testing.T, client kubernetes.Interface, namespace, name string) string {
	t.Helper()
	answer, err := client.CoreV1().ServiceAccounts(namespace).CreateToken(context.Background(), name,
		&authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Status.Token
}
