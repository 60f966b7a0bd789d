package podnet

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

var (
	services = netip.MustParsePrefix("10.96.0.0/16")
	first    = netip.MustParseAddr("10.244.0.1")
	second   = netip.MustParseAddr("10.244.0.2")
)

func open(t *testing.T, own netip.Addr) *Network {
	t.Helper()
	n, err := New(own, services)
	if errors.Is(err, syscall.EPERM) {
		t.Skip("this user may make no network namespaces")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

// answer serves a word to each that connects.
func answer(t *testing.T, listener net.Listener, word string) {
	t.Helper()
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, word)
			_ = conn.Close()
		}
	}()
}

func listen(t *testing.T, s Side, address, word string) {
	t.Helper()
	listener, err := s.Listen(netip.MustParseAddrPort(address))
	if err != nil {
		t.Fatal(err)
	}
	answer(t, listener, word)
}

func ask(t *testing.T, s Side, address string) string {
	t.Helper()
	conn, err := s.Dial(t.Context(), netip.MustParseAddrPort(address))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	text, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTwoPodsListenOnTheSamePort(t *testing.T) {
	a, b := open(t, first), open(t, second)
	listen(t, a.Pod, "0.0.0.0:8443", "a")
	listen(t, b.Pod, "0.0.0.0:8443", "b")
	for address, side := range map[string]Side{"127.0.0.1:8443": a.Pod, "10.244.0.1:8443": a.Cluster} {
		if got := ask(t, side, address); got != "a" {
			t.Errorf("%s in the first pod answers %q", address, got)
		}
	}
	if got := ask(t, b.Cluster, "10.244.0.2:8443"); got != "b" {
		t.Errorf("the second pod answers %q", got)
	}
}

func TestAnyServiceAddressCanBeListenedOn(t *testing.T) {
	pod := open(t, first)
	// On the port of a Service the pod itself listens too.
	listen(t, pod.Pod, "0.0.0.0:443", "the pod")
	listen(t, pod.Cluster, "10.96.0.1:443", "the API")
	listen(t, pod.Cluster, "10.96.200.7:443", "a service")
	if got := ask(t, pod.Pod, "10.96.0.1:443") + ", " + ask(t, pod.Pod, "10.96.200.7:443"); got != "the API, a service" {
		t.Errorf("the services answer %q", got)
	}
}

func TestAPodReachesNothingAndNothingReachesIt(t *testing.T) {
	pod := open(t, first)
	outside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	answer(t, outside, "the machine")
	address := outside.Addr().(*net.TCPAddr).AddrPort()
	if conn, err := pod.Pod.Dial(t.Context(), address); err == nil {
		_ = conn.Close()
		t.Error("a pod reaches a server of the machine")
	}
	listen(t, pod.Pod, "0.0.0.0:18443", "the pod")
	for _, address := range []string{"127.0.0.1:18443", "10.244.0.1:18443"} {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			continue
		}
		// Some other machine may have the address.
		_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		if text, _ := io.ReadAll(conn); string(text) == "the pod" {
			t.Errorf("a pod is reached from the machine at %s", address)
		}
		_ = conn.Close()
	}
}

// TestThisProcessStaysOutside: the namespaces are left by ending the thread.
func TestThisProcessStaysOutside(t *testing.T) {
	pod := open(t, first)
	listen(t, pod.Pod, "0.0.0.0:8443", "a")
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	// Processes that are started inherit the namespace of the thread that forks.
	for range 20 {
		_ = ask(t, pod.Pod, "127.0.0.1:8443")
		if out, err := exec.Command("readlink", "/proc/self/ns/net").Output(); err != nil || string(out) != mine(t) {
			t.Fatalf("a child is in %s (%v)", out, err)
		}
	}
	if after, err := net.Interfaces(); err != nil || len(after) != len(interfaces) {
		t.Errorf("%d interfaces (%v), want %d", len(after), err, len(interfaces))
	}
}

func mine(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("readlink", "/proc/1/ns/net").Output()
	if err != nil {
		t.Skip("the first process of the machine is another user's")
	}
	return string(out)
}
