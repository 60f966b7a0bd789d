package stacks

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"platform/components"
)

// registration is a resource as the program asked the engine for it.
type registration struct {
	token, name, parent, provider string
	custom, protect               bool
	inputs                        resource.PropertyMap
	secretOutputs                 []string
}

// graph is every resource of one run of the program.
type graph struct {
	mu        sync.Mutex
	resources map[string]registration
}

func (g *graph) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := args.TypeToken + "::" + args.Name
	if _, twice := g.resources[key]; twice {
		return "", nil, fmt.Errorf("%s is registered twice", key)
	}
	rpc := args.RegisterRPC
	g.resources[key] = registration{
		token: args.TypeToken, name: args.Name, parent: rpc.GetParent(), provider: rpc.GetProvider(),
		custom: args.Custom, protect: rpc.GetProtect(), inputs: args.Inputs, secretOutputs: rpc.GetAdditionalSecretOutputs(),
	}
	outputs := args.Inputs.Copy()
	id := args.Name + "-id"
	switch {
	case strings.HasPrefix(args.TypeToken, "random:"):
		outputs["result"] = resource.MakeSecret(resource.NewProperty("generated-" + args.Name))
		outputs["bcryptHash"] = resource.MakeSecret(resource.NewProperty("hash-" + args.Name))
	case strings.HasPrefix(args.TypeToken, "tls:"):
		outputs["privateKeyOpenssh"] = resource.MakeSecret(resource.NewProperty("generated-" + args.Name))
		outputs["publicKeyOpenssh"] = resource.NewProperty("ssh-ed25519 " + args.Name + "\n")
	case strings.HasPrefix(args.TypeToken, "gitlab:"):
		id = fmt.Sprint(1000 + len(g.resources))
		outputs["webUrl"] = resource.NewProperty("https://gitlab/" + args.Name)
		outputs["sshUrlToRepo"] = resource.NewProperty("git@gitlab:" + args.Name + ".git")
	case strings.HasPrefix(args.TypeToken, "harbor:"):
		outputs["fullName"] = resource.NewProperty("robot$" + args.Name)
	}
	return id, outputs, nil
}

func (g *graph) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, fmt.Errorf("the program reads %s back; it must read nothing", args.Token)
}

func tenant(name string) Tenant {
	return Tenant{Name: name, Owners: []string{"owner@example.com"}}
}

