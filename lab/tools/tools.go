// Package tools builds the programs that the lab runs, each from the Go module
// it is published in. A program's module is pinned by the go.mod of a folder
// beside this file, so that the dependencies of one never meet another's. What
// is built is kept by version in the user's cache folder, for every clone.
package tools

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Tool is a set of programs that are built from one module.
type Tool struct {
	// Name is the folder with the tool's go.mod, below lab/tools.
	Name    string
	Version string
	// Programs by the name of the binary: the package each is built from.
	Programs map[string]string
	// Tags and Variables (of -ldflags -X) of the build.
	Tags      string
	Variables map[string]string
	// Patches replace files of upstream modules, for a build with other parts:
	// module path and file in it, by a file in the tool's folder, or by none.
	Patches map[[2]string]string
	// Own tells the version of a binary that is on PATH already, as arguments
	// and the text that the right version prints. Nil: PATH is not looked at.
	Own []string
}

const (
	kubernetesVersion = "v1.34.4"
	vault             = "github.com/hashicorp/vault"
)

// Servers are the tools that the lab starts or runs, in the order of their
// building: the slowest ones last, so that a person sees progress early.
var Servers = []Tool{
	{
		Name: "etcd", Version: "v3.6.16",
		Programs: map[string]string{"etcd": "go.etcd.io/etcd/server/v3"},
		Own:      []string{"etcd", "--version", "etcd Version: 3.6.16"},
	},
	{
		Name: "pulumi", Version: "v3.259.0",
		Programs:  map[string]string{"pulumi": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"},
		Variables: map[string]string{"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": "v3.259.0"},
		Own:       []string{"pulumi", "version", "v3.259.0"},
	},
	{
		Name: "kubernetes", Version: kubernetesVersion,
		Programs: map[string]string{
			"kube-apiserver":          "k8s.io/kubernetes/cmd/kube-apiserver",
			"kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
			"kube-scheduler":          "k8s.io/kubernetes/cmd/kube-scheduler",
			"kubectl":                 "k8s.io/kubernetes/cmd/kubectl",
			// Not the newest: this one is made of the same libraries.
			"kwok": "sigs.k8s.io/kwok/cmd/kwok",
		},
		// Without these the programs call themselves v0.0.0-master.
		Variables: map[string]string{
			"k8s.io/component-base/version.gitVersion": kubernetesVersion,
			"k8s.io/component-base/version.gitMajor":   "1",
			"k8s.io/component-base/version.gitMinor":   "34",
			"k8s.io/client-go/pkg/version.gitVersion":  kubernetesVersion,
		},
	},
	{
		Name: "vault", Version: "v1.21.0",
		Programs: map[string]string{"vault": vault},
		// Vault's own tag for a server with few engines; the one it lacks for
		// the platform, log-in by Kubernetes accounts, is added. Left out are the
		// clients of clouds and databases, most of what Vault is built from: those
		// that are modules of their own in the go.mod, the others here.
		Tags: "minimal",
		Patches: map[[2]string]string{
			{vault, "helper/builtinplugins/registry_min.go"}:              "builtinplugins/registry.go",
			{vault, "command/agent.go"}:                                   "command/agent.go",
			{vault, "command/agent_generate_config.go"}:                   "",
			{vault, "command/proxy.go"}:                                   "",
			{vault, "internalshared/configutil/hcp_link.go"}:              "configutil/hcp_link.go",
			{vault, "internalshared/configutil/kms.go"}:                   "configutil/kms.go",
			{vault, "internalshared/configutil/env_var_util.go"}:          "",
			{vault, "vault/hcp_link/link.go"}:                             "link/link.go",
			{vault, "plugins/database/mysql/mysql.go"}:                    "mysql/mysql.go",
			{vault, "plugins/database/mysql/connection_producer.go"}:      "",
			{vault + "/sdk", "database/helper/connutil/sql.go"}:           "connutil/sql.go",
			{vault + "/sdk", "database/helper/connutil/cloudsql.go"}:      "",
			{vault + "/sdk", "database/helper/connutil/postgres.go"}:      "",
			{vault + "/sdk", "database/helper/connutil/sql_stubs_oss.go"}: "",
			{vault + "-plugin-auth-jwt", "provider_gsuite.go"}:            "jwt/gsuite.go",
		},
		Variables: map[string]string{vault + "/version.fullVersion": "1.21.0"},
	},
}

// Cache is the folder of everything built, below the user's cache folder.
func Cache() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the user's cache folder: %w", err)
	}
	return filepath.Join(cache, "platform", "bin"), nil
}

// Folder is where the tool's programs are kept. Its name tells the version and
// what else the build depends on. modules is lab/tools.
func (t Tool) Folder(modules string) (string, error) {
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	module := os.DirFS(filepath.Join(modules, t.Name))
	err = fs.WalkDir(module, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(module, file)
		fmt.Fprintf(hash, "%s %d\n%s", file, len(data), data)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("reading the module of %s: %w", t.Name, err)
	}
	fmt.Fprint(hash, t.Programs, t.Tags, t.Variables, t.Patches)
	return filepath.Join(cache, t.Name+"-"+t.Version+"-"+hex.EncodeToString(hash.Sum(nil))[:12]), nil
}

// Folders are those of all servers, for PATH.
func Folders(modules string) ([]string, error) {
	var folders []string
	for _, t := range Servers {
		folder, err := t.Folder(modules)
		if err != nil {
			return nil, err
		}
		folders = append(folders, folder)
	}
	return folders, nil
}

// Program is the path of one built program.
func Program(modules, name string) (string, error) {
	for _, t := range all() {
		if _, ok := t.Programs[name]; !ok {
			continue
		}
		folder, err := t.Folder(modules)
		if err != nil {
			return "", err
		}
		path := filepath.Join(folder, name)
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("%s is not built yet: run make build", name)
		}
		return path, nil
	}
	return "", fmt.Errorf("no tool has a program called %s", name)
}

// flags are the build flags of the tool.
func (t Tool) flags() []string {
	ldflags := []string{"-s", "-w"}
	for name, value := range t.Variables {
		ldflags = append(ldflags, "-X", name+"="+value)
	}
	flags := []string{"-trimpath", "-ldflags", strings.Join(ldflags, " ")}
	if t.Tags != "" {
		flags = append(flags, "-tags", t.Tags)
	}
	return flags
}
