package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"platform/lab/site"
)

// keptPasswords are where the platform keeps what a person may have to type, in
// the control plane's cluster: namespace, Secret.
var keptPasswords = []struct{ what, namespace, secret string }{
	{"Harbor, user admin", "harbor", "harbor-admin"},
	{"GitLab, user root", "gitlab", "gitlab-root"},
	{"Vault's unseal keys", "vault", "vault-unseal-keys"},
}

// summary prints what a person needs after `make up`. It tells how to read a
// password, and never reads one.
func summary(ctx context.Context, p *project) error {
	outputs, err := stackOutputs(ctx, p)
	if err != nil {
		return err
	}
	fmt.Println("\nThe platform is up. Its addresses, as `make shell` reaches them:")
	printAddresses(outputs.URLs)
	fmt.Println("  (the lab plays Argo CD and the portal: nobody answers there)")
	for _, name := range slices.Sorted(maps.Keys(outputs.Tenants)) {
		fmt.Printf("  tenant %s\n", name)
		printOutputs(outputs.Tenants[name], "    ")
	}
	fmt.Println("\nKubeconfigs (all three are in $KUBECONFIG in `make shell`):")
	for _, cluster := range site.Clusters {
		fmt.Printf("  %-14s %s\n", cluster, p.relative(p.site.Kubeconfig(cluster)))
	}
	fmt.Println("\nPasswords, each with the command that shows it in `make shell`:")
	kubeconfig := p.relative(p.site.Kubeconfig(site.Clusters[0]))
	for _, k := range keptPasswords {
		fmt.Printf("  %-20s kubectl --kubeconfig %s -n %s get secret %s -o go-template='{{range .data}}{{base64decode .}}{{\"\\n\"}}{{end}}'\n",
			k.what, kubeconfig, k.namespace, k.secret)
	}
	passphrase, err := passphraseFile()
	if err != nil {
		return err
	}
	fmt.Printf("  %-20s cat %s\n", "The stack's state", passphrase)
	fmt.Printf("\nTo add a tenant: add an entry to platform:tenants in Pulumi.%s.yaml, then make preview, make up.\n", stack)
	return nil
}

type outputs struct {
	URLs    map[string]string `json:"urls"`
	Tenants map[string]any    `json:"tenants"`
}

func stackOutputs(ctx context.Context, p *project) (outputs, error) {
	var o outputs
	if err := enterLab(p); err != nil {
		return o, err
	}
	cmd := exec.CommandContext(ctx, "pulumi", "stack", "output", "--json", "--stack", stack)
	cmd.Dir, cmd.Stderr = p.root, os.Stderr
	data, err := cmd.Output()
	if err != nil {
		return o, fmt.Errorf("reading the outputs of stack %s: %w", stack, err)
	}
	if err := json.Unmarshal(data, &o); err != nil {
		return o, fmt.Errorf("reading the outputs of stack %s: %w", stack, err)
	}
	return o, nil
}

func printAddresses(urls map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(urls)) {
		fmt.Printf("  %-14s %s\n", name, urls[name])
	}
}

// printOutputs prints a tree of outputs, a line for each leaf.
func printOutputs(value any, indent string) {
	tree, ok := value.(map[string]any)
	if !ok {
		fmt.Printf("%s%v\n", indent, value)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		if _, nested := tree[name].(map[string]any); nested {
			fmt.Printf("%s%s\n", indent, name)
			printOutputs(tree[name], indent+"  ")
			continue
		}
		fmt.Printf("%s%-12s %v\n", indent, name, tree[name])
	}
}

// relative is a path as one would type it in the project's folder.
func (p *project) relative(path string) string {
	if short, err := filepath.Rel(p.root, path); err == nil && filepath.IsLocal(short) {
		return short
	}
	return path
}
