package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"platform/lab/site"
)

// TestPlatform goes through a platform's life, step by step; each step stands
// on the ones before.
func TestPlatform(t *testing.T) {
	p := newPlatform(t, full)
	for _, step := range []struct {
		name string
		run  func(*testing.T, *platform)
	}{
		{"a preview of nothing is complete", previewOfNothing},
		{"up makes everything", everythingIsThere},
		{"the controllers act", controllersAct},
		{"a second up and a refresh change nothing", nothingChanges},
		{"a tenant comes, a quota changes, the list is reordered", tenantsChange},
		{"drift is put back", driftIsPutBack},
		{"a bad config touches nothing", badConfig},
		{"a tenant goes", tenantGoes},
		{"no secret is in plain", noSecretInPlain},
		{"destroy leaves nothing", destroyLeavesNothing},
	} {
		ok := t.Run(step.name, func(t *testing.T) {
			p.t = t
			step.run(t, p)
		})
		p.t = t
		if !ok {
			return
		}
	}
}

func previewOfNothing(t *testing.T, p *platform) {
	out := p.pulumi("preview", "--json", "--non-interactive")
	steps := stepsOf(t, out)
	if len(steps["create"]) < 250 || len(steps) != 1 {
		t.Fatalf("the preview has %d creates and other steps: %v", len(steps["create"]), keys(steps))
	}
}

// stepsOf are the resources of a preview by what happens to them.
func stepsOf(t *testing.T, out string) map[string][]string {
	t.Helper()
	var preview struct {
		Steps []struct {
			Op  string `json:"op"`
			URN string `json:"urn"`
		} `json:"steps"`
	}
	if err := json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &preview); err != nil {
		t.Fatalf("reading the preview: %v\n%s", err, tail(out, 20))
	}
	steps := map[string][]string{}
	for _, s := range preview.Steps {
		steps[s.Op] = append(steps[s.Op], s.URN)
	}
	return steps
}

func keys[V any](m map[string]V) []string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	return all
}

func everythingIsThere(t *testing.T, p *platform) {
	if made := p.up(); made["created"] < 250 {
		t.Fatalf("up made %v", made)
	}
	ctx := context.Background()
	for cluster, namespaces := range map[string][]string{
		"control-plane": {"argocd", "cert-manager", "gatekeeper-system", "gitlab", "harbor", "openunison", "vault", "tenant-billing", "tenant-checkout"},
		"dev":           {"billing-dev", "checkout-dev", "mariadb"},
		"prod":          {"billing-prod", "checkout-prod", "mariadb"},
	} {
		for _, name := range namespaces {
			if _, err := p.cluster(cluster).CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{}); err != nil {
				t.Errorf("cluster %s: %v", cluster, err)
			}
		}
	}
	quota, err := p.cluster("prod").CoreV1().ResourceQuotas("billing-prod").Get(ctx, "tenant", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if cpu := quota.Spec.Hard["limits.cpu"]; cpu.String() != "6" {
		t.Errorf("billing-prod may use %s CPUs, want 6", cpu.String())
	}
	for _, cluster := range []string{"dev", "prod"} {
		if _, err := p.cluster(cluster).AppsV1().Deployments("checkout-"+cluster).Get(ctx, "checkout", metav1.GetOptions{}); err != nil {
			t.Errorf("vCluster: %v", err)
		}
	}
	workloadsAreReady(t, p)
	gitIsThere(t, p)
	registryIsThere(t, p)
	vaultIsThere(t, p)
}

// workloadsAreReady looks at every server in every cluster: a pod that is not
// admitted shows nowhere else. Helm waits for no more replicas than a Deployment
// can do with, so the last ones may still start.
func workloadsAreReady(t *testing.T, p *platform) {
	var missing []string
	for begin := time.Now(); time.Since(begin) < 2*time.Minute; time.Sleep(time.Second) {
		if missing = unready(t, p); len(missing) == 0 {
			return
		}
	}
	t.Errorf("pods are not ready: %s", strings.Join(missing, ", "))
}

