package kubelet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	clientremote "k8s.io/client-go/tools/remotecommand"
	clientexec "k8s.io/client-go/util/exec"

	"platform/lab/cluster"
)

// startExec serves commands in a pod, whose container has a Secret mounted.
func startExec(t *testing.T) (k *Kubelet, address string) {
	t.Helper()
	k, api := newKubelet(t)
	api.secret("keys", map[string]string{"token": "of the toolbox"})
	pod := jobPod("")
	pod.OwnerReferences = nil
	pod.Spec.Volumes = []corev1.Volume{volume("keys", secretVolume("keys"))}
	pod.Spec.Containers = []corev1.Container{
		{Name: "toolbox", Image: "example/toolbox:1", VolumeMounts: []corev1.VolumeMount{{Name: "keys", MountPath: "/var/keys"}}},
		{Name: "played", Image: "example/other:1"},
	}
	api.put(podPath(pod), pod)
	port, err := k.Site.Port(cluster.KubeletPort("dev"))
	if err != nil {
		t.Fatal(err)
	}
	address = fmt.Sprintf("127.0.0.1:%d", port)
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- k.serveAPI(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the server", func() bool {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return k, address
}

// asAPIServer is how the API server calls: by its certificate of the cluster.
func asAPIServer(k *Kubelet) rest.TLSClientConfig {
	dir := func(name string) string { return k.Site.Path("pki", "dev", name) }
	return rest.TLSClientConfig{CAFile: dir("ca.crt"), CertFile: dir("kubelet-client.crt"), KeyFile: dir("kubelet-client.key")}
}

func execIn(t *testing.T, address string, auth rest.TLSClientConfig, pod, container string, command ...string) (out, errOut string, err error) {
	t.Helper()
	query := url.Values{"command": command, "input": {"1"}, "output": {"1"}, "error": {"1"}}
	target := &url.URL{Scheme: "https", Host: address, Path: "/exec/vault/" + pod + "/" + container, RawQuery: query.Encode()}
	executor, err := clientremote.NewSPDYExecutor(&rest.Config{TLSClientConfig: auth}, "POST", target)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var stdout, stderr bytes.Buffer
	err = executor.StreamWithContext(ctx, clientremote.StreamOptions{Stdin: strings.NewReader("typed\n"), Stdout: &stdout, Stderr: &stderr})
	return stdout.String(), stderr.String(), err
}

func TestExec(t *testing.T) {
	k, address := startExec(t)
	out, errOut, err := execIn(t, address, asAPIServer(k), "job-x1", "toolbox",
		"sh", "-c", "cat /var/keys/token -; echo $ARRANGED; echo oops >&2; exit 4")
	if want := "of the toolboxtyped\nyes\n"; out != want || errOut != "oops\n" {
		t.Errorf("output %q and %q, want %q and an oops", out, errOut, want)
	}
	var exit clientexec.CodeExitError
	if !errors.As(err, &exit) || exit.Code != 4 {
		t.Errorf("error %v, want exit code 4", err)
	}
}

func TestExecRefuses(t *testing.T) {
	k, address := startExec(t)
	for _, test := range []struct{ pod, container, want string }{
		{"job-x1", "played", "container played is played: the lab has no programs for image example/other:1"},
		{"job-x1", "absent", "has no container absent"},
		{"absent", "toolbox", "not found"},
	} {
		out, _, err := execIn(t, address, asAPIServer(k), test.pod, test.container, "echo", "ran")
		if err == nil || !strings.Contains(err.Error(), test.want) || out != "" {
			t.Errorf("%s/%s: %q, %v, want %q", test.pod, test.container, out, err, test.want)
		}
	}
}

// Without a certificate of the cluster's CA nobody runs a command: neither
// anybody, nor another cluster's API server.
func TestExecIsForTheAPIServer(t *testing.T) {
	k, address := startExec(t)
	nobody, stranger := asAPIServer(k), asAPIServer(k)
	nobody.CertFile, nobody.KeyFile = "", ""
	other, _ := newKubelet(t)
	foreign := asAPIServer(other)
	stranger.CertFile, stranger.KeyFile = foreign.CertFile, foreign.KeyFile
	for name, auth := range map[string]rest.TLSClientConfig{"nobody": nobody, "another cluster": stranger} {
		out, _, err := execIn(t, address, auth, "job-x1", "toolbox", "echo", "ran")
		if err == nil || !strings.Contains(err.Error(), "tls: ") || out != "" {
			t.Errorf("%s: %q, %v", name, out, err)
		}
	}
}
