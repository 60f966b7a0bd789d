package controlplane

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	rbacv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/rbac/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"platform/components"
)

// jobRule is a rule of a bootstrap Job's Role. No Names means every name.
type jobRule struct {
	Group, Resource string
	Names, Verbs    []string
}

// newJobAccount makes the ServiceAccount of a bootstrap Job and binds it to
// the rules in the Job's own namespace.
func newJobAccount(ctx *pulumi.Context, name string, cluster *components.Cluster, ns *corev1.Namespace,
	rules []jobRule, parent pulumi.Resource,
) (*corev1.ServiceAccount, error) {
	meta := jobMetadata(name, ns)
	account, err := corev1.NewServiceAccount(ctx, name, &corev1.ServiceAccountArgs{Metadata: meta}, cluster.Options(parent)...)
	if err != nil {
		return nil, fmt.Errorf("service account of Job %s: %w", name, err)
	}
	var policy rbacv1.PolicyRuleArray
	for _, r := range rules {
		policy = append(policy, &rbacv1.PolicyRuleArgs{
			ApiGroups:     pulumi.ToStringArray([]string{r.Group}),
			Resources:     pulumi.ToStringArray([]string{r.Resource}),
			ResourceNames: pulumi.ToStringArray(r.Names),
			Verbs:         pulumi.ToStringArray(r.Verbs),
		})
	}
	role, err := rbacv1.NewRole(ctx, name, &rbacv1.RoleArgs{Metadata: meta, Rules: policy}, cluster.Options(parent)...)
	if err != nil {
		return nil, fmt.Errorf("role of Job %s: %w", name, err)
	}
	_, err = rbacv1.NewRoleBinding(ctx, name, &rbacv1.RoleBindingArgs{
		Metadata: meta,
		RoleRef: &rbacv1.RoleRefArgs{
			ApiGroup: pulumi.String("rbac.authorization.k8s.io"), Kind: pulumi.String("Role"), Name: pulumi.String(name),
		},
		Subjects: rbacv1.SubjectArray{&rbacv1.SubjectArgs{
			Kind: pulumi.String("ServiceAccount"), Name: pulumi.String(name), Namespace: ns.Metadata.Name(),
		}},
	}, cluster.Options(parent, pulumi.DependsOn([]pulumi.Resource{role}))...)
	if err != nil {
		return nil, fmt.Errorf("role binding of Job %s: %w", name, err)
	}
	return account, nil
}

func jobMetadata(name string, ns *corev1.Namespace) *metav1.ObjectMetaArgs {
	return &metav1.ObjectMetaArgs{
		Name: pulumi.String(name), Namespace: ns.Metadata.Name(), Labels: components.PlatformLabels().StringMap(),
	}
}

// jobContainer is a container that satisfies the restricted Pod Security level.
func jobContainer(name, image string, command, args []string, env corev1.EnvVarArray, mounts corev1.VolumeMountArray,
) *corev1.ContainerArgs {
	return &corev1.ContainerArgs{
		Name: pulumi.String(name), Image: pulumi.String(image),
		Command: pulumi.ToStringArray(command), Args: pulumi.ToStringArray(args),
		Env: env, VolumeMounts: mounts,
		Resources:       components.SmallResources(),
		SecurityContext: components.RestrictedContainer(),
	}
}

// mountsOf pairs volumes with the folders they are mounted at.
func mountsOf(pairs ...string) corev1.VolumeMountArray {
	var mounts corev1.VolumeMountArray
	for i := 0; i+1 < len(pairs); i += 2 {
		mounts = append(mounts, &corev1.VolumeMountArgs{Name: pulumi.String(pairs[i]), MountPath: pulumi.String(pairs[i+1])})
	}
	return mounts
}

func configMapVolume(name, configMap string) *corev1.VolumeArgs {
	return &corev1.VolumeArgs{
		Name: pulumi.String(name), ConfigMap: &corev1.ConfigMapVolumeSourceArgs{Name: pulumi.String(configMap)},
	}
}

func secretVolume(name, secret string) *corev1.VolumeArgs {
	return &corev1.VolumeArgs{
		Name: pulumi.String(name), Secret: &corev1.SecretVolumeSourceArgs{SecretName: pulumi.String(secret)},
	}
}
