// Package ingress plays the ingress controllers of the clusters: it leads a
// request to who serves its host name. TLS ends at the listener before it.
package ingress

import (
	"fmt"
	"net"
	"net/http"
	"strings"
)

// New leads requests by their host name. A name in hosts may start with "*." and
// then stands for every name one label longer, as in an Ingress.
func New(hosts map[string]http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := hostOf(r)
		handler, ok := hosts[host]
		if !ok {
			_, parent, _ := strings.Cut(host, ".")
			handler, ok = hosts["*."+parent]
		}
		if !ok {
			http.Error(w, fmt.Sprintf("the lab has no ingress for host %q", host), http.StatusNotFound)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

func hostOf(r *http.Request) string {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// Played answers for a system whose objects the platform makes and whose server
// the lab does not run.
func Played(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, name+" is played: there is no server behind it in this lab", http.StatusServiceUnavailable)
	})
}
