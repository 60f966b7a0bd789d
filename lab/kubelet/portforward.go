package kubelet

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubelet/pkg/cri/streaming/portforward"
)

// portForward answers `kubectl port-forward`.
func (k *Kubelet) portForward(w http.ResponseWriter, r *http.Request) {
	options, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	pod, err := k.pod(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	portforward.ServePortForward(w, r, forwarder{k, pod}, pod.Name, pod.UID, options,
		execIdle, execCreate, portforward.SupportedProtocols)
}

// forwarder connects to the ports of one pod.
type forwarder struct {
	k   *Kubelet
	pod *corev1.Pod
}

func (f forwarder) PortForward(ctx context.Context, name string, _ types.UID, port int32, stream io.ReadWriteCloser) error {
	place := f.k.network.at(f.pod.Status.PodIP)
	if place == nil {
		return fmt.Errorf("pod %s is played", name)
	}
	conn, err := place.Cluster.Dial(ctx, netip.AddrPortFrom(place.address, uint16(port)))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	go func() {
		_, _ = io.Copy(conn, stream)
		_ = conn.Close()
	}()
	_, err = io.Copy(stream, conn)
	return err
}
