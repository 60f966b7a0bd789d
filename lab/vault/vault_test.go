package vault

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"platform/lab/process"
	"platform/lab/site"
	"platform/lab/tools"
)

// newSite is an empty lab with a CA of its own.
func newSite(t *testing.T) *site.Site {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "EC PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := site.Open(filepath.Join(dir, "lab"), "platform.test", certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve answers on Vault's port with the site's certificate.
func serve(t *testing.T, s *site.Site, handler http.Handler) {
	t.Helper()
	port, err := s.Port(name)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile, err := s.Certificate(name, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.Listener = l
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
}

func TestReadyIsParticular(t *testing.T) {
	s := newSite(t)
	spec, err := Spec(s, "/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	if spec.Ready(t.Context()) == nil {
		t.Error("ready without a server")
	}
	answer := `{}`
	serve(t, s, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
	if err := spec.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "is no Vault") {
		t.Errorf("another server on the port: %v", err)
	}
	answer = `{"type":"shamir","sealed":true}`
	if err := spec.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	other := newSite(t)
	s.CACert = other.CACert
	if err := spec.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of another CA: %v", err)
	}
}

func TestConfigIsPrivate(t *testing.T) {
	s := newSite(t)
	if _, err := Spec(s, "/bin/true"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(s.Path("vault.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}

// TestRealVault goes through what a lab goes through. It needs Vault to be built,
// which takes minutes: `lab build` does it.
func TestRealVault(t *testing.T) {
	binary, err := tools.Program("../tools", "vault")
	if err != nil {
		t.Skip(err)
	}
	if _, err := os.Stat(binary); err != nil {
		t.Skip(err)
	}
	s := newSite(t)
	start := func() {
		t.Helper()
		spec, err := Spec(s, binary)
		if err != nil {
			t.Fatal(err)
		}
		if err := process.Start(t.Context(), s, spec); err != nil {
			t.Fatal(err)
		}
	}
	stop := func() {
		if err := process.Stop(s, name); err != nil {
			t.Error(err)
		}
	}
	start()
	t.Cleanup(stop)
	if err := Unseal(t.Context(), s, nil); !errors.Is(err, ErrUninitialised) {
		t.Fatalf("a new Vault: %v", err)
	}
	keys := initialise(t, s)

	stop()
	// The port for other nodes may be another after a restart.
	if err := s.Forget(clusterName); err != nil {
		t.Fatal(err)
	}
	start()
	if err := Unseal(t.Context(), s, keys[:1]); err == nil || !strings.Contains(err.Error(), "1 keys were given and it wants 2") {
		t.Errorf("too few keys: %v", err)
	}
	if err := Unseal(t.Context(), s, []string{"bm90IGEga2V5"}); err == nil {
		t.Error("a wrong key unseals")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := Unseal(ctx, s, keys); err != nil {
		t.Fatal(err)
	}
	if err := Unseal(ctx, s, nil); err != nil {
		t.Errorf("unsealed already: %v", err)
	}
}

// initialise makes two keys, both needed.
func initialise(t *testing.T, s *site.Site) (keys []string) {
	t.Helper()
	c, err := newClient(s)
	if err != nil {
		t.Fatal(err)
	}
	code, text, err := c.send(t.Context(), http.MethodPut, "init", []byte(`{"secret_shares":2,"secret_threshold":2}`))
	if err != nil || code != http.StatusOK {
		t.Fatal(code, string(text), err)
	}
	var answer struct {
		Keys []string `json:"keys_base64"`
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&answer); err != nil || len(answer.Keys) != 2 {
		t.Fatal(string(text), err)
	}
	return answer.Keys
}
