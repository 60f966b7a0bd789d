package kubelet

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func volume(name string, source corev1.VolumeSource) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: source}
}

func secretVolume(secret string, items ...corev1.KeyToPath) corev1.VolumeSource {
	return corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret, Items: items}}
}

func configMapSource(name string) corev1.LocalObjectReference {
	return corev1.LocalObjectReference{Name: name}
}

func accountVolume() corev1.VolumeSource {
	field := func(path string) *corev1.ObjectFieldSelector { return &corev1.ObjectFieldSelector{FieldPath: path} }
	expiry := int64(3607)
	return corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
		{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", ExpirationSeconds: &expiry, Audience: "vault"}},
		{ConfigMap: &corev1.ConfigMapProjection{
			LocalObjectReference: configMapSource("kube-root-ca.crt"), Items: []corev1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}},
		}},
		{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{
			{Path: "namespace", FieldRef: field("metadata.namespace")},
		}}},
	}}}
}

func TestMaterialise(t *testing.T) {
	k, api := newKubelet(t)
	api.secret("keys", map[string]string{"a": "first", "b": "second"})
	api.configMap("scripts", map[string]string{"run.sh": "exit 0\n"})
	api.configMap("kube-root-ca.crt", map[string]string{"ca.crt": "a CA"})
	pod := jobPod("")
	pod.Spec.Volumes = []corev1.Volume{
		volume("all", secretVolume("keys")),
		volume("some", secretVolume("keys", corev1.KeyToPath{Key: "b", Path: "deep/er/b.txt"})),
		volume("scripts", corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: configMapSource("scripts")}}),
		volume("work", corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}}),
		volume("account", accountVolume()),
	}
	v, err := k.materialise(t.Context(), pod, "10.244.0.9")
	if err != nil {
		t.Fatal(err)
	}
	defer v.remove()
	want := map[string]string{
		"all/a": "first", "all/b": "second", "some/deep/er/b.txt": "second",
		"scripts/run.sh": "exit 0\n", "scripts/binary": "\x00\xff",
		"account/token":  "token of /api/v1/namespaces/vault/serviceaccounts/runner/token",
		"account/ca.crt": "a CA", "account/namespace": "vault",
	}
	for file, content := range want {
		if data, err := os.ReadFile(filepath.Join(v.root, file)); err != nil || string(data) != content {
			t.Errorf("%s holds %q (%v), want %q", file, data, err, content)
		}
	}
	// And the two with names.
	if files := private(t, v.root); files != len(want)+2 {
		t.Errorf("%d files, want %d", files, len(want)+2)
	}
	checkToken(t, api)
	v.remove()
	if _, err := os.Stat(v.root); !os.IsNotExist(err) {
		t.Errorf("the pod's files are still there: %v", err)
	}
}

// private counts the files below root, which nobody else may read.
func private(t *testing.T, root string) (files int) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if !entry.IsDir() {
			files++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func checkToken(t *testing.T, api *api) {
	t.Helper()
	if len(api.tokens) != 1 {
		t.Fatalf("%d tokens were asked for, want 1", len(api.tokens))
	}
	spec := api.tokens[0].Spec
	if spec.BoundObjectRef.UID != "u-1" || *spec.ExpirationSeconds != 3607 || len(spec.Audiences) != 1 || spec.Audiences[0] != "vault" {
		t.Errorf("the token was asked for with %+v", spec)
	}
}

func TestMaterialiseRefuses(t *testing.T) {
	tests := []struct {
		name   string
		source corev1.VolumeSource
		want   string
	}{
		{"no secret", secretVolume("absent"), "not found"},
		{"no key", secretVolume("keys", corev1.KeyToPath{Key: "z", Path: "z"}), "there is no key z"},
		{"a path out of the volume", secretVolume("keys", corev1.KeyToPath{Key: "a", Path: "../../a"}), `the path "../../a" leaves its volume`},
		{"a folder of the host", corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}, "knows emptyDir, persist"},
		{"an unknown field", corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{{
			DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{
				{Path: "x", FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.owner"}},
			}},
		}}}}, "does not know the field metadata.owner"},
		{"an unknown source", corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: make([]corev1.VolumeProjection, 1)}}, "unknown projected source"},
	}
	k, api := newKubelet(t)
	api.secret("keys", map[string]string{"a": "first"})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			pod := jobPod("")
			name := "refused-" + filepath.Base(t.TempDir()) + filepath.Base(k.Site.Dir) // seen by no other test's search below
			pod.Spec.Volumes = []corev1.Volume{volume(name, test.source)}
			_, err := k.materialise(t.Context(), pod, "10.244.0.9")
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "volume "+name) {
				t.Errorf("error %v, want one of volume %s with %q", err, name, test.want)
			}
			if left, _ := filepath.Glob(filepath.Join(memory, "lab-pod-*", name)); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestOptionalSourcesMayLack(t *testing.T) {
	k, _ := newKubelet(t)
	yes := true
	source := secretVolume("absent")
	source.Secret.Optional = &yes
	pod := jobPod("")
	pod.Spec.Volumes = []corev1.Volume{volume("v", source)}
	v, err := k.materialise(t.Context(), pod, "10.244.0.9")
	if err != nil {
		t.Fatal(err)
	}
	v.remove()
}

// A later container sees the Secret that an earlier one of the pod made.
func TestRefresh(t *testing.T) {
	k, api := newKubelet(t)
	yes := true
	source := secretVolume("keys")
	source.Secret.Optional = &yes
	pod := jobPod("")
	pod.Spec.Volumes = []corev1.Volume{volume("v", source), volume("work", corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}})}
	v, err := k.materialise(t.Context(), pod, "10.244.0.9")
	if err != nil {
		t.Fatal(err)
	}
	defer v.remove()
	kept := filepath.Join(v.folders["work"], "kept")
	if err := os.WriteFile(kept, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	api.secret("keys", map[string]string{"late": "now"})
	if err := k.refresh(t.Context(), pod, v); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(v.folders["v"], "late")); err != nil || string(data) != "now" {
		t.Errorf("the late key: %q, %v", data, err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("the emptyDir lost its file: %v", err)
	}
}
