package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"platform/lab/site"
)

func newSite(t *testing.T) *site.Site {
	t.Helper()
	s, err := site.Open(t.TempDir(), "platform.test", "", "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newCertificates are all those of a cluster.
func newCertificates(t *testing.T, s *site.Site, cluster string) pki {
	t.Helper()
	p, err := newPKI(s, cluster)
	if err != nil {
		t.Fatal(err)
	}
	if err := certificates(p); err != nil {
		t.Fatal(err)
	}
	return p
}

func readCertificate(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		t.Fatalf("%s holds no PEM", file)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func verify(t *testing.T, p pki, cert *x509.Certificate, usage x509.ExtKeyUsage) error {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(readCertificate(t, p.file("ca.crt")))
	_, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage}})
	return err
}

func TestClientCertificates(t *testing.T) {
	s := newSite(t)
	p, other := newCertificates(t, s, "dev"), newCertificates(t, s, "prod")
	for _, test := range []struct {
		name, user string
		groups     []string
	}{
		{"admin", "lab-admin", []string{"system:masters"}},
		{"controller-manager", "system:kube-controller-manager", nil},
		{"scheduler", "system:kube-scheduler", nil},
		{"kwok", "lab-kwok", []string{"system:masters"}},
		{"kubelet-client", "kube-apiserver-kubelet-client", []string{"system:masters"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cert := readCertificate(t, p.file(test.name+".crt"))
			if cert.Subject.CommonName != test.user || !slices.Equal(cert.Subject.Organization, test.groups) {
				t.Errorf("user %s of %v, want %s of %v", cert.Subject.CommonName, cert.Subject.Organization, test.user, test.groups)
			}
			if cert.IsCA || len(cert.DNSNames)+len(cert.IPAddresses) > 0 {
				t.Errorf("it is more than a client's: CA %v, names %v %v", cert.IsCA, cert.DNSNames, cert.IPAddresses)
			}
			if err := verify(t, p, cert, x509.ExtKeyUsageClientAuth); err != nil {
				t.Error(err)
			}
			if verify(t, p, cert, x509.ExtKeyUsageServerAuth) == nil {
				t.Error("a server may show it")
			}
			if verify(t, other, cert, x509.ExtKeyUsageClientAuth) == nil {
				t.Error("another cluster's CA vouches for it")
			}
		})
	}
}

func TestServerCertificates(t *testing.T) {
	s := newSite(t)
	p, other := newCertificates(t, s, "dev"), newCertificates(t, s, "prod")
	for name, hosts := range map[string][]string{
		"apiserver": {"127.0.0.1", "10.96.0.1", "localhost", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		"kubelet":   {"127.0.0.1", "localhost"},
	} {
		cert := readCertificate(t, p.file(name+".crt"))
		for _, host := range hosts {
			if err := cert.VerifyHostname(host); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if cert.VerifyHostname("vault.platform.test") == nil {
			t.Errorf("%s is good for a host of the platform", name)
		}
		if err := verify(t, p, cert, x509.ExtKeyUsageServerAuth); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if verify(t, other, cert, x509.ExtKeyUsageServerAuth) == nil {
			t.Errorf("%s: another cluster's CA vouches for it", name)
		}
	}
}

func TestCertificatesArePrivateAndKept(t *testing.T) {
	s := newSite(t)
	p := newCertificates(t, s, "dev")
	before := map[string]string{}
	files, err := filepath.Glob(p.file("*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("files %v, %v", files, err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", file, info.Mode())
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		before[file] = string(data)
	}
	newCertificates(t, s, "dev")
	for file, content := range before {
		if data, err := os.ReadFile(file); err != nil || string(data) != content {
			t.Errorf("a restart wrote %s anew (%v)", file, err)
		}
	}
	for _, name := range []string{"ca", "apiserver", "admin"} {
		if _, err := tls.LoadX509KeyPair(p.file(name+".crt"), p.file(name+".key")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKubeconfigWantsItsCertificates(t *testing.T) {
	s := newSite(t)
	p := newCertificates(t, s, "dev")
	if err := os.Remove(p.file("admin.key")); err != nil {
		t.Fatal(err)
	}
	err := p.kubeconfig(s.Kubeconfig("dev"), "dev", "https://127.0.0.1:1", "admin")
	if err == nil || !strings.Contains(err.Error(), "remove "+p.dir) {
		t.Errorf("error %v", err)
	}
}
