package cluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"platform/lab/site"
)

// Client is the administrator's client of a cluster.
func Client(s *site.Site, cluster string) (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig(cluster))
	if err != nil {
		return nil, fmt.Errorf("kubeconfig of cluster %s: %w", cluster, err)
	}
	config.QPS, config.Burst = 50, 100
	return kubernetes.NewForConfig(config)
}

// nodes of each cluster: three, so that replicas may ask to be apart.
var nodes = []string{"node-1", "node-2", "node-3"}

// Prepare makes what a conformant cluster has and a bare API server lacks:
// nodes and a default StorageClass. What is there is left alone, unasked: while
// the lab starts again, nobody answers yet for the webhooks of pods.
func Prepare(ctx context.Context, s *site.Site, cluster string) error {
	client, err := Client(s, cluster)
	if err != nil {
		return err
	}
	for _, name := range nodes {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Labels:      map[string]string{"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"},
			Annotations: map[string]string{"kwok.x-k8s.io/node": "fake"},
		}}
		_, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if errors.IsNotFound(err) {
			_, err = client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
		}
		if err != nil {
			return fmt.Errorf("node of cluster %s: %w", cluster, err)
		}
	}
	class := &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{
			Name: storageClass, Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"},
		},
		Provisioner: volumeProvisioner,
	}
	_, err = client.StorageV1().StorageClasses().Get(ctx, storageClass, metav1.GetOptions{})
	if errors.IsNotFound(err) {
		_, err = client.StorageV1().StorageClasses().Create(ctx, class, metav1.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("storage class of cluster %s: %w", cluster, err)
	}
	return nil
}

func ignoreExists(err error) error {
	if errors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
