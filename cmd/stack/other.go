package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"text/template"
)

// makeOther makes a stack for real clusters. Its secrets are encrypted in its
// file, which is to be committed.
func (m *maker) makeOther(ctx context.Context, o options) error {
	var named authority
	if o.caCertificate != "" {
		var err error
		if named, err = namedCA(o.caCertificate, o.caKey); err != nil {
			return err
		}
	}
	exists, err := m.begin(ctx)
	if err != nil {
		return err
	}
	if err := m.givenPassphrase(exists); err != nil {
		return err
	}
	if err := m.firstConfig(ctx, o.first); err != nil {
		return err
	}
	if !exists {
		if _, err := m.cli.run(ctx, "", "stack", "init", m.name, "--no-select"); err != nil {
			return err
		}
		m.tell("made")
	}
	config, err := m.cli.config(ctx, m.name)
	if err != nil {
		return err
	}
	if err := m.storeCA(ctx, config, named); err != nil {
		return err
	}
	if err := m.storeLogin(ctx, config, o.loginSecret); err != nil {
		return err
	}
	if m.made {
		if config, err = m.cli.config(ctx, m.name); err != nil {
			return err
		}
	}
	return m.finish(config)
}

// firstConfig are the values of a config that is written for the first time.
type firstConfig struct {
	Name, Domain, Issuer, ClientID, Administrator string
}

//go:embed first.yaml
var firstText string

var firstTemplate = template.Must(template.New("first.yaml").Parse(firstText))

// firstConfig writes the stack's file. One that is there belongs to the person
// who wrote it.
func (m *maker) firstConfig(ctx context.Context, first firstConfig) error {
	file := m.file()
	if _, err := os.Stat(m.path(file)); err == nil {
		if first != (firstConfig{}) {
			return fmt.Errorf("%s is there already: edit it, in place of the flags for a first config", file)
		}
		return nil
	}
	first.Name = m.name
	fill := func(value *string, otherwise string) {
		if *value == "" {
			*value = otherwise
		}
	}
	fill(&first.Domain, m.name+".example.com")
	fill(&first.Issuer, "https://login."+first.Domain)
	fill(&first.ClientID, "platform")
	fill(&first.Administrator, m.committer(ctx))
	fill(&first.Administrator, "admin@"+first.Domain)
	var text bytes.Buffer
	if err := firstTemplate.Execute(&text, first); err != nil {
		return fmt.Errorf("writing the first config: %w", err)
	}
	out, err := os.OpenFile(m.path(file), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("writing the first config: %w", err)
	}
	_, err = out.Write(text.Bytes())
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("writing the first config: %w", err)
	}
	m.tell("%s written for domain %s: look through it, and commit it", file, first.Domain)
	return nil
}

// file is the stack's file.
func (m *maker) file() string { return "Pulumi." + m.name + ".yaml" }

// committer is the address that the person at the keyboard commits with; may
// be empty.
func (m *maker) committer(ctx context.Context) string {
	git := exec.CommandContext(ctx, "git", "config", "user.email")
	git.Dir = m.folder
	out, err := git.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// storeCA puts a CA into the config, with its key as a secret: a named one or
// one of our own. The key goes first, so that a run cut off between the two
// leaves a key that the next run makes the certificate for.
func (m *maker) storeCA(ctx context.Context, config map[string]entry, ca authority) error {
	if stored, ok := config["platform:ca"]; ok {
		if ca.certificate != "" && !holdsCertificate(stored.Value, ca.certificate) {
			return fmt.Errorf("%s has a CA already, and everything on the platform trusts it: "+
				"remove platform:ca and platform:caKey from it first", m.file())
		}
		return nil
	}
	storedKey := config["platform:caKey"].Value
	if ca.certificate == "" {
		var err error
		if ca, err = ownCA(m.name, storedKey); err != nil {
			return err
		}
	}
	if ca.key != storedKey {
		if err := m.cli.setSecret(ctx, m.name, "platform:caKey", ca.key); err != nil {
			return err
		}
	}
	if err := m.cli.setPath(ctx, m.name, "platform:ca.certificate", ca.certificate); err != nil {
		return err
	}
	m.tell("CA put into %s, its key as a secret", m.file())
	return nil
}

// holdsCertificate says whether a value of platform:ca has the certificate.
func holdsCertificate(value, certificate string) bool {
	var ca struct {
		Certificate string `json:"certificate"`
	}
	err := json.Unmarshal([]byte(value), &ca)
	return err == nil && strings.TrimSpace(ca.Certificate) == strings.TrimSpace(certificate)
}

// storeLogin puts the login's client secret into the config, as a secret: the
// provider's, or one made here for the provider to take over.
func (m *maker) storeLogin(ctx context.Context, config map[string]entry, file string) error {
	const key = "platform:loginClientSecret"
	if _, ok := config[key]; ok {
		if file != "" {
			return fmt.Errorf("%s has the login's client secret already: change it with `pulumi config set --secret %s --stack %s`",
				m.file(), key, m.name)
		}
		return nil
	}
	if login := config["platform:login"].Value; strings.Contains(login, `"clientSecretFile"`) {
		return nil
	}
	secret := randomText()
	if file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading the login's client secret: %w", err)
		}
		secret = strings.TrimSpace(string(data))
	}
	if err := m.cli.setSecret(ctx, m.name, key, secret); err != nil {
		return err
	}
	if file == "" {
		m.tell("login's client secret made: give the provider what `pulumi config get %s --stack %s` shows, "+
			"or set the provider's own", key, m.name)
		return nil
	}
	m.tell("login's client secret put into %s as a secret", m.file())
	return nil
}
