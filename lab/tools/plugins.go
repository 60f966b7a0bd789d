package tools

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Plugins are the packages of the lab's own plugins and of the commands that
// stand for those of images, by the name of the binary.
var Plugins = map[string]string{
	"pulumi-language-go":         "./plugins/language-go",
	"pulumi-resource-kubernetes": "./plugins/kubernetes",
	"pulumi-resource-vault":      "./plugins/vault",
	"pulumi-resource-gitlab":     "./plugins/gitlab",
	"pulumi-resource-harbor":     "./plugins/harbor",
	"pulumi-resource-random":     "./plugins/random",
	"pulumi-resource-tls":        "./plugins/tls",
	"gitlab-rails":               "./gitlab/rails",
	"kube-oidc-proxy":            "./openunison/proxy",
	"lab-curl":                   "./curl",
	"lab-mariadb":                "./mariadb/entrypoint",
}

// pluginSources are the folders, below the lab's, of what plugins are built from.
var pluginSources = []string{"plugins", "gitlab", "statefile", "curl", "mariadb", "openunison"}

// PluginFolder is where the lab's own plugins are kept, by what they are built
// from. lab is the folder of the lab's module.
func PluginFolder(lab string) (string, error) {
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	add := func(file string) error {
		data, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading the lab's plugins: %w", err)
		}
		fmt.Fprintf(hash, "%s %d\n%s", strings.TrimPrefix(file, lab), len(data), data)
		return nil
	}
	if err := add(filepath.Join(lab, "go.sum")); err != nil {
		return "", err
	}
	for _, root := range pluginSources {
		err := filepath.WalkDir(filepath.Join(lab, root), func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			return add(path)
		})
		if err != nil {
			return "", err
		}
	}
	return filepath.Join(cache, "plugins-"+hex.EncodeToString(hash.Sum(nil))[:12]), nil
}

// BuildPlugins builds the lab's own plugins if they are not there yet.
func BuildPlugins(ctx context.Context, w io.Writer, lab string) error {
	folder, err := PluginFolder(lab)
	if err != nil {
		return err
	}
	if _, err := os.Stat(folder); err == nil {
		return nil
	}
	if err := enough(); err != nil {
		return err
	}
	lock, err := os.OpenFile(folder+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("locking the build of the plugins: %w", err)
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("locking the build of the plugins: %w", err)
	}
	if _, err := os.Stat(folder); err == nil {
		return nil // another clone has built them meanwhile
	}
	temp, err := os.MkdirTemp(filepath.Dir(folder), "plugins.")
	if err != nil {
		return fmt.Errorf("making a folder to build the plugins in: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	fmt.Fprintln(w, "building the lab's own plugins")
	start := time.Now()
	if err := buildPrograms(ctx, lab, temp, Plugins, []string{"-trimpath", "-ldflags", "-s -w"}); err != nil {
		return fmt.Errorf("building the lab's own plugins: %w", err)
	}
	fmt.Fprintf(w, "the lab's own plugins built in %.0f s\n", time.Since(start).Seconds())
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	return os.Rename(temp, folder)
}
