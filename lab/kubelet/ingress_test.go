package kubelet

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestIngress(t *testing.T) {
	var asked string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Host + " " + r.URL.Path + " " + r.Header.Get("Authorization")
		_, _ = io.WriteString(w, "answer")
	}))
	t.Cleanup(server.Close)
	n, client := newTestNetwork(t, server.Listener.Addr().String())
	k := &Kubelet{Cluster: "dev"}
	ask := func(host, path string) (int, string) {
		r := httptest.NewRequest(http.MethodGet, "https://"+host+path, nil)
		r.Header.Set("Authorization", "Bearer b")
		w := httptest.NewRecorder()
		k.Ingress().ServeHTTP(w, r)
		return w.Code, strings.TrimSpace(w.Body.String())
	}
	if code, body := ask("vault.test", "/"); code != http.StatusServiceUnavailable || body != "cluster dev does not run" {
		t.Errorf("before the cluster runs: %d %s", code, body)
	}
	k.network = n
	ingress := func(namespace, service string, port networkingv1.ServiceBackendPort, host, path string) {
		t.Helper()
		_, err := client.NetworkingV1().Ingresses(namespace).Create(t.Context(), &networkingv1.Ingress{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: namespace, Name: service, Annotations: map[string]string{backendProtocol: "HTTPS"},
			},
			Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{
				Host: host, IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
					Paths: []networkingv1.HTTPIngressPath{{Path: path, Backend: networkingv1.IngressBackend{
						Service: &networkingv1.IngressServiceBackend{Name: service, Port: port},
					}}},
				}},
			}}},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	ingress("vault", "vault", networkingv1.ServiceBackendPort{Number: 8200}, "vault.test", "/")
	ingress("shop", "web", networkingv1.ServiceBackendPort{Name: "main"}, "vault.test", "/shop")
	ingress("shop", "absent", networkingv1.ServiceBackendPort{Number: 80}, "absent.test", "/")
	ingress("shop", "played", networkingv1.ServiceBackendPort{Number: 80}, "played.test", "/")
	eventually(t, "the Ingresses are known", func() bool { _, body := ask("played.test", "/"); return strings.Contains(body, "has no address") })
	for _, test := range []struct {
		host, path string
		code       int
		says       string
	}{
		{"vault.test", "/v1/x", http.StatusOK, "answer"},
		{"VAULT.test:443", "/shopping", http.StatusOK, "answer"},
		{"vault.test", "/shop/a", http.StatusBadGateway, "the pods of Service shop/web are played"},
		{"absent.test", "/", http.StatusServiceUnavailable, "finding the Service of Ingress shop/absent"},
		{"played.test", "/", http.StatusServiceUnavailable, "service shop/played has no address"},
		{"other.test", "/", http.StatusServiceUnavailable, "no Ingress has host other.test and a Service for /"},
	} {
		if code, body := ask(test.host, test.path); code != test.code || !strings.Contains(body, test.says) {
			t.Errorf("%s%s: %d %q, want %d %q", test.host, test.path, code, body, test.code, test.says)
		}
	}
	if code, _ := ask("vault.test", "/v1/y"); code != http.StatusOK || asked != "vault.test /v1/y Bearer b" {
		t.Errorf("the server was asked %q (%d)", asked, code)
	}
}
