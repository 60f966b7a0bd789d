package kubelet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	remotecommandconsts "k8s.io/apimachinery/pkg/util/remotecommand"
	clientremote "k8s.io/client-go/tools/remotecommand"
	"k8s.io/kubelet/pkg/cri/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"

	"platform/lab/cluster"
)

// serveAPI answers what the API server passes on of `kubectl exec`, `kubectl
// port-forward` and `kubectl logs`. Only the API server may ask: it shows a certificate of the
// cluster's CA.
func (k *Kubelet) serveAPI(ctx context.Context) error {
	port, err := k.Site.Port(cluster.KubeletPort(k.Cluster))
	if err != nil {
		return err
	}
	cert, key, ca := cluster.KubeletFiles(k.Site, k.Cluster)
	pem, err := os.ReadFile(ca)
	if err != nil {
		return err
	}
	callers := x509.NewCertPool()
	callers.AppendCertsFromPEM(pem)
	mux := http.NewServeMux()
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", k.exec)
	mux.HandleFunc("/portForward/{namespace}/{pod}", k.portForward)
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", k.containerLogs)
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{ClientCAs: callers, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12},
		// SPDY takes the connection over, which HTTP/2 does not allow.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ServeTLS(listener, cert, key); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

const (
	execIdle   = 4 * time.Hour
	execCreate = 30 * time.Second
)

func (k *Kubelet) exec(w http.ResponseWriter, r *http.Request) {
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	pod, err := k.pod(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	remotecommand.ServeExec(w, r, &executor{k, pod}, pod.Name, pod.UID, r.PathValue("container"),
		r.URL.Query()["command"], options, execIdle, execCreate, remotecommandconsts.SupportedStreamingProtocols)
}

// pod is the one that a request names.
func (k *Kubelet) pod(r *http.Request) (*corev1.Pod, error) {
	return k.client.CoreV1().Pods(r.PathValue("namespace")).Get(r.Context(), r.PathValue("pod"), metav1.GetOptions{})
}

// executor runs one command in a pod.
type executor struct {
	k   *Kubelet
	pod *corev1.Pod
}

// ExecInContainer runs a command in the container, or in one like it where that
// is played.
func (e *executor) ExecInContainer(ctx context.Context, _ string, _ types.UID, container string, command []string,
	in io.Reader, out, errOut io.WriteCloser, _ bool, _ <-chan clientremote.TerminalSize, _ time.Duration,
) error {
	for i := range e.pod.Spec.Containers {
		c := &e.pod.Spec.Containers[i]
		if c.Name != container {
			continue
		}
		image, ok := e.k.image(c.Image)
		if !ok {
			return fmt.Errorf("container %s is played: the lab has no programs for image %s", container, c.Image)
		}
		volumes, err := e.k.materialise(ctx, e.pod, e.pod.Status.PodIP)
		if err != nil {
			return err
		}
		defer volumes.remove()
		spec, err := e.k.containerSpec(ctx, e.pod, c, volumes, image, command)
		if err != nil {
			return err
		}
		spec.network, spec.inside = e.k.network.at(e.pod.Status.PodIP), e.k.processes.pid(e.pod, container)
		return spec.stream(ctx, in, out, errOut)
	}
	return fmt.Errorf("pod %s has no container %s", e.pod.Name, container)
}

func (spec *containerSpec) stream(ctx context.Context, in io.Reader, out, errOut io.Writer) error {
	code, err := exitCode(spec.run(ctx, in, out, errOut))
	if code != 0 {
		return utilexec.CodeExitError{Err: err, Code: code}
	}
	return err
}
