package stacks

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// namespace of the program's config keys.
const namespace = "platform:"

// Source is a stack's config as Pulumi hands it to a program.
type Source struct {
	// Values by key without namespace. Objects and lists are JSON.
	Values map[string]string
	// Secrets are the keys whose values are encrypted in the stack's file.
	Secrets map[string]bool
	// Folder is where relative file names start.
	Folder string
}

// FromEnvironment is the config of the running program. It is read from the
// environment, not key by key through ctx, because a key that the program does
// not know must be seen as well.
func FromEnvironment(ctx *pulumi.Context) (Source, error) {
	s := Source{Values: map[string]string{}, Secrets: map[string]bool{}, Folder: "."}
	all := map[string]string{}
	if err := json.Unmarshal([]byte(cmp.Or(os.Getenv("PULUMI_CONFIG"), "{}")), &all); err != nil {
		return s, fmt.Errorf("reading PULUMI_CONFIG: %w", err)
	}
	for key, value := range all {
		if name, ok := strings.CutPrefix(key, namespace); ok {
			s.Values[name] = value
			s.Secrets[name] = ctx.IsConfigSecret(key)
		}
	}
	return s, nil
}

// Load decodes a config strictly, fills in the defaults and checks the whole
// before anything is made of it. Its error is a *ConfigError with every problem.
func Load(s Source) (*Config, error) {
	var found problems
	config := &Config{}
	tree := s.tree(&found)
	decode(reflect.ValueOf(config).Elem(), tree, "", &found)
	if len(found) > 0 {
		// What could not be decoded would be reported once more as missing.
		return nil, found.err()
	}
	config.readFiles(s.Folder, &found)
	// Paths speak of the list as it was written, so it is checked before it is
	// sorted and filled.
	config.check(&found)
	if err := found.err(); err != nil {
		return nil, err
	}
	config.fill()
	return config, nil
}

// tree is the config as one JSON object.
func (s Source) tree(found *problems) map[string]any {
	tree := map[string]any{}
	for key, text := range s.Values {
		field, known := fieldOf(reflect.TypeFor[Config](), key)
		switch secret := known && field.Tag.Get("secret") != ""; {
		case secret && !s.Secrets[key]:
			found.add(key, "is stored in plain text; set it again with `pulumi config set --secret platform:%s`", key)
		case !secret && known && s.Secrets[key]:
			found.add(key, "is encrypted as a whole or in part, but is no secret; secrets are %s", strings.Join(secretKeys(), " and "))
		}
		if known && field.Type.Kind() == reflect.String {
			tree[key] = text
			continue
		}
		decoder := json.NewDecoder(bytes.NewBufferString(text))
		decoder.UseNumber()
		var value any
		if err := decoder.Decode(&value); err != nil || !atEnd(decoder) {
			// A bare word: decode says what was expected in its place.
			value = text
		}
		tree[key] = value
	}
	return tree
}

func atEnd(d *json.Decoder) bool {
	_, err := d.Token()
	return err == io.EOF
}

func secretKeys() []string {
	var keys []string
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("secret") != "" {
			keys = append(keys, namespace+t.Field(i).Tag.Get("json"))
		}
	}
	return keys
}

// readFiles takes over what the config names by file.
func (c *Config) readFiles(folder string, found *problems) {
	for _, f := range []struct {
		path, file, beside string
		into               *string
	}{
		{"ca.certificateFile", c.CA.CertificateFile, "ca.certificate", &c.CA.Certificate},
		{"ca.keyFile", c.CA.KeyFile, "caKey", &c.CAKey},
		{"login.clientSecretFile", c.Login.ClientSecretFile, "loginClientSecret", &c.LoginClientSecret},
	} {
		if f.file == "" {
			continue
		}
		if *f.into != "" {
			found.add(f.path, "is set beside platform:%s; keep one of the two", f.beside)
			continue
		}
		name := f.file
		if !filepath.IsAbs(name) {
			name = filepath.Join(folder, name)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			found.add(f.path, "cannot be read: %v; `make stack NAME=<stack>` makes it", err)
			continue
		}
		*f.into = strings.TrimSpace(string(data)) + "\n"
	}
	c.LoginClientSecret = strings.TrimSpace(c.LoginClientSecret)
}

// fieldOf finds the field of a struct by its name in the config.
func fieldOf(t reflect.Type, key string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("json") == key {
			return t.Field(i), true
		}
	}
	return reflect.StructField{}, false
}

func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		keys = append(keys, t.Field(i).Tag.Get("json"))
	}
	slices.Sort(keys)
	return keys
}
