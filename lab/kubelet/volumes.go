package kubelet

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// volumes are a pod's, each as a folder of this machine.
type volumes struct {
	root    string
	folders map[string]string
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

// materialise makes the folders of a pod's volumes and fills them.
func (k *Kubelet) materialise(ctx context.Context, pod *corev1.Pod) (*volumes, error) {
	base, prefix := k.place()
	root, err := os.MkdirTemp(base, prefix)
	if err != nil {
		return nil, err
	}
	v := &volumes{root: root, folders: map[string]string{}}
	if err := v.writeNames(pod); err != nil {
		v.remove()
		return nil, err
	}
	for i := range pod.Spec.Volumes {
		volume := &pod.Spec.Volumes[i]
		folder := filepath.Join(root, volume.Name)
		if err := os.Mkdir(folder, 0o700); err != nil {
			v.remove()
			return nil, err
		}
		v.folders[volume.Name] = folder
		if err := k.fill(ctx, pod, volume, folder); err != nil {
			v.remove()
			return nil, fmt.Errorf("volume %s: %w", volume.Name, err)
		}
	}
	return v, nil
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
		os.WriteFile(filepath.Join(v.root, resolvConfFile), []byte(resolvConf(pod.Namespace)), 0o600),
		os.WriteFile(filepath.Join(v.root, hostsFile), []byte(hosts), 0o600))
}

// refresh fills Secrets and ConfigMaps anew: one that came since the pod started
// is seen by the next container.
func (k *Kubelet) refresh(ctx context.Context, pod *corev1.Pod, v *volumes) error {
	for i := range pod.Spec.Volumes {
		volume := &pod.Spec.Volumes[i]
		if volume.Secret == nil && volume.ConfigMap == nil {
			continue
		}
		if err := k.fill(ctx, pod, volume, v.folders[volume.Name]); err != nil {
			return fmt.Errorf("volume %s: %w", volume.Name, err)
		}
	}
	return nil
}

func (k *Kubelet) fill(ctx context.Context, pod *corev1.Pod, volume *corev1.Volume, folder string) error {
	switch {
	case volume.EmptyDir != nil:
		return nil
	case volume.Secret != nil:
		s := volume.Secret
		return k.writeSecret(ctx, pod.Namespace, s.SecretName, s.Items, isTrue(s.Optional), folder)
	case volume.ConfigMap != nil:
		c := volume.ConfigMap
		return k.writeConfigMap(ctx, pod.Namespace, c.Name, c.Items, isTrue(c.Optional), folder)
	case volume.Projected != nil:
		for _, source := range volume.Projected.Sources {
			if err := k.project(ctx, pod, source, folder); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.New("the lab's kubelet knows emptyDir, secret, configMap and projected volumes only")
}

func (k *Kubelet) project(ctx context.Context, pod *corev1.Pod, source corev1.VolumeProjection, folder string) error {
	switch {
	case source.ServiceAccountToken != nil:
		token, err := k.token(ctx, pod, source.ServiceAccountToken)
		if err != nil {
			return fmt.Errorf("token of service account %s: %w", pod.Spec.ServiceAccountName, err)
		}
		return write(folder, source.ServiceAccountToken.Path, []byte(token))
	case source.ConfigMap != nil:
		c := source.ConfigMap
		return k.writeConfigMap(ctx, pod.Namespace, c.Name, c.Items, isTrue(c.Optional), folder)
	case source.Secret != nil:
		s := source.Secret
		return k.writeSecret(ctx, pod.Namespace, s.Name, s.Items, isTrue(s.Optional), folder)
	case source.DownwardAPI != nil:
		for _, item := range source.DownwardAPI.Items {
			if item.FieldRef == nil {
				return errors.New("the lab's kubelet knows no resourceFieldRef")
			}
			value, err := field(pod, item.FieldRef.FieldPath)
			if err != nil {
				return err
			}
			if err := write(folder, item.Path, []byte(value)); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.New("unknown projected source")
}

func (k *Kubelet) token(ctx context.Context, pod *corev1.Pod, p *corev1.ServiceAccountTokenProjection) (string, error) {
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
		return "", err
	}
	return answer.Status.Token, nil
}

func (k *Kubelet) writeSecret(ctx context.Context, namespace, name string, items []corev1.KeyToPath, optional bool, folder string) error {
	secret, err := k.client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) && optional {
		return nil
	}
	if err != nil {
		return err
	}
	return writeKeys(secret.Data, items, folder)
}

func (k *Kubelet) writeConfigMap(ctx context.Context, namespace, name string, items []corev1.KeyToPath, optional bool, folder string) error {
	config, err := k.client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) && optional {
		return nil
	}
	if err != nil {
		return err
	}
	data := map[string][]byte{}
	for key, value := range config.Data {
		data[key] = []byte(value)
	}
	for key, value := range config.BinaryData {
		data[key] = value
	}
	return writeKeys(data, items, folder)
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
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}

func isTrue(b *bool) bool { return b != nil && *b }

// field is a field of a pod, by its path in the downward API.
func field(pod *corev1.Pod, path string) (string, error) {
	switch path {
	case "metadata.name":
		return pod.Name, nil
	case "metadata.namespace":
		return pod.Namespace, nil
	case "metadata.uid":
		return string(pod.UID), nil
	case "spec.nodeName":
		return pod.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return pod.Spec.ServiceAccountName, nil
	case "status.podIP", "status.hostIP":
		return "127.0.0.1", nil
	}
	return "", fmt.Errorf("the lab's kubelet does not know the field %s", path)
}
