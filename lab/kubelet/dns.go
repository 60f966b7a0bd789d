package kubelet

import (
	"fmt"
	"io"

	"golang.org/x/net/dns/dnsmessage"
)

// resolvConf is a pod's /etc/resolv.conf with the DNS policy ClusterFirst
// (https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/).
func resolvConf(namespace string) string {
	return fmt.Sprintf("nameserver %s\nsearch %s.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n",
		dnsAddress.Addr(), namespace)
}

// serveNames answers questions for names in a pod, until it is closed.
func (n *network) serveNames(a *attachment) (io.Closer, error) {
	conn, err := a.ListenPacket(dnsAddress)
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
			if answer, err := n.answer(buffer[:size]); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return conn, nil
}

// answer answers one question for a name: its IPv4 addresses. There are no IPv6
// ones, and no records of other types.
func (n *network) answer(question []byte) ([]byte, error) {
	var parser dnsmessage.Parser
	header, err := parser.Start(question)
	if err != nil {
		return nil, err
	}
	q, err := parser.Question()
	if err != nil {
		return nil, err
	}
	addresses, known := n.lookup(q.Name.String())
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
