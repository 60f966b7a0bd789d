package components

import (
	"fmt"
	"strconv"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi-random/sdk/v4/go/random"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// NewPassword makes a password of 32 letters and digits, which every system of
// the platform accepts. It is a secret in the state and changes only with its
// logical name.
func NewPassword(ctx *pulumi.Context, name string, parent pulumi.Resource) (pulumi.StringOutput, error) {
	return NewKey(ctx, name, 32, parent)
}

// NewKey makes a secret of a given number of letters and digits.
func NewKey(ctx *pulumi.Context, name string, length int, parent pulumi.Resource) (pulumi.StringOutput, error) {
	p, err := newRandomPassword(ctx, name, length, parent)
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	return pulumi.ToSecret(p.Result).(pulumi.StringOutput), nil
}

// NewPasswordWithHash makes a password and its bcrypt hash, both secrets.
func NewPasswordWithHash(ctx *pulumi.Context, name string, parent pulumi.Resource,
) (password, hash pulumi.StringOutput, err error) {
	p, err := newRandomPassword(ctx, name, 32, parent)
	if err != nil {
		return password, hash, err
	}
	return pulumi.ToSecret(p.Result).(pulumi.StringOutput), pulumi.ToSecret(p.BcryptHash).(pulumi.StringOutput), nil
}

// newRandomPassword has at least two of each class: Harbor and GitLab ask for
// mixed ones.
func newRandomPassword(ctx *pulumi.Context, name string, length int, parent pulumi.Resource,
) (*random.RandomPassword, error) {
	p, err := random.NewRandomPassword(ctx, name, &random.RandomPasswordArgs{
		Length: pulumi.Int(length), Special: pulumi.Bool(false),
		MinLower: pulumi.Int(2), MinUpper: pulumi.Int(2), MinNumeric: pulumi.Int(2),
	}, pulumi.Parent(parent))
	if err != nil {
		return nil, fmt.Errorf("password %s: %w", name, err)
	}
	return p, nil
}

// SecretArgs are a Kubernetes Secret.
type SecretArgs struct {
	Name      string
	Namespace pulumi.StringInput
	Labels    Labels
	Data      pulumi.StringMap
}

// NewSecret hands credentials to a system by a Secret in its namespace.
func NewSecret(ctx *pulumi.Context, name string, cluster *Cluster, args *SecretArgs,
	parent pulumi.Resource, opts ...pulumi.ResourceOption,
) (*corev1.Secret, error) {
	s, err := corev1.NewSecret(ctx, name, &corev1.SecretArgs{
		Metadata: &metav1.ObjectMetaArgs{
			Name:      pulumi.String(args.Name),
			Namespace: args.Namespace.ToStringOutput().ToStringPtrOutput(),
			Labels:    args.Labels.StringMap(),
		},
		StringData: args.Data,
	}, cluster.Options(parent, opts...)...)
	if err != nil {
		return nil, fmt.Errorf("secret %s: %w", args.Name, err)
	}
	return s, nil
}

// IntID is the id of a resource whose system numbers its objects.
func IntID(id pulumi.IDOutput) pulumi.IntOutput {
	return id.ApplyT(func(id pulumi.ID) (int, error) {
		n, err := strconv.Atoi(string(id))
		if err != nil {
			return 0, fmt.Errorf("the id %q is not a number: %w", id, err)
		}
		return n, nil
	}).(pulumi.IntOutput)
}
