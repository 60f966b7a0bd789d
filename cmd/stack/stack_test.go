package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// project is a clone of the project's stack files, in an environment of its own.
type project struct {
	t      *testing.T
	folder string
}

func newProject(t *testing.T) project {
	t.Helper()
	if _, err := exec.LookPath("pulumi"); err != nil {
		t.Skip("pulumi is not on PATH; `make test` brings the lab's own")
	}
	p := project{t: t, folder: t.TempDir()}
	t.Setenv("PULUMI_HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("PULUMI_BACKEND_URL", "")
	t.Setenv("PULUMI_CONFIG_PASSPHRASE", "")
	t.Setenv("PULUMI_CONFIG_PASSPHRASE_FILE", "")
	for _, name := range []string{"Pulumi.yaml", devFile, ".gitattributes", ".gitignore"} {
		text, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		if name == devFile {
			// This clone's own salt, if `make up` ran in it.
			text = withoutSalt(text)
		}
		p.write(name, string(text))
	}
	p.git("init", "--quiet")
	p.git("config", "user.email", "person@example.com")
	p.git("config", "user.name", "Person")
	p.git("add", "--all")
	p.git("commit", "--quiet", "--message", "first")
	return p
}

func withoutSalt(text []byte) []byte {
	var kept []byte
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte(saltKey)) {
			kept = append(kept, line...)
		}
	}
	return kept
}

func (p project) read(name string) string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.folder, name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

func (p project) write(name, text string) string {
	p.t.Helper()
	file := filepath.Join(p.folder, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return file
}

func (p project) git(args ...string) string {
	p.t.Helper()
	command := exec.Command("git", args...)
	command.Dir = p.folder
	out, err := command.CombinedOutput()
	if err != nil {
		p.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// stack runs the command.
func (p project) stack(args ...string) (string, error) {
	var out bytes.Buffer
	err := run(context.Background(), p.folder, args, &out)
	return out.String(), err
}

// mustStack runs the command, which must not fail.
func (p project) mustStack(args ...string) string {
	p.t.Helper()
	out, err := p.stack(args...)
	if err != nil {
		p.t.Fatalf("stack %v: %v", args, err)
	}
	return out
}

// files are the content of all files below a folder, and their modes.
func (p project) files(folder string) map[string]string {
	p.t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		found[path] = string(text)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return found
}

func TestDevMakesItselfOnceAndLeavesTheTreeClean(t *testing.T) {
	p := newProject(t)
	p.mustStack("dev")
	if status := p.git("status", "--porcelain"); status != "" {
		t.Errorf("git status after the first run: %s", status)
	}
	for _, secret := range []string{
		filepath.Join(p.folder, "state/dev/ca.key"), filepath.Join(p.folder, "state/dev/login-client-secret"),
		filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "platform/dev.passphrase"),
	} {
		info, err := os.Stat(secret)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", secret, info.Mode().Perm())
		}
	}
	info, err := os.Stat(filepath.Join(p.folder, "state"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("state/ is open to others: %v, %v", info, err)
	}

	before := p.files(filepath.Join(p.folder, "state"))
	file := p.read(devFile)
	if out := p.mustStack("dev"); out != "stack dev: all there, nothing made\n" {
		t.Errorf("the second run says %q", out)
	}
	after := p.files(filepath.Join(p.folder, "state"))
	for name, text := range after {
		if before[name] != text {
			t.Errorf("the second run changed %s", name)
		}
	}
	if len(before) != len(after) || p.read(devFile) != file {
		t.Error("the second run changed something")
	}
}

func TestDevGetsItsSaltBack(t *testing.T) {
	p := newProject(t)
	p.mustStack("dev")
	salted := p.read(devFile)
	if !strings.Contains(salted, "\n"+saltKey) {
		t.Fatal("the CLI wrote no salt")
	}
	// A checkout of another commit and back writes the file anew.
	p.git("rm", "--quiet", "--cached", devFile)
	p.git("reset", "--quiet", "HEAD", devFile)
	p.write(devFile, string(withoutSalt([]byte(salted))))
	p.mustStack("dev")
	if p.read(devFile) != salted {
		t.Errorf("the salt is not what it was:\n%s", p.read(devFile))
	}
	if status := p.git("status", "--porcelain"); status != "" {
		t.Errorf("git status: %s", status)
	}
}

func TestDevLeavesAPersonsChangeToThem(t *testing.T) {
	p := newProject(t)
	p.mustStack("dev")
	p.write(devFile, strings.Replace(p.read(devFile), "config:\n", "config:\n  # mine\n", 1))
	p.mustStack("dev")
	if staged := p.git("diff", "--cached", "--name-only"); staged != "" {
		t.Errorf("staged: %s", staged)
	}
	if diff := p.git("diff"); !strings.Contains(diff, "# mine") || strings.Contains(diff, saltKey) {
		t.Errorf("git diff: %s", diff)
	}
}

func TestDevWithoutItsPassphrase(t *testing.T) {
	p := newProject(t)
	p.mustStack("dev")
	file := filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "platform/dev.passphrase")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	_, err := p.stack("dev")
	want := "the state of stack dev is encrypted with the passphrase in " + file +
		", which is gone: put it back, or remove state/ to start over"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("another passphrase was made, which does not fit the state")
	}
}

