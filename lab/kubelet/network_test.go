package kubelet

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

// newTestNetwork is that of a cluster with the API, a DNS name for Vault that the lab
// serves, and a Service web whose pod is at address.
func newTestNetwork(t *testing.T, server string) (*network, *fake.Clientset) {
	t.Helper()
	client := fake.NewClientset(
		service("default", "kubernetes", "10.96.0.1", 443),
		service("vault", "vault", "10.96.0.20", 8200),
		service("shop", "web", "10.96.0.30", 80),
		service("shop", "members", corev1.ClusterIPNone, 80),
		service("shop", "played", corev1.ClusterIPNone, 80),
	)
	n := newNetwork(t.Context(), client, func(host, port string) (string, bool) {
		switch host + ":" + port {
		case "vault.vault.svc:8200", "gitlab.platform.test:443", "played-0.played.shop.svc:80":
			return server, true
		case "shop.web.svc:80", "unserved.platform.test:443":
			return "", true
		}
		return "", false
	}, slog.New(slog.DiscardHandler))
	go n.run(t.Context())
	return n, client
}

func service(namespace, name, address string, port int32) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.ServiceSpec{ClusterIP: address, Ports: []corev1.ServicePort{
			{Name: "main", Port: port, Protocol: corev1.ProtocolTCP},
			{Name: "datagrams", Port: port + 1, Protocol: corev1.ProtocolUDP},
		}},
	}
}

// endpoints are pods behind a Service.
func endpoints(t *testing.T, client *fake.Clientset, name string, port int32, addresses ...netip.Addr) {
	t.Helper()
	portName := "main"
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: name}},
		Ports:      []discoveryv1.EndpointPort{{Name: &portName, Port: &port}},
	}
	for i, address := range addresses {
		hostname := name + "-" + string(rune('0'+i))
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{address.String()}, Hostname: &hostname})
	}
	if _, err := client.DiscoveryV1().EndpointSlices("shop").Create(t.Context(), slice, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func attach(t *testing.T, n *network) *attachment {
	t.Helper()
	a, err := n.attach(&corev1.Pod{})
	if errors.Is(err, syscall.EPERM) {
		t.Skip("this user may make no network namespaces")
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// word serves a word on a listener.
func word(t *testing.T, listener net.Listener, text string) {
	t.Helper()
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, text)
			_ = conn.Close()
		}
	}()
}

// hears connects in a pod, until the answer is the one wanted.
func hears(t *testing.T, a *attachment, address, want string) {
	t.Helper()
	got := ""
	for range 200 {
		conn, err := a.Pod.Dial(t.Context(), netip.MustParseAddrPort(address))
		if err == nil {
			text, _ := io.ReadAll(conn)
			_ = conn.Close()
			if got = string(text); got == want {
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("%s answers %q in the pod %s, want %q", address, got, a.address, want)
}

func TestServicesLeadToPodsAndToTheLab(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	word(t, server, "the lab's Vault")
	n, client := newTestNetwork(t, server.Addr().String())
	web, other := attach(t, n), attach(t, n)
	listener, err := web.Pod.Listen(netip.MustParseAddrPort("0.0.0.0:8080"))
	if err != nil {
		t.Fatal(err)
	}
	word(t, listener, "web")
	endpoints(t, client, "web", 8080, web.address)
	endpoints(t, client, "members", 8080, web.address)

	hears(t, other, "10.96.0.30:80", "web")
	hears(t, web, "10.96.0.30:80", "web")
	hears(t, other, web.address.String()+":8080", "web")
	hears(t, other, "10.96.0.20:8200", "the lab's Vault")
	endpoints(t, client, "played", 80, netip.MustParseAddr("10.0.0.7"))
	eventually(t, "a played pod's name", func() bool {
		all, _ := n.lookup(names{}, "played-0.played.shop.svc.cluster.local")
		return len(all) == 1 && siteRange.Contains(all[0])
	})
	all, _ := n.lookup(names{}, "played-0.played.shop.svc.cluster.local")
	hears(t, other, all[0].String()+":80", "the lab's Vault")
	// Nobody stands for the API here: the connection ends.
	hears(t, other, "10.96.0.1:443", "")
	if _, err := n.dial(t.Context(), netip.MustParseAddrPort("10.96.0.1:443")); err == nil {
		t.Error("a played Service answers")
	}

	// A pod that comes later sees all of it, and one that is gone is not led to.
	hears(t, attach(t, n), "10.96.0.30:80", "web")
	n.detach(web)
	hears(t, other, "10.96.0.30:80", "")
}

func TestNames(t *testing.T) {
	n, client := newTestNetwork(t, "127.0.0.1:9")
	pods := []netip.Addr{netip.MustParseAddr("10.244.0.5"), netip.MustParseAddr("10.244.0.6")}
	endpoints(t, client, "members", 80, pods...)
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if all, _ := n.lookup(names{}, "members.shop.svc.cluster.local."); len(all) == 2 {
			break
		}
	}
	for name, want := range map[string][]string{
		"web.shop.svc.cluster.local.":               {"10.96.0.30"},
		"WEB.shop.svc.cluster.local.":               {"10.96.0.30"},
		"members.shop.svc.cluster.local.":           {"10.244.0.5", "10.244.0.6"},
		"members-1.members.shop.svc.cluster.local.": {"10.244.0.6"},
		"gitlab.platform.test.":                     {"10.97.0.1"},
	} {
		got, known := n.lookup(names{}, name)
		if !known || len(got) != len(want) {
			t.Errorf("%s: %v (known: %v), want %v", name, got, known, want)
			continue
		}
		for i := range want {
			if got[i].String() != want[i] {
				t.Errorf("%s: %v, want %v", name, got, want)
			}
		}
	}
	for _, name := range []string{
		"none.shop.svc.cluster.local.", "web.none.svc.cluster.local.", "svc.cluster.local.", "unserved.platform.test.",
		"example.com.", "web.shop.svc.",
	} {
		if got, known := n.lookup(names{}, name); known {
			t.Errorf("%s is known: %v", name, got)
		}
	}
}

// TestPodsAskForNames asks the DNS server of a pod with Go's own resolver.
func TestPodsAskForNames(t *testing.T) {
	n, _ := newTestNetwork(t, "127.0.0.1:9")
	pod := attach(t, n)
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return pod.Pod.DialPacket(ctx, dnsAddress)
	}}
	got, err := resolver.LookupHost(t.Context(), "web.shop.svc.cluster.local.")
	if err != nil || len(got) != 1 || got[0] != "10.96.0.30" {
		t.Errorf("web is at %v (%v), want 10.96.0.30", got, err)
	}
	var missing *net.DNSError
	if _, err := resolver.LookupHost(t.Context(), "none.shop.svc.cluster.local."); !errors.As(err, &missing) || !missing.IsNotFound {
		t.Errorf("a name that is not: %v, want not found", err)
	}
}
