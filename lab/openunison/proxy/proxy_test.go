package main

import (
	"bufio"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
)

// Who asks is whom the token names, and nobody else.
func TestImpersonation(t *testing.T) {
	i := newIdentity(t)
	argo := client(t, managementProxy(t, i.authenticator(), "management-proxy"), i.token(audience))
	review, err := argo.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	who := review.Status.UserInfo
	if who.Username != "openunison-control-plane" || !slices.Equal(who.Groups, []string{"system:authenticated"}) {
		t.Errorf("the API server sees %s of %q", who.Username, who.Groups)
	}
	if id := who.Extra[credentialID]; len(id) != 1 || !strings.HasPrefix(id[0], "JTI=") {
		t.Errorf("the token's id is %q", id)
	}
}

// RBAC of the cluster decides what the impersonated user may do.
func TestRights(t *testing.T) {
	i := newIdentity(t)
	argo := client(t, managementProxy(t, i.authenticator(), "management-proxy"), i.token(audience))
	admin, err := cluster.Client()
	if err != nil {
		t.Fatal(err)
	}
	namespace, err := admin.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "team-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	configs := argo.CoreV1().ConfigMaps(namespace.Name)
	_, err = configs.List(t.Context(), metav1.ListOptions{})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), `"openunison-control-plane"`) {
		t.Errorf("without rights: %v", err)
	}
	meta := metav1.ObjectMeta{Name: "delivery"}
	rules := []rbacv1.PolicyRule{{Verbs: []string{"list", "watch", "create"}, APIGroups: []string{""}, Resources: []string{"configmaps"}}}
	if _, err := admin.RbacV1().Roles(namespace.Name).Create(t.Context(), &rbacv1.Role{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err = admin.RbacV1().RoleBindings(namespace.Name).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
		Subjects: []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: "openunison-control-plane"}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		_, err := configs.List(t.Context(), metav1.ListOptions{})
		return err
	})
	if _, err := argo.CoreV1().Secrets(namespace.Name).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("with other rights: %v", err)
	}
	if _, err := argo.CoreV1().ConfigMaps("default").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("with rights elsewhere: %v", err)
	}
	watches(t, configs)
}

// watches sees a change at once, while the answer goes on.
func watches(t *testing.T, configs typedcorev1.ConfigMapInterface) {
	t.Helper()
	watch, err := configs.Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=delivered"})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	delivered := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "delivered"}}
	if _, err := configs.Create(t.Context(), delivered, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	select {
	case event := <-watch.ResultChan():
		if made, ok := event.Object.(*corev1.ConfigMap); !ok || made.Name != "delivered" {
			t.Errorf("event %v", event)
		}
	case <-time.After(10 * time.Second):
		t.Error("the event does not pass")
	}
}

// The id of the token is part of what a proxy impersonates: without leave for
// it, the API server refuses every request.
func TestProxyNeedsLeaveForTheTokensID(t *testing.T) {
	i := newIdentity(t)
	argo := client(t, managementProxy(t, i.authenticator(), "proxy-without-extra"), i.token(audience))
	_, err := argo.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "userextras/"+credentialID) {
		t.Errorf("%v", err)
	}
}