func TestDevWithABrokenCA(t *testing.T) {
	p := newProject(t)
	p.mustStack("dev")
	p.write("state/dev/ca.key", "not a key")
	_, err := p.stack("dev")
	if err == nil || !strings.HasPrefix(err.Error(), "the CA in state/dev is broken: remove ca.crt and ca.key there to make a new one") {
		t.Errorf("got %v", err)
	}
}

func TestOtherStackGetsItsSecretsOnce(t *testing.T) {
	p := newProject(t)
	t.Setenv("PULUMI_CONFIG_PASSPHRASE", "correct horse")
	p.mustStack("prod")
	file := p.read("Pulumi.prod.yaml")
	if !strings.HasPrefix(file, "# yaml-language-server: $schema=stacks/schema.json\n") {
		t.Error("the file lost its comments")
	}
	if strings.Contains(file, "PRIVATE KEY") || strings.Count(file, "secure: v1:") != 2 {
		t.Errorf("the CA's key and the login's secret are not encrypted:\n%s", file)
	}
	if out := p.mustStack("prod"); out != "stack prod: all there, nothing made\n" || p.read("Pulumi.prod.yaml") != file {
		t.Errorf("the second run changed something: %s", out)
	}

	// A run that was cut off between key and certificate goes on with the key.
	p.write("Pulumi.prod.yaml", file[:strings.Index(file, "  platform:ca:\n")]+saltLine(file))
	p.mustStack("prod")
	if key := secretLine(file); secretLine(p.read("Pulumi.prod.yaml")) != key {
		t.Error("the key was replaced")
	}

	t.Setenv("PULUMI_CONFIG_PASSPHRASE", "wrong")
	_, err := p.stack("prod")
	if err == nil || err.Error() != "the passphrase is not the one that this stack was made with" {
		t.Errorf("wrong passphrase: got %v", err)
	}
}

// secretLine is the first encrypted value of a stack's file.
func secretLine(file string) string {
	line, _, _ := strings.Cut(file[strings.Index(file, "secure: "):], "\n")
	return line
}

func saltLine(file string) string { return file[strings.Index(file, saltKey):] }

