package provider_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"platform/lab/plugins/provider"
	"platform/lab/plugins/provider/providertest"
)

const (
	shelf = "test:index/shelf:Shelf"
	fixed = "test:index/fixed:Fixed"
)

// store is a system that keeps shelves.
type store struct {
	shelves map[string]provider.Values
	fail    error
}

// plugin has a type with an input of every kind, and one that is never changed
// in place.
func (s *store) plugin() plugin.Provider {
	return provider.Plugin{
		Name: "test", Version: "1.2.3",
		Config: map[string]provider.Input{"address": {}, "password": {}},
		Configure: func(_ context.Context, config provider.Values) error {
			if config.String("address") == "" {
				return errors.New("no address")
			}
			return nil
		},
		Types: map[string]provider.Resource{
			shelf: {
				Inputs: map[string]provider.Input{
					"name": {Replaces: true}, "room": {Required: true}, "height": {Default: 3.0}, "books": {},
					"label": {Same: sameLabel},
					"lock":  {Secret: true},
				},
				Autoname: "name", DeleteFirst: true, SecretOutputs: []string{"key"},
				Create: s.create, Read: s.read, Update: s.update, Delete: s.remove,
			},
			fixed: {
				Inputs: map[string]provider.Input{"room": {Required: true}},
				Create: s.create, Read: s.read, Delete: s.remove,
			},
		},
	}.Provider()
}

// sameLabel takes what is no text for an empty one, as the plugins do.
func sameLabel(a, b any) bool {
	x, _ := a.(string)
	y, _ := b.(string)
	return strings.EqualFold(x, y)
}

func (s *store) create(_ context.Context, in provider.Values) (string, provider.Values, error) {
	if in.String("room") == "" {
		return "", nil, errors.New("no such room")
	}
	state := in.With(provider.Values{"key": "k1", "serial": 7.0})
	s.shelves["1"] = state
	return "1", state, s.fail
}

func (s *store) read(_ context.Context, id string, _ provider.Values) (provider.Values, error) {
	state, ok := s.shelves[id]
	if !ok {
		return nil, nil
	}
	told := state.With(nil)
	delete(told, "lock") // the system does not tell
	return told, s.fail
}

func (s *store) update(_ context.Context, id string, _, in provider.Values) (provider.Values, error) {
	s.shelves[id] = in
	return nil, s.fail
}

func (s *store) remove(_ context.Context, id string, _ provider.Values) error {
	delete(s.shelves, id)
	return s.fail
}

func newStore(t *testing.T) (*store, *providertest.Engine) {
	t.Helper()
	s := &store{shelves: map[string]provider.Values{}}
	return s, providertest.Configured(t, s.plugin(), provider.Values{"address": "here", "version": "1.2.3"})
}

func TestConfigurationIsCheckedAndTaken(t *testing.T) {
	for _, c := range []struct {
		config provider.Values
		want   string
	}{
		{provider.Values{"address": "here"}, ""},
		{provider.Values{"host": "here"}, "host: the lab's plugin test does not know this property of the provider test"},
		{provider.Values{}, "no address"},
	} {
		s := &store{shelves: map[string]provider.Values{}}
		e := providertest.Start(t, s.plugin())
		err := e.Configure(c.config)
		if err == nil {
			_, err = e.Create(shelf, provider.Values{"room": "a"})
		}
		if text := fmt.Sprint(err); (c.want == "") != (err == nil) || !strings.Contains(text, c.want) {
			t.Errorf("%v: %v, want %q", c.config, err, c.want)
		}
	}
}

func TestAChangedProviderReplacesNothing(t *testing.T) {
	_, e := newStore(t)
	old := provider.Values{"address": "here"}
	if d := e.DiffConfig(old, old); d.Changes != plugin.DiffNone {
		t.Errorf("unchanged: %v", d.Changes)
	}
	d := e.DiffConfig(old, provider.Values{"address": "there"})
	if d.Changes != plugin.DiffSome || d.Replace() {
		t.Errorf("changed: %v, replaces %v", d.Changes, d.ReplaceKeys)
	}
}

