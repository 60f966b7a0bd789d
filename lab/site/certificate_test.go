package site

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeCA makes a CA, as `make stack` does, in the site's place for it.
func writeCA(t *testing.T, s *Site) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "CA"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, s.CACert, "CERTIFICATE", der)
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, s.CAKey, "EC PRIVATE KEY", keyDER)
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func siteWithCA(t *testing.T) *Site {
	t.Helper()
	dir := t.TempDir()
	s, err := Open(filepath.Join(dir, "lab"), "platform.test", filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	writeCA(t, s)
	return s
}

// issued is the certificate that the site gives for hosts.
func issued(t *testing.T, s *Site, hosts ...string) *x509.Certificate {
	t.Helper()
	certFile, keyFile, err := s.Certificate("ingress", hosts...)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

func TestCertificateIsGoodForItsHosts(t *testing.T) {
	s := siteWithCA(t)
	cert := issued(t, s, "vault.platform.test", "127.0.0.1", "*.dev.platform.test")
	roots := x509.NewCertPool()
	ca, err := os.ReadFile(s.CACert)
	if err != nil || !roots.AppendCertsFromPEM(ca) {
		t.Fatal("no CA:", err)
	}
	for _, host := range []string{"vault.platform.test", "127.0.0.1", "a.dev.platform.test"} {
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, DNSName: host}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if cert.VerifyHostname("harbor.platform.test") == nil {
		t.Error("it is good for a host that was not asked for")
	}
}

func TestCertificateIsKeptAndReissued(t *testing.T) {
	s := siteWithCA(t)
	first := issued(t, s, "a.test")
	if !issued(t, s, "a.test").Equal(first) {
		t.Error("it was made anew without need")
	}
	wider := issued(t, s, "a.test", "b.test")
	if wider.Equal(first) || wider.VerifyHostname("b.test") != nil {
		t.Error("a host came, and the old one stayed")
	}
	writeCA(t, s)
	if issued(t, s, "a.test", "b.test").Equal(wider) {
		t.Error("the CA changed, and the old one stayed")
	}
}

func TestCertificateThatEndsSoonIsReissued(t *testing.T) {
	s := siteWithCA(t)
	issued(t, s, "a.test")
	ca, err := tls.LoadX509KeyPair(s.CACert, s.CAKey)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(7), DNSNames: []string{"a.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(6 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca.Leaf, &key.PublicKey, ca.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, s.Path("certs", "ingress.crt"), "CERTIFICATE", der)
	if cert := issued(t, s, "a.test"); time.Until(cert.NotAfter) < 30*24*time.Hour {
		t.Errorf("it ends on %v", cert.NotAfter)
	}
}

func TestCertificateWantsTheCA(t *testing.T) {
	s := open(t, t.TempDir())
	if _, _, err := s.Certificate("ingress", "a.test"); err == nil || !strings.Contains(err.Error(), "make stack NAME=dev") {
		t.Errorf("error %v", err)
	}
}
