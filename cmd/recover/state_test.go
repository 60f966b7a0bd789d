package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
)

const mark = `"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"`

// twoReadings is a state as it is exported: encrypted, and with its secrets.
func twoReadings(t *testing.T, document, plain string) *state {
	t.Helper()
	s := &state{}
	if err := decode([]byte(document), &s.document); err != nil {
		t.Fatal(err)
	}
	if err := decode([]byte(plain), &s.plain); err != nil {
		t.Fatal(err)
	}
	s.deployment = s.document["deployment"].(map[string]any)
	return s
}

// urns are the resources of the document, the deleted ones with a minus.
func urns(s *state) []string {
	var all []string
	for _, item := range s.resources() {
		r := item.(map[string]any)
		urn := fmt.Sprintf("%v %v", r["urn"], r["id"])
		if r["delete"] == true {
			urn = "-" + urn
		}
		all = append(all, urn)
	}
	return all
}

func TestPendingIsEncryptedInTheDocumentAndPlainToTheFinders(t *testing.T) {
	s := twoReadings(t,
		`{"deployment": {"pending_operations": [{"type": "creating", "resource": {"urn": "robot", "type": "harbor:index/robotAccount:RobotAccount",
			"inputs": {"name": "pull", "secret": {`+mark+`, "ciphertext": "v1:abc"}}}}]}}`,
		`{"deployment": {"pending_operations": [{"type": "creating", "resource": {"urn": "robot", "type": "harbor:index/robotAccount:RobotAccount",
			"inputs": {"name": "pull", "secret": {`+mark+`, "plaintext": "\"s3cret\""}}}}]}}`)
	pending := s.pending()
	if len(pending) != 1 || pending[0].Type != "creating" {
		t.Fatalf("pending: %+v", pending)
	}
	r := pending[0].Resource
	if r.URN != "robot" || text(r.Inputs, "name") != "pull" || text(r.Inputs, "secret") != "s3cret" {
		t.Errorf("the finders see %+v", r)
	}
	s.adopt(r, "/robots/7")
	s.dropPending()
	written, err := json.Marshal(s.document)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"deployment":{"resources":[{"id":"/robots/7",` +
		`"inputs":{"name":"pull","secret":{"4dabf18193072939515e22adb298388d":"1b47061264138c4ac30d75fd1eb44270","ciphertext":"v1:abc"}},` +
		`"outputs":{"name":"pull","secret":{"4dabf18193072939515e22adb298388d":"1b47061264138c4ac30d75fd1eb44270","ciphertext":"v1:abc"}},` +
		`"type":"harbor:index/robotAccount:RobotAccount","urn":"robot"}]}}`
	if string(written) != want {
		t.Errorf("the document is\n%s\nwant\n%s", written, want)
	}
}

func TestAdoptKeepsWhatIsThere(t *testing.T) {
	for name, test := range map[string]struct {
		resources, id string
		want          []string
	}{
		"a new one comes last":                {`[{"urn": "a", "id": "1"}]`, "2", []string{"a 1", "b 2"}},
		"one that is known is not made twice": {`[{"urn": "b", "id": "2"}]`, "2", []string{"b 2"}},
		"one that it replaces is to go":       {`[{"urn": "b", "id": "1"}, {"urn": "a", "id": "1"}]`, "2", []string{"-b 1", "a 1", "b 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := twoReadings(t, `{"deployment": {"resources": `+test.resources+`}}`, `{}`)
			s.adopt(resource{URN: "b", Raw: map[string]any{"urn": "b"}}, test.id)
			if got := urns(s); !reflect.DeepEqual(got, test.want) {
				t.Errorf("the state holds %v, want %v", got, test.want)
			}
		})
	}
}

func TestAdoptDropsReferencesToWhatIsNotInTheState(t *testing.T) {
	s := twoReadings(t, `{"deployment": {"resources": [{"urn": "there", "id": "1"}]}}`, `{}`)
	raw := map[string]any{}
	if err := decode([]byte(`{"urn": "b", "dependencies": ["there", "gone"], "propertyDependencies": {"path": ["gone"], "name": ["there"]}}`), &raw); err != nil {
		t.Fatal(err)
	}
	s.adopt(resource{URN: "b", Raw: raw}, "2")
	adopted := s.resources()[1].(map[string]any)
	if got, want := adopted["dependencies"], []any{"there"}; !reflect.DeepEqual(got, want) {
		t.Errorf("dependencies %v, want %v", got, want)
	}
	want := map[string]any{"path": []any{}, "name": []any{"there"}}
	if got := adopted["propertyDependencies"]; !reflect.DeepEqual(got, want) {
		t.Errorf("propertyDependencies %v, want %v", got, want)
	}
}

func TestNumbersStayAsTheyAreWritten(t *testing.T) {
	s := twoReadings(t, `{"deployment": {"resources": [{"id": "1", "inputs": {"quota": 9007199254740993}}]}}`, `{}`)
	written, err := json.Marshal(s.document)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"deployment":{"resources":[{"id":"1","inputs":{"quota":9007199254740993}}]}}`; string(written) != want {
		t.Errorf("the document is %s, want %s", written, want)
	}
}
