package cluster

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
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

// volumeProvisioner is the name by which Volumes knows its claims.
const volumeProvisioner = "lab.platform.dev/volumes"

// Prepare makes what a conformant cluster has and a bare API server lacks:
// nodes, a default StorageClass, the ingress class nginx.
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
		if _, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); ignoreExists(err) != nil {
			return fmt.Errorf("node of cluster %s: %w", cluster, err)
		}
	}
	class := &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{
			Name: "lab", Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"},
		},
		Provisioner: volumeProvisioner,
	}
	if _, err := client.StorageV1().StorageClasses().Create(ctx, class, metav1.CreateOptions{}); ignoreExists(err) != nil {
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

// Volumes gives each claim of the lab's StorageClass a volume, until ctx ends.
// The volumes hold nothing: no pod of the lab writes to one.
func Volumes(ctx context.Context, s *site.Site, cluster string) error {
	client, err := Client(s, cluster)
	if err != nil {
		return err
	}
	for {
		claims, err := client.CoreV1().PersistentVolumeClaims("").List(ctx, metav1.ListOptions{})
		if err == nil {
			for i := range claims.Items {
				if err := provide(ctx, client, &claims.Items[i]); err != nil && ctx.Err() == nil {
					return fmt.Errorf("volume of claim %s: %w", claims.Items[i].Name, err)
				}
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

func provide(ctx context.Context, client *kubernetes.Clientset, claim *corev1.PersistentVolumeClaim) error {
	if claim.Status.Phase != corev1.ClaimPending || claim.Spec.StorageClassName == nil || *claim.Spec.StorageClassName != "lab" {
		return nil
	}
	size := claim.Spec.Resources.Requests[corev1.ResourceStorage]
	if size.IsZero() {
		size = resource.MustParse("1Gi")
	}
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: "pvc-" + string(claim.UID)},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: corev1.ResourceList{corev1.ResourceStorage: size}, AccessModes: claim.Spec.AccessModes,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete, StorageClassName: "lab",
			ClaimRef: &corev1.ObjectReference{
				Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				HostPath: &corev1.HostPathVolumeSource{Path: "/nonexistent/" + string(claim.UID)},
			},
		},
	}
	_, err := client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	return ignoreExists(err)
}
