package stacks

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// check finds everything wrong with a decoded config, before defaults.
func (c *Config) check(found *problems) {
	checkDomain("domain", c.Domain, found)
	oneOf("profile", c.Profile, profileNames, found)
	c.checkCA(found)
	checkMirror("charts.mirror", c.Charts.Mirror, found)
	c.Clusters.check(found)
	c.checkLogin(found)
	if len(c.Administrators) == 0 {
		found.add("administrators", "is missing; name at least one e-mail address, as in [admin@example.com]")
	}
	checkAddresses("administrators", c.Administrators, found)
	for i := range c.Tenants {
		c.Tenants[i].check(fmt.Sprintf("tenants[%d]", i), found)
	}
	c.checkNames(found)
}

var dnsName = regexp.MustCompile(`^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

func checkDomain(path, domain string, found *problems) {
	switch {
	case domain == "":
		found.add(path, "is missing; write the DNS suffix of the platform's hosts, such as platform.example.com")
	case !dnsName.MatchString(domain) || len(domain) > 200:
		found.add(path, "%q is not a DNS name; write it like platform.example.com", domain)
	}
}

func oneOf(path, value string, allowed []string, found *problems) {
	if value == "" {
		return
	}
	for _, a := range allowed {
		if value == a {
			return
		}
	}
	found.add(path, "%q is unknown; write one of %s", value, strings.Join(allowed, ", "))
}

func checkAddresses(path string, addresses []string, found *problems) {
	seen := map[string]bool{}
	for i, a := range addresses {
		at := fmt.Sprintf("%s[%d]", path, i)
		parsed, err := mail.ParseAddress(a)
		switch {
		case err != nil || parsed.Address != a:
			found.add(at, "%q is not an e-mail address; write it like alice@example.com", a)
		case seen[strings.ToLower(a)]:
			found.add(at, "%q is named twice; name it once", a)
		}
		seen[strings.ToLower(a)] = true
	}
}

func checkMirror(path, mirror string, found *problems) {
	if mirror == "" || !strings.Contains(mirror, "://") {
		return
	}
	u, err := url.Parse(mirror)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "oci") {
		found.add(path, "%q cannot hold charts; write an https:// or oci:// address, or a directory", mirror)
	}
}

func (c *Config) checkCA(found *problems) {
	if c.CA.Certificate == "" {
		if c.CA.CertificateFile == "" {
			found.add("ca.certificate", "is missing; `make stack NAME=<stack>` makes a CA, or names one")
		}
		return
	}
	path := "ca.certificate"
	if c.CA.CertificateFile != "" {
		path = "ca.certificateFile"
	}
	block, _ := pem.Decode([]byte(c.CA.Certificate))
	if block == nil || block.Type != "CERTIFICATE" {
		found.add(path, "is not a PEM certificate; it must start with -----BEGIN CERTIFICATE-----")
		return
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	switch {
	case err != nil:
		found.add(path, "is not a certificate: %v", err)
		return
	case !certificate.IsCA || certificate.KeyUsage&x509.KeyUsageCertSign == 0:
		found.add(path, "is no CA; its certificate must have CA:TRUE and the key usage to sign certificates")
	case time.Now().After(certificate.NotAfter):
		found.add(path, "ended on %s; name a CA that is valid", certificate.NotAfter.Format(time.DateOnly))
	}
	c.checkCAKey(found)
}

func (c *Config) checkCAKey(found *problems) {
	path := "caKey"
	if c.CA.KeyFile != "" {
		path = "ca.keyFile"
	}
	if c.CAKey == "" {
		if c.CA.KeyFile == "" {
			found.add(path, "is missing; set the CA's key with `pulumi config set --secret platform:caKey`")
		}
		return
	}
	// The error of the library could quote the key: it is not shown.
	if _, err := tls.X509KeyPair([]byte(c.CA.Certificate), []byte(c.CAKey)); err != nil {
		found.add(path, "is not the PEM key of platform:ca")
	}
}

func (c *Config) checkLogin(found *problems) {
	u, err := url.Parse(c.Login.Issuer)
	switch {
	case c.Login.Issuer == "":
		found.add("login.issuer", "is missing; write the address of the OpenID Connect provider, such as https://login.example.com")
	case err != nil || u.Scheme != "https" || u.Host == "":
		found.add("login.issuer", "%q is not an https address", c.Login.Issuer)
	}
	if c.Login.ClientID == "" {
		found.add("login.clientId", "is missing; write the platform's client id at the provider")
	}
	if c.LoginClientSecret == "" && c.Login.ClientSecretFile == "" {
		found.add("loginClientSecret", "is missing; set it with `pulumi config set --secret platform:loginClientSecret`")
	}
}

func (c *Clusters) check(found *problems) {
	// Who has a context of a kubeconfig, by the two.
	taken := map[[2]string]string{}
	for _, k := range []struct {
		path    string
		cluster Cluster
	}{{"controlPlane", c.ControlPlane}, {"dev", c.Dev}, {"prod", c.Prod}} {
		path := "clusters." + k.path
		at := [2]string{k.cluster.Kubeconfig, k.cluster.Context}
		switch {
		case k.cluster.Kubeconfig == "":
			found.add(path+".kubeconfig", "is missing; write the path of the cluster's kubeconfig")
		case taken[at] != "":
			found.add(path+".kubeconfig", "is the same cluster as %s; name another file, or another context of it", taken[at])
		default:
			taken[at] = path
		}
		if k.cluster.Domain != "" {
			checkDomain(path+".domain", k.cluster.Domain, found)
		}
		k.cluster.checkNames(path, found)
	}
}

// https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and
// https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/.
var (
	objectName    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)
	annotationKey = regexp.MustCompile(`^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
)

