package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"time"
)

// caYears is how long a CA is valid: replacing one means new certificates
// everywhere, so that it should not be needed in the life of a platform.
const caYears = 10

// authority is a CA, as PEM.
type authority struct{ certificate, key string }

// ownCA makes a stack's CA, for the key given if there is one.
func ownCA(stack, key string) (authority, error) {
	if key == "" {
		var err error
		if key, err = newKey(); err != nil {
			return authority{}, err
		}
	}
	certificate, err := newCertificate(stack, key)
	return authority{certificate, key}, err
}

// newKey makes the key of a CA, as PEM.
func newKey() (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("making the CA's key: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return "", fmt.Errorf("encoding the CA's key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})), nil
}

// newCertificate makes the certificate of a stack's CA for a key that newKey
// made, as PEM. It may sign servers' certificates and no further CA.
func newCertificate(stack, keyText string) (string, error) {
	block, _ := pem.Decode([]byte(keyText))
	if block == nil {
		return "", errors.New("the CA's key is not PEM")
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return "", fmt.Errorf("the CA's key is none that this command made: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return "", fmt.Errorf("choosing a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "platform CA (" + stack + ")"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(caYears, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return "", fmt.Errorf("signing the CA's certificate: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), nil
}

// namedCA reads the files of a CA that a person names.
func namedCA(certificateFile, keyFile string) (authority, error) {
	certificate, err := os.ReadFile(certificateFile)
	if err != nil {
		return authority{}, fmt.Errorf("reading the CA's certificate: %w", err)
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return authority{}, fmt.Errorf("reading the CA's key: %w", err)
	}
	if _, err := tls.X509KeyPair(certificate, key); err != nil {
		return authority{}, fmt.Errorf("%s and %s are not a certificate and its key: %w", certificateFile, keyFile, err)
	}
	return authority{string(certificate), string(key)}, nil
}
