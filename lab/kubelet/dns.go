package kubelet

import (
	"fmt"
	"io"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
	corev1 "k8s.io/api/core/v1"
)

// resolvConf is a pod's /etc/resolv.conf, with the DNS policy ClusterFirst or, as
// in the pods of a vCluster, None
// (https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/).
func resolvConf(pod *corev1.Pod) string {
	config := pod.Spec.DNSConfig
	if pod.Spec.DNSPolicy != corev1.DNSNone || config == nil {
		return fmt.Sprintf("nameserver %s\nsearch %s.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n",
			dnsAddress.Addr(), pod.Namespace)
	}
	var text strings.Builder
	for _, server := range config.Nameservers {
		_, _ = fmt.Fprintf(&text, "nameserver %s\n", server)
	}
	_, _ = fmt.Fprintf(&text, "search %s\n", strings.Join(config.Searches, " "))
	for _, o := range config.Options {
		option := o.Name
		if o.Value != nil {
			option += ":" + *o.Value
		}
		_, _ = fmt.Fprintf(&text, "options %s\n", option)
	}
	return text.String()
}

// nameservers are the addresses that a pod asks for names. The kubelet answers on
// all of them: it stands for CoreDNS, that of vClusters too.
func nameservers(pod *corev1.Pod) []netip.AddrPort {
	servers := []netip.AddrPort{dnsAddress}
	if config := pod.Spec.DNSConfig; config != nil {
		for _, server := range config.Nameservers {
			if address, err := netip.ParseAddr(server); err == nil && serviceRange.Contains(address) && address != dnsAddress.Addr() {
				servers = append(servers, netip.AddrPortFrom(address, dnsAddress.Port()))
			}
		}
	}
	return servers
}

// serveNames answers questions for names in a pod, until it is closed.
func (n *network) serveNames(a *attachment, server netip.AddrPort) (io.Closer, error) {
	conn, err := a.Cluster.ListenPacket(server)
	if err != nil {
		return nil, err
	}
	go func() {
		buffer := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return // closed
			}
			if answer, err := n.answer(a.names, buffer[:size]); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return conn, nil
}

// answer answers one question for a name: its IPv4 addresses. There are no IPv6
// ones, and no records of other types.
func (n *network) answer(as names, question []byte) ([]byte, error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(question)
	if err != nil {
		return nil, err
	}
	q, err := parser.Question()
	if err != nil {
		return nil, err
	}
	addresses, known := n.lookup(as, q.Name.String())
	reply := dnsmessage.Header{
		ID: header.ID, Response: true, Authoritative: true,
		RecursionDesired: header.RecursionDesired, RecursionAvailable: true,
	}
	if !known {
		reply.RCode = dnsmessage.RCodeNameError
	}
	builder := dnsmessage.NewBuilder(nil, reply)
	builder.EnableCompression()
	if err := builder.StartQuestions(); err != nil {
		return nil, err
	}
	if err := builder.Question(q); err != nil {
		return nil, err
	}
	if err := builder.StartAnswers(); err != nil {
		return nil, err
	}
	for _, address := range addresses {
		if q.Type != dnsmessage.TypeA || !address.Is4() {
			continue
		}
		err := builder.AResource(
			dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 5},
			dnsmessage.AResource{A: address.As4()})
		if err != nil {
			return nil, err
		}
	}
	return builder.Finish()
}