// eventually gives the API server time to see new rights.
func eventually(t *testing.T, do func() error) {
	t.Helper()
	var err error
	for range 50 {
		if err = do(); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal(err)
}

// upstream stands where the API server is, to see what reaches it. As that one it
// speaks HTTP/2 with who wants to.
func upstream(t *testing.T, handler http.HandlerFunc) *rest.Config {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return &rest.Config{Host: server.URL, TLSClientConfig: rest.TLSClientConfig{CAData: certificate}}
}

func TestWhatReachesTheAPIServer(t *testing.T) {
	i := newIdentity(t)
	var got *http.Request
	config := upstream(t, func(_ http.ResponseWriter, r *http.Request) { got = r })
	proxy := inFront(t, i.authenticator(), config, "the-proxys-own")
	request := httptest.NewRequest(http.MethodGet, "/api/v1/pods?watch=1&labelSelector=a%3Db", nil)
	request.Header.Set("Authorization", "bearer "+i.token(audience))
	request.Header.Set("X-Forwarded-For", "192.0.2.7")
	// Whoever names the headers of impersonation here must not be rid of them.
	request.Header.Set("Connection", "Impersonate-User, Impersonate-Group, Authorization")
	answer := httptest.NewRecorder()
	proxy.ServeHTTP(answer, request)
	if answer.Code != http.StatusOK || got == nil {
		t.Fatalf("status %d: %s", answer.Code, answer.Body)
	}
	if got.URL.String() != "/api/v1/pods?watch=1&labelSelector=a%3Db" {
		t.Errorf("asked for %s", got.URL)
	}
	for name, want := range map[string][]string{
		"Authorization":     {"Bearer the-proxys-own"},
		"Impersonate-User":  {"openunison-control-plane"},
		"Impersonate-Group": {"system:authenticated"},
		"Impersonate-Uid":   nil,
		"X-Forwarded-For":   {"192.0.2.7, 192.0.2.1"},
	} {
		if !slices.Equal(got.Header[name], want) {
			t.Errorf("%s: %q, want %q", name, got.Header[name], want)
		}
	}
	var extras []string
	for name := range got.Header {
		if strings.HasPrefix(name, "Impersonate-Extra-") {
			extras = append(extras, name)
		}
	}
	if !slices.Equal(extras, []string{"Impersonate-Extra-Authentication.kubernetes.io%2fcredential-Id"}) {
		t.Errorf("extras %q", extras)
	}
}

func TestImpersonatingIsRefused(t *testing.T) {
	i := newIdentity(t)
	config := upstream(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s reaches the API server", r.URL) })
	proxy := inFront(t, i.authenticator(), config, "the-proxys-own")
	token := i.token(audience)
	for _, name := range []string{"Impersonate-User", "Impersonate-Group", "Impersonate-Uid", "Impersonate-Extra-Scopes", "impersonate-user"} {
		request := httptest.NewRequest(http.MethodGet, "/api", nil)
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header[name] = []string{"system:admin"}
		answer := httptest.NewRecorder()
		proxy.ServeHTTP(answer, request)
		if answer.Code != http.StatusForbidden {
			t.Errorf("%s: status %d", name, answer.Code)
		}
	}
}

func TestAPIServerAway(t *testing.T) {
	i := newIdentity(t)
	proxy := inFront(t, i.authenticator(), &rest.Config{Host: "http://127.0.0.1:1"}, "the-proxys-own")
	request := httptest.NewRequest(http.MethodGet, "/api", nil)
	request.Header.Set("Authorization", "Bearer "+i.token(audience))
	answer := httptest.NewRecorder()
	proxy.ServeHTTP(answer, request)
	if answer.Code != http.StatusInternalServerError || answer.Body.Len() > 0 {
		t.Errorf("status %d: %s", answer.Code, answer.Body)
	}
}

// An upgrade, as kubectl exec asks for, becomes a connection of two directions.
func TestUpgrade(t *testing.T) {
	i := newIdentity(t)
	config := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Impersonate-User") != "openunison-control-plane" || r.Header.Get("Upgrade") != "echo" {
			t.Errorf("headers %v", r.Header)
		}
		conn, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		line, _ := buffered.ReadString('\n')
		_, _ = io.WriteString(conn, "echo "+line)
	})
	server := httptest.NewServer(inFront(t, i.authenticator(), config, "the-proxys-own"))
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "POST /exec HTTP/1.1\r\nHost: proxy\r\nAuthorization: Bearer "+i.token(audience)+
		"\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(response, err)
	}
	_, _ = io.WriteString(conn, "hello\n")
	if line, err := reader.ReadString('\n'); err != nil || line != "echo hello\n" {
		t.Errorf("%q %v", line, err)
	}
}