func TestOtherStackNeedsAPassphrase(t *testing.T) {
	p := newProject(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	terminal := os.Stdin
	os.Stdin = null
	t.Cleanup(func() { os.Stdin = terminal; _ = null.Close() })
	// That of stack dev, which the lab's environment names, does not count.
	p.mustStack("dev")
	for _, file := range []string{"", filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "platform/dev.passphrase")} {
		t.Setenv("PULUMI_CONFIG_PASSPHRASE_FILE", file)
		_, err = p.stack("prod")
		want := "stack prod needs its passphrase: set PULUMI_CONFIG_PASSPHRASE_FILE to a file that holds it, or PULUMI_CONFIG_PASSPHRASE"
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestNewStackValidates(t *testing.T) {
	p := newProject(t)
	t.Setenv("PULUMI_CONFIG_PASSPHRASE", "correct horse")
	p.mustStack("-domain", "platform.example.org", "staging")
	file := p.read("Pulumi.staging.yaml")
	for _, want := range []string{
		"platform:domain: platform.example.org", "issuer: https://login.platform.example.org", "- person@example.com",
		"kubeconfig: state/staging/kubeconfigs/prod.yaml",
	} {
		if !strings.Contains(file, want) {
			t.Errorf("the first config has no %q:\n%s", want, file)
		}
	}
	_, err := p.stack("-domain", "other.example.org", "staging")
	if err == nil || err.Error() != "Pulumi.staging.yaml is there already: edit it, in place of the flags for a first config" {
		t.Errorf("got %v", err)
	}
}

func TestNamedCA(t *testing.T) {
	p := newProject(t)
	t.Setenv("PULUMI_CONFIG_PASSPHRASE", "correct horse")
	ca, err := ownCA("corporate", "")
	if err != nil {
		t.Fatal(err)
	}
	named := []string{"-ca-certificate", p.write("corp.crt", ca.certificate), "-ca-key", p.write("corp.key", ca.key)}
	p.mustStack(append(named, "prod")...)
	if line := strings.Split(ca.certificate, "\n")[1]; !strings.Contains(p.read("Pulumi.prod.yaml"), line) {
		t.Errorf("the config does not hold the certificate's line %s", line)
	}

	other, err := ownCA("other", ca.key)
	if err != nil {
		t.Fatal(err)
	}
	p.write("corp.crt", other.certificate)
	if _, err := p.stack(append(named, "prod")...); err == nil || !strings.HasPrefix(err.Error(), "Pulumi.prod.yaml has a CA already") {
		t.Errorf("another CA: got %v", err)
	}
	p.write("corp.key", "x")
	if _, err := p.stack(append(named, "prod")...); err == nil || !strings.Contains(err.Error(), "are not a certificate and its key") {
		t.Errorf("a CA with a wrong key: got %v", err)
	}
}

func TestArguments(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no name":      {nil, "give it the name of one stack, after the flags: make stack NAME=prod"},
		"two names":    {[]string{"a", "b"}, "give it the name of one stack, after the flags: make stack NAME=prod"},
		"capitals":     {[]string{"Prod"}, `"Prod" cannot be a stack's name; write small letters, digits and hyphens, first a letter`},
		"a path":       {[]string{"../x"}, `"../x" cannot be a stack's name; write small letters, digits and hyphens, first a letter`},
		"the lab's":    {[]string{"lab"}, "a stack cannot be called lab: state/ has something else of that name"},
		"half a CA":    {[]string{"-ca-key", "x", "prod"}, "a CA has a certificate and a key: give both, -ca-certificate and -ca-key"},
		"dev with one": {[]string{"-domain", "x.y", "dev"}, "stack dev makes itself and takes no flags; its config is Pulumi.dev.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(c.args, &bytes.Buffer{})
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestOwnCA(t *testing.T) {
	ca, err := ownCA("prod", "")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(ca.certificate))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if c.Subject.CommonName != "platform CA (prod)" || !c.IsCA || !c.MaxPathLenZero ||
		c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
		t.Errorf("the certificate is not that of a CA: %+v", c)
	}
	if years := c.NotAfter.Year() - c.NotBefore.Year(); years != caYears {
		t.Errorf("valid for %d years", years)
	}
	if err := c.CheckSignatureFrom(c); err != nil {
		t.Errorf("not signed by itself: %v", err)
	}
}
