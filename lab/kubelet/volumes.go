package kubelet

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// volumes are a pod's, each as a folder of this machine.
type volumes struct {
	root    string
	folders map[string]string
	// address is the pod's.
	address string
	// renew says by file when a token is to be asked for again.
	mu    sync.Mutex
	renew map[string]time.Time
}

func (v *volumes) remove() { _ = os.RemoveAll(v.root) }

// memory is where the folders lie: Secrets must not reach a disk, as with the
// real kubelet.
const memory = "/dev/shm"

// place is where the folders of this cluster's pods lie, and how their names
// start.
func (k *Kubelet) place() (base, prefix string) {
	base = memory
	if info, err := os.Stat(memory); err != nil || !info.IsDir() {
		base = filepath.Dir(k.Site.Path("pods", "x"))
	}
	return base, fmt.Sprintf("lab-pod-%x-", sha256.Sum256([]byte(k.Site.Dir+"\n"+k.Cluster)))[:20]
}

// removeLeft removes the folders that a kubelet which was killed left behind.
func (k *Kubelet) removeLeft() error {
	base, prefix := k.place()
	left, err := filepath.Glob(filepath.Join(base, prefix+"*"))
	if err != nil {
		return err
	}
	for _, folder := range left {
		if err := os.RemoveAll(folder); err != nil {
			return fmt.Errorf("removing the files of a pod that is gone: %w", err)
		}
	}
	return nil
}

// materialise makes the folders of a pod's volumes and fills them. address is the
// pod's own.
func (k *Kubelet) materialise(ctx context.Context, pod *corev1.Pod, address string) (*volumes, error) {
	base, prefix := k.place()
	root, err := os.MkdirTemp(base, prefix)
	if err != nil {
		return nil, err
	}
	v := &volumes{root: root, folders: map[string]string{}, address: address, renew: map[string]time.Time{}}
	if err := v.writeNames(pod); err != nil {
		v.remove()
		return nil, err
	}
	for i := range pod.Spec.Volumes {
		volume := &pod.Spec.Volumes[i]
		if err := k.provide(ctx, pod, volume, v); err != nil {
			v.remove()
			return nil, fmt.Errorf("volume %s: %w", volume.Name, err)
		}
	}
	return v, nil
}

// provide makes a volume's folder: that of a claim stays when the pod goes.
func (k *Kubelet) provide(ctx context.Context, pod *corev1.Pod, volume *corev1.Volume, v *volumes) error {
	if claim := volume.PersistentVolumeClaim; claim != nil {
		folder, err := k.claimed(ctx, pod.Namespace, claim.ClaimName)
		v.folders[volume.Name] = folder
		return err
	}
	folder := filepath.Join(v.root, volume.Name)
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	v.folders[volume.Name] = folder
	return k.fill(ctx, pod, volume, v)
}

