package openunison

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"k8s.io/client-go/kubernetes"
)

func TestKeyStaysOverARestart(t *testing.T) {
	l := newLab(t)
	raw := l.targetToken(t)
	dir := l.options.Dir
	for _, c := range []struct {
		file string
		mode os.FileMode
	}{{dir, 0o700 | os.ModeDir}, {filepath.Join(dir, "remotek8s.key"), 0o600}} {
		if info, err := os.Stat(c.file); err != nil || info.Mode() != c.mode {
			t.Errorf("%s: %v %v, want mode %s", c.file, info, err, c.mode)
		}
	}
	check := &oidc.Config{ClientID: managementURL + "/"}
	if err := l.reopen(dir, l.options.Cluster); err != nil {
		t.Fatal(err)
	}
	if _, err := l.verifier(t, check).Verify(t.Context(), raw); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	if err := l.reopen(t.TempDir(), l.options.Cluster); err != nil {
		t.Fatal(err)
	}
	if _, err := l.verifier(t, check).Verify(t.Context(), raw); err == nil || !strings.Contains(err.Error(), "signature") {
		t.Errorf("with another key: %v", err)
	}
}

func TestNoPrivateKeyIsPublished(t *testing.T) {
	l := newLab(t)
	status, body := l.ask(t, http.MethodGet, providerPath+"/certs", "")
	if status != http.StatusOK || !strings.Contains(body, `"n":`) {
		t.Fatalf("status %d: %s", status, body)
	}
	for _, private := range []string{`"d":`, `"p":`, `"q":`} {
		if strings.Contains(body, private) {
			t.Errorf("the keys show %s", private)
		}
	}
}

func TestDamagedKey(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for want, content := range map[string][]byte{
		"holds no PEM":   []byte("nonsense"),
		"parsing":        pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("nonsense")}),
		"not an RSA key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "remotek8s.key"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		cluster := func() (kubernetes.Interface, error) { return controlPlane.Client() }
		_, err := New(Options{
			Dir: dir, Host: "openunison.platform.test", Cluster: cluster, Caller: ApplicationController,
			Target: ClusterSecrets(cluster, "argocd"), Log: slog.New(slog.DiscardHandler),
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestOptionsAreNeeded(t *testing.T) {
	if _, err := New(Options{Dir: t.TempDir(), Host: "openunison.platform.test"}); err == nil {
		t.Error("a server that gives tokens to nobody knows whom")
	}
}
