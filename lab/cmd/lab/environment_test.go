package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// outside is the environment that a test's lab is entered from.
func outside(t *testing.T, corporate string) {
	t.Helper()
	t.Setenv("LAB_PLUGINS", "")
	t.Setenv("PULUMI_HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("SSL_CERT_FILE", corporate)
	t.Setenv("HTTPS_PROXY", "http://it's.the.outer.proxy:3128")
}

func TestEnvironment(t *testing.T) {
	p := testProject(t)
	corporate := writeFile(t, filepath.Join(t.TempDir(), "roots.pem"), "a company's CA")
	outside(t, corporate)
	env, err := environment(p)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"PULUMI_STACK": "dev",
		"VAULT_ADDR":   "https://vault.platform.test",
		"NO_PROXY":     "127.0.0.1,localhost",
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
	} {
		if env[name] != want {
			t.Errorf("%s is %q, want %q", name, env[name], want)
		}
	}
	if !strings.HasPrefix(env["HTTPS_PROXY"], "http://127.0.0.1:") || env["HTTPS_PROXY"] != env["http_proxy"] {
		t.Errorf("proxies %q, %q", env["HTTPS_PROXY"], env["http_proxy"])
	}
	if !strings.HasSuffix(env["PATH"], os.Getenv("PATH")) {
		t.Error("PATH lost the folders from outside")
	}
	bundle, err := os.ReadFile(env["SSL_CERT_FILE"])
	if err != nil || string(bundle) != "a company's CA\nthe platform's CA\n" {
		t.Errorf("CAs to trust: %q, %v", bundle, err)
	}
}

func TestEnvironmentBeforeTheStack(t *testing.T) {
	p := testProject(t)
	outside(t, "")
	p.site.CACert += ".missing"
	if _, err := environment(p); err == nil || !strings.Contains(err.Error(), "make stack NAME=dev") {
		t.Errorf("error %v", err)
	}
}

// TestEnterAndLeave calls a lab within a lab: the inner one must know the
// environment from outside.
func TestEnterAndLeave(t *testing.T) {
	p := testProject(t)
	outside(t, "")
	before := map[string]string{}
	env, err := environment(p)
	if err != nil {
		t.Fatal(err)
	}
	for name := range env {
		value, ok := os.LookupEnv(name)
		before[name] = value
		t.Setenv(name, value) // puts it back after the test
		if !ok {
			_ = os.Unsetenv(name)
		}
	}
	if err := enterLab(p); err != nil {
		t.Fatal(err)
	}
	if os.Getenv("HTTPS_PROXY") == before["HTTPS_PROXY"] {
		t.Fatal("the lab was not entered")
	}
	leaveLab()
	for name, want := range before {
		if got := os.Getenv(name); got != want {
			t.Errorf("%s is %q, was %q before", name, got, want)
		}
	}
	leaveLab() // outside there is nothing to leave
}

func TestPrintedEnvironmentIsForSh(t *testing.T) {
	lines := exports(map[string]string{"ONE": `it's $HOME "and" more`, "TWO": "2"})
	out, err := exec.Command("/bin/sh", "-c", lines+`printf '%s|%s' "$ONE" "$TWO"`).Output()
	if err != nil || string(out) != `it's $HOME "and" more|2` {
		t.Errorf("sh read %q, %v from\n%s", out, err, lines)
	}
}
