package ingress

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"time"

	"k8s.io/client-go/tools/clientcmd"
)

// Cluster leads requests to the API server of a kubeconfig's cluster. It takes
// the address and the CA from the kubeconfig and never its credentials: a caller
// is whom his own bearer token says, and nobody without one.
//
// The file is read anew when it changes. It need not exist yet; requests are
// answered 503 until it does.
func Cluster(kubeconfig string) http.Handler {
	return &cluster{file: kubeconfig}
}

type cluster struct {
	file string

	mu      sync.Mutex
	content []byte
	proxy   *httputil.ReverseProxy
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	proxy, err := c.current()
	if err != nil {
		http.Error(w, "this cluster does not run: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	proxy.ServeHTTP(w, r)
}

// current is the way to the cluster as its kubeconfig tells it now.
func (c *cluster) current() (*httputil.ReverseProxy, error) {
	content, err := os.ReadFile(c.file)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proxy != nil && bytes.Equal(content, c.content) {
		return c.proxy, nil
	}
	server, config, err := address(content)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", c.file, err)
	}
	c.content, c.proxy = content, reverseProxy(server, config)
	return c.proxy, nil
}

// address takes the server's URL and how to verify it out of a kubeconfig.
func address(kubeconfig []byte) (*url.URL, *tls.Config, error) {
	config, err := clientcmd.Load(kubeconfig)
	if err != nil {
		return nil, nil, err
	}
	context, ok := config.Contexts[config.CurrentContext]
	if !ok {
		return nil, nil, fmt.Errorf("no context %q", config.CurrentContext)
	}
	cluster, ok := config.Clusters[context.Cluster]
	if !ok {
		return nil, nil, fmt.Errorf("no cluster %q", context.Cluster)
	}
	server, err := url.Parse(cluster.Server)
	if err != nil {
		return nil, nil, err
	}
	roots := x509.NewCertPool()
	if server.Scheme != "https" || !roots.AppendCertsFromPEM(cluster.CertificateAuthorityData) {
		return nil, nil, errors.New("the cluster has no https server with a CA in the file")
	}
	return server, &tls.Config{RootCAs: roots, ServerName: cluster.TLSServerName, MinVersion: tls.VersionTLS12}, nil
}

func reverseProxy(server *url.URL, config *tls.Config) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		// HTTP/1.1, since exec and port-forward change the protocol, which
		// HTTP/2 cannot.
		Transport: &http.Transport{TLSClientConfig: config, DisableCompression: true, IdleConnTimeout: time.Minute},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(server)
			// Clients build no links from it, and the API server's name is not ours.
			r.Out.Host = server.Host
			r.SetXForwarded()
		},
		// A watch's events are of use at once.
		FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "the cluster's API server does not answer: "+err.Error(), http.StatusBadGateway)
		},
	}
}
