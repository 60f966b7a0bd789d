package stacks

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
)

//go:generate sh -c "go run ../cmd/stack schema > schema.json.new && mv schema.json.new schema.json"

// configSource holds the comments that become the schema's descriptions.
//
//go:embed config.go
var configSource string

// rule is what the schema says of a field beyond its type. Load says the same
// in code and in better words; the schema is for editors.
type rule struct {
	required bool
	fallback string
	enum     []string
	pattern  string
	minItems int
}

// rules of the fields that have any, by type and field.
var rules = map[string]rule{
	"Config.Domain":         {required: true, pattern: dnsName.String()},
	"Config.Profile":        {fallback: defaultProfile, enum: profileNames},
	"Config.Clusters":       {required: true},
	"Config.Login":          {required: true},
	"Config.Administrators": {required: true, minItems: 1},
	"Clusters.ControlPlane": {required: true},
	"Clusters.Dev":          {required: true},
	"Clusters.Prod":         {required: true},
	"Cluster.Kubeconfig":    {required: true},
	"Cluster.Domain":        {pattern: dnsName.String()},
	"Ingress.Class":         {fallback: defaultIngressClass},
	"Login.Issuer":          {required: true, pattern: "^https://"},
	"Login.ClientID":        {required: true},
	"Tenant.Name":           {required: true, pattern: tenantName.String()},
	"Tenant.Owners":         {required: true, minItems: 1},
	"Tenant.CostCentre":     {pattern: labelValue.String()},
	"Tenant.Size":           {fallback: defaultSize, enum: sizeNames},
	"Environment.Size":      {enum: sizeNames},
}

// Schema is the JSON schema of a Pulumi.<stack>.yaml file, for editors.
func Schema() ([]byte, error) {
	comments, err := fieldComments()
	if err != nil {
		return nil, err
	}
	config := schemaOf(reflect.TypeFor[Config](), comments)
	keys := map[string]any{}
	var names []string
	for _, key := range keysOf(reflect.TypeFor[Config]()) {
		keys[namespace+key] = config["properties"].(map[string]any)[key]
		names = append(names, namespace+key)
	}
	var required []string
	for _, key := range config["required"].([]string) {
		required = append(required, namespace+key)
	}
	text := map[string]any{"type": "string"}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err = encoder.Encode(map[string]any{
		"$schema":              "http://json-schema.org/draft-07/schema#",
		"title":                "A stack of the platform",
		"description":          "Made from stacks/config.go by `go generate ./stacks`.",
		"type":                 "object",
		"required":             []string{"config"},
		"additionalProperties": false,
		"properties": map[string]any{
			"config": map[string]any{
				"type": "object", "properties": keys, "required": required,
				// Keys of other namespaces are none of this schema's business.
				"propertyNames": map[string]any{"anyOf": []any{
					map[string]any{"enum": names},
					map[string]any{"not": map[string]any{"pattern": "^" + namespace}},
				}},
			},
			// What the Pulumi CLI keeps in the file:
			// https://www.pulumi.com/docs/iac/concepts/projects/stack-settings-file/
			"encryptionsalt": text, "secretsprovider": text, "encryptedkey": text,
			"environment": true,
		},
	})
	return b.Bytes(), err
}

// schemaOf is the schema of a type of config.go.
func schemaOf(t reflect.Type, comments map[string]string) map[string]any {
	switch t.Kind() {
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Int:
		return map[string]any{"type": "integer", "minimum": 1}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem(), comments)}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem(), comments)}
	case reflect.Struct:
		properties, required := map[string]any{}, []string{}
		for i := range t.NumField() {
			field := t.Field(i)
			key := field.Tag.Get("json")
			id := t.Name() + "." + field.Name
			properties[key] = fieldSchema(field, rules[id], comments[id], schemaOf(field.Type, comments))
			if rules[id].required {
				required = append(required, key)
			}
		}
		return map[string]any{
			"type": "object", "additionalProperties": false, "properties": properties, "required": required,
		}
	}
	panic(fmt.Sprintf("config type %s is of a kind that has no schema", t))
}

// fieldSchema adds to a type's schema what is known of the field.
func fieldSchema(field reflect.StructField, r rule, comment string, schema map[string]any) map[string]any {
	if field.Tag.Get("secret") != "" {
		// Encrypted by `pulumi config set --secret`, never plain.
		schema = map[string]any{
			"type": "object", "required": []string{"secure"}, "additionalProperties": false,
			"properties": map[string]any{"secure": map[string]any{"type": "string"}},
		}
	}
	schema["description"] = comment
	if r.fallback != "" {
		schema["default"] = r.fallback
	}
	if r.enum != nil {
		schema["enum"] = r.enum
	}
	if r.pattern != "" {
		schema["pattern"] = r.pattern
	}
	if r.minItems > 0 {
		schema["minItems"] = r.minItems
	}
	return schema
}

// fieldComments are the comments of config.go's fields, by type and field, each
// as one line.
func fieldComments() (map[string]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", configSource, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("reading the config's comments: %w", err)
	}
	comments := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		if fields, ok := spec.Type.(*ast.StructType); ok {
			for _, field := range fields.Fields.List {
				for _, name := range field.Names {
					comments[spec.Name.Name+"."+name.Name] = strings.Join(strings.Fields(field.Doc.Text()), " ")
				}
			}
		}
		return false
	})
	return comments, nil
}