// run registers the platform of a config with these tenants.
func run(t *testing.T, tenants ...Tenant) *graph {
	t.Helper()
	config := validConfig(t)
	config.Tenants = tenants
	config.fill()
	g := &graph{resources: map[string]registration{}}
	err := pulumi.RunErr(func(ctx *pulumi.Context) error {
		return Deploy(ctx, config, "state/test/trust.pem")
	}, pulumi.WithMocks("platform", "test", g))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *graph) keys() []string {
	var keys []string
	for key := range g.resources {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

func (g *graph) of(prefix string) []registration {
	var found []registration
	for _, key := range g.keys() {
		if strings.HasPrefix(key, prefix) {
			found = append(found, g.resources[key])
		}
	}
	return found
}

func TestEveryResourceHasAProviderAndAParent(t *testing.T) {
	for key, r := range run(t, tenant("checkout"), tenant("billing")).resources {
		isProvider := strings.HasPrefix(r.token, "pulumi:providers:")
		if r.custom && !isProvider && r.provider == "" {
			t.Errorf("%s has no explicit provider", key)
		}
		topLevel := isProvider || r.token == "platform:controlplane:ControlPlane" || r.token == "platform:tenants:Tenant" ||
			r.token == "pulumi:pulumi:Stack" || strings.HasPrefix(r.token, "random:")
		if !topLevel && (r.parent == "" || strings.HasSuffix(r.parent, "::pulumi:pulumi:Stack::platform-test")) {
			t.Errorf("%s has no parent but the stack", key)
		}
	}
}

func TestNumberOfProvidersDoesNotGrowWithTenants(t *testing.T) {
	var many []Tenant
	for i := range 40 {
		many = append(many, tenant(fmt.Sprintf("tenant%d", i)))
	}
	two := run(t, tenant("checkout"), tenant("billing")).of("pulumi:providers:")
	forty := run(t, many...).of("pulumi:providers:")
	if len(two) != 8 || len(forty) != 8 {
		t.Errorf("2 tenants have %d providers, 40 have %d; both must have 8", len(two), len(forty))
	}
}

var index = regexp.MustCompile(`[-\[]\d+\]?$`)

func TestNoLogicalNameHoldsAnIndex(t *testing.T) {
	for key, r := range run(t, tenant("checkout"), tenant("billing")).resources {
		if index.MatchString(r.name) {
			t.Errorf("%s ends in an index", key)
		}
	}
}

func TestOrderOfTenantsChangesNothing(t *testing.T) {
	a := run(t, tenant("checkout"), tenant("billing"), tenant("search2"))
	b := run(t, tenant("search2"), tenant("billing"), tenant("checkout"))
	if !slices.Equal(a.keys(), b.keys()) {
		t.Errorf("reordering the tenants changed the resources:\n%v\n%v", a.keys(), b.keys())
	}
	compareInputs(t, a, b, func(string) bool { return true })
}

// compareInputs finds resources of both graphs whose inputs differ. GitLab's
// ids depend on the order of registration in the mocks and are left out.
func compareInputs(t *testing.T, a, b *graph, of func(name string) bool) {
	t.Helper()
	ids := []resource.PropertyKey{"namespaceId", "parentId", "groupId", "project", "forkedFromProjectId"}
	for key, r := range a.resources {
		other, ok := b.resources[key]
		if !ok || !of(r.name) {
			continue
		}
		mine, theirs := r.inputs.Copy(), other.inputs.Copy()
		for _, id := range ids {
			delete(mine, id)
			delete(theirs, id)
		}
		if !mine.DeepEquals(theirs) {
			for path, v := range flatten(resource.NewProperty(mine), "") {
				if other := flatten(resource.NewProperty(theirs), "")[path]; v != other {
					t.Errorf("%s: %s changed from %v to %v", key, path, v, other)
				}
			}
		}
	}
}

func TestAddingATenantTouchesThatTenantAlone(t *testing.T) {
	before := run(t, tenant("billing"), tenant("checkout"))
	after := run(t, tenant("ads"), tenant("billing"), tenant("checkout"))
	for _, key := range before.keys() {
		if _, ok := after.resources[key]; !ok {
			t.Errorf("%s went when a tenant came", key)
		}
	}
	for key, r := range after.resources {
		if _, ok := before.resources[key]; !ok && r.name != "ads" && !strings.HasPrefix(r.name, "ads-") {
			t.Errorf("%s came with a tenant, but is not of its name", key)
		}
	}
	compareInputs(t, before, after, func(string) bool { return true })
}

// dataTypes hold what cannot be made again.
var dataTypes = []string{
	"gitlab:index/group:Group", "gitlab:index/project:Project", "harbor:index/project:Project", "vault:index/mount:Mount",
	"kubernetes:k8s.mariadb.com/v1alpha1:MariaDB", "kubernetes:k8s.mariadb.com/v1alpha1:Database",
}

func TestWhatHoldsDataIsProtected(t *testing.T) {
	g := run(t, tenant("checkout"))
	for _, token := range dataTypes {
		found := g.of(token + "::")
		if len(found) == 0 {
			t.Errorf("there is no %s", token)
		}
		for _, r := range found {
			if !r.protect {
				t.Errorf("%s %s is not protected", token, r.name)
			}
		}
	}
}

func TestCredentialsAreSecret(t *testing.T) {
	g := run(t, tenant("checkout"))
	for key, r := range g.resources {
		walk(resource.NewProperty(r.inputs), false, func(text string, secret bool) {
			if !secret && (strings.Contains(text, "generated-") || strings.Contains(text, "hash-") || strings.Contains(text, "PRIVATE KEY")) {
				t.Errorf("%s holds a credential in plain: %.60s…", key, text)
			}
		})
	}
}

// walk visits every string of a value.
func walk(v resource.PropertyValue, secret bool, visit func(text string, secret bool)) {
	switch {
	case v.IsSecret():
		walk(v.SecretValue().Element, true, visit)
	case v.IsOutput():
		walk(v.OutputValue().Element, secret || v.OutputValue().Secret, visit)
	case v.IsArray():
		for _, item := range v.ArrayValue() {
			walk(item, secret, visit)
		}
	case v.IsObject():
		for _, item := range v.ObjectValue() {
			walk(item, secret, visit)
		}
	case v.IsString():
		visit(v.StringValue(), secret)
	}
}

func TestKubernetesObjectsHaveThePlatformsLabels(t *testing.T) {
	for _, r := range run(t, tenant("checkout")).of("kubernetes:") {
		if strings.HasPrefix(r.token, "kubernetes:helm.sh/") {
			continue
		}
		labels := r.inputs["metadata"].ObjectValue()["labels"]
		if !labels.IsObject() || labels.ObjectValue()["app.kubernetes.io/part-of"].IsNull() {
			t.Errorf("%s %s has no label app.kubernetes.io/part-of", r.token, r.name)
			continue
		}
		isTenants := strings.HasPrefix(r.name, "checkout")
		if isTenants != (labels.ObjectValue()["platform.dev/tenant"] == resource.NewProperty("checkout")) {
			t.Errorf("%s %s: label platform.dev/tenant is %v", r.token, r.name, labels.ObjectValue()["platform.dev/tenant"])
		}
	}
}

// physical is the name of a resource in its system.
func physical(r registration) string {
	for _, key := range []resource.PropertyKey{"path", "name", "roleName"} {
		if v, ok := r.inputs[key]; ok && v.IsString() {
			parent := ""
			for _, p := range []resource.PropertyKey{"backend", "mount", "namespace"} {
				if v, ok := r.inputs[p]; ok && v.IsString() {
					parent += v.StringValue() + "/"
				}
			}
			return r.token + " " + parent + v.StringValue()
		}
	}
	if meta, ok := r.inputs["metadata"]; ok && meta.IsObject() {
		m := meta.ObjectValue()
		return fmt.Sprint(r.token, r.provider, m["namespace"], m["name"])
	}
	return ""
}

func TestTwoTenantsShareNoPhysicalName(t *testing.T) {
	g := run(t, tenant("pay"), tenant("payments"), tenant("pay-ments"))
	taken := map[string]string{}
	for _, key := range g.keys() {
		r := g.resources[key]
		if !strings.HasPrefix(r.name, "pay") || strings.HasPrefix(r.token, "gitlab:") || strings.HasPrefix(r.token, "harbor:index/robot") {
			continue // GitLab's and robots' names live inside the tenant's own group and project
		}
		if name := physical(r); name != "" {
			if strings.HasPrefix(r.token, "kubernetes:helm.sh") {
				name += r.provider
			}
			if other, twice := taken[name]; twice {
				t.Errorf("%s and %s are both %s", key, other, name)
			}
			taken[name] = key
		}
	}
	if len(taken) < 60 {
		t.Errorf("only %d physical names were compared", len(taken))
	}
}

func TestNoInsecureFlag(t *testing.T) {
	for key, r := range run(t, tenant("checkout")).resources {
		for path, v := range flatten(resource.NewProperty(r.inputs), "") {
			last := strings.ToLower(path[strings.LastIndex(path, ".")+1:])
			if (strings.Contains(last, "insecure") || strings.Contains(last, "skiptls")) && !reflect.DeepEqual(v, false) {
				t.Errorf("%s: %s is %v", key, path, v)
			}
		}
	}
}

// The plugin updates a backend without tuning at every run:
// https://github.com/pulumi/pulumi-vault/issues/744
func TestAuthBackendsAreTuned(t *testing.T) {
	backends := run(t, tenant("checkout")).of("vault:index/authBackend:")
	if len(backends) != 2 {
		t.Errorf("a tenant has %d auth backends, not one in each environment", len(backends))
	}
	for _, r := range backends {
		if tune := r.inputs["tune"]; !tune.IsObject() || len(tune.ObjectValue()) == 0 {
			t.Errorf("%s has no tuning", r.name)
		}
	}
}

func flatten(v resource.PropertyValue, path string) map[string]any {
	out := map[string]any{}
	switch {
	case v.IsSecret():
		return flatten(v.SecretValue().Element, path)
	case v.IsObject():
		for k, item := range v.ObjectValue() {
			for p, leaf := range flatten(item, path+"."+string(k)) {
				out[p] = leaf
			}
		}
	case v.IsArray():
		for _, item := range v.ArrayValue() {
			for p, leaf := range flatten(item, path+"[]") {
				out[p] = leaf
			}
		}
	default:
		out[path] = v.V
	}
	return out
}

// MariaDB refuses a user's connections beyond its limit, and a kine that is
// refused one loses a watch, which nobody makes again.
func TestKineKeepsToItsConnections(t *testing.T) {
	g := run(t, tenant("checkout"))
	limits := map[string]float64{}
	for _, r := range g.of("kubernetes:k8s.mariadb.com/v1alpha1:User") {
		spec := flatten(r.inputs["spec"], "")
		limits[strings.TrimPrefix(spec[".name"].(string), "vc_checkout_")], _ = spec[".maxUserConnections"].(float64)
	}
	checked := 0
	for _, r := range g.of("kubernetes:apps/v1:Deployment") {
		inputs := flatten(resource.NewProperty(r.inputs), "")
		environment, _ := inputs[".metadata.labels."+components.LabelEnvironment].(string)
		for _, arg := range r.inputs["spec"].ObjectValue()["template"].ObjectValue()["spec"].ObjectValue()["containers"].
			ArrayValue()[0].ObjectValue()["args"].ArrayValue() {
			own, found := strings.CutPrefix(arg.StringValue(), "--datastore-max-open-connections=")
			if !found {
				continue
			}
			checked++
			each, _ := strconv.ParseFloat(own, 64)
			// A rollout starts one replica before it ends one.
			if most := each * (inputs[".spec.replicas"].(float64) + 1); each < 1 || most > limits[environment] {
				t.Errorf("%s may open %v connections, its user in %s has %v", r.name, most, environment, limits[environment])
			}
		}
	}
	if checked != 2 {
		t.Errorf("%d Deployments of kine bound their connections, not one in each environment", checked)
	}
}
