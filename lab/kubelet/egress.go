package kubelet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"platform/lab/cluster"
)

// serveEgress leads the API server of the cluster to what it calls there: the
// webhooks of pods, by the addresses of their Services, and this kubelet. It is
// the API server's egress proxy
// (https://kubernetes.io/docs/tasks/extend-kubernetes/setup-konnectivity/), on a
// socket that only this user can open.
func (k *Kubelet) serveEgress(ctx context.Context) error {
	port, err := k.Site.Port(cluster.KubeletPort(k.Cluster))
	if err != nil {
		return err
	}
	own := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))
	socket := cluster.EgressSocket(k.Site, k.Cluster)
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: egress{k.network, own}, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// egress answers CONNECT.
type egress struct {
	network *network
	// kubelet is the one address outside of the cluster's network.
	kubelet netip.AddrPort
}

func (e egress) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target, err := netip.ParseAddrPort(r.Host)
	if r.Method != http.MethodConnect || err != nil {
		http.Error(w, "only CONNECT to an address", http.StatusBadRequest)
		return
	}
	other, err := e.dial(r.Context(), target)
	if err != nil {
		http.Error(w, fmt.Sprintf("connecting to %s: %v", target, err), http.StatusBadGateway)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = other.Close()
		return
	}
	defer func() { _ = conn.Close() }()
	// A client speaks only after the answer: nothing is buffered.
	if _, err := buffered.WriteString("HTTP/1.1 200 Connection established\r\n\r\n"); err != nil || buffered.Flush() != nil {
		_ = other.Close()
		return
	}
	join(conn, other)
}

func (e egress) dial(ctx context.Context, target netip.AddrPort) (net.Conn, error) {
	if target == e.kubelet {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "tcp", target.String())
	}
	return e.network.dial(ctx, target)
}