func TestWhatTheLabDoesNotKnowIsRefused(t *testing.T) {
	_, e := newStore(t)
	for _, c := range []struct {
		token string
		in    provider.Values
		want  string
	}{
		{"test:index/chair:Chair", provider.Values{}, "the lab's plugin test does not know the type test:index/chair:Chair"},
		{shelf, provider.Values{"room": "a", "colour": "red"}, "colour: the lab's plugin test does not know this property of " + shelf},
		{shelf, provider.Values{"name": "x"}, "room: is required"},
	} {
		if _, err := e.Create(c.token, c.in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %v: %v, want %q", c.token, c.in, err, c.want)
		}
	}
}

func TestCheckFillsIn(t *testing.T) {
	_, e := newStore(t)
	first, err := e.Check(shelf, nil, provider.Values{"room": "a"})
	if err != nil {
		t.Fatal(err)
	}
	name := first["name"].StringValue()
	if !regexp.MustCompile(`^thing-[0-9a-f]{7}$`).MatchString(name) {
		t.Errorf("generated name %q", name)
	}
	if height := first["height"].NumberValue(); height != 3 {
		t.Errorf("height %v", height)
	}
	again, err := e.Check(shelf, first, provider.Values{"room": "b"})
	if err != nil || again["name"].StringValue() != name {
		t.Errorf("the name is not kept: %v, %v", again, err)
	}
	replaced, err := e.Check(shelf, nil, provider.Values{"room": "b"})
	if err != nil || replaced["name"].StringValue() == name {
		t.Errorf("a replacement's name is not new: %v, %v", replaced, err)
	}
	given, err := e.Check(shelf, first, provider.Values{"room": "b", "name": "mine", "height": 5.0})
	if err != nil || given["name"].StringValue() != "mine" || given["height"].NumberValue() != 5 {
		t.Errorf("the program's own: %v, %v", given, err)
	}
}

func TestPreviewMakesNothing(t *testing.T) {
	s, e := newStore(t)
	shown, err := e.Preview(shelf, provider.Values{"room": providertest.Unknown, "books": []any{providertest.Unknown}})
	if err != nil {
		t.Fatal(err)
	}
	if !shown["room"].IsComputed() {
		t.Errorf("room is %v", shown["room"])
	}
	if _, told := shown["serial"]; told || len(s.shelves) > 0 {
		t.Errorf("the preview tells %v; made %v", shown, s.shelves)
	}
}

func TestDiff(t *testing.T) {
	_, e := newStore(t)
	r := e.MustCreate(shelf, provider.Values{"room": "a", "name": "x", "label": "Poems"})
	for _, c := range []struct {
		change provider.Values
		want   string
	}{
		{nil, "same"},
		{provider.Values{"books": []any{}}, "same"},
		{provider.Values{"label": "POEMS"}, "same"},
		{provider.Values{"label": "Plays"}, "update label"},
		{provider.Values{"books": []any{"b"}, "height": 4.0}, "update books height"},
		{provider.Values{"books": []any{providertest.Unknown}}, "update books"},
		{provider.Values{"books": []any{map[string]any{"title": providertest.Unknown}}}, "update books"},
		{provider.Values{"name": "y", "height": 4.0}, "delete first name"},
	} {
		in := provider.Values{"room": "a", "name": "x", "label": "Poems"}.With(c.change)
		if got := e.Diff(r, in); got != c.want {
			t.Errorf("%v: %s, want %s", c.change, got, c.want)
		}
	}
	r = e.MustCreate(shelf, provider.Values{"room": "a", "name": "x"})
	if got := e.Diff(r, provider.Values{"room": "a", "name": "x", "label": providertest.Unknown}); got != "update label" {
		t.Errorf("a label that is not known yet: %s", got)
	}
	r = e.MustCreate(fixed, provider.Values{"room": "a"})
	if got := e.Diff(r, provider.Values{"room": "b"}); got != "replace room" {
		t.Errorf("a type that is never changed in place: %s", got)
	}
}

