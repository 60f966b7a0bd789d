package kubelet

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"

	"platform/lab/cluster"
	"platform/lab/site"
)

// TestMain lets the test's own binary be what a container starts as.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == RunContainerCommand {
		fmt.Fprintln(os.Stderr, RunContainer())
		os.Exit(1)
	}
	if len(os.Args) > 1 && os.Args[1] == runAloneCommand {
		runAlone()
	}
	os.Exit(m.Run())
}

// api answers the few calls that the kubelet makes, and fails the test on any
// other. It serves with the certificate of a cluster.
type api struct {
	t  *testing.T
	mu sync.Mutex
	// objects by URL path.
	objects map[string]any
	// statuses that were written, in their order.
	statuses []corev1.PodStatus
	tokens   []authenticationv1.TokenRequest
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("sendInitialEvents") != "" { // as an API server without streaming lists
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		_ = json.NewEncoder(w).Encode(metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
			Status:   metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid,
		})
		return
	}
	if r.URL.Query().Get("watch") != "" { // nothing of what is watched changes
		w.WriteHeader(http.StatusOK)
		<-r.Context().Done()
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	object, found := a.objects[strings.TrimSuffix(r.URL.Path, "/status")]
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/api/v1/pods":
		object = a.pods()
	case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/token"):
		var request authenticationv1.TokenRequest
		a.decode(r, &request)
		a.tokens = append(a.tokens, request)
		request.Status.Token = "token of " + r.URL.Path
		object = request
	case !found:
		w.WriteHeader(http.StatusNotFound)
		object = metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
			Status:   metav1.StatusFailure, Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound, Message: r.URL.Path + " not found",
		}
	case r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/status"):
		pod := &corev1.Pod{}
		a.decode(r, pod)
		a.objects[strings.TrimSuffix(r.URL.Path, "/status")] = pod
		a.statuses = append(a.statuses, pod.Status)
		object = pod
	case r.Method != http.MethodGet:
		a.t.Errorf("unexpected call %s %s", r.Method, r.URL)
		w.WriteHeader(http.StatusNotImplemented)
		return
	}
	if err := json.NewEncoder(w).Encode(object); err != nil {
		a.t.Error(err)
	}
}

func (a *api) pods() corev1.PodList {
	list := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}}
	for _, object := range a.objects {
		if pod, ok := object.(*corev1.Pod); ok {
			list.Items = append(list.Items, *pod)
		}
	}
	return list
}

// decode reads a body, whichever encoding the client chose.
func (a *api) decode(r *http.Request, into runtime.Object) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		_, _, err = scheme.Codecs.UniversalDeserializer().Decode(body, nil, into)
	}
	if err != nil {
		a.t.Errorf("body of %s %s: %v", r.Method, r.URL, err)
	}
}

func (a *api) put(path string, object any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.objects[path] = object
}

func (a *api) drop(path string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.objects, path)
}

func (a *api) secret(name string, data map[string]string) {
	s := &corev1.Secret{TypeMeta: metav1.TypeMeta{Kind: "Secret", APIVersion: "v1"}, Data: map[string][]byte{}}
	for key, value := range data {
		s.Data[key] = []byte(value)
	}
	a.put("/api/v1/namespaces/vault/secrets/"+name, s)
}

func (a *api) configMap(name string, data map[string]string) {
	a.put("/api/v1/namespaces/vault/configmaps/"+name, &corev1.ConfigMap{
		TypeMeta: metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"}, Data: data, BinaryData: map[string][]byte{"binary": {0, 255}},
	})
}

func podPath(pod *corev1.Pod) string {
	return "/api/v1/namespaces/" + pod.Namespace + "/pods/" + pod.Name
}

// written are the statuses that the pod got so far.
func (a *api) written() []corev1.PodStatus {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]corev1.PodStatus{}, a.statuses...)
}

// newKubelet is a kubelet of cluster dev, whose API server is an api.
func newKubelet(t *testing.T) (*Kubelet, *api) {
	t.Helper()
	s, err := site.Open(t.TempDir(), "platform.test", "", "")
	if err != nil {
		t.Fatal(err)
	}
	programs := func(name string) (string, error) { return "/nonexistent/" + name, nil }
	if _, err := cluster.Specs(s, programs, "dev", cluster.Pods{Real: "false"}); err != nil { // for the certificates
		t.Fatal(err)
	}
	a := &api{t: t, objects: map[string]any{
		"/api/v1/services":                         &corev1.ServiceList{TypeMeta: metav1.TypeMeta{Kind: "ServiceList", APIVersion: "v1"}},
		"/apis/discovery.k8s.io/v1/endpointslices": &discoveryv1.EndpointSliceList{TypeMeta: metav1.TypeMeta{Kind: "EndpointSliceList", APIVersion: "discovery.k8s.io/v1"}},
		"/apis/networking.k8s.io/v1/ingresses":     &networkingv1.IngressList{TypeMeta: metav1.TypeMeta{Kind: "IngressList", APIVersion: "networking.k8s.io/v1"}},
	}}
	serve(t, s, a)
	k := &Kubelet{
		Site: s, Cluster: "dev", Program: exec.LookPath, Log: slog.New(slog.DiscardHandler),
		problems: map[types.UID]string{},
		Images: []Image{
			{Repository: "example/shell", Entrypoint: []string{"/bin/sh", "-c"}},
			{Repository: "example/toolbox", ExecOnly: true, Env: []string{"ARRANGED=yes"}},
		},
	}
	if k.client, err = cluster.Client(s, "dev"); err != nil {
		t.Fatal(err)
	}
	k.network = newNetwork(t.Context(), fake.NewClientset(), func(string, string) (string, bool) { return "", false }, k.Log)
	return k, a
}

func serve(t *testing.T, s *site.Site, handler http.Handler) {
	t.Helper()
	port, err := s.Port("dev-apiserver")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(s.Path("pki", "dev", "apiserver.crt"), s.Path("pki", "dev", "apiserver.key"))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	_ = server.Listener.Close()
	server.Listener = listener
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
}

// jobPod is a pod of a Job in namespace vault, on a node, that runs one shell
// script.
func jobPod(script string) *corev1.Pod {
	return &corev1.Pod{
		TypeMeta: metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"},
		ObjectMeta: metav1.ObjectMeta{
			Name: "job-x1", Namespace: "vault", UID: "u-1",
			OwnerReferences: []metav1.OwnerReference{{Kind: "Job", Name: "job"}},
		},
		Spec: corev1.PodSpec{
			NodeName: "node-1", ServiceAccountName: "runner", RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{Name: "main", Image: "example/shell:1", Args: []string{script}}},
		},
	}
}
