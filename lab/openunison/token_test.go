package openunison

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const target = "/api/get-target-token?targetName=k8s-payments-dev"

func TestTokenOfATarget(t *testing.T) {
	l := newLab(t)
	raw := l.targetToken(t)
	token, err := l.verifier(t, &oidc.Config{ClientID: managementURL + "/"}).Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if token.Subject != "openunison-control-plane" || token.Issuer != l.http.URL+"/auth/idp/remotek8s" {
		t.Errorf("subject %s of issuer %s", token.Subject, token.Issuer)
	}
	if len(token.Audience) != 1 || token.Expiry.Sub(token.IssuedAt) != time.Minute {
		t.Errorf("audiences %q, life %s", token.Audience, token.Expiry.Sub(token.IssuedAt))
	}
	var claims map[string]any
	if err := token.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(claims)); !slices.Equal(got, []string{"aud", "exp", "iat", "iss", "jti", "nbf", "sub"}) {
		t.Errorf("claims %q", got)
	}
	if l.targetToken(t) == raw {
		t.Error("two requests got one token")
	}
}

// An API server has the same authenticator as the real kube-oidc-proxy. What it
// takes from the token is what the stand-in of the proxy sends.
func TestAPIServersAuthenticatorTakesTheToken(t *testing.T) {
	raw := trusted.targetToken(t)
	config := rest.AnonymousClientConfig(controlPlane.Admin)
	config.BearerToken = raw
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	review, err := client.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	var claims jwt.Claims
	if err := token.UnsafeClaimsWithoutVerification(&claims); err != nil {
		t.Fatal(err)
	}
	want := authenticationv1.UserInfo{
		Username: "openunison-control-plane", Groups: []string{"system:authenticated"},
		Extra: map[string]authenticationv1.ExtraValue{"authentication.kubernetes.io/credential-id": {"JTI=" + claims.ID}},
	}
	if got := review.Status.UserInfo; !reflect.DeepEqual(got, want) {
		t.Errorf("the API server sees %+v, want %+v", got, want)
	}
}

// The life is what the verifying side sees of it, whose clock is its own.
func TestTokenEndsAfterAMinute(t *testing.T) {
	l := newLab(t)
	raw := l.targetToken(t)
	for after, good := range map[time.Duration]bool{0: true, 58 * time.Second: true, 61 * time.Second: false, time.Hour: false} {
		_, err := l.verifier(t, &oidc.Config{
			ClientID: managementURL + "/", Now: func() time.Time { return time.Now().Add(after) },
		}).Verify(t.Context(), raw)
		var expired *oidc.TokenExpiredError
		if good && err != nil || !good && !errors.As(err, &expired) {
			t.Errorf("after %s: %v", after, err)
		}
	}
}

func TestTokenIsForOneAudience(t *testing.T) {
	l := newLab(t)
	raw := l.targetToken(t)
	for _, audience := range []string{managementURL, "https://mgmt-payments.prod.platform.test/", "kubernetes"} {
		if _, err := l.verifier(t, &oidc.Config{ClientID: audience}).Verify(t.Context(), raw); err == nil {
			t.Errorf("good for %s too", audience)
		}
	}
}

