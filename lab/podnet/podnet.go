// Package podnet gives a pod of the lab a network of its own: a network namespace
// that reaches nothing and that nothing reaches, with the pod's address and those
// of its cluster on loopback. What the pod listens on is dialled, and what it
// dials is listened to, by sockets that this process makes inside the namespace.
//
// So a program may listen on all addresses and on any port: no other pod and
// nothing of the machine is in its way, and nobody outside reaches it. It needs
// no device, no bridge and no rule of a firewall, only the right to make
// namespaces.
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

// Network is one pod's.
type Network struct{ namespace *os.File }

// New makes a network in which own is the pod's address and all of ranges are
// addresses that it may be spoken to on.
func New(own netip.Addr, ranges ...netip.Prefix) (*Network, error) {
	n := &Network{}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("making a network namespace: %w", err)
		}
		var err error
		if n.namespace, err = os.Open("/proc/thread-self/ns/net"); err != nil {
			return err
		}
		return address(own, ranges)
	})
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// address puts addresses on the loopback of the thread's namespace.
func address(own netip.Addr, ranges []netip.Prefix) error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("finding the loopback device: %w", err)
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		return fmt.Errorf("bringing the loopback device up: %w", err)
	}
	ip := &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(own, own.BitLen()))}
	if err := netlink.AddrAdd(loopback, ip); err != nil {
		return fmt.Errorf("adding the pod's address %s: %w", own, err)
	}
	for _, prefix := range ranges {
		route := &netlink.Route{
			LinkIndex: loopback.Attrs().Index, Dst: ipNet(prefix), Table: unix.RT_TABLE_LOCAL,
			Type: unix.RTN_LOCAL, Scope: unix.RT_SCOPE_HOST, Src: own.AsSlice(),
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
func (n *Network) inside(do func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(n.namespace.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering a pod's network: %w", err)
		}
		return do()
	})
}

// Listen listens inside.
func (n *Network) Listen(address netip.AddrPort) (listener net.Listener, err error) {
	err = n.inside(func() error {
		listener, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(address))
		return err
	})
	return listener, err
}

// ListenPacket listens for datagrams inside.
func (n *Network) ListenPacket(address netip.AddrPort) (listener net.PacketConn, err error) {
	err = n.inside(func() error {
		listener, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(address))
		return err
	})
	return listener, err
}

// Dial connects to what the pod listens on.
func (n *Network) Dial(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
	return n.dial(ctx, "tcp", address)
}

// DialPacket is Dial for datagrams.
func (n *Network) DialPacket(ctx context.Context, address netip.AddrPort) (net.Conn, error) {
	return n.dial(ctx, "udp", address)
}

// dial takes an IP: names would be resolved on another goroutine.
func (n *Network) dial(ctx context.Context, network string, address netip.AddrPort) (conn net.Conn, err error) {
	err = n.inside(func() error {
		var dialer net.Dialer
		conn, err = dialer.DialContext(ctx, network, address.String())
		return err
	})
	return conn, err
}

// File is the namespace, for a process that is to enter it (setns(2)).
func (n *Network) File() *os.File { return n.namespace }

// Close lets go of the network. It ends with the last process and socket in it.
func (n *Network) Close() error {
	if n.namespace == nil {
		return nil
	}
	return n.namespace.Close()
}
