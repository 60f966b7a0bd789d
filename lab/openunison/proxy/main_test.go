package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

func TestRunsInAClusterOnly(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	certFile, keyFile := pair(t, "proxy")
	err := run(t.Context(), []string{
		"--tls-cert-file=" + certFile, "--tls-private-key-file=" + keyFile,
		"--oidc-client-id=" + audience, "--oidc-issuer-url=https://openunison.platform.test/auth/idp/remotek8s",
	})
	if !errors.Is(err, rest.ErrNotInCluster) {
		t.Error(err)
	}
}

func TestServe(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	servers, first := map[net.Listener]*http.Server{}, ""
	for range 2 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		first = "http://" + listener.Addr().String()
		servers[listener] = &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second}
	}
	ended := make(chan error)
	go func() { ended <- serve(ctx, servers) }()
	eventually(t, func() error {
		response, err := http.Get(first)
		if err == nil {
			err = response.Body.Close()
		}
		return err
	})
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := http.Get(first); err == nil {
		t.Error("a server goes on")
	}
}

// A proxy without one of its ports is none: the kubelet is to start it anew.
func TestServeEndsWithTheFirstThatFails(t *testing.T) {
	good, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	err = serve(t.Context(), map[net.Listener]*http.Server{
		good: {ReadHeaderTimeout: time.Second}, closed: {ReadHeaderTimeout: time.Second},
	})
	if !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
