package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"

	"platform/lab/plugins/provider"
)

// selfSignedCert makes a server's or client's certificate that its own key signs.
// It is never renewed: a lab does not grow that old.
var selfSignedCert = provider.Resource{
	Inputs: map[string]provider.Input{
		"privateKeyPem":       {Required: true, Replaces: true, Secret: true},
		"validityPeriodHours": {Required: true, Replaces: true},
		"allowedUses":         {Required: true, Replaces: true},
		"dnsNames":            {Replaces: true},
		"earlyRenewalHours":   {Default: 0.0},
		"isCaCertificate":     {Replaces: true, Default: false},
		"setAuthorityKeyId":   {Replaces: true, Default: false},
		"setSubjectKeyId":     {Replaces: true, Default: false},
	},
	Create: createCertificate,
	Read:   keep,
	Update: func(_ context.Context, _ string, old, _ provider.Values) (provider.Values, error) { return old, nil },
	Delete: forget,
}

// uses are those of allowedUses that are known here
// (https://www.pulumi.com/registry/packages/tls/api-docs/selfsignedcert/).
var uses = map[string]func(*x509.Certificate){
	"digital_signature": func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageDigitalSignature },
	"key_encipherment":  func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageKeyEncipherment },
	"server_auth":       func(c *x509.Certificate) { c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) },
	"client_auth":       func(c *x509.Certificate) { c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) },
}

func createCertificate(_ context.Context, in provider.Values) (string, provider.Values, error) {
	if in.Bool("isCaCertificate") || in.Bool("setAuthorityKeyId") || in.Bool("setSubjectKeyId") {
		return "", nil, errors.New("the lab's plugin makes no certificate of an authority, and none with key ids")
	}
	key, algorithm, err := readKey(in.String("privateKeyPem"))
	if err != nil {
		return "", nil, fmt.Errorf("reading privateKeyPem: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		return "", nil, err
	}
	begin := time.Now().UTC()
	c := &x509.Certificate{
		SerialNumber: serial, BasicConstraintsValid: true, DNSNames: in.Strings("dnsNames"),
		NotBefore: begin, NotAfter: begin.Add(time.Duration(in.Int("validityPeriodHours")) * time.Hour),
	}
	for _, use := range in.Strings("allowedUses") {
		add, known := uses[use]
		if !known {
			return "", nil, fmt.Errorf("the lab's plugin does not know the use %q", use)
		}
		add(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		return "", nil, fmt.Errorf("making the certificate: %w", err)
	}
	return serial.String(), provider.Values{
		"certPem":      string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		"keyAlgorithm": algorithm, "readyForRenewal": false,
		"validityStartTime": c.NotBefore.Format(time.RFC3339), "validityEndTime": c.NotAfter.Format(time.RFC3339),
	}, nil
}

// readKey reads a key as PrivateKey writes it.
func readKey(text string) (crypto.Signer, string, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, "", errors.New("it is not PEM")
	}
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		return key, "RSA", err
	case "EC PRIVATE KEY":
		key, err := x509.ParseECPrivateKey(block.Bytes)
		return key, "ECDSA", err
	case "PRIVATE KEY":
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		switch key := key.(type) {
		case *rsa.PrivateKey:
			return key, "RSA", err
		case *ecdsa.PrivateKey:
			return key, "ECDSA", err
		case ed25519.PrivateKey:
			return key, "ED25519", err
		}
		return nil, "", fmt.Errorf("it is no key for signing: %w", err)
	}
	return nil, "", fmt.Errorf("it is a %s", block.Type)
}
