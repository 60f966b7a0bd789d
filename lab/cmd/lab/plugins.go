package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/modfile"

	"platform/lab/tools"
)

// languageHost runs the program. It comes with the real Pulumi CLI, not by
// `pulumi plugin install`.
const languageHost = "pulumi-language-go"

// plugin is a provider plugin that the program needs.
type plugin struct {
	name, version string
	// server is where the CLI downloads it from, "" for Pulumi's own.
	server string
}

func (g plugin) binary() string { return "pulumi-resource-" + g.name }

// installed is where `pulumi plugin install` puts the binary.
func (g plugin) installed() (string, error) {
	home := os.Getenv("PULUMI_HOME")
	if home == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		home = filepath.Join(user, ".pulumi")
	}
	return filepath.Join(home, "plugins", "resource-"+g.name+"-"+g.version, g.binary()), nil
}

// requiredPlugins reads them off the program's go.mod: each Pulumi SDK there is
// generated for the plugin of its name and version.
func requiredPlugins(p *project) ([]plugin, error) {
	file := filepath.Join(p.root, "go.mod")
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	mod, err := modfile.Parse(file, data, nil)
	if err != nil {
		return nil, err
	}
	var all []plugin
	for _, r := range mod.Require {
		// github.com/OWNER/pulumi-NAME/sdk/vN
		part := strings.Split(r.Mod.Path, "/")
		if r.Indirect || len(part) != 5 || part[3] != "sdk" || !strings.HasPrefix(part[2], "pulumi-") {
			continue
		}
		g := plugin{name: strings.TrimPrefix(part[2], "pulumi-"), version: r.Mod.Version}
		if part[1] != "pulumi" {
			g.server = "github://api." + path.Join(part[:3]...)
		}
		all = append(all, g)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s requires no Pulumi SDK", file)
	}
	return all, nil
}

// plugins are those that a run will use.
type plugins struct {
	// described says which, for a person.
	described string
	// folder goes first on PATH, where the CLI looks before its own folder.
	// Empty, the CLI finds them all by itself.
	folder    string
	variables map[string]string
}

// The kinds of plugins there are. A stack stays with the kind that it was made
// with: their states differ, and the real Kubernetes plugin would replace every
// object that the lab's own made.
const (
	ownPlugins  = "own"
	realPlugins = "real"
)

// keepPlugins notes the kind, once, for as long as the lab keeps its data.
func keepPlugins(p *project) error {
	if os.Getenv("LAB_PLUGINS") != "" {
		return nil // a person's choice, made anew each time
	}
	kind, err := kindOfPlugins(p)
	if err != nil {
		return err
	}
	return os.WriteFile(p.site.Path("plugins"), []byte(kind), 0o600)
}

// kindOfPlugins is the kind that was kept, else the real ones if all are
// installed.
func kindOfPlugins(p *project) (string, error) {
	required, err := requiredPlugins(p)
	if err != nil {
		return "", err
	}
	missing := notInstalled(required)
	kept, err := os.ReadFile(p.site.Path("plugins"))
	switch kind := string(kept); {
	case errors.Is(err, os.ErrNotExist) && len(missing) > 0:
		return ownPlugins, nil
	case errors.Is(err, os.ErrNotExist):
		return realPlugins, nil
	case err != nil:
		return "", err
	case kind == realPlugins && len(missing) > 0:
		return "", fmt.Errorf("stack dev was made with the real plugins, and %s %s is installed no more: install it (pulumi plugin install resource %s %s)",
			missing[0].name, missing[0].version, missing[0].name, missing[0].version)
	default:
		return kind, nil
	}
}

// choosePlugins takes the folder that LAB_PLUGINS names, else the real plugins
// or the lab's own, see kindOfPlugins.
func choosePlugins(p *project) (plugins, error) {
	required, err := requiredPlugins(p)
	if err != nil {
		return plugins{}, err
	}
	offline := map[string]string{"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"}
	if folder := os.Getenv("LAB_PLUGINS"); folder != "" {
		folder, err := filepath.Abs(folder)
		if err != nil {
			return plugins{}, err
		}
		if missing := missingIn(folder, required); len(missing) > 0 {
			return plugins{}, fmt.Errorf("LAB_PLUGINS: %s has no %s", folder, strings.Join(missing, ", "))
		}
		return plugins{described: "those in " + folder + " (LAB_PLUGINS)", folder: folder, variables: offline}, nil
	}
	own, err := tools.PluginFolder(p.labModule())
	if err != nil {
		return plugins{}, err
	}
	kind, err := kindOfPlugins(p)
	if err != nil {
		return plugins{}, err
	}
	if kind == ownPlugins {
		return plugins{described: "the lab's own, in " + own, folder: own, variables: offline}, nil
	}
	if host, err := exec.LookPath(languageHost); err == nil {
		return plugins{described: "the real ones, with " + host}, nil
	}
	folder, err := only(p, own, languageHost)
	return plugins{described: "the real ones, with the lab's own " + languageHost, folder: folder}, err
}

// only is a folder with nothing of another folder but one program.
func only(p *project, folder, program string) (string, error) {
	link := p.site.Path("language-host", program)
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	return filepath.Dir(link), os.Symlink(filepath.Join(folder, program), link)
}

func missingIn(folder string, required []plugin) []string {
	var missing []string
	for _, binary := range append(binaries(required), languageHost) {
		if _, err := exec.LookPath(filepath.Join(folder, binary)); err != nil {
			missing = append(missing, binary)
		}
	}
	return missing
}

func binaries(all []plugin) []string {
	var names []string
	for _, g := range all {
		names = append(names, g.binary())
	}
	return names
}

func notInstalled(required []plugin) []plugin {
	var missing []plugin
	for _, g := range required {
		file, err := g.installed()
		if err == nil {
			_, err = os.Stat(file)
		}
		if err != nil {
			missing = append(missing, g)
		}
	}
	return missing
}

const (
	// pluginServer is where the CLI downloads Pulumi's plugins from.
	pluginServer  = "https://get.pulumi.com"
	answerTimeout = 3 * time.Second
	// downloadTimeout is for one plugin. Theirs are up to 60 MB.
	downloadTimeout = 3 * time.Minute
)

// downloadPlugins brings the real plugins that are missing, if the network
// reaches their server at all. It is no error if it does not.
func downloadPlugins(ctx context.Context, p *project) error {
	required, err := requiredPlugins(p)
	if err != nil {
		return err
	}
	missing := notInstalled(required)
	if os.Getenv("LAB_PLUGINS") != "" || len(missing) == 0 || !answers(ctx, pluginServer) {
		return nil
	}
	pulumi, err := tools.Program(p.tools(), "pulumi")
	if err != nil {
		return err
	}
	for _, g := range missing {
		fmt.Printf("downloading plugin %s %s\n", g.name, g.version)
		if err := g.download(ctx, pulumi); err != nil {
			fmt.Printf("  %v; the lab's own plugins are used\n", err)
			return nil
		}
	}
	return nil
}

func (g plugin) download(ctx context.Context, pulumi string) error {
	ctx, cancel := context.WithTimeout(ctx, downloadTimeout)
	defer cancel()
	args := []string{"plugin", "install", "resource", g.name, g.version, "--exact"}
	if g.server != "" {
		args = append(args, "--server", g.server)
	}
	cmd := exec.CommandContext(ctx, pulumi, args...)
	cmd.Env = append(os.Environ(), "PULUMI_SKIP_UPDATE_CHECK=true")
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("downloading it took too long: %w", ctx.Err())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return errors.New(lines[len(lines)-1])
}

func answers(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	return response.Body.Close() == nil
}
