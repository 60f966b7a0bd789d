package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Nothing passes without a good token, and nobody passes as nobody.
func TestUnauthorized(t *testing.T) {
	i := newIdentity(t)
	good := i.token(audience)
	for name, authorization := range map[string]string{
		"nobody":                   "",
		"empty token":              "Bearer ",
		"other scheme":             "Basic " + good,
		"nonsense":                 "Bearer nonsense",
		"other audience":           "Bearer " + i.token("https://mgmt-payments.prod.platform.test/"),
		"audience without slash":   "Bearer " + i.token(strings.TrimSuffix(audience, "/")),
		"other issuer":             "Bearer " + newIdentity(t).token(audience),
		"the cluster's own":        "Bearer " + accountToken(t, "platform-management", "management-proxy"),
		"signature of another key": "Bearer " + forge(t, good, jose.RS256, newKey(t)),
		"HMAC of the public key":   "Bearer " + forge(t, good, jose.HS256, publicKey(t, i)),
		"algorithm none":           "Bearer " + encode(`{"alg":"none"}`) + "." + part(good, 1) + ".",
		"other claims":             "Bearer " + part(good, 0) + "." + encode(`{"sub":"system:admin"}`) + "." + part(good, 2),
		"damaged signature":        "Bearer " + damage(good),
		"no signature":             "Bearer " + part(good, 0) + "." + part(good, 1) + ".",
	} {
		if status := ask(t, i.authenticator(), authorization); status != http.StatusUnauthorized {
			t.Errorf("%s: status %d", name, status)
		}
	}
	if status := ask(t, i.authenticator(), "Bearer "+good); status != http.StatusOK {
		t.Errorf("good: status %d", status)
	}
}

func TestTokenEndsAfterAMinute(t *testing.T) {
	i := newIdentity(t)
	token := i.token(audience)
	for after, want := range map[time.Duration]int{58 * time.Second: http.StatusOK, 61 * time.Second: http.StatusUnauthorized} {
		a := i.authenticator()
		a.now = func() time.Time { return time.Now().Add(after) }
		a.discover(t.Context())
		if status := ask(t, a, "Bearer "+token); status != want {
			t.Errorf("after %s: status %d, want %d", after, status, want)
		}
	}
}

// A proxy may start before OpenUnison; it is not ready until it knows the issuer.
func TestIssuerComesLater(t *testing.T) {
	i := newIdentity(t)
	var away []*http.Request
	asked := make(chan struct{}, 1)
	inner := i.http.Config.Handler
	i.http.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away = append(away, r); len(away) > 2 {
			inner.ServeHTTP(w, r)
			return
		}
		http.Error(w, "starting", http.StatusServiceUnavailable)
		select {
		case asked <- struct{}{}:
		default:
		}
	})
	a, err := newAuthenticator(options{issuer: i.issuer, audience: audience, username: "sub", caFile: i.ca}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	a.delay = 100 * time.Millisecond
	known := make(chan struct{})
	go func() { a.discover(t.Context()); close(known) }()
	<-asked
	if status := probe(a, "/ready"); status != http.StatusServiceUnavailable {
		t.Errorf("before: ready %d", status)
	}
	if status := probe(a, "/live"); status != http.StatusOK {
		t.Errorf("before: live %d", status)
	}
	if status := ask(t, a, "Bearer x.y.z"); status != http.StatusUnauthorized {
		t.Errorf("before: status %d", status)
	}
	select {
	case <-known:
	case <-time.After(10 * time.Second):
		t.Fatal("the issuer stays unknown")
	}
	if status := probe(a, "/ready"); status != http.StatusOK {
		t.Errorf("after: ready %d", status)
	}
	if status := ask(t, a, "Bearer "+i.token(audience)); status != http.StatusOK {
		t.Errorf("after: status %d", status)
	}
}

func TestIssuerIsVerified(t *testing.T) {
	i, other := newIdentity(t), filepath.Join(t.TempDir(), "other.crt")
	certificate, _ := selfSigned(t, "other")
	if err := os.WriteFile(other, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{"other authority": other, "the system's authorities": ""} {
		a, err := newAuthenticator(options{issuer: i.issuer, audience: audience, username: "sub", caFile: file}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		_, err = a.client.Get(i.issuer + "/.well-known/openid-configuration")
		var untrusted *tls.CertificateVerificationError
		if !errors.As(err, &untrusted) {
			t.Errorf("%s: %v", name, err)
		}
	}
	empty := filepath.Join(t.TempDir(), "empty.crt")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, "/nowhere.crt"} {
		if _, err := newAuthenticator(options{caFile: file}, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s is taken for authorities", filepath.Base(file))
		}
	}
}

// ask is the status of a request in front of an upstream that answers all.
func ask(t *testing.T, a *authenticator, authorization string) int {
	t.Helper()
	reached := false
	proxy := inFront(t, a, upstream(t, func(http.ResponseWriter, *http.Request) { reached = true }), "the-proxys-own")
	request := httptest.NewRequest(http.MethodGet, "/api", nil)
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	answer := httptest.NewRecorder()
	proxy.ServeHTTP(answer, request)
	if reached != (answer.Code == http.StatusOK) {
		t.Errorf("status %d, reached the API server: %v", answer.Code, reached)
	}
	return answer.Code
}

func probe(a *authenticator, path string) int {
	answer := httptest.NewRecorder()
	a.probes().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
	return answer.Code
}

// forge signs a token's claims anew, under the same key id.
func forge(t *testing.T, token string, algorithm jose.SignatureAlgorithm, key any) string {
	t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := parsed.UnsafeClaimsWithoutVerification(&claims); err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: parsed.Headers[0].KeyID}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	forged, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return forged
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// publicKey is the issuer's, as it is published.
func publicKey(t *testing.T, i *identity) []byte {
	t.Helper()
	response, err := i.http.Client().Get(i.issuer + "/certs")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(body, &keys); err != nil || len(keys.Keys) != 1 {
		t.Fatal(err, string(body))
	}
	key, err := keys.Keys[0].MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return key
}
