package kubelet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"

	"platform/lab/podnet"
)

// The addresses of every cluster: its Services', and its pods' that run as
// processes. Played pods have others, which nobody answers.
var (
	serviceRange = netip.MustParsePrefix("10.96.0.0/16")
	podRange     = netip.MustParsePrefix("10.244.0.0/16")
	apiAddress   = netip.MustParseAddr("10.96.0.1")
	dnsAddress   = netip.MustParseAddrPort("10.96.0.10:53")
	// siteRange holds the addresses that the names of the platform's site mean
	// in a pod, one for each of the lab's servers. It is not the cluster's.
	siteRange = netip.MustParsePrefix("10.97.0.0/24")
)

// sitePort is the one that the site's names are asked on.
const sitePort = 443

// network is a cluster's, as its pods see it: the Services, each in all pods, and
// behind them the pods that run, or what the lab has in a played pod's place.
type network struct {
	// route is the lab's server for a name and port, if it has one.
	route func(host, port string) (address string, known bool)
	log   *slog.Logger

	services  corelisters.ServiceLister
	slices    discoverylisters.EndpointSliceLister
	ingresses networkinglisters.IngressLister
	changed   chan struct{}
	// transport is the ingress controller's.
	transport *http.Transport

	mu   sync.Mutex
	pods map[netip.Addr]*attachment
	next netip.Addr
	// site are the lab's servers by the address and port they have in pods.
	site map[netip.AddrPort]string
}

// attachment is a pod's place in the network.
type attachment struct {
	*podnet.Network
	address   netip.Addr
	listeners map[netip.AddrPort]net.Listener
	dns       []io.Closer
	names     names
}

func newNetwork(ctx context.Context, client kubernetes.Interface, route func(host, port string) (string, bool), log *slog.Logger) *network {
	factory := informers.NewSharedInformerFactory(client, 0)
	n := &network{
		route: route, log: log, changed: make(chan struct{}, 1),
		services: factory.Core().V1().Services().Lister(), slices: factory.Discovery().V1().EndpointSlices().Lister(),
		ingresses: factory.Networking().V1().Ingresses().Lister(),
		pods:      map[netip.Addr]*attachment{}, next: podRange.Addr().Next(), site: map[netip.AddrPort]string{},
	}
	n.transport = n.ingressTransport()
	handler := onAny(n.notice)
	_, _ = factory.Core().V1().Services().Informer().AddEventHandler(handler)
	_, _ = factory.Discovery().V1().EndpointSlices().Informer().AddEventHandler(handler)
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	return n
}

// notice asks for a new look at what is to be listened on.
func (n *network) notice() {
	select {
	case n.changed <- struct{}{}:
	default: // one is asked for already
	}
}

// run keeps all pods' listeners to the Services there are, until ctx ends.
func (n *network) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.changed:
			n.listenAll()
		}
		// Changes come in crowds.
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// attach gives a pod its place.
func (n *network) attach(of *corev1.Pod) (*attachment, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	address := n.free()
	pod, err := podnet.New(address, serviceRange, podRange, siteRange)
	if err != nil {
		return nil, err
	}
	a := &attachment{Network: pod, address: address, listeners: map[netip.AddrPort]net.Listener{}, names: namesOf(of)}
	for _, server := range nameservers(of) {
		closer, err := n.serveNames(a, server)
		if err != nil {
			return nil, errors.Join(err, a.close())
		}
		a.dns = append(a.dns, closer)
	}
	n.pods[address] = a
	n.listen(a, n.targets())
	return a, nil
}

// at is the pod with an address, nil if none that runs has it.
func (n *network) at(address string) *attachment {
	parsed, err := netip.ParseAddr(address)
	if err != nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pods[parsed]
}

// free is the next address that no pod has.
func (n *network) free() netip.Addr {
	for {
		address := n.next
		if n.next = n.next.Next(); !podRange.Contains(n.next) {
			n.next = podRange.Addr().Next()
		}
		if _, taken := n.pods[address]; !taken {
			return address
		}
	}
}

func (n *network) detach(a *attachment) {
	n.mu.Lock()
	delete(n.pods, a.address)
	n.mu.Unlock()
	_ = a.close()
	n.notice()
}

func (a *attachment) close() error {
	for _, listener := range a.listeners {
		_ = listener.Close()
	}
	for _, server := range a.dns {
		_ = server.Close()
	}
	return a.Close()
}

func (n *network) listenAll() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listenLocked()
}

func (n *network) listenLocked() {
	targets := n.targets()
	for _, a := range n.pods {
		n.listen(a, targets)
	}
}

// listen listens in a pod on what is a target, and no more on what is none.
func (n *network) listen(a *attachment, targets map[netip.AddrPort]bool) {
	for target := range targets {
		if target.Addr() == a.address || a.listeners[target] != nil {
			continue
		}
		listener, err := a.Cluster.Listen(target)
		if err != nil {
			n.log.Warn("a pod does not see an address", "address", target, "error", err.Error())
			continue
		}
		a.listeners[target] = listener
		go n.accept(listener, target)
	}
	for target, listener := range a.listeners {
		if !targets[target] {
			_ = listener.Close()
			delete(a.listeners, target)
		}
	}
}

