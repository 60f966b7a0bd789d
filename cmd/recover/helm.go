package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// findRelease finds a Helm release by the Secrets that Helm keeps of it. One
// that says that an operation is under way was left by the killed run: Helm
// refuses every other operation while it is there, so it is deleted. The
// release's objects stay, and the next run takes them over.
func findRelease(ctx context.Context, s *state, r resource) (object, error) {
	config, err := s.provider(r)
	if err != nil {
		return object{}, err
	}
	path := text(config, "kubeconfig")
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return object{}, err
		}
		path = filepath.Join(home, rest)
	}
	rest, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: path},
		&clientcmd.ConfigOverrides{CurrentContext: text(config, "context")}).ClientConfig()
	if err != nil {
		return object{}, fmt.Errorf("reading kubeconfig %s: %w", path, err)
	}
	client, err := kubernetes.NewForConfig(rest)
	if err != nil {
		return object{}, err
	}
	namespace, name := text(r.Inputs, "namespace"), text(r.Inputs, "name")
	secrets := client.CoreV1().Secrets(namespace)
	records, err := secrets.List(ctx, metav1.ListOptions{LabelSelector: "owner=helm,name=" + name})
	if err != nil {
		return object{}, err
	}
	var found object
	for _, record := range records.Items {
		if !strings.HasPrefix(record.Labels["status"], "pending-") {
			found = object{ID: namespace + "/" + name, Made: record.CreationTimestamp.Time}
			continue
		}
		if err := secrets.Delete(ctx, record.Name, metav1.DeleteOptions{}); err != nil {
			return object{}, fmt.Errorf("deleting Helm's mark %s: %w", record.Name, err)
		}
	}
	return found, nil
}