func unready(t *testing.T, p *platform) []string {
	t.Helper()
	var found []string
	for _, name := range site.Clusters {
		apps := p.cluster(name).AppsV1()
		deployments, err := apps.Deployments("").List(context.Background(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		sets, err := apps.StatefulSets("").List(context.Background(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(deployments.Items) == 0 {
			found = append(found, "cluster "+name+" has no Deployment")
		}
		note := func(kind string, meta metav1.ObjectMeta, ready, wanted int32) {
			if ready != wanted {
				found = append(found, fmt.Sprintf("%s: %s %s/%s has %d of %d", name, kind, meta.Namespace, meta.Name, ready, wanted))
			}
		}
		for _, d := range deployments.Items {
			note("Deployment", d.ObjectMeta, d.Status.ReadyReplicas, *d.Spec.Replicas)
		}
		for _, s := range sets.Items {
			note("StatefulSet", s.ObjectMeta, s.Status.ReadyReplicas, *s.Spec.Replicas)
		}
	}
	return found
}

func gitIsThere(t *testing.T, p *platform) {
	token := p.secret("gitlab", "platform-token", "token")
	prod := p.gitlab(token, http.MethodGet, "/projects/checkout%2Foperations", nil, http.StatusOK)
	fork := p.gitlab(token, http.MethodGet, "/projects/checkout%2Fdev%2Foperations", nil, http.StatusOK)
	origin, _ := fork["forked_from_project"].(map[string]any)
	if origin["id"] != prod["id"] {
		t.Errorf("the dev project is a fork of %v, want %v", origin["id"], prod["id"])
	}
	clone := p.clone(token, "cluster-operations/cluster-operations")
	for _, name := range []string{"billing-dev", "billing-prod", "checkout-dev", "checkout-prod"} {
		if _, err := os.Stat(filepath.Join(clone, "vclusters", name, "secrets.yaml")); err != nil {
			t.Errorf("cluster-operations: %v", err)
		}
	}
	// A developer may push to the fork, not to production's protected branch.
	developer := p.person(token, "dora", "checkout%2Fteam-developers", 30)
	if err := p.push(developer, "checkout/dev/operations"); err != nil {
		t.Errorf("a developer cannot push to dev: %v", err)
	}
	if err := p.push(developer, "checkout/operations"); err == nil {
		t.Error("a developer pushed to production's protected branch")
	}
	status, _ := p.ask(http.MethodGet, "https://gitlab.platform.test/api/v4/projects/billing%2Foperations", bearer(developer), nil)
	if status != http.StatusNotFound {
		t.Errorf("a developer of checkout sees billing's project: %d", status)
	}
}

// person makes a user with a level in a group, and gives a token of theirs.
func (p *platform) person(admin, name, group string, level int) string {
	p.t.Helper()
	user := p.gitlab(admin, http.MethodPost, "/users", map[string]any{
		"username": name, "name": name, "email": name + "@platform.test", "force_random_password": true, "skip_confirmation": true,
	}, http.StatusCreated)
	id := int(user["id"].(float64))
	p.gitlab(admin, http.MethodPost, "/groups/"+group+"/members", map[string]any{"user_id": id, "access_level": level}, http.StatusCreated)
	token := p.gitlab(admin, http.MethodPost, "/users/"+jsonText(id)+"/personal_access_tokens", map[string]any{
		"name": "e2e", "scopes": []string{"api"}, "expires_at": time.Now().AddDate(0, 1, 0).Format(time.DateOnly),
	}, http.StatusCreated)
	return token["token"].(string)
}

func jsonText(v any) string {
	data, _ := json.Marshal(v) // numbers and strings only
	return string(data)
}

// git runs git in the lab's environment with a token, which is in no argument.
func (p *platform) git(token, dir string, args ...string) (string, error) {
	header := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("oauth2:"+token))
	cmd := exec.Command(p.path("state/bin/lab"), append([]string{"exec", "--", "git", "-C", dir}, args...)...)
	cmd.Dir = p.root
	cmd.Env = append(p.env, "GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=http.extraHeader", "GIT_CONFIG_VALUE_0="+header,
		"GIT_TERMINAL_PROMPT=0", "GIT_AUTHOR_NAME=e2e", "GIT_AUTHOR_EMAIL=e2e@platform.test",
		"GIT_COMMITTER_NAME=e2e", "GIT_COMMITTER_EMAIL=e2e@platform.test")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (p *platform) clone(token, path string) string {
	p.t.Helper()
	dir := p.t.TempDir()
	out, err := p.git(token, dir, "clone", "https://gitlab.platform.test/"+path+".git", "clone")
	if err != nil {
		p.t.Fatalf("cloning %s: %v\n%s", path, err, out)
	}
	return filepath.Join(dir, "clone")
}

// push commits a file to the branch main and pushes it.
func (p *platform) push(token, path string) error {
	p.t.Helper()
	dir := p.clone(token, path)
	if err := os.WriteFile(filepath.Join(dir, "e2e.yaml"), []byte("# pushed\n"), 0o600); err != nil {
		p.t.Fatal(err)
	}
	for _, args := range [][]string{{"add", "e2e.yaml"}, {"commit", "-m", "e2e"}} {
		if out, err := p.git(token, dir, args...); err != nil {
			p.t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	_, err := p.git(token, dir, "push", "origin", "HEAD:main")
	return err
}

func registryIsThere(t *testing.T, p *platform) {
	var project struct {
		ID int `json:"project_id"`
	}
	if err := json.Unmarshal(p.harbor(http.MethodGet, "/projects/checkout", http.StatusOK), &project); err != nil {
		t.Fatal(err)
	}
	var robots []struct {
		Name string `json:"name"`
	}
	list := p.harbor(http.MethodGet, "/robots?q=Level%3Dproject%2CProjectID%3D"+jsonText(project.ID), http.StatusOK)
	if err := json.Unmarshal(list, &robots); err != nil {
		t.Fatal(err)
	}
	if len(robots) != 2 {
		t.Errorf("checkout has the robots %v, want one for dev and one for prod", robots)
	}
}

func vaultIsThere(t *testing.T, p *platform) {
	jwt := p.workload(t, "dev", "checkout", "external-secrets")
	token, status := p.loginFrom("dev", "checkout", jwt)
	if status != http.StatusOK {
		t.Fatalf("External Secrets of checkout cannot log in to Vault: %d", status)
	}
	for path, want := range map[string]int{
		"secret/data/tenants/checkout/dev/registry":  http.StatusOK,
		"secret/data/tenants/checkout/prod/registry": http.StatusForbidden,
		"secret/data/tenants/billing/dev/registry":   http.StatusForbidden,
		"sys/mounts": http.StatusForbidden,
	} {
		if got := p.vaultStatus(token, path); got != want {
			t.Errorf("checkout's token reads %s: %d, want %d", path, got, want)
		}
	}
	if _, status := p.loginFrom("dev", "checkout", p.workload(t, "dev", "checkout", "default-account")); status == http.StatusOK {
		t.Error("another account of the vCluster logs in as External Secrets")
	}
	if _, status := p.loginFrom("dev", "billing", jwt); status == http.StatusOK {
		t.Error("checkout's External Secrets log in as billing's")
	}
}

func nothingChanges(t *testing.T, p *platform) {
	p.wantChanges(p.up(), changes{})
	p.pulumi("refresh", "--preview-only", "--expect-no-changes", "--non-interactive")
}

const adsEntry = `    - name: ads
      owners:
        - carol@platform.test
`

func tenantsChange(t *testing.T, p *platform) {
	p.edit("    - name: checkout\n", adsEntry+"    - name: checkout\n")
	steps := stepsOf(t, p.pulumi("preview", "--json", "--non-interactive"))
	for _, op := range keys(steps) {
		if op != "create" && op != "same" {
			t.Errorf("a new tenant makes %d %s: %v", len(steps[op]), op, steps[op])
		}
	}
	for _, urn := range steps["create"] {
		if name := urn[strings.LastIndex(urn, "::")+2:]; name != "ads" && !strings.HasPrefix(name, "ads-") {
			t.Errorf("a new tenant makes %s", urn)
		}
	}
	p.wantChanges(p.up(), changes{"created": len(steps["create"])})

	p.edit("            cpu: \"6\"\n", "            cpu: \"7\"\n")
	p.wantChanges(p.up(), changes{"updated": 1})

	p.edit(adsEntry, "")
	p.edit("            memory: 12Gi\n", "            memory: 12Gi\n"+adsEntry)
	p.wantChanges(p.up(), changes{})
}

func driftIsPutBack(t *testing.T, p *platform) {
	ctx := context.Background()
	quotas := p.cluster("dev").CoreV1().ResourceQuotas("billing-dev")
	if err := quotas.Delete(ctx, "tenant", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	token := p.secret("gitlab", "platform-token", "token")
	p.gitlab(token, http.MethodDelete, "/groups/checkout%2Fteam-developers", nil, http.StatusAccepted)
	p.gone(token, "/groups/checkout%2Fteam-developers")
	p.deletePolicy("tenant-checkout-dev")

	p.pulumi("refresh", "--yes", "--skip-preview", "--non-interactive", "--suppress-outputs")
	// The group takes its three shares with it. Vault tells an absent policy as
	// an empty one, which is an update.
	p.wantChanges(p.up(), changes{"created": 5, "updated": 1})

	if _, err := quotas.Get(ctx, "tenant", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	p.gitlab(token, http.MethodGet, "/groups/checkout%2Fteam-developers", nil, http.StatusOK)
	nothingChanges(t, p)
}

func badConfig(t *testing.T, p *platform) {
	before, err := os.ReadFile(p.path("state/.pulumi/stacks/platform/dev.json"))
	if err != nil {
		t.Fatal(err)
	}
	p.edit("    - name: billing\n", "    - name: Billing\n      ownrs: []\n")
	out, err := p.tryPulumi("up", "--yes", "--skip-preview", "--non-interactive")
	if err == nil {
		t.Fatal("up takes a bad config")
	}
	if !strings.Contains(out, `platform:tenants[1].ownrs: unknown key; did you mean "owners"?`) {
		t.Errorf("the error does not name the problem:\n%s", tail(out, 30))
	}
	p.edit("      ownrs: []\n", "      size: tiny\n")
	out, err = p.tryPulumi("up", "--yes", "--skip-preview", "--non-interactive")
	for _, problem := range []string{`platform:tenants[1].name: "Billing" is not`, `platform:tenants[1].size: "tiny" is unknown`} {
		if err == nil || !strings.Contains(out, problem) {
			t.Errorf("not every problem is shown, %q is missing:\n%s", problem, tail(out, 30))
		}
	}
	p.edit("    - name: Billing\n      size: tiny\n", "    - name: billing\n")
	after, err := os.ReadFile(p.path("state/.pulumi/stacks/platform/dev.json"))
	if err != nil {
		t.Fatal(err)
	}
	if resourcesOf(t, before) != resourcesOf(t, after) {
		t.Error("a bad config changed the state")
	}
}

// tenantGoes gives a tenant's data up, as the README says, and takes it out of the
// list.
func tenantGoes(t *testing.T, p *platform) {
	p.edit(adsEntry, "")
	out, err := p.tryPulumi("preview", "--non-interactive")
	if err == nil || !strings.Contains(out, "protected") {
		t.Fatalf("a tenant with data can be taken out of the list: %v\n%s", err, tail(out, 20))
	}
	p.pulumi(append([]string{"state", "unprotect", "--yes"}, p.protected("ads")...)...)
	steps := stepsOf(t, p.pulumi("preview", "--json", "--non-interactive"))
	for _, op := range keys(steps) {
		if op != "delete" && op != "same" {
			t.Errorf("taking a tenant out makes %d %s: %v", len(steps[op]), op, steps[op])
		}
	}
	p.wantChanges(p.up(), changes{"deleted": len(steps["delete"])})

	token := p.secret("gitlab", "platform-token", "token")
	p.gone(token, "/groups/ads")
	p.harbor(http.MethodGet, "/projects/ads", http.StatusNotFound)
	login := p.vaultLogin()
	for _, path := range []string{"sys/policies/acl/tenant-ads-dev", "secret/metadata/tenants/ads?list=true"} {
		if got := p.vaultStatus(login, path); got != http.StatusNotFound {
			t.Errorf("Vault still has %s: %d", path, got)
		}
	}
	for cluster, name := range map[string]string{"control-plane": "tenant-ads", "dev": "ads-dev", "prod": "ads-prod"} {
		_, err := p.cluster(cluster).CoreV1().Namespaces().Get(context.Background(), name, metav1.GetOptions{})
		if !apierrors.IsNotFound(err) {
			t.Errorf("cluster %s still has namespace %s: %v", cluster, name, err)
		}
	}
}

// protected are the URNs of a tenant's resources that hold its data.
func (p *platform) protected(tenant string) []string {
	p.t.Helper()
	var state struct {
		Deployment struct {
			Resources []struct {
				URN     string `json:"urn"`
				Protect bool   `json:"protect"`
			} `json:"resources"`
		} `json:"deployment"`
	}
	if err := json.Unmarshal([]byte(p.pulumi("stack", "export")), &state); err != nil {
		p.t.Fatal(err)
	}
	var urns []string
	for _, r := range state.Deployment.Resources {
		if name := r.URN[strings.LastIndex(r.URN, "::")+2:]; r.Protect && (name == tenant || strings.HasPrefix(name, tenant+"-")) {
			urns = append(urns, r.URN)
		}
	}
	if len(urns) == 0 {
		p.t.Fatalf("nothing of %s is protected", tenant)
	}
	return urns
}

// resourcesOf is the part of a state file that tells of resources, without the
// times in it.
func resourcesOf(t *testing.T, data []byte) string {
	t.Helper()
	var state struct {
		Checkpoint struct {
			Latest struct {
				Resources []struct {
					URN     string          `json:"urn"`
					ID      string          `json:"id"`
					Outputs json.RawMessage `json:"outputs"`
				} `json:"resources"`
			} `json:"latest"`
		} `json:"checkpoint"`
	}
	if err := json.Unmarshal(data, &state); err != nil {
		t.Fatal(err)
	}
	if len(state.Checkpoint.Latest.Resources) == 0 {
		t.Fatal("the state holds no resources")
	}
	var ids strings.Builder
	for _, r := range state.Checkpoint.Latest.Resources {
		ids.WriteString(r.URN + " " + r.ID + "\n")
	}
	return ids.String()
}
