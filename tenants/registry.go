package tenants

import (
	"encoding/json"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumiverse/pulumi-harbor/sdk/v3/go/harbor"

	"platform/components"
)

// Registry is a tenant's project in Harbor.
type Registry struct {
	pulumi.ResourceState

	// Path is what the tenant's image names start with.
	Path string
	// PullSecrets, by environment, are Docker's configuration with the login of
	// the environment's robot; secrets.
	PullSecrets map[string]pulumi.StringOutput
}

// robotDays is how long a robot's password is valid.
const robotDays = 365

// NewRegistry makes the project, the roles' membership in it, and for each
// environment a robot that can pull and nothing else.
func NewRegistry(ctx *pulumi.Context, name string, args *TenantArgs, opts ...pulumi.ResourceOption) (*Registry, error) {
	r := &Registry{
		Path: args.Platform.RegistryHost + "/" + args.Name, PullSecrets: map[string]pulumi.StringOutput{},
	}
	opts = append(opts, pulumi.Providers(args.Platform.Harbor))
	if err := ctx.RegisterComponentResource("platform:tenants:Registry", name, r, opts...); err != nil {
		return nil, err
	}
	project, err := harbor.NewProject(ctx, name, &harbor.ProjectArgs{
		Name: pulumi.String(args.Name), Public: pulumi.Bool(false),
		StorageQuota:          pulumi.Int(args.RegistryStorage),
		VulnerabilityScanning: pulumi.Bool(true),
		ForceDestroy:          pulumi.Bool(false),
	}, pulumi.Parent(r), pulumi.Protect(true))
	if err != nil {
		return nil, fmt.Errorf("Harbor project %s: %w", args.Name, err)
	}
	for _, access := range components.AccessTable {
		_, err := harbor.NewProjectMemberGroup(ctx, name+"-"+string(access.Role), &harbor.ProjectMemberGroupArgs{
			ProjectId: project.ID().ToStringOutput(),
			GroupName: pulumi.String(access.Role.Group(args.Name)),
			Role:      pulumi.String(access.Registry),
			Type:      pulumi.String("oidc"),
		}, pulumi.Parent(r), pulumi.DeleteBeforeReplace(true))
		if err != nil {
			return nil, fmt.Errorf("membership of %s: %w", access.Role, err)
		}
	}
	for i := range args.Environments {
		environment := args.Environments[i].Name
		r.PullSecrets[environment], err = r.robot(ctx, name+"-"+environment, environment, args, project)
		if err != nil {
			return nil, err
		}
	}
	return r, ctx.RegisterResourceOutputs(r, pulumi.Map{"path": pulumi.String(r.Path)})
}

// robot makes a robot account whose password the program chose, and gives
// Docker's configuration with it.
func (r *Registry) robot(ctx *pulumi.Context, name, environment string, args *TenantArgs, project *harbor.Project,
) (pulumi.StringOutput, error) {
	password, err := components.NewPassword(ctx, name+"-pull", r)
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	robot, err := harbor.NewRobotAccount(ctx, name+"-pull", &harbor.RobotAccountArgs{
		Name: pulumi.String(environment + "-pull"), Level: pulumi.String("project"),
		Description: pulumi.Sprintf("Pulls images for %s of %s.", environment, args.Name),
		Duration:    pulumi.Int(robotDays), Secret: password,
		Permissions: harbor.RobotAccountPermissionArray{&harbor.RobotAccountPermissionArgs{
			Kind: pulumi.String("project"), Namespace: project.Name,
			Accesses: harbor.RobotAccountPermissionAccessArray{&harbor.RobotAccountPermissionAccessArgs{
				Resource: pulumi.String("repository"), Action: pulumi.String("pull"),
			}},
		}},
	}, pulumi.Parent(r), pulumi.DeleteBeforeReplace(true))
	if err != nil {
		return pulumi.StringOutput{}, fmt.Errorf("robot of %s: %w", environment, err)
	}
	config := pulumi.All(robot.FullName, password).ApplyT(func(login []any) (string, error) {
		return dockerConfig(args.Platform.RegistryHost, login[0].(string), login[1].(string))
	}).(pulumi.StringOutput)
	return pulumi.ToSecret(config).(pulumi.StringOutput), nil
}

// dockerConfig is the content of a Secret of type kubernetes.io/dockerconfigjson.
func dockerConfig(host, user, password string) (string, error) {
	config, err := json.Marshal(map[string]any{"auths": map[string]any{
		host: map[string]string{"username": user, "password": password},
	}})
	return string(config), err
}