// checkNames checks what names objects that are in the cluster already.
func (c *Cluster) checkNames(path string, found *problems) {
	for _, n := range []struct{ path, name string }{
		{path + ".ingress.class", c.Ingress.Class}, {path + ".storageClass", c.StorageClass},
	} {
		if n.name != "" && !objectName.MatchString(n.name) {
			found.add(n.path, "%q cannot be a name in Kubernetes; write small letters, digits and hyphens", n.name)
		}
	}
	for key := range c.Ingress.Annotations {
		if !annotationKey.MatchString(key) {
			found.add(path+".ingress.annotations."+key, "cannot be an annotation's key; write it like nginx.ingress.kubernetes.io/proxy-body-size")
		}
	}
}

func (t *Tenant) check(path string, found *problems) {
	checkTenantName(path+".name", t.Name, found)
	if len(t.Owners) == 0 {
		found.add(path+".owners", "is missing; name at least one e-mail address, as in [alice@example.com]")
	}
	checkAddresses(path+".owners", t.Owners, found)
	if strings.ContainsAny(t.Description, "\n\r") || len(t.Description) > 200 {
		found.add(path+".description", "is not one line of at most 200 characters; shorten it")
	}
	if t.CostCentre != "" && !labelValue.MatchString(t.CostCentre) {
		found.add(path+".costCentre", "%q is not a label value; write at most 63 letters, digits, '-', '_' or '.', first and last a letter or digit", t.CostCentre)
	}
	oneOf(path+".size", t.Size, sizeNames, found)
	t.Environments.Dev.check(path+".environments.dev", found)
	t.Environments.Prod.check(path+".environments.prod", found)
}

var (
	labelValue   = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	profileNames = []string{"small", "ha"}
	sizeNames    = []string{"small", "medium", "large"}
)

func (e *Environment) check(path string, found *problems) {
	oneOf(path+".size", e.Size, sizeNames, found)
	for _, q := range []struct {
		key, value, example string
		// least catches the wrong unit: 512m of memory are half a byte.
		least resource.Quantity
	}{
		{"cpu", e.Quota.CPU, `"4" or "500m"`, resource.MustParse("1m")},
		{"memory", e.Quota.Memory, `"8Gi"`, resource.MustParse("1Mi")},
		{"storage", e.Quota.Storage, `"50Gi"`, resource.MustParse("1Mi")},
	} {
		if q.value == "" {
			continue
		}
		quantity, err := resource.ParseQuantity(q.value)
		switch {
		case err != nil:
			found.add(path+".quota."+q.key, "%q is not a quantity; write it like %s", q.value, q.example)
		case quantity.Cmp(q.least) < 0:
			found.add(path+".quota."+q.key, "%q is less than %s; write it like %s", q.value, q.least.String(), q.example)
		}
	}
}
