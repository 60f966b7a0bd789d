package cluster

import (
	"crypto/sha256"
	_ "embed"
	"fmt"
	"os"
	"strings"
	"time"

	"platform/lab/process"
	"platform/lab/site"
)

// apiserverGrace is short: with watches open a kube-apiserver takes a minute to
// end by itself, and etcd stays whole without its help.
const apiserverGrace = 3 * time.Second

// EgressSocket is where the process kubelet of a cluster leads its API server to
// webhooks in pods.
func EgressSocket(s *site.Site, cluster string) string { return s.Path("egress", cluster+".sock") }

// egress says that the API server calls what is in its cluster through
// EgressSocket (https://kubernetes.io/docs/tasks/extend-kubernetes/setup-konnectivity/).
const egress = `apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: HTTPConnect
    transport: {uds: {udsName: %q}}
`

// admission gives the API server the way to the webhooks of its cluster, or leaves
// them out: those of played controllers have nobody to answer them.
func admission(s *site.Site, p pki, cluster string, pods Pods) ([]string, error) {
	if !pods.Webhooks {
		return []string{"--disable-admission-plugins=MutatingAdmissionWebhook,ValidatingAdmissionWebhook"}, nil
	}
	file := p.file("egress.yaml")
	err := os.WriteFile(file, fmt.Appendf(nil, egress, EgressSocket(s, cluster)), 0o600)
	return []string{"--egress-selector-config-file=" + file}, err
}

func apiserver(s *site.Site, p pki, cluster, server string, pods Pods) (process.Spec, error) {
	etcd, err := newPKI(s, "etcd")
	if err != nil {
		return process.Spec{}, err
	}
	etcdPort, err := port(s, "etcd")
	if err != nil {
		return process.Spec{}, err
	}
	own, err := port(s, cluster+"-apiserver")
	if err != nil {
		return process.Spec{}, err
	}
	admission, err := admission(s, p, cluster, pods)
	if err != nil {
		return process.Spec{}, err
	}
	return process.Spec{
		Path: "kube-apiserver", Grace: apiserverGrace,
		Env: []string{"GOGC=50"},
		Args: append([]string{
			"--etcd-servers=https://127.0.0.1:" + etcdPort, "--etcd-prefix=/" + cluster,
			"--etcd-cafile=" + etcd.file("ca.crt"), "--etcd-certfile=" + etcd.file("client.crt"), "--etcd-keyfile=" + etcd.file("client.key"),
			"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=" + own,
			"--endpoint-reconciler-type=none", "--service-cluster-ip-range=" + serviceRange,
			"--tls-cert-file=" + p.file("apiserver.crt"), "--tls-private-key-file=" + p.file("apiserver.key"),
			"--client-ca-file=" + p.file("ca.crt"), "--authorization-mode=Node,RBAC", "--allow-privileged",
			"--anonymous-auth=false",
			"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
			"--service-account-key-file=" + p.file("accounts.pub"), "--service-account-signing-key-file=" + p.file("accounts.key"),
			"--kubelet-client-certificate=" + p.file("kubelet-client.crt"), "--kubelet-client-key=" + p.file("kubelet-client.key"),
			"--kubelet-certificate-authority=" + p.file("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
			"--profiling=false", "--v=0",
		}, admission...),
		Ready: ready(server+"/readyz", p.file("ca.crt"), p.file("admin.crt"), p.file("admin.key")),
	}, nil
}

func controllerManager(s *site.Site, p pki, cluster, _ string, _ Pods) (process.Spec, error) {
	own, err := port(s, cluster+"-controller-manager")
	if err != nil {
		return process.Spec{}, err
	}
	config := p.file("controller-manager.yaml")
	return process.Spec{
		Path: "kube-controller-manager",
		Args: []string{
			"--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config,
			"--bind-address=127.0.0.1", "--secure-port=" + own, "--leader-elect=false",
			"--controllers=*,-nodeipam,-cloud-node-lifecycle", "--use-service-account-credentials",
			"--root-ca-file=" + p.file("ca.crt"), "--service-account-private-key-file=" + p.file("accounts.key"),
			"--cluster-signing-cert-file=" + p.file("ca.crt"), "--cluster-signing-key-file=" + p.file("ca.key"),
			"--tls-cert-file=" + p.file("apiserver.crt"), "--tls-private-key-file=" + p.file("apiserver.key"),
			"--profiling=false",
		},
		Ready: ready("https://127.0.0.1:"+own+"/healthz", p.file("ca.crt"), "", ""),
	}, nil
}

func scheduler(s *site.Site, p pki, cluster, _ string, _ Pods) (process.Spec, error) {
	own, err := port(s, cluster+"-scheduler")
	if err != nil {
		return process.Spec{}, err
	}
	config := p.file("scheduler.yaml")
	return process.Spec{
		Path: "kube-scheduler",
		Args: []string{
			"--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config,
			"--bind-address=127.0.0.1", "--secure-port=" + own, "--leader-elect=false",
			"--tls-cert-file=" + p.file("apiserver.crt"), "--tls-private-key-file=" + p.file("apiserver.key"),
		},
		Ready: ready("https://127.0.0.1:"+own+"/healthz", p.file("ca.crt"), "", ""),
	}, nil
}

// stages say how KWOK plays nodes and pods.
//
//go:embed stages.yaml
var stages string

func kwok(s *site.Site, p pki, cluster, _ string, pods Pods) (process.Spec, error) {
	own, err := port(s, cluster+"-kwok")
	if err != nil {
		return process.Spec{}, err
	}
	kubelet, err := port(s, KubeletPort(cluster))
	if err != nil {
		return process.Spec{}, err
	}
	config := strings.ReplaceAll(stages, "REAL_PODS", pods.Real)
	// The name tells the content, so that other stages are another command.
	hash := sha256.Sum256([]byte(config))
	file := p.file(fmt.Sprintf("stages-%x.yaml", hash[:4]))
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return process.Spec{}, fmt.Errorf("writing KWOK's stages: %w", err)
	}
	return process.Spec{
		Path: "kwok",
		Args: []string{
			"--kubeconfig=" + p.file("kwok-client.yaml"), "--config=" + file, "--manage-all-nodes",
			"--server-address=127.0.0.1:" + own, "--node-ip=127.0.0.1", "--node-port=" + kubelet,
			// A restarted KWOK waits for the end of its own old lease.
			"--node-lease-duration-seconds=10", "--cidr=10.0.0.1/24", "--v=WARN",
		},
	}, nil
}

// KubeletPort names the port of the process kubelet of a cluster, where the API
// server sends `kubectl exec`.
func KubeletPort(cluster string) string { return cluster + "-kubelet" }

// KubeletFiles are the certificate and key that the process kubelet of a cluster
// serves with, and the CA of those who may call it.
func KubeletFiles(s *site.Site, cluster string) (cert, key, ca string) {
	dir := func(name string) string { return s.Path("pki", cluster, name) }
	return dir("kubelet.crt"), dir("kubelet.key"), dir("ca.crt")
}