// targets are all addresses that lead somewhere: Services', and those of pods
// behind Services without one.
func (n *network) targets() map[netip.AddrPort]bool {
	targets := map[netip.AddrPort]bool{}
	for address := range n.site {
		targets[address] = true
	}
	services, _ := n.services.List(labels.Everything())
	for _, s := range services {
		if address, err := netip.ParseAddr(s.Spec.ClusterIP); err == nil {
			for _, p := range s.Spec.Ports {
				targets[netip.AddrPortFrom(address, uint16(p.Port))] = p.Protocol == corev1.ProtocolTCP
			}
		}
	}
	slices, _ := n.slices.List(labels.Everything())
	for _, slice := range slices {
		for _, endpoint := range slice.Endpoints {
			for _, p := range slice.Ports {
				address, err := netip.ParseAddr(endpoint.Addresses[0])
				if err == nil && p.Port != nil && n.pods[address] != nil {
					targets[netip.AddrPortFrom(address, uint16(*p.Port))] = true
				}
			}
		}
	}
	for target, tcp := range targets {
		if !tcp {
			delete(targets, target)
		}
	}
	return targets
}

func (n *network) accept(listener net.Listener, target netip.AddrPort) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return // closed
		}
		go func() {
			defer func() { _ = conn.Close() }()
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			other, err := n.dial(ctx, target)
			if err != nil {
				n.log.Debug("nobody answers", "address", target, "error", err.Error())
				return
			}
			join(conn, other)
		}()
	}
}

// join carries bytes both ways until both sides have ended.
func join(a, b net.Conn) {
	var work sync.WaitGroup
	carry := func(to, from net.Conn) {
		if _, err := io.Copy(to, from); err != nil {
			// The other direction may wait for one that is gone.
			_, _ = to.Close(), from.Close()
			return
		}
		if half, ok := to.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}
	work.Go(func() { carry(a, b) })
	work.Go(func() { carry(b, a) })
	work.Wait()
	_ = b.Close()
}

// dial connects to an address of the cluster.
func (n *network) dial(ctx context.Context, target netip.AddrPort) (net.Conn, error) {
	n.mu.Lock()
	pod, server := n.pods[target.Addr()], n.site[target]
	n.mu.Unlock()
	var dialer net.Dialer
	switch {
	case pod != nil:
		return pod.Cluster.Dial(ctx, target)
	case server != "":
		return dialer.DialContext(ctx, "tcp", server)
	}
	service, port := n.serviceAt(target)
	if service == nil {
		return nil, fmt.Errorf("no Service has the address %s", target)
	}
	if pod, address, ok := n.endpoint(service, port); ok {
		return pod.Cluster.Dial(ctx, address)
	}
	address, known := n.route(service.Name+"."+service.Namespace+".svc", strconv.Itoa(int(port.Port)))
	if !known || address == "" {
		return nil, fmt.Errorf("the pods of Service %s/%s are played", service.Namespace, service.Name)
	}
	return dialer.DialContext(ctx, "tcp", address)
}

func (n *network) serviceAt(target netip.AddrPort) (*corev1.Service, corev1.ServicePort) {
	services, _ := n.services.List(labels.Everything())
	for _, s := range services {
		if s.Spec.ClusterIP != target.Addr().String() {
			continue
		}
		for _, p := range s.Spec.Ports {
			if uint16(p.Port) == target.Port() {
				return s, p
			}
		}
	}
	return nil, corev1.ServicePort{}
}

// endpoint is a ready pod behind a port of a Service that runs as a process.
func (n *network) endpoint(s *corev1.Service, port corev1.ServicePort) (*attachment, netip.AddrPort, bool) {
	slices, _ := n.slices.EndpointSlices(s.Namespace).List(labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: s.Name}))
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, slice := range slices {
		for _, p := range slice.Ports {
			if p.Name == nil || *p.Name != port.Name || p.Port == nil {
				continue
			}
			for _, e := range slice.Endpoints {
				address, err := netip.ParseAddr(e.Addresses[0])
				ready := e.Conditions.Ready == nil || *e.Conditions.Ready
				if pod := n.pods[address]; err == nil && pod != nil && ready {
					return pod, netip.AddrPortFrom(address, uint16(*p.Port)), true
				}
			}
		}
	}
	return nil, netip.AddrPort{}, false
}

// siteAddress is the address in pods of one of the lab's servers, on a port.
func (n *network) siteAddress(server string, port uint16) netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	address := siteRange.Addr()
	for range len(n.site) {
		if address = address.Next(); n.site[netip.AddrPortFrom(address, port)] == server {
			return address
		}
	}
	address = address.Next()
	n.site[netip.AddrPortFrom(address, port)] = server
	n.listenLocked()
	return address
}

// onAny calls what for each event of an informer.
func onAny(what func()) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { what() }, UpdateFunc: func(any, any) { what() }, DeleteFunc: func(any) { what() },
	}
}
