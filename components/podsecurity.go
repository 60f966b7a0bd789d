package components

import (
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// nobody is the user that images without one of their own run as ("nonroot" in
// the distroless images).
const nobody = 65532

// RestrictedPod is the security context of a pod that satisfies the restricted
// Pod Security level
// (https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted).
func RestrictedPod() *corev1.PodSecurityContextArgs {
	return &corev1.PodSecurityContextArgs{
		RunAsNonRoot: pulumi.Bool(true), RunAsUser: pulumi.Int(nobody), RunAsGroup: pulumi.Int(nobody),
		FsGroup:        pulumi.Int(nobody),
		SeccompProfile: &corev1.SeccompProfileArgs{Type: pulumi.String("RuntimeDefault")},
	}
}

// RestrictedContainer is that of its containers, with a file system that only
// mounted volumes can be written in.
func RestrictedContainer() *corev1.SecurityContextArgs {
	return &corev1.SecurityContextArgs{
		AllowPrivilegeEscalation: pulumi.Bool(false),
		ReadOnlyRootFilesystem:   pulumi.Bool(true),
		Capabilities:             &corev1.CapabilitiesArgs{Drop: pulumi.ToStringArray([]string{"ALL"})},
	}
}

// SmallResources are enough for a container that does one small thing.
func SmallResources() *corev1.ResourceRequirementsArgs {
	return &corev1.ResourceRequirementsArgs{
		Requests: pulumi.ToStringMap(map[string]string{"cpu": "50m", "memory": "64Mi"}),
		Limits:   pulumi.ToStringMap(map[string]string{"cpu": "500m", "memory": "256Mi"}),
	}
}
