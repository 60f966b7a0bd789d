package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"platform/lab/charts"
	"platform/lab/cluster"
	"platform/lab/gitlab"
	"platform/lab/harbor"
	"platform/lab/ingress"
	"platform/lab/kubelet"
	"platform/lab/openunison"
	"platform/lab/proxy"
	"platform/lab/site"
)

// ingressName is the ingress's port and certificate.
const ingressName = "ingress"

// endTimeout is how long requests under way may take once serve is to end.
const endTimeout = 5 * time.Second

// serve runs the lab's own servers: the chart mirror, GitLab and Harbor behind
// an ingress, the proxy that leads to it, and what stands for the nodes of the
// clusters. It ends when ctx does, or with the first of them that fails.
func serve(ctx context.Context, p *project) error {
	m, err := p.mode()
	if err != nil {
		return err
	}
	ctx, fail := context.WithCancelCause(ctx)
	s := &servers{project: p, mode: m, log: slog.New(slog.NewTextHandler(os.Stderr, nil)), fail: fail}
	go keepSupervisor(ctx, p, s.log)
	if err := s.start(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	for _, end := range s.ends {
		end()
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

type servers struct {
	project *project
	mode    mode
	log     *slog.Logger
	fail    context.CancelCauseFunc
	// ends are called at the end.
	ends []func()
}

func (s *servers) start(ctx context.Context) error {
	lab := s.project.site
	mirror, err := charts.Handler(ctx, lab.Path("charts", "repository"), s.project.labModule())
	if err != nil {
		return err
	}
	git, err := s.gitlab(ctx)
	if err != nil {
		return err
	}
	registry, err := s.harbor(ctx)
	if err != nil {
		return err
	}
	tokens, err := s.openunison()
	if err != nil {
		return err
	}
	nodes, err := s.nodes()
	if err != nil {
		return err
	}
	hosts := map[string]http.Handler{
		lab.Host("charts"): mirror, lab.Host("gitlab"): git, lab.Host("harbor"): registry,
		lab.Host("openunison"): tokens, lab.Host("argocd"): ingress.Played("Argo CD"),
	}
	maps.Copy(hosts, vclusterHosts(lab, nodes, s.mode))
	if err := s.ingress(hosts); err != nil {
		return err
	}
	if err := s.proxy(); err != nil {
		return err
	}
	s.follow(ctx, "vault", s.emptyVault)
	return s.clusters(ctx, nodes)
}

// vclusterHosts are the names of the tenants' vClusters, on each cluster that has
// them. One that is played leads to the cluster it is in.
func vclusterHosts(lab *site.Site, nodes map[string]*kubelet.Kubelet, m mode) map[string]http.Handler {
	hosts := map[string]http.Handler{}
	for _, name := range site.Clusters[1:] {
		hosts[lab.Host("*."+name)] = nodes[name].Ingress()
		if m == thin {
			hosts[lab.Host("*."+name)] = ingress.Cluster(lab.Kubeconfig(name))
		}
	}
	return hosts
}

func (s *servers) gitlab(ctx context.Context) (http.Handler, error) {
	var server atomic.Pointer[gitlab.Server]
	api, rails := &replaceable{}, &replaceable{}
	dir := s.project.site.Path("gitlab")
	open := func() error {
		opened, err := gitlab.New(gitlab.Options{
			Dir: dir, ExternalURL: "https://" + s.project.site.Host("gitlab"), Log: s.log.With("server", "gitlab"),
		})
		if err == nil {
			server.Store(opened)
			api.set(opened.Handler())
			rails.set(opened.Rails())
		}
		return err
	}
	if err := open(); err != nil {
		return nil, err
	}
	s.ends = append(s.ends, func() { server.Load().Close() })
	s.follow(ctx, "gitlab", func(context.Context) error {
		server.Load().Close()
		return errors.Join(os.RemoveAll(dir), open())
	})
	return api, s.socket(railsSocket(s.project.site), rails)
}

func (s *servers) harbor(ctx context.Context) (http.Handler, error) {
	lab := s.project.site
	api := &replaceable{}
	open := func() error {
		server, err := harbor.New(harbor.Options{
			Dir: lab.Path("harbor"), ExternalURL: "https://" + lab.Host("harbor"),
			AdminPassword: func() (string, error) { return harborPassword(ctx, lab) }, Log: s.log.With("server", "harbor"),
		})
		if err == nil {
			api.set(server.Handler())
		}
		return err
	}
	if err := open(); err != nil {
		return nil, err
	}
	s.follow(ctx, "harbor", func(context.Context) error {
		return errors.Join(os.RemoveAll(lab.Path("harbor")), open())
	})
	return api, nil
}

// openunison serves what Argo CD's delivery needs of it.
func (s *servers) openunison() (http.Handler, error) {
	lab := s.project.site
	client := func() (kubernetes.Interface, error) { return cluster.Client(lab, site.Clusters[0]) }
	server, err := openunison.New(openunison.Options{
		Dir: lab.Path("openunison"), Host: lab.Host("openunison"), Cluster: client,
		Caller: openunison.ApplicationController, Target: openunison.ClusterSecrets(client, "argocd"),
		Log: s.log.With("server", "openunison"),
	})
	if err != nil {
		return nil, err
	}
	return server.Handler(), nil
}

// follow keeps a system's data to the life of its namespace.
func (s *servers) follow(ctx context.Context, namespace string, reset func(context.Context) error) {
	l := life{site: s.project.site, namespace: namespace, reset: reset}
	s.keep(ctx, "life of "+namespace, l.follow)
}

// passwordTimeout is for one question to an API server, which a request to Harbor
// waits for.
const passwordTimeout = 5 * time.Second

// harborPassword is the admin's, which Harbor's pods take from the Secret that
// the platform names in the chart's values.
func harborPassword(ctx context.Context, s *site.Site) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, passwordTimeout)
	defer cancel()
	client, err := cluster.Client(s, site.Clusters[0])
	if err != nil {
		return "", err
	}
	secret, err := client.CoreV1().Secrets("harbor").Get(ctx, "harbor-admin", metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("reading the password of Harbor's admin: %w", err)
	}
	return string(secret.Data["HARBOR_ADMIN_PASSWORD"]), nil
}

// railsSocket is in a folder of its own, which the containers of GitLab's
// toolbox see.
func railsSocket(s *site.Site) string { return s.Path("rails", "gitlab.sock") }

// ingress serves hosts over TLS, with a certificate of the platform's CA.
func (s *servers) ingress(hosts map[string]http.Handler) error {
	cert, key, err := s.project.site.Certificate(ingressName, slices.Sorted(maps.Keys(hosts))...)
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return err
	}
	listener, err := s.listen(ingressName)
	if err != nil {
		return err
	}
	s.serve(ingressName, tls.NewListener(listener, &tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
	}), ingress.New(hosts))
	return nil
}

