// Package vault runs a real Vault server for the lab: one node on raft storage,
// with TLS, on 127.0.0.1.
//
// It starts sealed and, the first time, uninitialised, and is left so: the
// platform's own bootstrap Job initialises and unseals it. Unseal is for a lab
// that starts again after that.
package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"platform/lab/process"
	"platform/lab/site"
)

const (
	// process and port of the server, and the certificate's name.
	name = "vault"
	// clusterName is the port for other nodes of Vault. There are none, but
	// raft storage does not start without the address.
	clusterName = "vault-cluster"
	// cluster is where the platform installs Vault: its requests, such as the
	// check of an account's token, go out from there.
	cluster = "control-plane"
)

// serviceNames are those a client in a cluster may reach Vault by. Vault's chart
// makes these services in the namespace vault.
var serviceNames = []string{
	"vault.vault.svc", "vault-active.vault.svc", "vault-internal.vault.svc", "vault-0.vault-internal.vault.svc",
}

// config is Vault's configuration file in its JSON form
// (https://developer.hashicorp.com/vault/docs/configuration).
type config struct {
	Listener     map[string]listener `json:"listener"`
	Storage      map[string]raft     `json:"storage"`
	APIAddr      string              `json:"api_addr"`
	ClusterAddr  string              `json:"cluster_addr"`
	DisableMlock bool                `json:"disable_mlock"`
	UI           bool                `json:"ui"`
}

type listener struct {
	Address        string `json:"address"`
	ClusterAddress string `json:"cluster_address"`
	CertFile       string `json:"tls_cert_file"`
	KeyFile        string `json:"tls_key_file"`
}

type raft struct {
	Path   string `json:"path"`
	NodeID string `json:"node_id"`
	// PerformanceMultiplier 1 elects a leader in a second, Vault's default in
	// five; it is the value recommended for production.
	PerformanceMultiplier string `json:"performance_multiplier"`
}

// Spec says how to run Vault, given the program.
func Spec(s *site.Site, binary string) (process.Spec, error) {
	file, err := writeConfig(s)
	if err != nil {
		return process.Spec{}, fmt.Errorf("preparing Vault: %w", err)
	}
	port, err := s.Port("proxy")
	if err != nil {
		return process.Spec{}, err
	}
	proxy := fmt.Sprintf("http://%s@127.0.0.1:%d", cluster, port)
	return process.Spec{
		Name: name, Path: binary,
		Args: []string{"server", "-config=" + file},
		Env: []string{
			"HTTPS_PROXY=" + proxy, "HTTP_PROXY=" + proxy, "NO_PROXY=127.0.0.1",
			"SSL_CERT_FILE=" + s.Path("ca-bundle.pem"),
		},
		Ready: func(ctx context.Context) error {
			c, err := newClient(s)
			if err != nil {
				return err
			}
			_, err = c.sealStatus(ctx)
			return err
		},
	}, nil
}

func writeConfig(s *site.Site) (file string, err error) {
	api, err := s.Port(name)
	if err != nil {
		return "", err
	}
	inner, err := s.Port(clusterName)
	if err != nil {
		return "", err
	}
	host := s.Host("vault")
	cert, key, err := s.Certificate(name, append([]string{host, "127.0.0.1"}, serviceNames...)...)
	if err != nil {
		return "", err
	}
	data := s.Path("data", "vault")
	text, err := json.MarshalIndent(config{
		Listener: map[string]listener{"tcp": {
			Address: fmt.Sprintf("127.0.0.1:%d", api), ClusterAddress: fmt.Sprintf("127.0.0.1:%d", inner),
			CertFile: cert, KeyFile: key,
		}},
		Storage:     map[string]raft{"raft": {Path: data, NodeID: "vault-0", PerformanceMultiplier: "1"}},
		APIAddr:     "https://" + host,
		ClusterAddr: fmt.Sprintf("https://127.0.0.1:%d", inner),
		// Locked memory needs a capability that a person's process lacks.
		DisableMlock: true,
	}, "", "  ")
	if err != nil {
		return "", err
	}
	file = s.Path("vault.json")
	return file, errors.Join(os.MkdirAll(data, 0o700), os.WriteFile(file, append(text, '\n'), 0o600))
}
