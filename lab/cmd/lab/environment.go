package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"platform/lab/site"
	"platform/lab/tools"
)

// outerVariable holds, within the lab's environment, what the variables that
// the lab sets were outside, as JSON. null stands for one that was not set.
const outerVariable = "LAB_OUTER_ENVIRONMENT"

// environment is what a command needs to find the lab's tools and to reach the
// platform by its real names.
func environment(p *project) (map[string]string, error) {
	bundle, err := writeBundle(p)
	if err != nil {
		return nil, err
	}
	passphrase, err := passphraseFile()
	if err != nil {
		return nil, err
	}
	port, err := p.site.Port("proxy")
	if err != nil {
		return nil, err
	}
	plugins, err := choosePlugins(p)
	if err != nil {
		return nil, err
	}
	path, err := tools.Folders(p.tools())
	if err != nil {
		return nil, err
	}
	env := map[string]string{
		"PULUMI_STACK":                             stack,
		"PULUMI_CONFIG_PASSPHRASE_FILE":            passphrase,
		"PULUMI_SKIP_UPDATE_CHECK":                 "true",
		"PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
		"SSL_CERT_FILE":                            bundle,
		"GIT_SSL_CAINFO":                           bundle,
		"CURL_CA_BUNDLE":                           bundle,
		"VAULT_ADDR":                               "https://" + p.site.Host("vault"),
		"VAULT_CACERT":                             p.site.CACert,
		"KUBECONFIG":                               kubeconfigs(p.site),
	}
	proxy := fmt.Sprintf("http://127.0.0.1:%d", port)
	for name, value := range map[string]string{"https_proxy": proxy, "http_proxy": proxy, "no_proxy": "127.0.0.1,localhost"} {
		env[name], env[strings.ToUpper(name)] = value, value
	}
	maps.Copy(env, plugins.variables)
	if plugins.folder != "" {
		path = append([]string{plugins.folder}, path...)
	}
	env["PATH"] = joinPath(append(path, os.Getenv("PATH"))...)
	return env, rememberOuter(env)
}

func kubeconfigs(s *site.Site) string {
	var files []string
	for _, cluster := range site.Clusters {
		files = append(files, s.Kubeconfig(cluster))
	}
	return joinPath(files...)
}

// rememberOuter adds to env what leaveLab needs.
func rememberOuter(env map[string]string) error {
	outer := map[string]*string{}
	for name := range env {
		outer[name] = nil
		if value, ok := os.LookupEnv(name); ok {
			outer[name] = &value
		}
	}
	data, err := json.Marshal(outer)
	if err != nil {
		return err
	}
	env[outerVariable] = string(data)
	return nil
}

// leaveLab gives this command the environment from outside the lab when it was
// called within, in `lab shell` say: builds go to the network directly, the
// lab's proxy does not take itself for the proxy to use, and PATH does not grow
// with each shell.
func leaveLab() {
	var outer map[string]*string
	if json.Unmarshal([]byte(os.Getenv(outerVariable)), &outer) != nil {
		return
	}
	for name, value := range outer {
		if value == nil {
			_ = os.Unsetenv(name)
		} else {
			_ = os.Setenv(name, *value)
		}
	}
	_ = os.Unsetenv(outerVariable)
}

// systemRoots are the places where systems keep the CAs they trust, as in
// crypto/x509's root_linux.go.
var systemRoots = []string{
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/pki/tls/cacert.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"/etc/ssl/cert.pem",
}

// writeBundle makes the file of all CAs to trust: the system's and the
// platform's.
func writeBundle(p *project) (string, error) {
	ca, err := os.ReadFile(p.site.CACert)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("stack %s is not made yet (no %s): run make stack NAME=%s", stack, p.site.CACert, stack)
	}
	if err != nil {
		return "", fmt.Errorf("reading the platform's CA: %w", err)
	}
	var bundle []byte
	for _, file := range append([]string{os.Getenv("SSL_CERT_FILE")}, systemRoots...) {
		if data, err := os.ReadFile(file); err == nil && len(data) > 0 {
			bundle = append(data, '\n')
			break
		}
	}
	bundle = append(bundle, ca...)
	file := p.site.Path("ca-bundle.pem")
	if old, err := os.ReadFile(file); err == nil && bytes.Equal(old, bundle) {
		return file, nil
	}
	if err := os.WriteFile(file+".new", bundle, 0o600); err != nil {
		return "", err
	}
	return file, os.Rename(file+".new", file)
}

func printEnvironment(_ context.Context, p *project) error {
	env, err := environment(p)
	if err != nil {
		return err
	}
	fmt.Print(exports(env))
	return nil
}

// exports are lines that sh can evaluate.
func exports(env map[string]string) string {
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(env)) {
		_, _ = fmt.Fprintf(&lines, "export %s='%s'\n", name, strings.ReplaceAll(env[name], "'", `'\''`))
	}
	return lines.String()
}

// enterLab gives this process the lab's environment.
func enterLab(p *project) error {
	env, err := environment(p)
	if err != nil {
		return err
	}
	for name, value := range env {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// runInLab becomes a command in the lab's environment.
func runInLab(p *project, command []string) error {
	if err := enterLab(p); err != nil {
		return err
	}
	return become(command)
}

// shell ends well however the last command typed in it ended.
func shell(_ context.Context, p *project) error {
	program := os.Getenv("SHELL")
	if program == "" {
		program = "/bin/sh"
	}
	if err := enterLab(p); err != nil {
		return err
	}
	fmt.Printf("a %s in the lab's environment: pulumi works on stack %s; exit leaves it\n", filepath.Base(program), stack)
	cmd := exec.Command(program)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exited *exec.ExitError
	if errors.As(err, &exited) {
		return nil
	}
	return err
}
