package proxy

import (
	"net"
	"strings"
)

// Table is what the lab serves. Its keys are "host:port" as clients name it, its
// values the loopback address that serves it. A host may start with "*." and
// then stands for every name one label longer, as in certificates.
type Table struct {
	// Domain is the lab's: a name in it that no entry has is nowhere else either.
	Domain string
	// Hosts are the names that are the same for all.
	Hosts map[string]string
	// Clusters are the names of services, "vault.vault.svc:8200", by the cluster
	// in which they mean something.
	Clusters map[string]map[string]string
}

// Route finds who serves host and port for someone in cluster, which is empty
// for people outside of all clusters. A name that is the lab's to serve is
// known; when nothing serves it, address is empty.
func (t Table) Route(cluster, host, port string) (address string, known bool) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	host = strings.TrimSuffix(host, ".cluster.local")
	for _, entries := range []map[string]string{t.Clusters[cluster], t.Hosts} {
		if address, ok := lookUp(entries, host, port); ok {
			return address, true
		}
	}
	return "", t.owns(host)
}

func lookUp(entries map[string]string, host, port string) (string, bool) {
	if address, ok := entries[net.JoinHostPort(host, port)]; ok {
		return address, true
	}
	_, parent, _ := strings.Cut(host, ".")
	address, ok := entries[net.JoinHostPort("*."+parent, port)]
	return address, ok
}

// owns is true of names that only the lab can serve: its domain's and services'.
func (t Table) owns(host string) bool {
	return host == t.Domain || strings.HasSuffix(host, "."+t.Domain) || strings.HasSuffix(host, ".svc")
}
