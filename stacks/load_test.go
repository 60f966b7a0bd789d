package stacks

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"maps"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"
)

// newCA makes a certificate and its key, as PEM.
func newCA(t *testing.T, change func(*x509.Certificate)) (certificate, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	if change != nil {
		change(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}))
}

// testCA is one for all tests: graphs of two runs are compared.
var testCA struct {
	once             sync.Once
	certificate, key string
}

func validSource(t *testing.T) Source {
	t.Helper()
	testCA.once.Do(func() { testCA.certificate, testCA.key = newCA(t, nil) })
	certificate, key := testCA.certificate, testCA.key
	return Source{
		Folder: t.TempDir(),
		Values: map[string]string{
			"domain":            "platform.example.com",
			"ca":                `{"certificate": ` + quote(certificate) + `}`,
			"caKey":             key,
			"clusters":          `{"controlPlane": {"kubeconfig": "cp"}, "dev": {"kubeconfig": "dev"}, "prod": {"kubeconfig": "prod"}}`,
			"login":             `{"issuer": "https://login.example.com", "clientId": "platform"}`,
			"loginClientSecret": "s3cret",
			"administrators":    `["admin@example.com"]`,
			"tenants":           `[]`,
		},
		Secrets: map[string]bool{"caKey": true, "loginClientSecret": true},
	}
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, "\n", `\n`) + `"` }

