package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"platform/lab/charts"
	"platform/lab/cluster"
	"platform/lab/gitlab"
	"platform/lab/kubelet"
	"platform/lab/proxy"
	"platform/lab/site"
)

// endTimeout is how long requests under way may take once serve is to end.
const endTimeout = 5 * time.Second

// serve runs the lab's own servers: the chart mirror, GitLab, Harbor, the proxy
// to them all, and what stands for the nodes of the clusters. It ends when ctx
// does, or with the first of them that fails.
func serve(ctx context.Context, p *project) error {
	ctx, fail := context.WithCancelCause(ctx)
	s := &servers{project: p, log: slog.New(slog.NewTextHandler(os.Stderr, nil)), fail: fail}
	for _, start := range []func(context.Context) error{s.charts, s.gitlab, s.proxy, s.clusters} {
		if err := start(ctx); err != nil {
			return err
		}
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
	log     *slog.Logger
	fail    context.CancelCauseFunc
	// ends are called at the end.
	ends []func()
}

func (s *servers) charts(ctx context.Context) error {
	handler, err := charts.Handler(ctx, s.project.site.Path("charts", "repository"), s.project.labModule())
	if err != nil {
		return err
	}
	return s.https("charts", handler)
}

func (s *servers) gitlab(context.Context) error {
	host := s.project.site.Host("gitlab")
	server, err := gitlab.New(gitlab.Options{
		Dir: s.project.site.Path("gitlab"), ExternalURL: "https://" + host, Log: s.log.With("server", "gitlab"),
	})
	if err != nil {
		return err
	}
	s.ends = append(s.ends, server.Close)
	if err := s.https("gitlab", server.Handler()); err != nil {
		return err
	}
	return s.socket(railsSocket(s.project.site), server.Rails())
}

// railsSocket is in a folder of its own, which the containers of GitLab's
// toolbox see.
func railsSocket(s *site.Site) string { return s.Path("rails", "gitlab.sock") }

func (s *servers) proxy(context.Context) error {
	routes, err := routes(s.project.site)
	if err != nil {
		return err
	}
	listener, err := s.listen("proxy")
	if err != nil {
		return err
	}
	s.serve("proxy", listener, &proxy.Proxy{
		Routes: routes.Route, Upstream: http.ProxyFromEnvironment, Log: s.log.With("server", "proxy"),
	})
	return nil
}

// clusters stands for what runs on the nodes of each cluster, as far as it is
// real: pods of Jobs, and volumes.
func (s *servers) clusters(ctx context.Context) error {
	for _, name := range site.Clusters {
		node := &kubelet.Kubelet{
			Site: s.project.site, Cluster: name, Images: images(s.project.site), Program: s.project.program,
			Log: s.log.With("server", "kubelet"),
		}
		s.keep(ctx, "pods of "+name, node.Run)
		s.keep(ctx, "volumes of "+name, func(ctx context.Context) error { return cluster.Volumes(ctx, s.project.site, name) })
	}
	return nil
}

// https serves the control plane's host of that name.
func (s *servers) https(name string, handler http.Handler) error {
	cert, key, err := s.project.site.Certificate(name, s.project.site.Host(name))
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return err
	}
	listener, err := s.listen(name)
	if err != nil {
		return err
	}
	s.serve(name, tls.NewListener(listener, &tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
	}), handler)
	return nil
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
