// Package podnet gives a pod of the lab a network of its own: a network namespace
// with the pod's address, which reaches nothing but a second one beside it, and
// which nothing else reaches. The second holds all addresses of the cluster. What
// the pod listens on is dialled from there, and what it dials is listened to
// there, by sockets that this process makes.
//
// So a program may listen on all addresses and on any port: no other pod, no
// Service and nothing of the machine is in its way, and nobody outside reaches it.
// It needs no bridge and no rule of a firewall, only the right to make namespaces,
// and devices in them.
package podnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Network is one pod's: the namespace of its processes, and that of the sockets
// which stand for its cluster.
type Network struct{ Pod, Cluster Side }

// Side is a namespace at one end of the wire.
type Side struct{ namespace *os.File }

// node is the address from which the pod is spoken to.
var node = netip.MustParseAddr("169.254.100.1")

// The two ends of the wire between the namespaces.
const (
	podDevice    = "eth0"
	besideDevice = "pod"
)

// New makes a network in which own is the pod's address and all of ranges are
// addresses that it may be spoken to on.
func New(own netip.Addr, ranges ...netip.Prefix) (*Network, error) {
	n := &Network{}
	err := n.make(own, ranges)
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Network) make(own netip.Addr, ranges []netip.Prefix) (err error) {
	if n.Pod.namespace, err = newNamespace(); err != nil {
		return err
	}
	if n.Cluster.namespace, err = newNamespace(); err != nil {
		return err
	}
	err = n.Cluster.inside(func() error {
		wire := &netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: besideDevice}, PeerName: podDevice, PeerNamespace: netlink.NsFd(int(n.Pod.namespace.Fd())),
		}
		if err := netlink.LinkAdd(wire); err != nil {
			return fmt.Errorf("making a veth device: %w", err)
		}
		if err := bringUp(besideDevice, node, netip.PrefixFrom(own, own.BitLen())); err != nil {
			return err
		}
		return take(ranges)
	})
	if err != nil {
		return err
	}
	return n.Pod.inside(func() error { return bringUp(podDevice, own, netip.PrefixFrom(netip.IPv4Unspecified(), 0)) })
}

// newNamespace makes a network namespace in which loopback is up.
func newNamespace() (file *os.File, err error) {
	err = onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("making a network namespace: %w", err)
		}
		if file, err = os.Open("/proc/thread-self/ns/net"); err != nil {
			return err
		}
		loopback, err := netlink.LinkByName("lo")
		if err != nil {
			return fmt.Errorf("finding the loopback device: %w", err)
		}
		return netlink.LinkSetUp(loopback)
	})
	return file, err
}

// bringUp gives an end of the wire an address, and leads to the addresses of the
// other end.
func bringUp(device string, own netip.Addr, other netip.Prefix) error {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return fmt.Errorf("finding the device %s: %w", device, err)
	}
	if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(own, own.BitLen()))}); err != nil {
		return fmt.Errorf("adding the address %s: %w", own, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("bringing the device %s up: %w", device, err)
	}
	route := &netlink.Route{
		LinkIndex: link.Attrs().Index, Dst: ipNet(other), Scope: unix.RT_SCOPE_LINK, Src: own.AsSlice(),
		// Beside take's routes, which the pod's address is to be an exception to.
		Table: unix.RT_TABLE_LOCAL,
	}
	if err := netlink.RouteAdd(route); err != nil {
		return fmt.Errorf("leading to %s: %w", other, err)
	}
	return nil
}

// take makes all addresses of ranges those of the thread's namespace.
func take(ranges []netip.Prefix) error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("finding the loopback device: %w", err)
	}
	for _, prefix := range ranges {
		route := &netlink.Route{
			LinkIndex: loopback.Attrs().Index, Dst: ipNet(prefix), Table: unix.RT_TABLE_LOCAL,
			Type: unix.RTN_LOCAL, Scope: unix.RT_SCOPE_HOST,
		}
		if err := netlink.RouteAdd(route); err != nil {
			return fmt.Errorf("taking the addresses %s: %w", prefix, err)
		}
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// onThread runs do on a thread of its own, which ends with it: what do changes of
// the thread stays with no other code.
func onThread(do func() error) error {
	done := make(chan error)
	go func() {
		// Never unlocked, so the thread ends with the goroutine.
		runtime.LockOSThread()
		done <- do()
	}()
	return <-done
}

// inside runs do on a thread in the namespace. Sockets made by do itself, on no
// other goroutine, are in it for good.
func (s Side) inside(do func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(s.namespace.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering a pod's network: %w", err)
		}
		return do()
	})
}

// Listen listens on this side.
func (s Side) Listen(address netip.AddrPort) (listener net.Listener, err error) {
	err = s.inside(func() error {
		listener, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(address))
		return err
	})
	return listener, err
}

// ListenPacket is Listen for datagrams.
func (s Side) ListenPacket(address netip.AddrPort) (listener net.PacketConn, err error) {
	err = s.inside(func() error {
		listener, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(address))
		return err
	})
	return listener, err
}

// Dial connects to what this side, or the other, listens on.
func (s Side) Dial(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
	return s.dial(ctx, "tcp", address)
}

// DialPacket is Dial for datagrams.
func (s Side) DialPacket(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
	return s.dial(ctx, "udp", address)
}

// dial takes an IP: names would be resolved on another goroutine.
func (s Side) dial(ctx context.Context, network string, address netip.AddrPort) (conn net.Conn, err error) {
	err = s.inside(func() error {
		var dialer net.Dialer
		conn, err = dialer.DialContext(ctx, network, address.String())
		return err
	})
	return conn, err
}

// File is the namespace, for a process that is to enter it (setns(2)).
func (s Side) File() *os.File { return s.namespace }

// Close lets go of the network. It ends with the last process and socket in it.
func (n *Network) Close() error {
	var all []error
	for _, side := range []Side{n.Pod, n.Cluster} {
		if side.namespace != nil {
			all = append(all, side.namespace.Close())
		}
	}
	return errors.Join(all...)
}