func TestRefusals(t *testing.T) {
	l := newLab(t)
	controller := "Bearer " + accountToken(t, "argocd", "argocd-application-controller")
	for _, c := range []struct {
		name, method, path, authorization string
		status                            int
	}{
		{"nobody", http.MethodGet, target, "", http.StatusUnauthorized},
		{"empty token", http.MethodGet, target, "Bearer ", http.StatusUnauthorized},
		{"other scheme", http.MethodGet, target, "Basic " + strings.TrimPrefix(controller, "Bearer "), http.StatusUnauthorized},
		{"no token at all", http.MethodGet, target, "Bearer nonsense", http.StatusUnauthorized},
		{"tampered token", http.MethodGet, target, tamper(controller), http.StatusUnauthorized},
		{"other cluster's", http.MethodGet, target, "Bearer " + foreignToken(t), http.StatusUnauthorized},
		{"other audience", http.MethodGet, target, "Bearer " + accountToken(t, "argocd", "argocd-application-controller", "vault"), http.StatusUnauthorized},
		{"own token", http.MethodGet, target, "Bearer " + l.targetToken(t), http.StatusUnauthorized},
		{"Argo CD's API server", http.MethodGet, target, "Bearer " + accountToken(t, "argocd", "argocd-server"), http.StatusForbidden},
		{"a tenant's account", http.MethodGet, target, "Bearer " + accountToken(t, "tenant-payments", "argocd-application-controller"), http.StatusForbidden},
		{"stranger, unknown target", http.MethodGet, target + "x", "Bearer " + accountToken(t, "argocd", "argocd-server"), http.StatusForbidden},
		{"unknown target", http.MethodGet, target + "x", controller, http.StatusNotFound},
		{"no target", http.MethodGet, "/api/get-target-token", controller, http.StatusNotFound},
		{"the control plane itself", http.MethodGet, "/api/get-target-token?targetName=k8s", controller, http.StatusNotFound},
		{"path in the name", http.MethodGet, "/api/get-target-token?targetName=k8s-..%2F..%2Fsecrets", controller, http.StatusNotFound},
		{"Secret of something else", http.MethodGet, "/api/get-target-token?targetName=k8s-payments-prod", controller, http.StatusInternalServerError},
		{"cluster without TLS", http.MethodGet, "/api/get-target-token?targetName=k8s-other-dev", controller, http.StatusInternalServerError},
		{"other method", http.MethodPost, target, controller, http.StatusNotImplemented},
		{"log-in", http.MethodGet, "/auth/idp/remotek8s/auth", "", http.StatusNotImplemented},
		{"people's provider", http.MethodGet, "/auth/idp/k8sIdp/.well-known/openid-configuration", "", http.StatusNotImplemented},
		{"portal", http.MethodGet, "/", "", http.StatusNotImplemented},
	} {
		status, body := l.ask(t, c.method, c.path, c.authorization)
		if status != c.status || strings.Count(body, ".") == 2 && len(body) > 200 {
			t.Errorf("%s: status %d, want %d: %s", c.name, status, c.status, body)
		}
		if _, token, _ := strings.Cut(c.authorization, " "); len(token) > 20 && strings.Contains(body, token) {
			t.Errorf("%s: the answer shows the caller's token", c.name)
		}
	}
}

// A pod's token ends with the pod: the control plane knows, the token does not.
func TestTokenOfAVanishedPod(t *testing.T) {
	l := newLab(t)
	client, err := controlPlane.Client()
	if err != nil {
		t.Fatal(err)
	}
	accountToken(t, "argocd", "argocd-application-controller") // the account is there
	no := int64(0)
	pod, err := client.CoreV1().Pods("argocd").Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "controller-0"},
		Spec: corev1.PodSpec{
			ServiceAccountName: "argocd-application-controller", TerminationGracePeriodSeconds: &no,
			Containers: []corev1.Container{{Name: "main", Image: "example"}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	bound := func() string {
		request, err := client.CoreV1().ServiceAccounts("argocd").CreateToken(t.Context(), pod.Spec.ServiceAccountName,
			&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
				BoundObjectRef: &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID},
			}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return request.Status.Token
	}
	before, after := bound(), bound()
	if status, body := l.ask(t, http.MethodGet, target, "Bearer "+before); status != http.StatusOK {
		t.Fatalf("pod there: status %d: %s", status, body)
	}
	if err := client.CoreV1().Pods("argocd").Delete(t.Context(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &no}); err != nil {
		t.Fatal(err)
	}
	if status, body := l.ask(t, http.MethodGet, target, "Bearer "+after); status != http.StatusUnauthorized {
		t.Errorf("pod gone: status %d: %s", status, body)
	}
}

func TestControlPlaneAway(t *testing.T) {
	l := newLab(t)
	if err := l.reopen(t.TempDir(), func() (kubernetes.Interface, error) { return nil, errors.New("it starts") }); err != nil {
		t.Fatal(err)
	}
	if status, body := l.ask(t, http.MethodGet, target, "Bearer x"); status != http.StatusInternalServerError || strings.Contains(body, "it starts") {
		t.Errorf("status %d: %s", status, body)
	}
	if status, _ := l.ask(t, http.MethodGet, providerPath+"/certs", ""); status != http.StatusOK {
		t.Errorf("keys: status %d", status)
	}
}

// tamper changes a character inside the signature.
func tamper(token string) string {
	at := len(token) - 20
	other := byte('A')
	if token[at] == other {
		other = 'B'
	}
	return token[:at] + string(other) + token[at+1:]
}

// foreignToken is as the controller's own, of a cluster with other keys.
func foreignToken(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	const issuer = "https://kubernetes.default.svc.cluster.local"
	token, err := jwt.Signed(signer).Claims(jwt.Claims{
		Issuer: issuer, Audience: jwt.Audience{issuer}, Subject: ApplicationController,
		Expiry: jwt.NewNumericDate(time.Now().Add(time.Hour)),
	}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}
