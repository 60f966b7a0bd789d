// Command kube-oidc-proxy stands in for the program of that name in the image
// ghcr.io/tremolosecurity/kube-oidc-proxy:1.0.11: it takes bearer tokens of one
// OIDC issuer and asks the API server of the cluster it runs in as the user they
// name.
//
// It takes the flags that a management proxy has and refuses all others, among
// them those that let requests pass without impersonation. One answer is
// shorter than the real program's: who asks to impersonate somebody else is
// refused at once, where the real one asks the API server whether he may.
//
// Facts are taken from https://github.com/TremoloSecurity/kube-oidc-proxy at
// v1.0.11 (cmd/app, pkg/proxy, pkg/probe) and from the authenticator that it uses,
// k8s.io/apiserver/plugin/pkg/authenticator/token/oidc.
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
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
)

// endTimeout is how long requests under way may take at the end. Watches do not
// end by themselves.
const endTimeout = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	auth, err := newAuthenticator(o, log)
	if err != nil {
		return err
	}
	handler, err := newProxy(config, auth, log)
	if err != nil {
		return err
	}
	secure, err := listen(o.securePort)
	if err != nil {
		return err
	}
	probes, err := listen(o.probePort)
	if err != nil {
		return err
	}
	go auth.discover(ctx)
	return serve(ctx, map[net.Listener]*http.Server{
		tls.NewListener(secure, o.serving()): {Handler: handler, ReadHeaderTimeout: time.Minute},
		probes:                               {Handler: auth.probes(), ReadHeaderTimeout: time.Minute},
	})
}

// listen takes a port on every address, as the real program does: that of a pod.
func listen(port int) (net.Listener, error) {
	return net.Listen("tcp", ":"+strconv.Itoa(port))
}

// serve ends when ctx does, or with the first server that fails.
func serve(ctx context.Context, servers map[net.Listener]*http.Server) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	for listener, server := range servers {
		go func() { fail(server.Serve(listener)) }()
	}
	<-ctx.Done()
	end, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	for _, server := range servers {
		_ = server.Shutdown(end)
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}
