package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// gone waits until GitLab has deleted something.
func (p *platform) gone(token, path string) {
	p.t.Helper()
	for range 60 {
		if status, _ := p.ask(http.MethodGet, "https://gitlab.platform.test/api/v4"+path, bearer(token), nil); status == http.StatusNotFound {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	p.t.Fatalf("GitLab does not delete %s", path)
}

// vaultLogin gives a token of the program's own login.
func (p *platform) vaultLogin() string {
	p.t.Helper()
	status, answer := p.ask(http.MethodPost, "https://vault.platform.test/v1/auth/approle/login", nil, map[string]string{
		"role_id": p.secret("vault", "vault-bootstrap-approle", "role-id"), "secret_id": p.secret("vault", "vault-bootstrap-approle", "secret-id"),
	})
	var login struct {
		Auth struct {
			Token string `json:"client_token"`
		} `json:"auth"`
	}
	if err := json.Unmarshal(answer, &login); err != nil || status != http.StatusOK {
		p.t.Fatalf("logging in to Vault: %d %v", status, err)
	}
	return login.Auth.Token
}

func (p *platform) deletePolicy(name string) {
	p.t.Helper()
	status, _ := p.ask(http.MethodDelete, "https://vault.platform.test/v1/sys/policies/acl/"+name, bearer(p.vaultLogin()), nil)
	if status != http.StatusNoContent {
		p.t.Fatalf("deleting policy %s: %d", name, status)
	}
}

// noSecretInPlain looks for every generated credential in the state, its
// backups and all logs.
func noSecretInPlain(t *testing.T, p *platform) {
	credentials := p.credentials()
	if len(credentials) < 40 {
		t.Fatalf("only %d credentials were found to look for", len(credentials))
	}
	files := 0
	for _, root := range []string{"state/.pulumi", "state/lab/logs", "Pulumi.dev.yaml"} {
		err := filepath.WalkDir(p.path(root), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files++
			for name, value := range credentials {
				if bytes.Contains(data, []byte(value)) {
					t.Errorf("%s holds %s in plain", path, name)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 20 {
		t.Fatalf("only %d files were looked at", files)
	}
	for _, folder := range []string{"state", "state/.pulumi", "state/lab"} {
		info, err := os.Stat(p.path(folder))
		if err != nil {
			t.Fatal(err)
		}
		if folder != "state/.pulumi" && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is open to others: %s", folder, info.Mode())
		}
	}
}

// credentials are the values that the program, or the CA's maker, generated, by
// the name of the resource.
func (p *platform) credentials() map[string]string {
	p.t.Helper()
	out := p.pulumi("stack", "export", "--show-secrets")
	var state struct {
		Deployment struct {
			Resources []struct {
				URN     string         `json:"urn"`
				Type    string         `json:"type"`
				Outputs map[string]any `json:"outputs"`
			} `json:"resources"`
		} `json:"deployment"`
	}
	if err := json.Unmarshal([]byte(out), &state); err != nil {
		p.t.Fatal(err)
	}
	found := map[string]string{}
	for _, r := range state.Deployment.Resources {
		if r.Type != "random:index/randomPassword:RandomPassword" && r.Type != "tls:index/privateKey:PrivateKey" {
			continue
		}
		var public strings.Builder
		for _, v := range r.Outputs {
			if plain, ok := v.(string); ok {
				public.WriteString(plain)
			}
		}
		for key, v := range r.Outputs {
			secret, ok := v.(map[string]any)
			if !ok {
				continue
			}
			var value string
			text, _ := secret["plaintext"].(string)
			if json.Unmarshal([]byte(text), &value) != nil {
				continue
			}
			// A key's lines are looked for one by one, as files may escape line ends.
			// Some lines hold nothing but the public half, which the state may show.
			for i, line := range strings.Split(value, "\n") {
				if len(line) >= 16 && !strings.HasPrefix(line, "-----") && !strings.Contains(public.String(), line) {
					found[fmt.Sprintf("%s %s line %d", r.URN, key, i)] = line
				}
			}
		}
	}
	for _, file := range []string{"state/dev/ca.key", "state/dev/login-client-secret"} {
		data, err := os.ReadFile(p.path(file))
		if err != nil {
			p.t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		found[file] = lines[min(1, len(lines)-1)]
	}
	return found
}

func destroyLeavesNothing(t *testing.T, p *platform) {
	token := p.secret("gitlab", "platform-token", "token")
	out, err := p.tryPulumi("destroy", "--yes", "--skip-preview", "--non-interactive", "--suppress-outputs")
	if err == nil || !strings.Contains(out, "protected") {
		t.Fatalf("destroy does not stop at what is protected: %v\n%s", err, tail(out, 20))
	}
	p.pulumi("state", "unprotect", "--all", "--yes")
	p.pulumi("destroy", "--yes", "--skip-preview", "--non-interactive", "--suppress-outputs")

	ctx := context.Background()
	for _, cluster := range []string{"control-plane", "dev", "prod"} {
		namespaces, err := p.cluster(cluster).CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range namespaces.Items {
			if !strings.HasPrefix(n.Name, "kube-") && n.Name != "default" && n.Name != "external-secrets" {
				t.Errorf("cluster %s still has namespace %s", cluster, n.Name)
			}
		}
	}
	// The systems' data were in their namespaces.
	p.becomes("https://gitlab.platform.test/api/v4/groups", bearer(token), http.StatusUnauthorized)
	p.becomes("https://harbor.platform.test/api/v2.0/projects", nil, http.StatusServiceUnavailable)
	p.becomes("https://vault.platform.test/v1/sys/health", nil, vaultUninitialised)
}

// vaultUninitialised is Vault's answer about its health before its first start
// (https://developer.hashicorp.com/vault/api-docs/system/health).
const vaultUninitialised = http.StatusNotImplemented

// becomes waits for a system to answer as it is to.
func (p *platform) becomes(url string, authorize func(*http.Request), want int) {
	p.t.Helper()
	status := 0
	for range 60 {
		if status, _ = p.ask(http.MethodGet, url, authorize, nil); status == want {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	p.t.Errorf("%s answers %d, want %d", url, status, want)
}
