package kubelet

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// backendProtocol is the annotation of ingress-nginx that tells what a Service
// speaks
// (https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/#backend-protocol).
const backendProtocol = "nginx.ingress.kubernetes.io/backend-protocol"

// Ingress leads requests to the pods that the cluster's Ingresses name for their
// host, as ingress-nginx does with an Ingress of path type Prefix. TLS has ended
// before.
func (k *Kubelet) Ingress() http.Handler { return http.HandlerFunc(k.serveIngress) }

func (k *Kubelet) serveIngress(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	network := k.network
	k.mu.Unlock()
	if network == nil {
		http.Error(w, "cluster "+k.Cluster+" does not run", http.StatusServiceUnavailable)
		return
	}
	target, err := network.backend(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	network.proxy(target).ServeHTTP(w, r)
}

// backend finds the Service for a request: its URL has the Service's address.
func (n *network) backend(r *http.Request) (*url.URL, error) {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ingresses, err := n.ingresses.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	var best *networkingv1.HTTPIngressPath
	var in *networkingv1.Ingress
	for _, ingress := range ingresses {
		for _, rule := range ingress.Spec.Rules {
			if !strings.EqualFold(rule.Host, host) || rule.HTTP == nil {
				continue
			}
			for i, path := range rule.HTTP.Paths {
				if below(r.URL.Path, path.Path) && (best == nil || len(path.Path) > len(best.Path)) {
					best, in = &rule.HTTP.Paths[i], ingress
				}
			}
		}
	}
	if best == nil || best.Backend.Service == nil {
		return nil, fmt.Errorf("no Ingress has host %s and a Service for %s", host, r.URL.Path)
	}
	return n.serviceURL(in, best.Backend.Service)
}

// below tells whether a path is a prefix or below it, element by element.
func below(path, prefix string) bool {
	prefix = strings.TrimSuffix(prefix, "/")
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || strings.HasPrefix(rest, "/"))
}

func (n *network) serviceURL(in *networkingv1.Ingress, backend *networkingv1.IngressServiceBackend) (*url.URL, error) {
	service, err := n.services.Services(in.Namespace).Get(backend.Name)
	if err != nil {
		return nil, fmt.Errorf("finding the Service of Ingress %s/%s: %w", in.Namespace, in.Name, err)
	}
	address, err := netip.ParseAddr(service.Spec.ClusterIP)
	if err != nil {
		return nil, fmt.Errorf("service %s/%s has no address", service.Namespace, service.Name)
	}
	port, ok := portOf(service, backend.Port)
	if !ok {
		return nil, fmt.Errorf("service %s/%s has no port as Ingress %s names it", service.Namespace, service.Name, in.Name)
	}
	scheme := "http"
	if strings.EqualFold(in.Annotations[backendProtocol], "HTTPS") {
		scheme = "https"
	}
	return &url.URL{Scheme: scheme, Host: netip.AddrPortFrom(address, port).String()}, nil
}

func portOf(service *corev1.Service, wanted networkingv1.ServiceBackendPort) (uint16, bool) {
	for _, p := range service.Spec.Ports {
		if wanted.Name != "" && p.Name == wanted.Name || wanted.Number != 0 && p.Port == wanted.Number {
			return uint16(p.Port), true
		}
	}
	return 0, false
}

func (n *network) proxy(target *url.URL) http.Handler {
	return &httputil.ReverseProxy{
		Transport: n.transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		FlushInterval: -1, // a watch's events are of use at once
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, "the Service behind this Ingress does not answer: "+err.Error(), http.StatusBadGateway)
		},
	}
}

// ingressTransport connects as a pod of the ingress controller would. It does not
// verify what a Service shows, which ingress-nginx does not either unless it is
// told (https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/#backend-certificate-authentication).
// HTTP/1.1 alone, since exec and port-forward change the protocol.
func (n *network) ingressTransport() *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			target, err := netip.ParseAddrPort(address)
			if err != nil {
				return nil, err
			}
			return n.dial(ctx, target)
		},
		TLSClientConfig:    &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, //nolint:gosec // as said above
		DisableCompression: true, IdleConnTimeout: time.Minute,
	}
}