func validConfig(t *testing.T) *Config {
	t.Helper()
	c, err := Load(validSource(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDefaultsAndOrder(t *testing.T) {
	s := validSource(t)
	s.Values["tenants"] = `[
		{"name": "pay", "owners": ["a@example.com"], "size": "large", "environments": {"dev": {"size": "small", "quota": {"cpu": "3"}}}},
		{"name": "ads", "owners": ["b@example.com"]}]`
	c, err := Load(s)
	if err != nil {
		t.Fatal(err)
	}
	if c.Tenants[0].Name != "ads" || c.Tenants[1].Name != "pay" {
		t.Errorf("tenants are not in the order of their names: %+v", c.Tenants)
	}
	dev, prod := c.Tenants[1].Environments.Dev.Quota, c.Tenants[1].Environments.Prod.Quota
	if want := (Quota{CPU: "3", Memory: "8Gi", Storage: "50Gi", Pods: 50}); dev != want {
		t.Errorf("dev quota is %+v, want %+v", dev, want)
	}
	if want := sizes["large"].quota; prod != want {
		t.Errorf("prod quota is %+v, want %+v", prod, want)
	}
	if c.Profile != "small" || c.Clusters.Dev.Domain != "dev.platform.example.com" || c.Clusters.Prod.Ingress.Class != "nginx" {
		t.Errorf("defaults are missing: %+v", c)
	}
}

// one is a config with one tenant of these further keys.
func one(keys string) map[string]string {
	return map[string]string{"tenants": `[{"name": "pay", "owners": ["a@example.com"]` + keys + `}]`}
}

func named(name string) map[string]string {
	return map[string]string{"tenants": `[{"name": "` + name + `", "owners": ["a@example.com"]}]`}
}

func quota(text string) map[string]string {
	return one(`, "environments": {"prod": {"quota": ` + text + `}}`)
}

func clusters(controlPlane, dev, prod string) map[string]string {
	return map[string]string{"clusters": `{"controlPlane": {` + controlPlane + `}, "dev": {` + dev + `}, "prod": {` + prod + `}}`}
}

// badConfigs change a valid config, and give the one problem that follows.
var badConfigs = []struct {
	name    string
	change  map[string]string // "-" removes
	problem string
}{
	{"domain missing", map[string]string{"domain": "-"}, `domain: is missing; write the DNS suffix of the platform's hosts, such as platform.example.com`},
	{"domain with scheme", map[string]string{"domain": "https://x.y"}, `domain: "https://x.y" is not a DNS name; write it like platform.example.com`},
	{"domain of one label", map[string]string{"domain": "platform"}, `domain: "platform" is not a DNS name; write it like platform.example.com`},
	{"domain in capitals", map[string]string{"domain": "X.example.com"}, `domain: "X.example.com" is not a DNS name; write it like platform.example.com`},
	{"unknown key", map[string]string{"domian": "x"}, `domian: unknown key; did you mean "domain"?`},
	{"unknown key, far", map[string]string{"colour": "red"}, `colour: unknown key; there are administrators, ca, caKey, charts, clusters, domain, login, loginClientSecret, profile, tenants`},
	{"profile", map[string]string{"profile": "huge"}, `profile: "huge" is unknown; write one of small, ha`},
	{"ca missing", map[string]string{"ca": "-"}, "ca.certificate: is missing; `make stack NAME=<stack>` makes a CA, or names one"},
	{"ca not PEM", map[string]string{"ca": `{"certificate": "x"}`}, `ca.certificate: is not a PEM certificate; it must start with -----BEGIN CERTIFICATE-----`},
	{"ca a string", map[string]string{"ca": `x`}, `ca: is the string "x"; it must be an object with the keys certificate, certificateFile, keyFile`},
	{"ca key missing", map[string]string{"caKey": "-"}, "caKey: is missing; set the CA's key with `pulumi config set --secret platform:caKey`"},
	{"ca key wrong", map[string]string{"caKey": "x"}, `caKey: is not the PEM key of platform:ca`},
	{"login missing", map[string]string{"login": `{"clientId": "x"}`}, `login.issuer: is missing; write the address of the OpenID Connect provider, such as https://login.example.com`},
	{"login http", map[string]string{"login": `{"clientId": "x", "issuer": "http://login.example.com"}`}, `login.issuer: "http://login.example.com" is not an https address`},
	{"login client", map[string]string{"login": `{"issuer": "https://login.example.com"}`}, `login.clientId: is missing; write the platform's client id at the provider`},
	{"login secret", map[string]string{"loginClientSecret": "-"}, "loginClientSecret: is missing; set it with `pulumi config set --secret platform:loginClientSecret`"},
	{"administrators missing", map[string]string{"administrators": "-"}, `administrators: is missing; name at least one e-mail address, as in [admin@example.com]`},
	{"administrators no list", map[string]string{"administrators": "a@b.c"}, `administrators: is the string "a@b.c"; it must be a list`},
	{"administrator no address", map[string]string{"administrators": `["root"]`}, `administrators[0]: "root" is not an e-mail address; write it like alice@example.com`},
	{"administrator twice", map[string]string{"administrators": `["a@b.c", "A@b.c"]`}, `administrators[1]: "A@b.c" is named twice; name it once`},
	{"mirror plain http", map[string]string{"charts": `{"mirror": "http://charts"}`}, `charts.mirror: "http://charts" cannot hold charts; write an https:// or oci:// address, or a directory`},
	{"mirror key", map[string]string{"charts": `{"miror": "x"}`}, `charts.miror: unknown key; did you mean "mirror"?`},
	{"cluster without kubeconfig", map[string]string{"clusters": `{"controlPlane": {"kubeconfig": "cp"}, "dev": {}, "prod": {"kubeconfig": "p"}}`}, `clusters.dev.kubeconfig: is missing; write the path of the cluster's kubeconfig`},
	{"cluster unknown", map[string]string{"clusters": `{"controlPlane": {"kubeconfig": "cp"}, "stage": {}, "dev": {"kubeconfig": "d"}, "prod": {"kubeconfig": "p"}}`}, `clusters.stage: unknown key; there are controlPlane, dev, prod`},
	{"cluster domain", map[string]string{"clusters": `{"controlPlane": {"kubeconfig": "cp"}, "dev": {"kubeconfig": "d", "domain": "_"}, "prod": {"kubeconfig": "p"}}`}, `clusters.dev.domain: "_" is not a DNS name; write it like platform.example.com`},
	{"cluster domains equal", map[string]string{"clusters": `{"controlPlane": {"kubeconfig": "cp"}, "dev": {"kubeconfig": "d", "domain": "x.com"}, "prod": {"kubeconfig": "p", "domain": "x.com"}}`}, `clusters.prod.domain: "x.com" is the domain of cluster dev as well; hosts of the two would be the same`},
	{"cluster domain of the control plane", map[string]string{"clusters": `{"controlPlane": {"kubeconfig": "cp"}, "dev": {"kubeconfig": "d", "domain": "platform.example.com"}, "prod": {"kubeconfig": "p"}}`}, `clusters.dev.domain: "platform.example.com" is the control plane's domain; a tenant's host could take that of a shared system`},
	{"cluster twice", clusters(`"kubeconfig": "k", "context": "a"`, `"kubeconfig": "k", "context": "b"`, `"kubeconfig": "k", "context": "a"`), `clusters.prod.kubeconfig: is the same cluster as clusters.controlPlane; name another file, or another context of it`},
	{"ingress class", clusters(`"kubeconfig": "c"`, `"kubeconfig": "d", "ingress": {"class": "Nginx"}`, `"kubeconfig": "p"`), `clusters.dev.ingress.class: "Nginx" cannot be a name in Kubernetes; write small letters, digits and hyphens`},
	{"storage class", clusters(`"kubeconfig": "c"`, `"kubeconfig": "d"`, `"kubeconfig": "p", "storageClass": "fast disk"`), `clusters.prod.storageClass: "fast disk" cannot be a name in Kubernetes; write small letters, digits and hyphens`},
	{"annotation key", clusters(`"kubeconfig": "c"`, `"kubeconfig": "d", "ingress": {"annotations": {"a b": "c"}}`, `"kubeconfig": "p"`), `clusters.dev.ingress.annotations.a b: cannot be an annotation's key; write it like nginx.ingress.kubernetes.io/proxy-body-size`},
	{"annotation no string", map[string]string{"clusters": `{"controlPlane": {"kubeconfig": "cp", "ingress": {"annotations": {"a": true}}}, "dev": {"kubeconfig": "d"}, "prod": {"kubeconfig": "p"}}`}, `clusters.controlPlane.ingress.annotations.a: is the boolean true; it must be a string; put it in quotes`},
	{"tenants no list", map[string]string{"tenants": `{"name": "pay"}`}, `tenants: is an object; it must be a list`},
	{"tenant no object", map[string]string{"tenants": `["pay"]`}, `tenants[0]: is the string "pay"; it must be an object with the keys costCentre, description, environments, name, owners, size`},
	{"tenant key", one(`, "ownrs": []`), `tenants[0].ownrs: unknown key; did you mean "owners"?`},
	{"tenant without name", map[string]string{"tenants": `[{"owners": ["a@b.c"]}]`}, `tenants[0].name: is missing; write a DNS label such as checkout`},
	{"tenant without owner", map[string]string{"tenants": `[{"name": "pay"}]`}, `tenants[0].owners: is missing; name at least one e-mail address, as in [alice@example.com]`},
	{"tenant owner", map[string]string{"tenants": `[{"name": "pay", "owners": ["alice"]}]`}, `tenants[0].owners[0]: "alice" is not an e-mail address; write it like alice@example.com`},
	{"tenant name in capitals", named("Pay"), `tenants[0].name: "Pay" is not a DNS label; write small letters, digits and single hyphens, first a letter`},
	{"tenant name with underscore", named("pay_ments"), `tenants[0].name: "pay_ments" is not a DNS label; write small letters, digits and single hyphens, first a letter`},
	{"tenant name with digit first", named("1pay"), `tenants[0].name: "1pay" is not a DNS label; write small letters, digits and single hyphens, first a letter`},
	{"tenant name ends in hyphen", named("pay-"), `tenants[0].name: "pay-" is not a DNS label; write small letters, digits and single hyphens, first a letter`},
	{"tenant name with two hyphens", named("pay--ments"), `tenants[0].name: "pay--ments" is not a DNS label; write small letters, digits and single hyphens, first a letter`},
	{"tenant name too long", named("a-very-long-name-for-one-tenant"), `tenants[0].name: "a-very-long-name-for-one-tenant" has 31 characters; write at most 30, so that names made of it fit every system`},
	{"tenant name reserved", named("argocd"), `tenants[0].name: "argocd" is reserved: it is a host and a namespace of the platform; choose another`},
	{"tenant name GitLab's", named("users"), `tenants[0].name: "users" is reserved: GitLab keeps it for itself; choose another`},
	{"tenant name kube", named("kube-system"), `tenants[0].name: "kube-system" is reserved: names of that kind are Kubernetes' own; choose another`},
	{"tenant name of a proxy", named("mgmt-pay"), `tenants[0].name: "mgmt-pay" is reserved: names of that kind are hosts of the management proxies; choose another`},
	{"tenant twice", map[string]string{"tenants": `[{"name": "pay", "owners": ["a@b.c"]}, {"name": "pay", "owners": ["a@b.c"]}]`}, `tenants[1].name: "pay" takes the GitLab group "pay", which tenants[0] (pay) has; choose another`},
	{"tenant size", one(`, "size": "tiny"`), `tenants[0].size: "tiny" is unknown; write one of small, medium, large`},
	{"tenant description", one(`, "description": "a\nb"`), `tenants[0].description: is not one line of at most 200 characters; shorten it`},
	{"tenant cost centre", one(`, "costCentre": "a b"`), `tenants[0].costCentre: "a b" is not a label value; write at most 63 letters, digits, '-', '_' or '.', first and last a letter or digit`},
	{"tenant cost centre a number", one(`, "costCentre": 4711`), `tenants[0].costCentre: is the number 4711; it must be a string; put it in quotes`},
	{"environment unknown", one(`, "environments": {"stage": {}}`), `tenants[0].environments.stage: unknown key; there are dev, prod`},
	{"environment size", one(`, "environments": {"dev": {"size": "xl"}}`), `tenants[0].environments.dev.size: "xl" is unknown; write one of small, medium, large`},
	{"quota cpu", quota(`{"cpu": "4 cores"}`), `tenants[0].environments.prod.quota.cpu: "4 cores" is not a quantity; write it like "4" or "500m"`},
	{"quota cpu a number", quota(`{"cpu": 4}`), `tenants[0].environments.prod.quota.cpu: is the number 4; it must be a string; put it in quotes`},
	{"quota memory", quota(`{"memory": "8GB"}`), `tenants[0].environments.prod.quota.memory: "8GB" is not a quantity; write it like "8Gi"`},
	{"quota storage negative", quota(`{"storage": "-1Gi"}`), `tenants[0].environments.prod.quota.storage: "-1Gi" is less than 1Mi; write it like "50Gi"`},
	{"quota pods", quota(`{"pods": -5}`), `tenants[0].environments.prod.quota.pods: is the number -5; it must be a whole number, 1 or more`},
	{"quota pods a word", quota(`{"pods": "many"}`), `tenants[0].environments.prod.quota.pods: is the string "many"; it must be a whole number, 1 or more`},
	{"quota pods a fraction", quota(`{"pods": 1.5}`), `tenants[0].environments.prod.quota.pods: is the number 1.5; it must be a whole number, 1 or more`},
	{"quota pods zero", quota(`{"pods": 0}`), `tenants[0].environments.prod.quota.pods: is the number 0; it must be a whole number, 1 or more`},
	{"quota cpu zero", quota(`{"cpu": "0"}`), `tenants[0].environments.prod.quota.cpu: "0" is less than 1m; write it like "4" or "500m"`},
	{"quota memory in the unit of cpu", quota(`{"memory": "512m"}`), `tenants[0].environments.prod.quota.memory: "512m" is less than 1Mi; write it like "8Gi"`},
	{"quota key", quota(`{"memroy": "8Gi"}`), `tenants[0].environments.prod.quota.memroy: unknown key; did you mean "memory"?`},
}

func TestBadConfigs(t *testing.T) {
	for _, bad := range badConfigs {
		t.Run(bad.name, func(t *testing.T) {
			s := validSource(t)
			maps.Copy(s.Values, bad.change)
			maps.DeleteFunc(s.Values, func(_, v string) bool { return v == "-" })
			_, err := Load(s)
			want := "the stack's config has 1 problem(s); nothing was touched:\n  platform:" + bad.problem
			if err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func TestCertificatesThatAreNoCA(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*x509.Certificate)
		problem string
	}{
		"leaf":  {func(c *x509.Certificate) { c.IsCA = false }, "is no CA; its certificate must have CA:TRUE and the key usage to sign certificates"},
		"usage": {func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }, "is no CA; its certificate must have CA:TRUE and the key usage to sign certificates"},
		"ended": {func(c *x509.Certificate) { c.NotAfter = time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC) }, "ended on 2020-01-02; name a CA that is valid"},
	} {
		t.Run(name, func(t *testing.T) {
			certificate, key := newCA(t, c.change)
			s := validSource(t)
			s.Values["ca"], s.Values["caKey"] = `{"certificate": `+quote(certificate)+`}`, key
			_, err := Load(s)
			if err == nil || !strings.HasSuffix(err.Error(), "platform:ca.certificate: "+c.problem) {
				t.Errorf("got %v, want %s", err, c.problem)
			}
		})
	}
}

func TestSecretsMustBeSecretAndNothingElse(t *testing.T) {
	s := validSource(t)
	s.Secrets = map[string]bool{"loginClientSecret": true, "tenants": true}
	_, err := Load(s)
	want := "the stack's config has 2 problem(s); nothing was touched:\n" +
		"  platform:caKey: is stored in plain text; set it again with `pulumi config set --secret platform:caKey`\n" +
		"  platform:tenants: is encrypted as a whole or in part, but is no secret; secrets are platform:caKey and platform:loginClientSecret"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestEveryProblemIsReportedAtOnce(t *testing.T) {
	s := validSource(t)
	s.Values["domain"], s.Values["profile"] = "x", "y"
	s.Values["tenants"] = `[{"name": "Pay", "owners": []}, {"name": "vault", "owners": ["x"]}]`
	_, err := Load(s)
	config, ok := err.(*ConfigError) //nolint:errorlint // Load gives it as it is
	if !ok || len(config.Problems) != 6 {
		t.Errorf("want six problems, got %v", err)
	}
}
