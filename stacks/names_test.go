package stacks

import (
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestLongestTenantNameFitsEverySystem(t *testing.T) {
	domains := map[string]string{"dev": "dev.platform.example.com", "prod": "prod.platform.example.com"}
	for _, name := range []string{"a", "a-1", strings.Repeat("a", maxTenantName), strings.Repeat("a-", maxTenantName/2-1) + "aa"} {
		for _, n := range derivedNames(name, domains) {
			if len(n.name) > n.max || !n.form.MatchString(n.name) {
				t.Errorf("%s %q is not allowed", n.system, n.name)
			}
		}
		var found problems
		checkTenantName("name", name, &found)
		if len(found) > 0 {
			t.Errorf("%q is refused: %v", name, found)
		}
	}
}

// TestDerivedNamesAreChecked: a limit of a system holds even for a name that
// looks right.
func TestDerivedNamesAreChecked(t *testing.T) {
	long := strings.Repeat("a", 58)
	tooLong := map[string]bool{}
	for _, n := range derivedNames(long, nil) {
		if len(n.name) > n.max {
			tooLong[n.system] = true
		}
	}
	for _, system := range []string{"Helm release", "StatefulSet", "namespace of the control plane", "Argo CD cluster", "database of cluster prod"} {
		if !tooLong[system] {
			t.Errorf("%s takes any length", system)
		}
	}
}

func TestReservedNamesAreRefusedOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range reserved {
		for _, name := range r.names {
			if seen[name] {
				t.Errorf("%q is in the table twice", name)
			}
			seen[name] = true
			var found problems
			checkTenantName("name", name, &found)
			if len(found) != 1 || !strings.Contains(found[0].Message, r.why) {
				t.Errorf("%q: %v", name, found)
			}
		}
	}
	for prefix := range reservedPrefixes {
		var found problems
		checkTenantName("name", prefix+"x", &found)
		if len(found) != 1 {
			t.Errorf("%sx: %v", prefix, found)
		}
	}
}

func TestHostsOfTwoTenantsAreNotTheSame(t *testing.T) {
	c := &Config{Domain: "example.com", Tenants: []Tenant{{Name: "pay"}, {Name: "mgmt-pay"}}}
	var found problems
	c.checkNames(&found)
	if len(found) != 1 || found[0].Path != "tenants[1].name" {
		t.Errorf("the host of the tenant mgmt-pay is that of pay's management proxy, and was let through: %v", found)
	}
}

func TestOrderOfTheTenantListDoesNotMatter(t *testing.T) {
	entries := []string{
		`{"name": "pay", "owners": ["a@example.com"], "size": "large"}`,
		`{"name": "ads", "owners": ["b@example.com"], "environments": {"dev": {"quota": {"pods": 3}}}}`,
		`{"name": "web", "owners": ["c@example.com", "a@example.com"], "costCentre": "12"}`,
		`{"name": "web-api", "owners": ["c@example.com"]}`,
	}
	load := func() *Config {
		s := validSource(t)
		s.Values["tenants"] = "[" + strings.Join(entries, ",") + "]"
		c, err := Load(s)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := load()
	for range 10 {
		rand.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
		if again := load(); !reflect.DeepEqual(first, again) {
			t.Fatalf("%v gives another config", entries)
		}
	}
}

func TestProblemsComeInTheOrderOfTheFile(t *testing.T) {
	s := validSource(t)
	var entries []string
	for range 11 {
		entries = append(entries, `{"owners": ["a@example.com"], "colour": 1, "shape": 2}`)
	}
	s.Values["tenants"] = "[" + strings.Join(entries, ",") + "]"
	s.Values["zeal"] = "x"
	_, first := Load(s)
	text := first.Error()
	if strings.Index(text, "tenants[2].colour") > strings.Index(text, "tenants[10].colour") {
		t.Error("tenants[10] comes before tenants[2]")
	}
	for range 20 {
		again := s
		again.Values = maps.Clone(s.Values)
		if _, err := Load(again); err.Error() != text {
			t.Fatalf("another text:\n%v\n%v", first, err)
		}
	}
	lines := strings.Split(text, "\n")[1:]
	if len(lines) != 23 || len(slices.Compact(lines)) != 23 {
		t.Errorf("want a line for each of 23 problems, got %d:\n%s", len(lines), text)
	}
}

// TestFilesOfTheConfig: each file can stand in for a value, and not beside it.
func TestFilesOfTheConfig(t *testing.T) {
	s := validSource(t)
	writeOneTimeFiles(t, s.Folder)
	plain := validConfig(t)
	s.Values["ca"] = `{"certificateFile": "state/dev/ca.crt", "keyFile": "` + s.Folder + `/state/dev/ca.key"}`
	s.Values["login"] = `{"issuer": "https://login.example.com", "clientId": "platform", "clientSecretFile": "state/dev/login-client-secret"}`
	delete(s.Values, "caKey")
	delete(s.Values, "loginClientSecret")
	c, err := Load(s)
	if err != nil {
		t.Fatal(err)
	}
	if c.CA.Certificate != plain.CA.Certificate || c.CAKey != plain.CAKey || c.LoginClientSecret != "s3cret" {
		t.Error("the files' content is not what was given as values")
	}

	s.Values["caKey"] = testCA.key
	s.Values["login"] = strings.Replace(s.Values["login"], "login-client-secret", "none", 1)
	_, err = Load(s)
	want := "the stack's config has 2 problem(s); nothing was touched:\n" +
		"  platform:ca.keyFile: is set beside platform:caKey; keep one of the two\n" +
		"  platform:login.clientSecretFile: cannot be read: open " + s.Folder + "/state/dev/none: no such file or directory; `make stack NAME=<stack>` makes it"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if strings.Contains(err.Error(), "PRIVATE KEY") {
		t.Error("the error shows the key")
	}
}
