package main

import (
	"fmt"

	"platform/lab/proxy"
	"platform/lab/site"
)

// routes are the names that the lab serves, and the servers they lead to.
func routes(s *site.Site) (proxy.Table, error) {
	t := proxy.Table{Domain: s.Domain, Hosts: map[string]string{}, Clusters: map[string]map[string]string{}}
	address, err := loopback(s, ingressName)
	if err != nil {
		return t, err
	}
	for _, system := range []string{"charts", "gitlab", "harbor", "openunison", "argocd", "*.dev", "*.prod"} {
		t.Hosts[s.Host(system)+":443"] = address
	}
	// Vault ends TLS itself, as on a real site.
	if t.Hosts[s.Host("vault")+":443"], err = loopback(s, "vault"); err != nil {
		return t, err
	}
	for _, cluster := range site.Clusters {
		address, err := loopback(s, cluster+"-apiserver")
		if err != nil {
			return t, err
		}
		t.Clusters[cluster] = map[string]string{"kubernetes.default.svc:443": address}
	}
	// The Services of Vault's chart, for the cluster itself and for its members
	// (https://developer.hashicorp.com/vault/docs/platform/k8s/helm).
	for _, name := range []string{"vault.vault.svc", "vault-active.vault.svc", "vault-0.vault-internal.vault.svc"} {
		t.Clusters[site.Clusters[0]][name+":8200"] = t.Hosts[s.Host("vault")+":443"]
	}
	return t, nil
}

// loopback is where the server called name listens.
func loopback(s *site.Site, name string) (string, error) {
	port, err := s.Port(name)
	return fmt.Sprintf("127.0.0.1:%d", port), err
}
