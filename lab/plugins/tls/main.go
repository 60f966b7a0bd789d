// Command pulumi-resource-tls makes keys and certificates, as the real plugin does
// (https://www.pulumi.com/registry/packages/tls/). Of its types the platform
// uses two; the lab's plugin refuses the others.
package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/md5" //nolint:gosec // OpenSSH's old fingerprint, not a protection
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the real plugin's id, not a protection
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"

	"platform/lab/plugins/provider"
)

func main() {
	provider.Main(plugin)
}

var plugin = provider.Plugin{
	Name:      "tls",
	Version:   "5.2.0",
	Configure: func(context.Context, provider.Values) error { return nil },
	Types: map[string]provider.Resource{
		"tls:index/privateKey:PrivateKey": {
			Inputs: map[string]provider.Input{
				"algorithm":  {Required: true, Replaces: true},
				"rsaBits":    {Replaces: true, Default: 2048.0},
				"ecdsaCurve": {Replaces: true, Default: "P224"},
			},
			SecretOutputs: []string{"privateKeyPem", "privateKeyPemPkcs8", "privateKeyOpenssh"},
			Create:        createKey,
			Read:          keep,
			Delete:        forget,
		},
		"tls:index/selfSignedCert:SelfSignedCert": selfSignedCert,
	},
}

// keep reads what is in the state alone.
func keep(_ context.Context, _ string, state provider.Values) (provider.Values, error) {
	if state == nil {
		return nil, fmt.Errorf("keys and certificates cannot be imported")
	}
	return state, nil
}

func forget(context.Context, string, provider.Values) error { return nil }

var curves = map[string]elliptic.Curve{
	"P224": elliptic.P224(), "P256": elliptic.P256(), "P384": elliptic.P384(), "P521": elliptic.P521(),
}

func createKey(_ context.Context, in provider.Values) (string, provider.Values, error) {
	key, block, err := newKey(in)
	if err != nil {
		return "", nil, fmt.Errorf("making a key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", nil, err
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	state := provider.Values{
		"privateKeyPem":      string(pem.EncodeToMemory(block)),
		"privateKeyPemPkcs8": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
		"publicKeyPem":       string(publicPEM),
		"privateKeyOpenssh":  "", "publicKeyOpenssh": "",
		"publicKeyFingerprintMd5": "", "publicKeyFingerprintSha256": "",
	}
	if err := openSSH(key, state); err != nil {
		return "", nil, err
	}
	id := sha1.Sum(publicPEM) //nolint:gosec // see the import
	return hex.EncodeToString(id[:]), state, nil
}

func newKey(in provider.Values) (crypto.Signer, *pem.Block, error) {
	switch algorithm := in.String("algorithm"); algorithm {
	case "RSA":
		key, err := rsa.GenerateKey(rand.Reader, in.Int("rsaBits"))
		if err != nil {
			return nil, nil, err
		}
		return key, &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}, nil
	case "ECDSA":
		curve, ok := curves[in.String("ecdsaCurve")]
		if !ok {
			return nil, nil, fmt.Errorf("unknown curve %q", in.String("ecdsaCurve"))
		}
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			return nil, nil, err
		}
		der, err := x509.MarshalECPrivateKey(key)
		return key, &pem.Block{Type: "EC PRIVATE KEY", Bytes: der}, err
	case "ED25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return key, &pem.Block{Type: "PRIVATE KEY", Bytes: der}, err
	default:
		return nil, nil, fmt.Errorf("unknown algorithm %q; there are RSA, ECDSA and ED25519", algorithm)
	}
}

// openSSH adds the key in OpenSSH's forms, which know no curve P224.
func openSSH(key crypto.Signer, state provider.Values) error {
	if e, ok := key.(*ecdsa.PrivateKey); ok && e.Curve == elliptic.P224() {
		return nil
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return err
	}
	private, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return err
	}
	md := md5.Sum(public.Marshal()) //nolint:gosec // see the import
	state["privateKeyOpenssh"] = string(pem.EncodeToMemory(private))
	state["publicKeyOpenssh"] = string(ssh.MarshalAuthorizedKey(public))
	state["publicKeyFingerprintMd5"] = strings.ReplaceAll(fmt.Sprintf("% x", md[:]), " ", ":")
	state["publicKeyFingerprintSha256"] = ssh.FingerprintSHA256(public)
	return nil
}
