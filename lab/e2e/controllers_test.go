package e2e

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"platform/lab/site"
)

// controllersAct looks at what only real controllers do.
func controllersAct(t *testing.T, p *platform) {
	t.Run("cert-manager issues, and issues again", func(t *testing.T) { certificatesAreIssued(t, p) })
	t.Run("Gatekeeper denies", func(t *testing.T) { gatekeeperDenies(t, p) })
	t.Run("vClusters are apart", func(t *testing.T) { vclustersAreApart(t, p) })
	t.Run("delivery has tokens", func(t *testing.T) { deliveryHasTokens(t, p) })
	t.Run("databases are apart", func(t *testing.T) { databasesAreApart(t, p) })
}

// objects is a client for custom resources of a cluster.
func (p *platform) objects(cluster string) dynamic.Interface {
	p.t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", p.site.Kubeconfig(cluster))
	if err != nil {
		p.t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		p.t.Fatal(err)
	}
	return client
}

// within waits until what holds, and gives the time that it took.
func within(t *testing.T, limit time.Duration, what string, holds func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for time.Since(begin) < limit {
		if holds() {
			return time.Since(begin)
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Fatalf("after %s there is still no %s", limit, what)
	return 0
}

var certificates = schema.GroupVersionResource{Group: "cert-manager.io", Version: "v1", Resource: "certificates"}

func certificatesAreIssued(t *testing.T, p *platform) {
	ctx := context.Background()
	ca, err := os.ReadFile(p.site.CACert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	for _, cluster := range site.Clusters {
		all, err := p.objects(cluster).Resource(certificates).List(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(all.Items) == 0 {
			t.Errorf("cluster %s has no Certificate", cluster)
		}
		for _, c := range all.Items {
			secret, _, _ := unstructured.NestedString(c.Object, "spec", "secretName")
			within(t, time.Minute, "certificate "+cluster+" "+c.GetNamespace()+"/"+c.GetName(), func() bool {
				return chains(p, cluster, c.GetNamespace(), secret, roots)
			})
		}
	}
	secrets := p.cluster("control-plane").CoreV1().Secrets("argocd")
	if err := secrets.Delete(ctx, "argocd-server-tls", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	took := within(t, time.Minute, "Secret in the place of the deleted one", func() bool {
		return chains(p, "control-plane", "argocd", "argocd-server-tls", roots)
	})
	t.Logf("a deleted certificate is back after %.1f s", took.Seconds())
}

// chains says whether a Secret holds a certificate that the roots have signed.
func chains(p *platform, cluster, namespace, name string, roots *x509.CertPool) bool {
	secret, err := p.cluster(cluster).CoreV1().Secrets(namespace).Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		return false
	}
	block, _ := pem.Decode(secret.Data["tls.crt"])
	if block == nil {
		return false
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return false
	}
	_, err = certificate.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err == nil
}

// ownerTemplate asks ConfigMaps for a label.
const ownerTemplate = `
package owner
violation[{"msg": "the label owner is missing"}] { not input.review.object.metadata.labels.owner }
`

// gatekeeperDenies shows that what a policy forbids is refused, on each cluster and
// in the platform's own words.
func gatekeeperDenies(t *testing.T, p *platform) {
	ctx := context.Background()
	templates := schema.GroupVersionResource{Group: "templates.gatekeeper.sh", Version: "v1", Resource: "constrainttemplates"}
	constraints := schema.GroupVersionResource{Group: "constraints.gatekeeper.sh", Version: "v1beta1", Resource: "labowner"}
	template := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
		"metadata": map[string]any{"name": "labowner"},
		"spec": map[string]any{
			"crd":     map[string]any{"spec": map[string]any{"names": map[string]any{"kind": "LabOwner"}}},
			"targets": []any{map[string]any{"target": "admission.k8s.gatekeeper.sh", "rego": ownerTemplate}},
		},
	}}
	constraint := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "LabOwner",
		"metadata": map[string]any{"name": "labowner"},
		"spec": map[string]any{"match": map[string]any{
			"kinds":      []any{map[string]any{"apiGroups": []any{""}, "kinds": []any{"ConfigMap"}}},
			"namespaces": []any{"default"},
		}},
	}}
	for _, cluster := range site.Clusters {
		objects := p.objects(cluster)
		if _, err := objects.Resource(templates).Create(ctx, template.DeepCopy(), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		within(t, time.Minute, "kind made from the template", func() bool {
			_, err := objects.Resource(constraints).Create(ctx, constraint.DeepCopy(), metav1.CreateOptions{})
			return err == nil || apierrors.IsAlreadyExists(err)
		})
		config := func(labels map[string]string) error {
			_, err := p.cluster(cluster).CoreV1().ConfigMaps("default").Create(ctx,
				&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "probe", Labels: labels}}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			return err
		}
		within(t, time.Minute, "denial in cluster "+cluster, func() bool {
			err := config(nil)
			return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "[labowner] the label owner is missing")
		})
		if err := config(map[string]string{"owner": "a"}); err != nil {
			t.Errorf("cluster %s: what the policy allows is refused: %v", cluster, err)
		}
		if err := objects.Resource(templates).Delete(ctx, "labowner", metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	}
}
