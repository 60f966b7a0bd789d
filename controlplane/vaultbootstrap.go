package controlplane

import (
	"fmt"
	"strings"

	batchv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/batch/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"platform/components"
)

// bootstrap is the Job that initialises Vault, keeps its unseal keys in a
// Secret that only this namespace can read, unseals it, and gives the program
// the AppRole that the program chose. Three containers, because the images of
// Vault and of kubectl each lack the other's tool; what they hand on lies in
// memory and goes with the pod.
func (v *Vault) bootstrap(ctx *pulumi.Context, name string, args *VaultArgs, ns *corev1.Namespace, release pulumi.Resource,
) (*batchv1.Job, error) {
	inputs, err := v.bootstrapInputs(ctx, name, args, ns)
	if err != nil {
		return nil, err
	}
	account, err := newJobAccount(ctx, name, args.Cluster, ns, []jobRule{
		{Group: "", Resource: "secrets", Names: []string{"vault-unseal-keys"}, Verbs: []string{"get", "patch"}},
		{Group: "", Resource: "configmaps", Names: []string{"vault-bootstrap"}, Verbs: []string{"get", "patch"}},
		// Server-side apply of an object that does not exist asks for create,
		// which cannot be limited by name.
		{Group: "", Resource: "secrets", Verbs: []string{"create"}},
		{Group: "", Resource: "configmaps", Verbs: []string{"create"}},
	}, v)
	if err != nil {
		return nil, err
	}
	env := corev1.EnvVarArray{}
	for _, e := range [][2]string{
		{"VAULT_ADDRS", strings.Join(v.servers(args), " ")},
		{"VAULT_CACERT", "/ca/" + components.CAKey},
		{"NAMESPACE", vaultNamespace},
		{"KEY_SHARES", "5"},
		{"KEY_THRESHOLD", "3"},
		{"POLICY", "platform"},
		{"ROLE", "platform"},
		// `vault` writes a token helper file only on login; HOME must exist.
		{"HOME", "/bootstrap"},
	} {
		env = append(env, &corev1.EnvVarArgs{Name: pulumi.String(e[0]), Value: pulumi.String(e[1])})
	}
	mounts := mountsOf("bootstrap", "/bootstrap", "scripts", "/scripts", "ca", "/ca")
	job, err := batchv1.NewJob(ctx, name, &batchv1.JobArgs{
		Metadata: jobMetadata(name, ns),
		Spec: &batchv1.JobSpecArgs{
			BackoffLimit: pulumi.Int(6),
			Template: &corev1.PodTemplateSpecArgs{
				Metadata: &metav1.ObjectMetaArgs{Labels: components.PlatformLabels().StringMap()},
				Spec: &corev1.PodSpecArgs{
					// The same pod is tried again, so what the first container
					// left for the next ones is still there.
					RestartPolicy:      pulumi.String("OnFailure"),
					ServiceAccountName: account.Metadata.Name(),
					SecurityContext:    components.RestrictedPod(),
					InitContainers: corev1.ContainerArray{
						jobContainer("init", vaultImage+":"+vaultTag, []string{"/bin/sh", "/scripts/init.sh"}, nil, env, mounts),
						jobContainer("keep", kubectlImage, nil,
							[]string{"apply", "--server-side", "--force-conflicts", "--namespace", vaultNamespace, "-f", "/bootstrap/manifests"},
							nil, mountsOf("bootstrap", "/bootstrap")),
					},
					Containers: corev1.ContainerArray{
						jobContainer("configure", vaultImage+":"+vaultTag, []string{"/bin/sh", "/scripts/configure.sh"}, nil, env,
							append(mounts, mountsOf("approle", "/approle", "keys", "/keys")...)),
					},
					Volumes: corev1.VolumeArray{
						&corev1.VolumeArgs{Name: pulumi.String("bootstrap"), EmptyDir: &corev1.EmptyDirVolumeSourceArgs{
							Medium: pulumi.String("Memory"), SizeLimit: pulumi.String("1Mi"),
						}},
						configMapVolume("scripts", name+"-scripts"),
						configMapVolume("ca", components.CAConfigMap),
						secretVolume("approle", name+"-approle"),
						&corev1.VolumeArgs{Name: pulumi.String("keys"), Secret: &corev1.SecretVolumeSourceArgs{
							SecretName: pulumi.String("vault-unseal-keys"), Optional: pulumi.Bool(true),
						}},
					},
				},
			},
		},
	}, args.Cluster.Options(v, pulumi.DependsOn(append(inputs, account, release)))...)
	if err != nil {
		return nil, fmt.Errorf("bootstrap of Vault: %w", err)
	}
	return job, nil
}