// claimed is the folder of the volume that a claim is bound to.
func (k *Kubelet) claimed(ctx context.Context, namespace, name string) (string, error) {
	claim, err := k.client.CoreV1().PersistentVolumeClaims(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	if claim.Status.Phase != corev1.ClaimBound {
		return "", fmt.Errorf("the claim %s is not bound", name)
	}
	volume, err := k.client.CoreV1().PersistentVolumes().Get(ctx, claim.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	if volume.Spec.HostPath == nil {
		return "", fmt.Errorf("the volume %s is none of the lab's", volume.Name)
	}
	return volume.Spec.HostPath.Path, os.MkdirAll(volume.Spec.HostPath.Path, 0o700)
}

// Files that every container of a pod has, beside its volumes: no volume's name
// holds a dot (it is a DNS label).
const (
	resolvConfFile = "resolv.conf"
	hostsFile      = "etc.hosts"
)

func (v *volumes) writeNames(pod *corev1.Pod) error {
	hosts := "127.0.0.1\tlocalhost\n"
	for _, alias := range pod.Spec.HostAliases {
		hosts += alias.IP + "\t" + strings.Join(alias.Hostnames, " ") + "\n"
	}
	return errors.Join(
		os.WriteFile(filepath.Join(v.root, resolvConfFile), []byte(resolvConf(pod)), 0o600),
		os.WriteFile(filepath.Join(v.root, hostsFile), []byte(hosts), 0o600))
}

// refresh fills Secrets, ConfigMaps and tokens anew: what has changed since the
// pod started is seen in its containers.
func (k *Kubelet) refresh(ctx context.Context, pod *corev1.Pod, v *volumes) error {
	for i := range pod.Spec.Volumes {
		volume := &pod.Spec.Volumes[i]
		if volume.Secret == nil && volume.ConfigMap == nil && volume.Projected == nil {
			continue
		}
		if err := k.fill(ctx, pod, volume, v); err != nil {
			return fmt.Errorf("volume %s: %w", volume.Name, err)
		}
	}
	return nil
}

// How often a pod's files are refreshed: a pod that is not ready may wait for
// just that, a certificate say.
const (
	refreshUnready = 2 * time.Second
	refreshReady   = 30 * time.Second
)

// keepFresh refreshes the pod's files until ctx ends. What cannot be had, since
// it was deleted say, stays as it was.
func (r *podRun) keepFresh(ctx context.Context) {
	for {
		interval := refreshUnready
		if r.ready() {
			interval = refreshReady
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(interval):
		}
		if err := r.refresh(ctx, r.pod, r.volumes); err != nil && ctx.Err() == nil {
			r.Log.Debug("refreshing", "cluster", r.Cluster, "pod", r.pod.Namespace+"/"+r.pod.Name, "error", err.Error())
		}
	}
}

func (k *Kubelet) fill(ctx context.Context, pod *corev1.Pod, volume *corev1.Volume, v *volumes) error {
	folder := v.folders[volume.Name]
	switch {
	case volume.EmptyDir != nil:
		return nil
	case volume.Secret != nil:
		data, err := k.secret(ctx, pod.Namespace, volume.Secret.SecretName, volume.Secret.Optional)
		if err != nil {
			return err
		}
		return writeKeys(data, volume.Secret.Items, folder)
	case volume.ConfigMap != nil:
		data, err := k.configMap(ctx, pod.Namespace, volume.ConfigMap.Name, volume.ConfigMap.Optional)
		if err != nil {
			return err
		}
		return writeKeys(data, volume.ConfigMap.Items, folder)
	case volume.DownwardAPI != nil:
		return writeFields(pod, volume.DownwardAPI.Items, v, folder)
	case volume.Projected != nil:
		for _, source := range volume.Projected.Sources {
			if err := k.project(ctx, pod, source, v, folder); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.New("the lab's kubelet knows emptyDir, persistentVolumeClaim, secret, configMap, downwardAPI and projected volumes only")
}

func (k *Kubelet) project(ctx context.Context, pod *corev1.Pod, source corev1.VolumeProjection, v *volumes, folder string) error {
	switch {
	case source.ServiceAccountToken != nil:
		return k.writeToken(ctx, pod, source.ServiceAccountToken, v, folder)
	case source.ConfigMap != nil:
		data, err := k.configMap(ctx, pod.Namespace, source.ConfigMap.Name, source.ConfigMap.Optional)
		if err != nil {
			return err
		}
		return writeKeys(data, source.ConfigMap.Items, folder)
	case source.Secret != nil:
		data, err := k.secret(ctx, pod.Namespace, source.Secret.Name, source.Secret.Optional)
		if err != nil {
			return err
		}
		return writeKeys(data, source.Secret.Items, folder)
	case source.DownwardAPI != nil:
		return writeFields(pod, source.DownwardAPI.Items, v, folder)
	}
	return errors.New("unknown projected source")
}

func writeFields(pod *corev1.Pod, items []corev1.DownwardAPIVolumeFile, v *volumes, folder string) error {
	for _, item := range items {
		if item.FieldRef == nil {
			return errors.New("the lab's kubelet knows no resourceFieldRef in a volume")
		}
		value, err := field(pod, v.address, item.FieldRef.FieldPath)
		if err != nil {
			return err
		}
		if err := write(folder, item.Path, []byte(value)); err != nil {
			return err
		}
	}
	return nil
}

// writeToken writes a token of the pod's service account, a new one after four
// fifths of its life, as the kubelet does
// (https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken).
func (k *Kubelet) writeToken(ctx context.Context, pod *corev1.Pod, p *corev1.ServiceAccountTokenProjection, v *volumes, folder string) error {
	file := filepath.Join(folder, p.Path)
	if renew, written := v.renewal(file); written && time.Now().Before(renew) {
		return nil
	}
	token, err := k.token(ctx, pod, p)
	if err != nil {
		return fmt.Errorf("token of service account %s: %w", pod.Spec.ServiceAccountName, err)
	}
	if err := write(folder, p.Path, []byte(token.Token)); err != nil {
		return err
	}
	v.setRenewal(file, time.Now().Add(time.Until(token.ExpirationTimestamp.Time)*4/5))
	return nil
}

func (v *volumes) renewal(file string) (time.Time, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	at, ok := v.renew[file]
	return at, ok
}

func (v *volumes) setRenewal(file string, at time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.renew[file] = at
}

func (k *Kubelet) token(ctx context.Context, pod *corev1.Pod, p *corev1.ServiceAccountTokenProjection,
) (authenticationv1.TokenRequestStatus, error) {
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: p.ExpirationSeconds,
		BoundObjectRef:    &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID},
	}}
	if p.Audience != "" {
		request.Spec.Audiences = []string{p.Audience}
	}
	answer, err := k.client.CoreV1().ServiceAccounts(pod.Namespace).
		CreateToken(ctx, pod.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		return authenticationv1.TokenRequestStatus{}, err
	}
	return answer.Status, nil
}

// writeKeys writes all keys, or the ones that items name, where items say.
func writeKeys(data map[string][]byte, items []corev1.KeyToPath, folder string) error {
	if len(items) == 0 {
		for key := range data {
			items = append(items, corev1.KeyToPath{Key: key, Path: key})
		}
	}
	for _, item := range items {
		value, ok := data[item.Key]
		if !ok {
			return fmt.Errorf("there is no key %s", item.Key)
		}
		if err := write(folder, item.Path, value); err != nil {
			return err
		}
	}
	return nil
}

func write(folder, path string, data []byte) error {
	file := filepath.Join(folder, filepath.FromSlash(path))
	if !strings.HasPrefix(file, folder+string(filepath.Separator)) {
		return fmt.Errorf("the path %q leaves its volume", path)
	}
	if old, err := os.ReadFile(file); err == nil && bytes.Equal(old, data) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	// In one step: the container may be reading.
	fresh := filepath.Join(filepath.Dir(file), ".."+filepath.Base(file))
	if err := os.WriteFile(fresh, data, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, file)
}
