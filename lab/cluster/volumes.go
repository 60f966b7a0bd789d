package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"platform/lab/site"
)

const (
	storageClass = "lab"
	// volumeProvisioner is the name by which Volumes knows its volumes.
	volumeProvisioner = "lab.platform.dev/volumes"
	// provisionedBy tells Kubernetes' own controller whose they are to delete
	// (https://github.com/kubernetes-sigs/sig-storage-lib-external-provisioner).
	provisionedBy = "pv.kubernetes.io/provisioned-by"
)

// Volumes gives each claim of the lab's StorageClass a volume, until ctx ends: a
// folder of this machine, which is removed when the claim is gone.
func Volumes(ctx context.Context, s *site.Site, cluster string) error {
	client, err := Client(s, cluster)
	if err != nil {
		return err
	}
	p := &provisioner{client: client, folder: filepath.Dir(s.Path("volumes", cluster, "x"))}
	for {
		if err := p.look(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

type provisioner struct {
	client *kubernetes.Clientset
	// folder holds one for each volume.
	folder string
}

func (p *provisioner) look(ctx context.Context) error {
	claims, err := p.client.CoreV1().PersistentVolumeClaims("").List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return err
	}
	for i := range claims.Items {
		if err := p.provide(ctx, &claims.Items[i]); err != nil {
			return fmt.Errorf("volume of claim %s: %w", claims.Items[i].Name, err)
		}
	}
	volumes, err := p.client.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return err
	}
	for i := range volumes.Items {
		if err := p.reclaim(ctx, &volumes.Items[i]); err != nil {
			return fmt.Errorf("volume %s: %w", volumes.Items[i].Name, err)
		}
	}
	return nil
}

func (p *provisioner) provide(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	if claim.Status.Phase != corev1.ClaimPending || claim.Spec.StorageClassName == nil || *claim.Spec.StorageClassName != storageClass {
		return nil
	}
	size := claim.Spec.Resources.Requests[corev1.ResourceStorage]
	if size.IsZero() {
		size = resource.MustParse("1Gi")
	}
	name := "pvc-" + string(claim.UID)
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{provisionedBy: volumeProvisioner}},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: corev1.ResourceList{corev1.ResourceStorage: size}, AccessModes: claim.Spec.AccessModes,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete, StorageClassName: storageClass,
			ClaimRef: &corev1.ObjectReference{
				Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				HostPath: &corev1.HostPathVolumeSource{Path: filepath.Join(p.folder, name)},
			},
		},
	}
	_, err := p.client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	return ignoreExists(err)
}

// reclaim removes a volume whose claim is gone, and what is in it.
func (p *provisioner) reclaim(ctx context.Context, volume *corev1.PersistentVolume) error {
	if volume.Annotations[provisionedBy] != volumeProvisioner || volume.Status.Phase != corev1.VolumeReleased {
		return nil
	}
	if err := os.RemoveAll(filepath.Join(p.folder, volume.Name)); err != nil {
		return err
	}
	err := p.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
