package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// makeDev makes stack dev. Its config is committed and names the files that are
// made here, so nothing of this machine gets into the repository.
func (m *maker) makeDev(ctx context.Context) error {
	exists, err := m.begin(ctx)
	if err != nil {
		return err
	}
	passphrase, err := m.devPassphrase(exists)
	if err != nil {
		return err
	}
	m.cli.setPassphrase("PULUMI_CONFIG_PASSPHRASE_FILE", passphrase)
	if err := m.devCA(); err != nil {
		return err
	}
	if err := m.devLogin(); err != nil {
		return err
	}
	if err := m.filterSalt(ctx); err != nil {
		return err
	}
	if !exists {
		if _, err := m.cli.run(ctx, "", "stack", "init", m.name); err != nil {
			return err
		}
		m.tell("made, its state is in state/")
	}
	if err := m.restoreSalt(ctx); err != nil {
		return err
	}
	if err := m.refreshIndex(ctx); err != nil {
		return err
	}
	config, err := m.cli.config(ctx, m.name)
	if err != nil {
		return err
	}
	return m.finish(config)
}

// devPassphrase is the file of the passphrase, made once for all clones on this
// machine and kept outside them.
func (m *maker) devPassphrase(exists bool) (string, error) {
	file, err := devPassphraseFile()
	if err != nil {
		return "", err
	}
	_, err = os.Stat(file)
	switch {
	case err == nil:
		return file, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("reading the passphrase: %w", err)
	case exists:
		return "", fmt.Errorf("the state of stack dev is encrypted with the passphrase in %s, which is gone: "+
			"put it back, or remove state/ to start over", file)
	}
	if err := writeOnce(file, randomText()+"\n"); err != nil {
		return "", fmt.Errorf("keeping the passphrase: %w", err)
	}
	m.tell("passphrase made, kept in %s", file)
	return file, nil
}

func devPassphraseFile() (string, error) {
	home, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("finding the folder for the passphrase: %w", err)
	}
	return filepath.Join(home, "platform", devStack+".passphrase"), nil
}

// devCA makes the CA's files. The certificate comes last: where it is, the key is.
func (m *maker) devCA() error {
	certificate, key := m.path("state", m.name, "ca.crt"), m.path("state", m.name, "ca.key")
	if _, err := os.Stat(certificate); err == nil {
		if _, err := tls.LoadX509KeyPair(certificate, key); err != nil {
			return fmt.Errorf("the CA in state/dev is broken: remove ca.crt and ca.key there to make a new one: %w", err)
		}
		return nil
	}
	ca, err := ownCA(m.name, "")
	if err != nil {
		return err
	}
	if err := os.Remove(key); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a key without certificate: %w", err)
	}
	if err := errors.Join(writeOnce(key, ca.key), writeOnce(certificate, ca.certificate)); err != nil {
		return fmt.Errorf("keeping the CA: %w", err)
	}
	m.tell("CA made, kept in state/dev/ca.crt and ca.key")
	return nil
}

// devLogin makes the client secret that OpenUnison shows the login provider.
func (m *maker) devLogin() error {
	file := m.path("state", m.name, "login-client-secret")
	err := writeOnce(file, randomText()+"\n")
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("keeping the login's client secret: %w", err)
	}
	m.tell("login's client secret made, kept in state/dev/login-client-secret")
	return nil
}

func (m *maker) path(elem ...string) string {
	return filepath.Join(append([]string{m.folder}, elem...)...)
}

// writeOnce writes a file that only its owner can read, whole or not at all. A
// file that is there stays, and the error is fs.ErrExist.
func writeOnce(name, content string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(part.Name()) }()
	_, err = part.WriteString(content)
	if err := errors.Join(err, part.Close()); err != nil {
		return err
	}
	return os.Link(part.Name(), name)
}

// randomText is 32 random bytes.
func randomText() string {
	b := make([]byte, 32)
	// crypto/rand does not fail: it ends the program instead.
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
