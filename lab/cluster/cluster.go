// Package cluster runs the three Kubernetes clusters of the lab: an etcd for
// all, and for each a kube-apiserver, a kube-controller-manager, a
// kube-scheduler, and KWOK, which plays the nodes and the pods. All listen on
// 127.0.0.1 alone; each cluster has a CA of its own, and RBAC is on.
package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"platform/lab/process"
	"platform/lab/site"
)

// serviceRange holds the services' addresses; its first one is the API's.
const serviceRange = "10.96.0.0/16"

var serviceIP = net.IPv4(10, 96, 0, 1)

// Programs finds a built program by its name.
type Programs func(name string) (string, error)

// Etcd is the store of all three clusters, each under a prefix of its own.
func Etcd(s *site.Site, programs Programs) (process.Spec, error) {
	path, err := programs("etcd")
	if err != nil {
		return process.Spec{}, err
	}
	p, err := newPKI(s, "etcd")
	if err != nil {
		return process.Spec{}, err
	}
	if err := p.server("server"); err != nil {
		return process.Spec{}, err
	}
	if err := p.client("client", "kube-apiserver"); err != nil {
		return process.Spec{}, err
	}
	client, peer, err := twoPorts(s, "etcd", "etcd-peer")
	if err != nil {
		return process.Spec{}, err
	}
	url, peerURL := fmt.Sprintf("https://127.0.0.1:%d", client), fmt.Sprintf("https://127.0.0.1:%d", peer)
	return process.Spec{
		Name: "etcd", Path: path,
		Args: []string{
			"--name=lab", "--data-dir=" + s.Path("data", "etcd"), "--logger=zap", "--log-level=warn",
			"--listen-client-urls=" + url, "--advertise-client-urls=" + url,
			"--listen-peer-urls=" + peerURL, "--initial-advertise-peer-urls=" + peerURL, "--initial-cluster=lab=" + peerURL,
			"--cert-file=" + p.file("server.crt"), "--key-file=" + p.file("server.key"),
			"--trusted-ca-file=" + p.file("ca.crt"), "--client-cert-auth",
			"--peer-cert-file=" + p.file("server.crt"), "--peer-key-file=" + p.file("server.key"),
			"--peer-trusted-ca-file=" + p.file("ca.crt"), "--peer-client-cert-auth",
			// The lab's data can be made again; what counts is a quick start.
			"--unsafe-no-fsync",
		},
		Ready: ready(url+"/health", p.file("ca.crt"), p.file("client.crt"), p.file("client.key")),
	}, nil
}

func twoPorts(s *site.Site, a, b string) (int, int, error) {
	first, err := s.Port(a)
	if err != nil {
		return 0, 0, err
	}
	second, err := s.Port(b)
	return first, second, err
}

// Pods says which pods of a cluster are real processes.
type Pods struct {
	// Real is an expression of jq that is true of those that KWOK does not play.
	Real string
	// Webhooks: those of the cluster's API server are among them.
	Webhooks bool
}

// Specs are the processes of one cluster, in the order they start in.
func Specs(s *site.Site, programs Programs, cluster string, pods Pods) ([]process.Spec, error) {
	p, err := newPKI(s, cluster)
	if err != nil {
		return nil, err
	}
	if err := certificates(p); err != nil {
		return nil, fmt.Errorf("certificates of cluster %s: %w", cluster, err)
	}
	port, err := s.Port(cluster + "-apiserver")
	if err != nil {
		return nil, err
	}
	server := fmt.Sprintf("https://127.0.0.1:%d", port)
	for name, file := range map[string]string{
		"admin": s.Kubeconfig(cluster), "controller-manager": p.file("controller-manager.yaml"),
		"scheduler": p.file("scheduler.yaml"), "kwok": p.file("kwok-client.yaml"),
	} {
		if err := p.kubeconfig(file, cluster, server, name); err != nil {
			return nil, err
		}
	}
	var specs []process.Spec
	for _, make := range []func(*site.Site, pki, string, string, Pods) (process.Spec, error){apiserver, controllerManager, scheduler, kwok} {
		spec, err := make(s, p, cluster, server, pods)
		if err != nil {
			return nil, err
		}
		program := spec.Path
		if spec.Path, err = programs(program); err != nil {
			return nil, err
		}
		spec.Name = cluster + "-" + program
		specs = append(specs, spec)
	}
	return specs, nil
}

func certificates(p pki) error {
	names := []string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
	}
	if err := p.server("apiserver", names...); err != nil {
		return err
	}
	if err := p.server("kubelet"); err != nil {
		return err
	}
	for _, c := range []struct {
		name, user string
		groups     []string
	}{
		{"admin", "lab-admin", []string{"system:masters"}},
		{"controller-manager", "system:kube-controller-manager", nil},
		{"scheduler", "system:kube-scheduler", nil},
		// KWOK does the work of every node's kubelet.
		{"kwok", "lab-kwok", []string{"system:masters"}},
		{"kubelet-client", "kube-apiserver-kubelet-client", []string{"system:masters"}},
	} {
		if err := p.client(c.name, c.user, c.groups...); err != nil {
			return err
		}
	}
	return p.accountKey()
}

func kubeconfigOf(cluster, server string, ca, cert, key []byte) ([]byte, error) {
	config := clientcmdapi.NewConfig()
	config.Clusters[cluster] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca}
	config.AuthInfos[cluster] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	config.Contexts[cluster] = &clientcmdapi.Context{Cluster: cluster, AuthInfo: cluster}
	config.CurrentContext = cluster
	return clientcmd.Write(*config)
}

// ready asks a server's health, over verified TLS, as a client.
func ready(url, caFile, certFile, keyFile string) func(context.Context) error {
	return func(ctx context.Context) error {
		ca, err := os.ReadFile(caFile)
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(ca)
		config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
		if certFile != "" {
			pair, err := tls.LoadX509KeyPair(certFile, keyFile)
			if err != nil {
				return err
			}
			config.Certificates = []tls.Certificate{pair}
		}
		client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, resp.Status)
		}
		return nil
	}
}

// port is a port as a flag's value.
func port(s *site.Site, name string) (string, error) {
	p, err := s.Port(name)
	return strconv.Itoa(p), err
}
