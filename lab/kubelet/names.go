package kubelet

import (
	"net/netip"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// names are those that a pod knows: its cluster's, or a vCluster's, whose
// Services have other names in the cluster that it runs in.
type names struct {
	// vcluster is empty for a pod of the cluster itself.
	vcluster, namespace string
}

// What vCluster writes on the objects that it makes in its host cluster
// (github.com/loft-sh/vcluster/pkg/util/translate/types.go).
const (
	vclusterLabel       = "vcluster.loft.sh/managed-by"
	namespaceAnnotation = "vcluster.loft.sh/object-namespace"
	nameAnnotation      = "vcluster.loft.sh/object-name"
)

func namesOf(pod *corev1.Pod) names {
	if vcluster := pod.Labels[vclusterLabel]; vcluster != "" {
		return names{vcluster, pod.Namespace}
	}
	return names{}
}

// service finds a Service by the name that a pod knows it by.
func (n *network) service(as names, namespace, name string) *corev1.Service {
	if as.vcluster == "" {
		s, err := n.services.Services(namespace).Get(name)
		if err != nil {
			return nil
		}
		return s
	}
	if namespace == "default" && name == "kubernetes" {
		// The vCluster's own Service is its API server.
		s, err := n.services.Services(as.namespace).Get(as.vcluster)
		if err != nil {
			return nil
		}
		return s
	}
	all, _ := n.services.Services(as.namespace).List(labels.SelectorFromSet(labels.Set{vclusterLabel: as.vcluster}))
	for _, s := range all {
		if s.Annotations[namespaceAnnotation] == namespace && s.Annotations[nameAnnotation] == name {
			return s
		}
	}
	return nil
}

// lookup resolves a name as a cluster's DNS does
// (https://github.com/kubernetes/dns/blob/master/docs/specification.md): a
// Service by its address, one without an address by its pods' or, for a name
// with one label more, by one pod's; and the names of the lab's site.
func (n *network) lookup(as names, name string) (addresses []netip.Addr, known bool) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	inCluster, ok := strings.CutSuffix(name, ".svc.cluster.local")
	if !ok {
		if server, known := n.route(name, strconv.Itoa(sitePort)); known && server != "" && !strings.HasSuffix(name, ".svc") {
			return []netip.Addr{n.siteAddress(server, sitePort)}, true
		}
		return nil, false
	}
	parts := strings.Split(inCluster, ".")
	if len(parts) != 2 && len(parts) != 3 {
		return nil, false
	}
	hostname := ""
	if len(parts) == 3 {
		hostname = parts[0]
	}
	service, namespace := parts[len(parts)-2], parts[len(parts)-1]
	s := n.service(as, namespace, service)
	if s == nil {
		return nil, false
	}
	if address, err := netip.ParseAddr(s.Spec.ClusterIP); err == nil && hostname == "" {
		return []netip.Addr{address}, true
	}
	slices, _ := n.slices.EndpointSlices(s.Namespace).List(labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: s.Name}))
	for _, slice := range slices {
		for _, e := range slice.Endpoints {
			if hostname == "" || e.Hostname != nil && *e.Hostname == hostname {
				addresses = append(addresses, n.podAddress(e, s))
			}
		}
	}
	return addresses, true
}

// podAddress is that of a pod behind a Service, or of the lab's own server in the
// place of a played one.
func (n *network) podAddress(e discoveryv1.Endpoint, s *corev1.Service) netip.Addr {
	address, _ := netip.ParseAddr(e.Addresses[0])
	if n.at(e.Addresses[0]) != nil || e.Hostname == nil {
		return address
	}
	for _, p := range s.Spec.Ports {
		name := *e.Hostname + "." + s.Name + "." + s.Namespace + ".svc"
		if server, known := n.route(name, strconv.Itoa(int(p.Port))); known && server != "" {
			return n.siteAddress(server, uint16(p.Port))
		}
	}
	return address
}
