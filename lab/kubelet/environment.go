package kubelet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// environment is what the pod says, and the API server's address. A value may name
// the variables before it as $(NAME).
func (k *Kubelet) environment(ctx context.Context, pod *corev1.Pod, c *corev1.Container, address string) ([]string, error) {
	env := []string{
		"KUBERNETES_SERVICE_HOST=" + apiAddress.String(), "KUBERNETES_SERVICE_PORT=443", "KUBERNETES_SERVICE_PORT_HTTPS=443",
	}
	for _, from := range c.EnvFrom {
		more, err := k.envFrom(ctx, pod.Namespace, from)
		if err != nil {
			return nil, err
		}
		env = append(env, more...)
	}
	for _, e := range c.Env {
		if e.ValueFrom == nil {
			env = append(env, e.Name+"="+expand(e.Value, env))
			continue
		}
		value, err := k.valueFrom(ctx, pod, c, address, e.ValueFrom)
		if errors.Is(err, errUnset) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", e.Name, err)
		}
		env = append(env, e.Name+"="+value)
	}
	return env, nil
}

func (k *Kubelet) envFrom(ctx context.Context, namespace string, from corev1.EnvFromSource) (env []string, err error) {
	data := map[string][]byte{}
	switch {
	case from.SecretRef != nil:
		data, err = k.secret(ctx, namespace, from.SecretRef.Name, from.SecretRef.Optional)
	case from.ConfigMapRef != nil:
		data, err = k.configMap(ctx, namespace, from.ConfigMapRef.Name, from.ConfigMapRef.Optional)
	}
	for key, value := range data {
		env = append(env, from.Prefix+key+"="+string(value))
	}
	return env, err
}

// errUnset says that a variable's source is not there and need not be.
var errUnset = errors.New("not set")

func (k *Kubelet) valueFrom(ctx context.Context, pod *corev1.Pod, c *corev1.Container, address string, from *corev1.EnvVarSource,
) (string, error) {
	switch {
	case from.FieldRef != nil:
		return field(pod, address, from.FieldRef.FieldPath)
	case from.ResourceFieldRef != nil:
		return resourceField(c, from.ResourceFieldRef)
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		data, err := k.secret(ctx, pod.Namespace, ref.Name, ref.Optional)
		return valueAt(data, err, ref.Name, ref.Key, ref.Optional)
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		data, err := k.configMap(ctx, pod.Namespace, ref.Name, ref.Optional)
		return valueAt(data, err, ref.Name, ref.Key, ref.Optional)
	}
	return "", errors.New("the lab's kubelet knows fieldRef, resourceFieldRef, secretKeyRef and configMapKeyRef only")
}

func valueAt(data map[string][]byte, err error, name, key string, optional *bool) (string, error) {
	if err != nil {
		return "", err
	}
	value, ok := data[key]
	switch {
	case ok:
		return string(value), nil
	case isTrue(optional):
		return "", errUnset
	}
	return "", fmt.Errorf("%s has no key %s", name, key)
}

// secret is the data of a Secret; none of one that is not there and is optional.
func (k *Kubelet) secret(ctx context.Context, namespace, name string, optional *bool) (map[string][]byte, error) {
	secret, err := k.client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) && isTrue(optional) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return secret.Data, nil
}

// configMap is secret for a ConfigMap.
func (k *Kubelet) configMap(ctx context.Context, namespace, name string, optional *bool) (map[string][]byte, error) {
	config, err := k.client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) && isTrue(optional) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	data := map[string][]byte{}
	for key, value := range config.Data {
		data[key] = []byte(value)
	}
	for key, value := range config.BinaryData {
		data[key] = value
	}
	return data, nil
}

func isTrue(b *bool) bool { return b != nil && *b }

// field is a field of a pod, by its path in the downward API
// (https://kubernetes.io/docs/concepts/workloads/pods/downward-api/).
func field(pod *corev1.Pod, address, path string) (string, error) {
	if name, ok := subscript(path, "metadata.labels"); ok {
		return pod.Labels[name], nil
	}
	if name, ok := subscript(path, "metadata.annotations"); ok {
		return pod.Annotations[name], nil
	}
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
	case "status.podIP", "status.podIPs":
		return address, nil
	case "status.hostIP":
		return "127.0.0.1", nil
	case "metadata.labels":
		return fields(pod.Labels), nil
	case "metadata.annotations":
		return fields(pod.Annotations), nil
	}
	return "", fmt.Errorf("the lab's kubelet does not know the field %s", path)
}

// subscript takes the name out of of['name'].
func subscript(path, of string) (string, bool) {
	rest, ok := strings.CutPrefix(path, of+"['")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, "']")
}

// ofMachine is what a container without limits may use.
var ofMachine = corev1.ResourceList{
	corev1.ResourceCPU:    *resource.NewQuantity(int64(runtime.NumCPU()), resource.DecimalSI),
	corev1.ResourceMemory: resource.MustParse("2Gi"),
}

// fields are labels or annotations as a volume of the downward API holds them.
func fields(all map[string]string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		_, _ = fmt.Fprintf(&text, "%s=%s\n", name, strconv.Quote(all[name]))
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// resourceField is a limit or request of the container itself, in units of the
// divisor, rounded up. One that is not set is the machine's own.
func resourceField(c *corev1.Container, ref *corev1.ResourceFieldSelector) (string, error) {
	kind, name, _ := strings.Cut(ref.Resource, ".")
	var list corev1.ResourceList
	switch kind {
	case "limits":
		list = c.Resources.Limits
	case "requests":
		list = c.Resources.Requests
	default:
		return "", fmt.Errorf("the lab's kubelet does not know the resource %s", ref.Resource)
	}
	quantity, set := list[corev1.ResourceName(name)]
	if !set {
		quantity = ofMachine[corev1.ResourceName(name)]
	}
	divisor := ref.Divisor
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	return strconv.FormatInt(int64(math.Ceil(quantity.AsApproximateFloat64()/divisor.AsApproximateFloat64())), 10), nil
}
