package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// pair is a certificate's files.
func pair(t *testing.T, name string) (certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	writePair(t, name, certFile, keyFile)
	return certFile, keyFile
}

func writePair(t *testing.T, name, certFile, keyFile string) {
	t.Helper()
	certificate, key := selfSigned(t, name)
	if err := errors.Join(os.WriteFile(certFile, certificate, 0o600), os.WriteFile(keyFile, key, 0o600)); err != nil {
		t.Fatal(err)
	}
}

func selfSigned(t *testing.T, name string) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
}

func TestFlags(t *testing.T) {
	certFile, keyFile := pair(t, "proxy")
	whole := []string{
		"--secure-port=8443", "--tls-cert-file=" + certFile, "--tls-private-key-file=" + keyFile,
		"--oidc-client-id=" + audience, "--oidc-issuer-url=https://openunison.platform.test/auth/idp/remotek8s",
		"--oidc-username-claim=sub", "--oidc-ca-file=/etc/platform-ca/ca.crt",
	}
	o, err := parse(whole)
	if err != nil {
		t.Fatal(err)
	}
	if o.securePort != 8443 || o.probePort != 8080 || o.audience != audience || o.username != "sub" {
		t.Errorf("%+v", o)
	}
	without := func(flag string) []string {
		return slices.DeleteFunc(slices.Clone(whole), func(arg string) bool { return strings.HasPrefix(arg, "--"+flag) })
	}
	for want, args := range map[string][]string{
		"token-passthrough":               append(slices.Clone(whole), "--token-passthrough"),
		"disable-impersonation":           append(slices.Clone(whole), "--disable-impersonation"),
		"unknown arguments":               append(slices.Clone(whole), "serve"),
		"invalid value":                   append(without("secure-port"), "--secure-port=https"),
		"both 8080":                       append(without("secure-port"), "--secure-port=8080"),
		"--oidc-client-id is needed":      without("oidc-client-id"),
		"must be an https:// address":     append(without("oidc-issuer-url"), "--oidc-issuer-url=http://openunison"),
		"does not know":                   append(without("oidc-username-claim"), "--oidc-username-claim=email"),
		"fails every TLS handshake":       without("tls-"),
		"and --tls-private-key-file are":  without("tls-private"),
		"certificate to serve with: open": append(without("tls-cert-file"), "--tls-cert-file=/nowhere.crt"),
	} {
		if _, err := parse(args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// A certificate that is renewed in its files is served without a restart.
func TestRenewedCertificate(t *testing.T) {
	certFile, keyFile := pair(t, "first")
	config := options{certFile: certFile, keyFile: keyFile}.serving()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).Handshake()
			_ = conn.Close()
		}
	}()
	for _, name := range []string{"first", "second"} {
		writePair(t, name, certFile, keyFile)
		root, err := os.ReadFile(certFile)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(root)
		conn, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_ = conn.Close()
	}
}

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// part is one of the three of a token.
func part(token string, n int) string { return strings.Split(token, ".")[n] }

// damage changes a character inside the signature.
func damage(token string) string {
	at := len(token) - 20
	other := "A"
	if token[at] == 'A' {
		other = "B"
	}
	return token[:at] + other + token[at+1:]
}