func (s *servers) proxy() error {
	table, err := routes(s.project.site)
	if err != nil {
		return err
	}
	listener, err := s.listen("proxy")
	if err != nil {
		return err
	}
	s.serve("proxy", listener, &proxy.Proxy{
		Routes: table.Route, Upstream: http.ProxyFromEnvironment, Log: s.log.With("server", "proxy"),
	})
	return nil
}

// nodes stand for those of each cluster, as far as what runs there is real.
func (s *servers) nodes() (map[string]*kubelet.Kubelet, error) {
	table, err := routes(s.project.site)
	if err != nil {
		return nil, err
	}
	known, err := images(s.project.site, s.mode)
	if err != nil {
		return nil, err
	}
	nodes := map[string]*kubelet.Kubelet{}
	for _, name := range site.Clusters {
		nodes[name] = &kubelet.Kubelet{
			Site: s.project.site, Cluster: name, Images: known, Program: s.project.program,
			Route: func(host, port string) (string, bool) { return table.Route(name, host, port) },
			Log:   s.log.With("server", "kubelet"),
		}
	}
	return nodes, nil
}

// clusters runs the nodes, and makes the volumes, of each cluster.
func (s *servers) clusters(ctx context.Context, nodes map[string]*kubelet.Kubelet) error {
	for name, node := range nodes {
		s.keep(ctx, "pods of "+name, node.Run)
		s.keep(ctx, "volumes of "+name, func(ctx context.Context) error { return cluster.Volumes(ctx, s.project.site, name) })
	}
	return s.socket(podsSocket(s.project.site), listPods(nodes))
}

// podsSocket is where `lab status` asks which pods are processes.
func podsSocket(s *site.Site) string { return s.Path("pods.sock") }

func listPods(nodes map[string]*kubelet.Kubelet) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		var all []kubelet.Process
		for _, name := range site.Clusters {
			all = append(all, nodes[name].Processes()...)
		}
		_ = json.NewEncoder(w).Encode(all)
	})
}

func (s *servers) listen(name string) (net.Listener, error) {
	port, err := s.project.site.Port(name)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, fmt.Errorf("serving %s: %w", name, err)
	}
	return listener, nil
}

// socket serves on a unix socket in the lab's folder, which only this user can
// enter.
func (s *servers) socket(file string, handler http.Handler) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", file)
	if err != nil {
		return err
	}
	s.serve(filepath.Base(file), listener, handler)
	return nil
}

func (s *servers) serve(name string, listener net.Listener, handler http.Handler) {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(s.log.With("server", name).Handler(), slog.LevelWarn),
	}
	s.ends = append(s.ends, func() {
		ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
		defer cancel()
		_ = server.Shutdown(ctx)
	})
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.fail(fmt.Errorf("serving %s: %w", name, err))
		}
	}()
	s.log.Info("serving", "server", name, "address", listener.Addr().String())
}

// retryDelay is for work on a cluster that does not answer yet, or no more.
const retryDelay = 2 * time.Second

// keep does work on a cluster until ctx ends, again when it fails: clusters
// start and restart beside this process.
func (s *servers) keep(ctx context.Context, what string, work func(context.Context) error) {
	go func() {
		for ctx.Err() == nil {
			if err := work(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("trying again", "work", what, "error", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(retryDelay):
			}
		}
	}()
}
