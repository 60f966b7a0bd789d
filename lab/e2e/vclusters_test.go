package e2e

import (
	"bufio"
	"bytes"
	"context"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// vcluster is an administrator's client of a tenant's vCluster, by a port forward
// to its Service.
func (p *platform) vcluster(tenant, environment string) *kubernetes.Clientset {
	p.t.Helper()
	namespace := tenant + "-" + environment
	secret, err := p.cluster(environment).CoreV1().Secrets(namespace).Get(context.Background(), "vc-"+tenant, metav1.GetOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(secret.Data["config"])
	if err != nil {
		p.t.Fatal(err)
	}
	config.Host = "https://" + p.forward(environment, namespace, "svc/"+tenant, "443")
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		p.t.Fatal(err)
	}
	return client
}

var forwarding = regexp.MustCompile(`Forwarding from (127\.0\.0\.1:\d+)`)

// forward leads an address of this machine to a port in a cluster.
func (p *platform) forward(cluster, namespace, what, port string) string {
	p.t.Helper()
	cmd := exec.Command(p.path("state/bin/lab"), "exec", "--", "kubectl", "--kubeconfig", p.site.Kubeconfig(cluster),
		"--namespace", namespace, "port-forward", what, ":"+port)
	cmd.Dir = p.root
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if at := forwarding.FindStringSubmatch(lines.Text()); at != nil {
			go func() { // its further lines would stop it
				for lines.Scan() {
				}
			}()
			return at[1]
		}
	}
	p.t.Fatalf("kubectl does not forward to %s in %s of cluster %s", what, namespace, cluster)
	return ""
}

// vclustersAreApart shows that what one tenant makes in its vCluster is in no
// other, and that its pods are on the host in its own namespace.
func vclustersAreApart(t *testing.T, p *platform) {
	ctx := context.Background()
	checkout, billing := p.vcluster("checkout", "dev"), p.vcluster("billing", "dev")
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "apart"}}
	if _, err := checkout.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for where, client := range map[string]kubernetes.Interface{"its neighbour": billing, "the host": p.cluster("dev")} {
		if _, err := client.CoreV1().Namespaces().Get(ctx, ns.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("a namespace of checkout's in %s: %v", where, err)
		}
	}
	within(t, time.Minute, "service account in the namespace", func() bool {
		_, err := checkout.CoreV1().ServiceAccounts(ns.Name).Get(ctx, "default", metav1.GetOptions{})
		return err == nil
	})
	if _, err := checkout.CoreV1().Pods(ns.Name).Create(ctx, pausePod(), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	took := within(t, time.Minute, "pod that runs in the vCluster", func() bool {
		pod, err := checkout.CoreV1().Pods(ns.Name).Get(ctx, "pause", metav1.GetOptions{})
		return err == nil && pod.Status.Phase == corev1.PodRunning
	})
	t.Logf("a pod of a vCluster runs after %.1f s", took.Seconds())
	onHost := hostPods(t, p, "pause-x-apart-")
	if len(onHost) != 1 || onHost[0].Namespace != "checkout-dev" {
		t.Errorf("on the host the pod is %v", onHost)
	}
	if err := checkout.CoreV1().Namespaces().Delete(ctx, ns.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	within(t, time.Minute, "host without the pod", func() bool { return len(hostPods(t, p, "pause-x-apart-")) == 0 })
}

func pausePod() *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "pause"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "pause", Image: "registry.k8s.io/pause:3.10"}}},
	}
}

func hostPods(t *testing.T, p *platform, prefix string) []corev1.Pod {
	t.Helper()
	all, err := p.cluster("dev").CoreV1().Pods("").List(context.Background(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var found []corev1.Pod
	for _, pod := range all.Items {
		if strings.HasPrefix(pod.Name, prefix) {
			found = append(found, pod)
		}
	}
	return found
}

// databasesAreApart shows that a tenant's user gets into its own database with
// its own certificate alone.
func databasesAreApart(t *testing.T, p *platform) {
	own, neighbours := clientCertificate(t, p, "checkout-dev"), clientCertificate(t, p, "billing-dev")
	const usedOwn, anonymous = "--ssl-cert=/tmp/client.pem --ssl-key=/tmp/client.pem", ""
	for _, test := range []struct {
		name        string
		certificate []byte
		options     string
		query       string
		says        string
	}{
		{"its own", own, usedOwn, "SELECT COUNT(*) > 0 FROM vc_checkout_dev.kine", "1"},
		{"its own, the neighbour's database", own, usedOwn, "SELECT COUNT(*) FROM vc_billing_dev.kine", "ERROR 1142"},
		{"the neighbour's", neighbours, usedOwn, "SELECT 1", "ERROR 1045"},
		{"none", nil, anonymous, "SELECT 1", "ERROR 1045"},
		{"none, and no TLS", nil, "--skip-ssl", "SELECT 1", "ERROR"},
	} {
		cmd := exec.Command(p.path("state/bin/lab"), "exec", "--", "kubectl", "--kubeconfig", p.site.Kubeconfig("dev"),
			"--namespace", "mariadb", "exec", "-i", "mariadb-0", "--", "bash", "-c",
			"umask 077; cat > /tmp/client.pem; mariadb --skip-column-names --host=mariadb.mariadb.svc --user=vc_checkout_dev "+
				"--ssl-ca=/etc/pki/ca.crt "+test.options+" --execute='"+test.query+"'; code=$?; rm /tmp/client.pem; exit $code")
		cmd.Dir, cmd.Stdin = p.root, bytes.NewReader(test.certificate)
		out, err := cmd.CombinedOutput()
		getsIn := !strings.HasPrefix(test.says, "ERROR")
		if got := strings.TrimSpace(string(out)); (err == nil) != getsIn || !strings.Contains(got, test.says) {
			t.Errorf("with the certificate %s: %v %s, want %s", test.name, err, got, test.says)
		}
	}
}

func clientCertificate(t *testing.T, p *platform, namespace string) []byte {
	t.Helper()
	secret, err := p.cluster("dev").CoreV1().Secrets(namespace).Get(context.Background(), "database-client", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return append(append([]byte{}, secret.Data["tls.crt"]...), secret.Data["tls.key"]...)
}
