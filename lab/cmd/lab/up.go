package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"platform/lab/cluster"
	"platform/lab/kubelet"
	"platform/lab/mariadb"
	"platform/lab/process"
	"platform/lab/site"
	"platform/lab/tools"
	"platform/lab/vault"
)

// up starts all that does not run. It can be cut off anywhere, and goes on the
// next time.
func up(ctx context.Context, p *project) error {
	if _, err := writeBundle(p); err != nil {
		return err
	}
	m, err := p.mode()
	if err != nil {
		return err
	}
	if err := p.keepMode(m); err != nil {
		return err
	}
	if err := dropTakenPorts(p); err != nil {
		return err
	}
	if err := keepPlugins(p); err != nil {
		return err
	}
	begin := time.Now()
	if err := startAll(ctx, p); err != nil {
		return err
	}
	list, err := process.List(p.site)
	if err != nil {
		return err
	}
	fmt.Printf("the lab runs: %d processes, ready after %.1f s; %s\n", len(list), time.Since(begin).Seconds(), played[m])
	return nil
}

func startAll(ctx context.Context, p *project) error {
	if err := process.Resume(p.site); err != nil {
		return err
	}
	etcd, err := cluster.Etcd(p.site, p.program)
	if err != nil {
		return err
	}
	if err := process.Start(ctx, p.site, etcd); err != nil {
		return err
	}
	servers := []func(context.Context) error{
		func(ctx context.Context) error { return startServers(ctx, p) },
		func(ctx context.Context) error { return startVault(ctx, p) },
	}
	for _, name := range site.Clusters {
		servers = append(servers, func(ctx context.Context) error { return startCluster(ctx, p, name) })
	}
	if err := together(ctx, servers...); err != nil {
		return err
	}
	if err := startSupervisor(ctx, p); err != nil {
		return err
	}
	return unsealVault(ctx, p)
}

// together does work at the same time. What fails ends the rest, and its error
// counts: those after it may be its doing.
func together(ctx context.Context, work ...func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for _, do := range work {
		all.Go(func() {
			if err := do(ctx); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

func startCluster(ctx context.Context, p *project, name string) error {
	m, err := p.mode()
	if err != nil {
		return err
	}
	known, err := images(p.site, m)
	if err != nil {
		return err
	}
	specs, err := cluster.Specs(p.site, p.program, name, cluster.Pods{Real: kubelet.Selector(known), Webhooks: m == full})
	if err != nil {
		return err
	}
	// The API server first: the others end when they do not find it.
	for _, spec := range specs {
		if err := process.Start(ctx, p.site, spec); err != nil {
			return err
		}
	}
	return cluster.Prepare(ctx, p.site, name)
}

// startServers starts the process with the lab's own servers, see serve.
func startServers(ctx context.Context, p *project) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	m, err := p.mode()
	if err != nil {
		return err
	}
	return process.Start(ctx, p.site, process.Spec{
		Name: "serve", Path: self, Args: []string{"serve"}, Dir: p.root,
		// Which pods it runs depends on it; another mode starts it anew.
		Env: []string{modeVariable + "=" + string(m)},
		// It makes namespaces for pods.
		Root:  true,
		Ready: reachable(p, "https://"+p.site.Host("charts")+"/index.yaml"),
	})
}

func startVault(ctx context.Context, p *project) error {
	binary, err := p.program("vault")
	if err != nil {
		return err
	}
	spec, err := vault.Spec(p.site, binary)
	if err != nil {
		return err
	}
	return process.Start(ctx, p.site, spec)
}

// unsealVault does what a person does after a restart of Vault, with the keys
// that the platform's bootstrap Job has kept. Before that Job there are none.
func unsealVault(ctx context.Context, p *project) error {
	client, err := cluster.Client(p.site, site.Clusters[0])
	if err != nil {
		return err
	}
	kept, err := client.CoreV1().Secrets("vault").Get(ctx, "vault-unseal-keys", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading Vault's unseal keys: %w", err)
	}
	var keys []string
	for _, name := range slices.Sorted(maps.Keys(kept.Data)) {
		keys = append(keys, string(kept.Data[name]))
	}
	ctx, cancel := context.WithTimeout(ctx, unsealTimeout)
	defer cancel()
	err = vault.Unseal(ctx, p.site, keys)
	if errors.Is(err, vault.ErrUninitialised) {
		return errors.New("the cluster holds Vault's unseal keys, but Vault has lost its data: make down, then make up, starts over")
	}
	return err
}

const unsealTimeout = time.Minute

// program finds a program: a tool that is built, one of the lab's own, or one of
// MariaDB's.
func (p *project) program(name string) (string, error) {
	if slices.Contains(mariadb.Programs(), name) {
		cache, err := tools.Cache()
		if err != nil {
			return "", err
		}
		server, err := mariadb.Find(cache)
		return server.Program(name), err
	}
	if _, own := tools.Plugins[name]; !own {
		return tools.Program(p.tools(), name)
	}
	folder, err := tools.PluginFolder(p.labModule())
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is not built yet: run make build", name)
	}
	return path, nil
}

// dropTakenPorts lets the lab choose other ports where other programs have taken
// those of servers that do not run. Nothing that is kept depends on a port:
// kubeconfigs are written at each start.
func dropTakenPorts(p *project) error {
	taken, err := takenPorts(p)
	if err != nil {
		return err
	}
	for name := range taken {
		if err := p.site.Forget(name); err != nil {
			return err
		}
	}
	return nil
}
