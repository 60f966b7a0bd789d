package stacks

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"gopkg.in/yaml.v3"
)

func TestSchemaIsCurrent(t *testing.T) {
	want, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("schema.json is not what config.go says; run `go generate ./stacks`")
	}
}

// TestSchemaCoversEveryField fails for a field without a comment, and for a
// rule whose field is gone.
func TestSchemaCoversEveryField(t *testing.T) {
	comments, err := fieldComments()
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]bool{}
	var visit func(reflect.Type)
	visit = func(ty reflect.Type) {
		switch ty.Kind() {
		case reflect.Slice:
			visit(ty.Elem())
		case reflect.Struct:
			for i := range ty.NumField() {
				fields[ty.Name()+"."+ty.Field(i).Name] = true
				visit(ty.Field(i).Type)
			}
		}
	}
	visit(reflect.TypeFor[Config]())
	for id := range fields {
		if comments[id] == "" {
			t.Errorf("%s has no comment", id)
		}
	}
	for id := range rules {
		if !fields[id] {
			t.Errorf("the schema has a rule for %s, which is no field", id)
		}
	}
}

// TestSchemaAgreesWithLoad: what the schema requires, an empty config lacks,
// and its defaults are those that Load fills in.
func TestSchemaAgreesWithLoad(t *testing.T) {
	_, err := Load(Source{Values: map[string]string{"tenants": "[{}]"}})
	var found *ConfigError
	if !errors.As(err, &found) {
		t.Fatalf("got %v", err)
	}
	missing := map[string]bool{}
	for _, p := range found.Problems {
		missing[p.Path] = true
	}
	for _, path := range []string{
		"domain", "administrators", "login.issuer", "login.clientId",
		"clusters.controlPlane.kubeconfig", "clusters.dev.kubeconfig", "clusters.prod.kubeconfig",
		"tenants[0].name", "tenants[0].owners",
	} {
		if !missing[path] {
			t.Errorf("the schema requires %s and Load does not", path)
		}
	}
	c := Config{Tenants: []Tenant{{}}}
	c.fill()
	for id, value := range map[string]string{
		"Config.Profile": c.Profile, "Ingress.Class": c.Clusters.Dev.Ingress.Class, "Tenant.Size": c.Tenants[0].Size,
	} {
		if rules[id].fallback != value {
			t.Errorf("the schema's default of %s is %q, Load's %q", id, rules[id].fallback, value)
		}
	}
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// stackFile reads a stack's file as YAML.
func stackFile(t *testing.T, text []byte) map[string]any {
	t.Helper()
	file := map[string]any{}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestSchemaAcceptsTheStackFiles(t *testing.T) {
	schema := compileSchema(t)
	for _, name := range []string{"dev", "prod"} {
		text, err := os.ReadFile("../Pulumi." + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(text, []byte("# yaml-language-server: $schema=stacks/schema.json\n")) {
			t.Errorf("the file of stack %s does not name the schema", name)
		}
		file := stackFile(t, text)
		// What the CLI adds.
		file["encryptionsalt"] = "v1:x"
		config := file["config"].(map[string]any)
		config["platform:caKey"] = map[string]any{"secure": "v1:y"}
		config["other:key"] = 1
		if err := schema.Validate(file); err != nil {
			t.Errorf("stack %s: %v", name, err)
		}
	}
}

const goodFile = `
config:
  platform:domain: example.com
  platform:clusters:
    controlPlane:
      kubeconfig: control-plane.yaml
    dev:
      kubeconfig: dev.yaml
    prod:
      kubeconfig: prod.yaml
  platform:login:
    issuer: https://login.example.com
    clientId: platform
  platform:administrators:
    - admin@example.com
  platform:tenants:
    - name: billing
      owners:
        - alice@example.com
      costCentre: "4711"
      size: medium
      environments:
        prod:
          quota:
            cpu: "6"
`

func TestSchemaRefuses(t *testing.T) {
	schema := compileSchema(t)
	if err := schema.Validate(stackFile(t, []byte(goodFile))); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]struct{ from, to string }{
		"unknown platform key":   {"platform:domain:", "platform:domian:"},
		"plain secret":           {"config:\n", "config:\n  platform:caKey: plain\n"},
		"unknown tenant key":     {"size: medium", "sise: medium"},
		"unknown size":           {"size: medium", "size: middle"},
		"quota as number":        {`cpu: "6"`, `cpu: 6`},
		"tenant name":            {"name: billing", "name: Billing"},
		"no administrator":       {"\n    - admin@example.com", " []"},
		"unknown top-level key":  {"config:\n", "configuration: 1\nconfig:\n"},
		"issuer without TLS":     {"issuer: https://", "issuer: http://"},
		"cost centre as number":  {`costCentre: "4711"`, `costCentre: 4711`},
		"cluster left out":       {"    prod:\n      kubeconfig: prod.yaml\n", ""},
		"environment of no name": {"        prod:\n", "        stage:\n"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := strings.Replace(goodFile, change.from, change.to, 1)
			if bad == goodFile {
				t.Fatalf("the good file has no %q", change.from)
			}
			if schema.Validate(stackFile(t, []byte(bad))) == nil {
				t.Error("accepted")
			}
		})
	}
}

// values gives the config of a stack's file as Pulumi gives it to the program.
func values(t *testing.T, file map[string]any) map[string]string {
	t.Helper()
	v := map[string]string{}
	for key, value := range file["config"].(map[string]any) {
		name, ok := strings.CutPrefix(key, namespace)
		if !ok {
			continue
		}
		if text, ok := value.(string); ok {
			v[name] = text
			continue
		}
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		v[name] = string(text)
	}
	return v
}

func TestStackFilesLoad(t *testing.T) {
	for _, name := range []string{"dev", "prod"} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile("../Pulumi." + name + ".yaml")
			if err != nil {
				t.Fatal(err)
			}
			// What `make stack` adds: files for dev, values for the others.
			s := validSource(t)
			certificate, key := s.Values["ca"], s.Values["caKey"]
			s.Values = values(t, stackFile(t, text))
			if name == "dev" {
				s.Secrets = nil
				writeOneTimeFiles(t, s.Folder)
			} else {
				s.Values["ca"], s.Values["caKey"], s.Values["loginClientSecret"] = certificate, key, "s3cret"
			}
			c, err := Load(s)
			if err != nil {
				t.Fatal(err)
			}
			if c.CA.Certificate == "" || c.CAKey == "" || c.LoginClientSecret == "" || len(c.Tenants) == 0 {
				t.Errorf("incomplete: %+v", c.Tenants)
			}
		})
	}
}

func writeOneTimeFiles(t *testing.T, folder string) {
	t.Helper()
	if err := os.MkdirAll(folder+"/state/dev", 0o700); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		"ca.crt": testCA.certificate, "ca.key": testCA.key, "login-client-secret": "s3cret\n",
	} {
		if err := os.WriteFile(folder+"/state/dev/"+file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
