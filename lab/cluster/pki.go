package cluster

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
	"net"
	"os"
	"path/filepath"
	"time"

	"platform/lab/site"
)

// pki is a CA of one cluster, or of etcd, and what it signs, in one folder.
type pki struct{ dir string }

func newPKI(s *site.Site, name string) (pki, error) {
	p := pki{filepath.Dir(s.Path("pki", name, "ca.crt"))}
	if _, err := os.Stat(p.file("ca.crt")); err == nil {
		return p, nil
	}
	key, err := p.newKey("ca")
	if err != nil {
		return p, err
	}
	ca := template(name + " CA")
	ca.IsCA, ca.BasicConstraintsValid = true, true
	ca.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	return p, p.sign("ca", ca, ca, &key.PublicKey, key)
}

func (p pki) file(name string) string { return filepath.Join(p.dir, name) }

func template(commonName string, organizations ...string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // the kernel has no randomness
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: commonName, Organization: organizations},
		NotBefore:    time.Now().Add(-time.Minute),
		NotAfter:     time.Now().AddDate(10, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

func (p pki) newKey(name string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, os.WriteFile(p.file(name+".key"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

func (p pki) sign(name string, leaf, ca *x509.Certificate, public any, signer any) error {
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, public, signer)
	if err != nil {
		return fmt.Errorf("signing the certificate of %s: %w", name, err)
	}
	return os.WriteFile(p.file(name+".crt"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}

// issue makes the certificate name.crt with its key, unless it is there.
func (p pki) issue(name string, leaf *x509.Certificate, usages ...x509.ExtKeyUsage) error {
	if _, err := os.Stat(p.file(name + ".crt")); err == nil {
		return nil
	}
	ca, err := tls.LoadX509KeyPair(p.file("ca.crt"), p.file("ca.key"))
	if err != nil {
		return fmt.Errorf("reading the CA of %s: %w", p.dir, err)
	}
	key, err := p.newKey(name)
	if err != nil {
		return err
	}
	leaf.ExtKeyUsage = usages
	return p.sign(name, leaf, ca.Leaf, &key.PublicKey, ca.PrivateKey)
}

// client makes a certificate for a user of the cluster's.
func (p pki) client(name, user string, groups ...string) error {
	return p.issue(name, template(user, groups...), x509.ExtKeyUsageClientAuth)
}

// server makes a certificate for a server on loopback with some more names.
func (p pki) server(name string, names ...string) error {
	leaf := template(name)
	leaf.DNSNames = append([]string{"localhost"}, names...)
	leaf.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), serviceIP}
	return p.issue(name, leaf, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)
}

// accountKey is the key that signs tokens of service accounts.
func (p pki) accountKey() error {
	if _, err := os.Stat(p.file("accounts.pub")); err == nil {
		return nil
	}
	key, err := p.newKey("accounts")
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	return os.WriteFile(p.file("accounts.pub"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600)
}

// kubeconfig writes a kubeconfig of a user whose certificate is name.crt.
func (p pki) kubeconfig(file, cluster, server, name string) error {
	read := func(f string) []byte {
		data, err := os.ReadFile(p.file(f))
		if err != nil {
			return nil
		}
		return data
	}
	ca, cert, key := read("ca.crt"), read(name+".crt"), read(name+".key")
	if ca == nil || cert == nil || key == nil {
		return errors.New("the certificates of " + cluster + " are not complete: remove " + p.dir)
	}
	config, err := kubeconfigOf(cluster, server, ca, cert, key)
	if err != nil {
		return err
	}
	if old, err := os.ReadFile(file); err == nil && string(old) == string(config) {
		return nil
	}
	return os.WriteFile(file, config, 0o600)
}