func TestSecretsAreMarked(t *testing.T) {
	_, e := newStore(t)
	r := e.MustCreate(shelf, provider.Values{"room": "a", "lock": "1234"})
	for key, want := range map[string]bool{"lock": true, "key": true, "room": false, "serial": false} {
		if r.Secret(key) != want {
			t.Errorf("%s is secret: %v", key, !want)
		}
	}
	if r.Output("lock") != "1234" || r.Output("key") != "k1" {
		t.Errorf("outputs %v", r.Outputs)
	}
}

func TestUpdateKeepsWhatTheSystemMade(t *testing.T) {
	_, e := newStore(t)
	r := e.MustCreate(shelf, provider.Values{"room": "a", "books": []any{"b"}})
	if err := e.Update(r, provider.Values{"room": "b"}); err != nil {
		t.Fatal(err)
	}
	if r.Output("serial") != 7.0 || r.Output("room") != "b" {
		t.Errorf("outputs %v", r.Outputs)
	}
	if _, kept := r.Outputs["books"]; kept {
		t.Error("an input that is gone is still in the state")
	}
	f := e.MustCreate(fixed, provider.Values{"room": "a"})
	if err := e.Update(f, provider.Values{"room": "b"}); err == nil || !strings.Contains(err.Error(), "cannot be changed in place") {
		t.Errorf("a type that is never changed in place: %v", err)
	}
}

func TestErrorsReachTheEngine(t *testing.T) {
	s, e := newStore(t)
	if r, err := e.Create(shelf, provider.Values{"room": ""}); r != nil || err == nil || !strings.Contains(err.Error(), "no such room") {
		t.Errorf("not made: %v, %v", r, err)
	}
	s.fail = errors.New("the wall gave way")
	r, err := e.Create(shelf, provider.Values{"room": "a", "lock": "1"})
	var half *plugin.InitError
	if !errors.As(err, &half) || len(half.Reasons) != 1 || half.Reasons[0] != "the wall gave way" {
		t.Fatalf("made in part: %v", err)
	}
	if r.ID != "1" || r.Output("serial") != 7.0 || !r.Secret("lock") {
		t.Errorf("what was made in part is not in the state: %+v", r)
	}
	if err := e.Update(r, provider.Values{"room": "b"}); err == nil {
		t.Error("a failed update is fine")
	}
	if _, err := e.Refresh(r); err == nil {
		t.Error("a failed read is fine")
	}
	if err := e.Delete(r); err == nil {
		t.Error("a failed delete is fine")
	}
}

func TestRefresh(t *testing.T) {
	s, e := newStore(t)
	r := e.MustCreate(shelf, provider.Values{"room": "a", "name": "x", "lock": "1234"})
	refresh := func(want string) {
		t.Helper()
		if got, err := e.Refresh(r); err != nil || got != want {
			t.Errorf("refresh: %s, %v, want %s", got, err, want)
		}
	}
	refresh("same")
	if !r.Inputs["lock"].IsSecret() || r.Output("lock") != "1234" {
		t.Errorf("a secret that the system does not tell is lost: %v", r.Inputs)
	}
	s.shelves["1"]["books"] = []any{"a default of the system's"}
	refresh("same")
	s.shelves["1"]["room"] = "cellar"
	refresh("update room")
	delete(s.shelves, "1")
	refresh("gone")
}

func TestImport(t *testing.T) {
	s, e := newStore(t)
	s.shelves["9"] = provider.Values{"room": "a", "name": "x", "serial": 9.0, "height": 2.0}
	r, err := e.Import(shelf, "9")
	if err != nil {
		t.Fatal(err)
	}
	if got := e.Diff(r, provider.Values{"room": "a", "name": "x", "height": 2.0}); got != "same" {
		t.Errorf("after the import: %s", got)
	}
	if _, known := r.Inputs["serial"]; known || r.Output("serial") != 9.0 {
		t.Errorf("inputs %v, outputs %v", r.Inputs, r.Outputs)
	}
	if _, err := e.Import(shelf, "8"); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("nothing there: %v", err)
	}
}
