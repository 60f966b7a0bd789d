package main

import (
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/crypto/bcrypt"

	"platform/lab/plugins/provider"
	"platform/lab/plugins/provider/providertest"
)

const (
	password = "random:index/randomPassword:RandomPassword"
	text     = "random:index/randomString:RandomString"
	bytes    = "random:index/randomId:RandomId"
	uuids    = "random:index/randomUuid:RandomUuid"
)

func start(t *testing.T) *providertest.Engine {
	t.Helper()
	return providertest.Configured(t, plugin.Provider(), provider.Values{"version": "4.21.2"})
}

func count(s, characters string) int {
	n := 0
	for _, c := range s {
		if strings.ContainsRune(characters, c) {
			n++
		}
	}
	return n
}

func TestStringsKeepToTheirClasses(t *testing.T) {
	e := start(t)
	const lower, upper, digits, special = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", "!@#$%&*()-_=+[]{}<>:?"
	for _, c := range []struct {
		in      provider.Values
		allowed string
		// least of lower, upper, digits and special characters
		least [4]int
	}{
		{provider.Values{"length": 40.0}, lower + upper + digits + special, [4]int{}},
		{provider.Values{"length": 40.0, "special": false}, lower + upper + digits, [4]int{}},
		{provider.Values{"length": 8.0, "minLower": 2.0, "minUpper": 3.0, "minNumeric": 2.0, "minSpecial": 1.0},
			lower + upper + digits + special, [4]int{2, 3, 2, 1}},
		{provider.Values{"length": 20.0, "overrideSpecial": "_", "minSpecial": 5.0, "upper": false}, lower + digits + "_", [4]int{}},
		{provider.Values{"length": 20.0, "lower": false, "upper": false, "special": false}, digits, [4]int{0, 0, 20, 0}},
	} {
		for range 20 { // each is drawn anew
			r := e.MustCreate(text, c.in)
			s := r.Output("result").(string)
			if len(s) != c.in.Int("length") || count(s, c.allowed) != len(s) {
				t.Fatalf("%v: %q", c.in, s)
			}
			for i, characters := range []string{lower, upper, digits, special} {
				if count(s, characters) < c.least[i] {
					t.Fatalf("%v: %q has fewer than %d of %s", c.in, s, c.least[i], characters)
				}
			}
		}
	}
}

func TestMinimumsAreShuffled(t *testing.T) {
	e := start(t)
	first := map[bool]bool{}
	for range 60 {
		r := e.MustCreate(text, provider.Values{"length": 4.0, "minLower": 2.0, "minNumeric": 2.0})
		c := r.Output("result").(string)[0]
		first[c >= '0' && c <= '9'] = true
	}
	if len(first) != 2 {
		t.Errorf("the first character of sixty is always of one class")
	}
}

func TestImpossibleStringsAreRefused(t *testing.T) {
	e := start(t)
	for _, in := range []provider.Values{
		{},
		{"length": 0.0},
		{"length": 3.0, "minLower": 2.0, "minUpper": 2.0},
		{"length": 8.0, "special": false, "minSpecial": 1.0},
		{"length": 8.0, "lower": false, "upper": false, "numeric": false, "special": false},
	} {
		if r, err := e.Create(password, in); err == nil {
			t.Errorf("%v made %v", in, r.Outputs)
		}
	}
}

func TestPasswordIsSecretAndHashed(t *testing.T) {
	e := start(t)
	r := e.MustCreate(password, provider.Values{"length": 90.0})
	if !r.Secret("result") || !r.Secret("bcryptHash") || r.ID != "none" {
		t.Errorf("id %q, outputs %v", r.ID, r.Outputs)
	}
	result, hash := r.Output("result").(string), r.Output("bcryptHash").(string)
	if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(result[:72])); err != nil {
		t.Error(err)
	}
	if got, err := e.Refresh(r); err != nil || got != "same" || r.Output("bcryptHash") != hash || r.Output("result") != result {
		t.Errorf("a refresh changed the password: %s, %v", got, err)
	}
	if !r.Secret("result") {
		t.Error("a refresh told the password")
	}
	if other := e.MustCreate(password, provider.Values{"length": 90.0}); other.Output("result") == result {
		t.Error("two passwords are the same")
	}
}

