package openunison

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// ClusterSecrets knows the targets k8s-<id> by the Secrets vcluster-<id> through
// which Argo CD knows the same clusters
// (https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#clusters).
// A target's audience is the address of its management proxy, with a slash at the
// end.
func ClusterSecrets(cluster Client, namespace string) func(ctx context.Context, name string) (string, bool, error) {
	return func(ctx context.Context, name string) (string, bool, error) {
		id, found := strings.CutPrefix(name, "k8s-")
		if !found || len(validation.IsDNS1123Subdomain(id)) > 0 {
			return "", false, nil
		}
		client, err := cluster()
		if err != nil {
			return "", false, fmt.Errorf("reaching the control plane: %w", err)
		}
		secret, err := client.CoreV1().Secrets(namespace).Get(ctx, "vcluster-"+id, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return "", false, nil
		}
		if err != nil {
			return "", false, fmt.Errorf("reading the cluster's Secret: %w", err)
		}
		server := string(secret.Data["server"])
		if secret.Labels["argocd.argoproj.io/secret-type"] != "cluster" || !strings.HasPrefix(server, "https://") {
			return "", false, fmt.Errorf("secret %s is not that of a cluster of Argo CD's", secret.Name)
		}
		return strings.TrimSuffix(server, "/") + "/", true, nil
	}
}
