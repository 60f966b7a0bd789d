package kubelet

import (
	"errors"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func secretKey(name, key string) *corev1.EnvVarSource {
	return &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: configMapSource(name), Key: key}}
}

func TestEnvironment(t *testing.T) {
	k, api := newKubelet(t)
	api.secret("keys", map[string]string{"a": "first"})
	api.configMap("settings", map[string]string{"level": "high"})
	pod := jobPod("")
	c := &pod.Spec.Containers[0]
	c.Env = []corev1.EnvVar{
		{Name: "PLAIN", Value: "as it is"},
		{Name: "OF_BEFORE", Value: "$(PLAIN), $(level), $(AFTER), $(HOSTNAME)"},
		{Name: "AFTER", Value: "late"},
		{Name: "NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}},
		{Name: "KEY", ValueFrom: secretKey("keys", "a")},
		{Name: "LEVEL", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
			LocalObjectReference: configMapSource("settings"), Key: "level",
		}}},
	}
	c.EnvFrom = []corev1.EnvFromSource{
		{Prefix: "S_", SecretRef: &corev1.SecretEnvSource{LocalObjectReference: configMapSource("keys")}},
		{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: configMapSource("settings")}},
	}
	env, err := k.environment(t.Context(), pod, c, "10.244.0.9")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"PLAIN=as it is", "OF_BEFORE=as it is, high, $(AFTER), $(HOSTNAME)", "NAME=job-x1", "KEY=first", "LEVEL=high", "S_a=first", "level=high",
		"KUBERNETES_SERVICE_HOST=10.96.0.1", "KUBERNETES_SERVICE_PORT=443",
	} {
		if !slices.Contains(env, want) {
			t.Errorf("no %s in %v", want, env)
		}
	}
}

func TestEnvironmentRefuses(t *testing.T) {
	k, api := newKubelet(t)
	api.secret("keys", map[string]string{"a": "first"})
	for want, source := range map[string]*corev1.EnvVarSource{
		"not found":                secretKey("absent", "a"),
		"has no key b":             secretKey("keys", "b"),
		"know the resource limit":  {ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "limit.cpu"}},
		"knows fieldRef, resource": {FileKeyRef: &corev1.FileKeySelector{}},
	} {
		pod := jobPod("")
		pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "X", ValueFrom: source}}
		_, err := k.environment(t.Context(), pod, &pod.Spec.Containers[0], "10.244.0.9")
		if err == nil || !strings.HasPrefix(err.Error(), "variable X: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one of variable X with %q", err, want)
		}
	}
}

func TestLastOfEach(t *testing.T) {
	got := lastOfEach([]string{"A=1", "B=2", "A=3=4", "C", "B="})
	if want := []string{"A=3=4", "B=", "C"}; !slices.Equal(got, want) {
		t.Errorf("lastOfEach = %v, want %v", got, want)
	}
}

func TestContainerSpec(t *testing.T) {
	k, _ := newKubelet(t)
	pod := jobPod("")
	pod.Spec.Volumes = []corev1.Volume{
		volume("work", corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}), volume("keys", secretVolume("keys")),
	}
	source := pod.Spec.Volumes[1].Secret
	yes := true
	source.Optional = &yes
	c := &pod.Spec.Containers[0]
	c.Env = []corev1.EnvVar{{Name: "HOSTNAME", Value: "the container's"}}
	c.VolumeMounts = []corev1.VolumeMount{
		{Name: "work", MountPath: "/scratch", SubPath: "sub"}, {Name: "work", MountPath: "/seen", ReadOnly: true}, {Name: "keys", MountPath: "/keys"},
	}
	v := &volumes{root: "/v", folders: map[string]string{"work": "/w", "keys": "/k"}}
	spec, err := k.containerSpec(t.Context(), pod, c, v, Image{Files: []string{"/run/socket"}}, []string{"sh"})
	if err != nil {
		t.Fatal(err)
	}
	want := []mount{
		{"/w/sub", "/scratch", false}, {"/w", "/seen", true}, {"/k", "/keys", true},
		{"/v/resolv.conf", "/etc/resolv.conf", true}, {"/v/etc.hosts", "/etc/hosts", true}, {"/run/socket", "/run/socket", false},
	}
	if !slices.Equal(spec.Mounts, want) {
		t.Errorf("mounts %v, want %v", spec.Mounts, want)
	}
	if !slices.Contains(spec.Env, "HOSTNAME=the container's") || slices.Contains(spec.Env, "HOSTNAME=job-x1") {
		t.Errorf("the container's own variable does not count: %v", spec.Env)
	}
}

func TestContainerSpecRefuses(t *testing.T) {
	k, _ := newKubelet(t)
	k.Program = func(name string) (string, error) { return "", errors.New(name + " is not built") }
	mounts := []corev1.VolumeMount{{Name: "absent", MountPath: "/x"}}
	for _, test := range []struct {
		command []string
		mounts  []corev1.VolumeMount
		image   Image
		want    string
	}{
		{nil, nil, Image{}, "container main has no command"},
		{[]string{"sh"}, mounts, Image{}, "mounts the unknown volume absent"},
		{[]string{"sh"}, nil, Image{Programs: []string{"vault"}}, "vault is not built"},
	} {
		pod := jobPod("")
		pod.Spec.Containers[0].VolumeMounts = test.mounts
		_, err := k.containerSpec(t.Context(), pod, &pod.Spec.Containers[0], &volumes{}, test.image, test.command)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want %q", err, test.want)
		}
	}
}