func TestChangesMakeNewValues(t *testing.T) {
	e := start(t)
	r := e.MustCreate(password, provider.Values{"length": 12.0, "keepers": map[string]any{"year": "1"}})
	for _, c := range []struct {
		in   provider.Values
		want string
	}{
		{provider.Values{"length": 12.0, "keepers": map[string]any{"year": "1"}}, "same"},
		{provider.Values{"length": 13.0, "keepers": map[string]any{"year": "1"}}, "replace length"},
		{provider.Values{"length": 12.0, "keepers": map[string]any{"year": "2"}}, "replace keepers"},
		{provider.Values{"length": 12.0, "keepers": map[string]any{"year": "1"}, "special": false}, "replace special"},
	} {
		if got := e.Diff(r, c.in); got != c.want {
			t.Errorf("%v: %s, want %s", c.in, got, c.want)
		}
	}
}

func TestIDHasFourForms(t *testing.T) {
	e := start(t)
	r := e.MustCreate(bytes, provider.Values{"byteLength": 9.0, "prefix": "v-"})
	b, err := base64.RawURLEncoding.DecodeString(r.ID)
	if err != nil || len(b) != 9 {
		t.Fatalf("id %q: %v", r.ID, err)
	}
	for key, want := range map[string]string{
		"b64Url": r.ID, "b64Std": base64.StdEncoding.EncodeToString(b), "hex": hex.EncodeToString(b),
		"dec": new(big.Int).SetBytes(b).String(),
	} {
		if r.Output(key) != "v-"+want {
			t.Errorf("%s is %v, want v-%s", key, r.Output(key), want)
		}
	}
	imported, err := e.Import(bytes, "v-,"+r.ID)
	if err != nil || imported.Output("dec") != r.Output("dec") {
		t.Errorf("import: %v, %v", imported, err)
	}
	if got := e.Diff(imported, provider.Values{"byteLength": 9.0, "prefix": "v-"}); got != "same" {
		t.Errorf("after the import: %s", got)
	}
	if _, err := e.Import(bytes, "not base64!"); err == nil {
		t.Error("an import of nonsense")
	}
	if _, err := e.Create(bytes, provider.Values{"byteLength": 0.0}); err == nil {
		t.Error("an id of no bytes")
	}
}

func TestUUID(t *testing.T) {
	e := start(t)
	r := e.MustCreate(uuids, provider.Values{})
	if id, err := uuid.Parse(r.ID); err != nil || id.Version() != 4 || r.Output("result") != r.ID {
		t.Errorf("id %q, outputs %v: %v", r.ID, r.Outputs, err)
	}
	if imported, err := e.Import(uuids, r.ID); err != nil || imported.Output("result") != r.ID {
		t.Errorf("import: %v, %v", imported, err)
	}
	if _, err := e.Import(uuids, "mine"); err == nil {
		t.Error("an import of nonsense")
	}
	if err := e.Delete(r); err != nil {
		t.Error(err)
	}
}

func TestImportTakesTheIDForTheValue(t *testing.T) {
	e := start(t)
	r, err := e.Import(password, "hunter2")
	if err != nil || r.Output("result") != "hunter2" || !r.Secret("result") || r.Output("length") != 7.0 {
		t.Errorf("password: %v, %v", r, err)
	}
	r, err = e.Import(text, "plain")
	if err != nil || r.ID != "plain" || r.Output("result") != "plain" || r.Secret("result") {
		t.Errorf("string: %v, %v", r, err)
	}
}

func TestPreviewTellsNoValue(t *testing.T) {
	e := start(t)
	shown, err := e.Preview(password, provider.Values{"length": 12.0})
	if err != nil {
		t.Fatal(err)
	}
	if _, told := shown["result"]; told {
		t.Errorf("preview: %v", shown)
	}
}
