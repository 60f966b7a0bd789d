package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"platform/lab/plugins/provider"
	"platform/lab/plugins/provider/providertest"
)

const (
	privateKey = "tls:index/privateKey:PrivateKey"
	selfSigned = "tls:index/selfSignedCert:SelfSignedCert"
)

func start(t *testing.T) *providertest.Engine {
	t.Helper()
	return providertest.Configured(t, plugin.Provider(), provider.Values{"version": "5.2.0"})
}

// parse reads a private key as its kind of PEM says.
func parse(t *testing.T, text string) any {
	t.Helper()
	block, rest := pem.Decode([]byte(text))
	if block == nil || len(rest) > 0 {
		t.Fatalf("not one PEM block: %d bytes", len(text))
	}
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	default:
		t.Fatalf("block of type %s", block.Type)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestKeysOfEveryAlgorithm(t *testing.T) {
	e := start(t)
	for _, c := range []struct {
		in   provider.Values
		kind any
		size int
	}{
		{provider.Values{"algorithm": "ED25519"}, ed25519.PrivateKey{}, 0},
		{provider.Values{"algorithm": "RSA"}, &rsa.PrivateKey{}, 2048},
		{provider.Values{"algorithm": "ECDSA"}, &ecdsa.PrivateKey{}, 224},
		{provider.Values{"algorithm": "ECDSA", "ecdsaCurve": "P384"}, &ecdsa.PrivateKey{}, 384},
	} {
		r := e.MustCreate(privateKey, c.in)
		key := parse(t, r.Output("privateKeyPem").(string))
		if reflect.TypeOf(key) != reflect.TypeOf(c.kind) {
			t.Errorf("%v: a key of type %T", c.in, key)
		}
		switch key := key.(type) {
		case *rsa.PrivateKey:
			if key.N.BitLen() != c.size {
				t.Errorf("%v: %d bits", c.in, key.N.BitLen())
			}
		case *ecdsa.PrivateKey:
			if key.Params().BitSize != c.size {
				t.Errorf("%v: %d bits", c.in, key.Params().BitSize)
			}
		}
		if other := parse(t, r.Output("privateKeyPemPkcs8").(string)); !reflect.DeepEqual(other, key) {
			t.Errorf("%v: the PKCS #8 form is another key", c.in)
		}
		checkOpenSSH(t, r, c.size == 224)
	}
}

// checkOpenSSH compares the forms for OpenSSH, which knows no P224.
func checkOpenSSH(t *testing.T, r *providertest.Resource, unknownCurve bool) {
	t.Helper()
	private, public := r.Output("privateKeyOpenssh").(string), r.Output("publicKeyOpenssh").(string)
	if unknownCurve {
		if private+public != "" {
			t.Errorf("OpenSSH forms of a P224 key: %q", public)
		}
		return
	}
	signer, err := ssh.ParsePrivateKey([]byte(private))
	if err != nil {
		t.Fatal(err)
	}
	parsed, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(public))
	if err != nil || len(rest) > 0 {
		t.Fatalf("%q: %v", public, err)
	}
	if string(parsed.Marshal()) != string(signer.PublicKey().Marshal()) {
		t.Error("the public key is not the private key's")
	}
	for key, want := range map[string]string{
		"publicKeyFingerprintSha256": ssh.FingerprintSHA256(parsed), "publicKeyFingerprintMd5": ssh.FingerprintLegacyMD5(parsed),
	} {
		if r.Output(key) != want {
			t.Errorf("%s is %v, want %s", key, r.Output(key), want)
		}
	}
}

func TestPrivateFormsAreSecret(t *testing.T) {
	e := start(t)
	r := e.MustCreate(privateKey, provider.Values{"algorithm": "ED25519"})
	for key, value := range r.Outputs {
		private := strings.HasPrefix(string(key), "private")
		if value.IsSecret() != private {
			t.Errorf("%s is secret: %v", key, value.IsSecret())
		}
	}
	if len(r.ID) != 40 {
		t.Errorf("id %q is not a SHA-1", r.ID)
	}
}

func TestChangesMakeANewKey(t *testing.T) {
	e := start(t)
	r := e.MustCreate(privateKey, provider.Values{"algorithm": "ED25519"})
	before := r.Output("privateKeyPem")
	if got, err := e.Refresh(r); err != nil || got != "same" || r.Output("privateKeyPem") != before {
		t.Errorf("refresh: %s, %v", got, err)
	}
	for algorithm, want := range map[string]string{"ED25519": "same", "RSA": "replace algorithm"} {
		if got := e.Diff(r, provider.Values{"algorithm": algorithm}); got != want {
			t.Errorf("%s: %s, want %s", algorithm, got, want)
		}
	}
}

func TestUnknownKeysAreRefused(t *testing.T) {
	e := start(t)
	for _, in := range []provider.Values{
		{}, {"algorithm": "DSA"}, {"algorithm": "ECDSA", "ecdsaCurve": "P1"}, {"algorithm": "RSA", "rsaBits": 16.0},
	} {
		if _, err := e.Create(privateKey, in); err == nil {
			t.Errorf("%v made a key", in)
		}
	}
	if _, err := e.Import(privateKey, "abc"); err == nil {
		t.Error("an import of a private key")
	}
}

func TestSelfSignedCert(t *testing.T) {
	e := start(t)
	key := e.MustCreate(privateKey, provider.Values{"algorithm": "ECDSA", "ecdsaCurve": "P256"})
	in := provider.Values{
		"privateKeyPem": key.Output("privateKeyPem"), "dnsNames": []any{"a.test"}, "validityPeriodHours": 48.0,
		"earlyRenewalHours": 24.0, "allowedUses": []any{"digital_signature", "server_auth"},
	}
	block, _ := pem.Decode([]byte(e.MustCreate(selfSigned, in).Output("certPem").(string)))
	if block == nil {
		t.Fatal("the certificate is not PEM")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(c)
	if _, err := c.Verify(x509.VerifyOptions{DNSName: "a.test", Roots: roots}); err != nil {
		t.Errorf("a server's certificate: %v", err)
	}
	if life := c.NotAfter.Sub(c.NotBefore); life != 48*time.Hour {
		t.Errorf("it is good for %s", life)
	}
	for property, value := range map[string]any{"isCaCertificate": true, "allowedUses": []any{"ocsp_signing"}, "privateKeyPem": "no key"} {
		if _, err := e.Create(selfSigned, in.With(provider.Values{property: value})); err == nil {
			t.Errorf("%s %v is taken", property, value)
		}
	}
}
