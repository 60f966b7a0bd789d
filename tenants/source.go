package tenants

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-gitlab/sdk/v8/go/gitlab"
	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"platform/components"
)

// Source is a tenant's part of GitLab: a group with a group for each role, the
// application's project, and for each environment the project that says what
// runs there.
type Source struct {
	pulumi.ResourceState

	// ApplicationURL is the web address of the application's project.
	ApplicationURL pulumi.StringOutput
	// Operations are the environments' projects.
	Operations map[string]*Operations
}

// Operations is a project whose branch main Argo CD delivers.
type Operations struct {
	Project *gitlab.Project
	// DeployKey is the private key that reads the project; a secret.
	DeployKey pulumi.StringOutput
}

// branch is the one that is protected and delivered.
const branch = "main"

// roleGroupPrefix keeps the paths of role groups apart from those of projects:
// the two share one namespace, and both have an `operations`.
const roleGroupPrefix = "team-"

// production is the environment whose project the others are forks of.
const production = "prod"

// NewSource makes the groups and projects of a tenant.
func NewSource(ctx *pulumi.Context, name string, args *TenantArgs, opts ...pulumi.ResourceOption) (*Source, error) {
	s := &Source{Operations: map[string]*Operations{}}
	opts = append(opts, pulumi.Providers(args.Platform.GitLab))
	if err := ctx.RegisterComponentResource("platform:tenants:Source", name, s, opts...); err != nil {
		return nil, err
	}
	group, err := s.group(ctx, name, args.Name, args.description(), nil)
	if err != nil {
		return nil, err
	}
	roles := map[components.Role]*gitlab.Group{}
	for _, access := range components.AccessTable {
		roles[access.Role], err = s.group(ctx, name+"-"+string(access.Role), roleGroupPrefix+string(access.Role),
			fmt.Sprintf("The %s of %s.", access.Role, args.Name), group)
		if err != nil {
			return nil, err
		}
	}

	application, err := s.project(ctx, name+"-application", args.Name, group, &gitlab.ProjectArgs{
		Description: pulumi.String(args.description()), InitializeWithReadme: pulumi.Bool(true),
	})
	if err != nil {
		return nil, err
	}
	s.ApplicationURL = application.WebUrl
	err = s.share(ctx, name+"-application", application, roles, func(a components.Access) string { return a.Application })
	if err != nil {
		return nil, err
	}

	// Production's project comes first: the others are forks of it, so that
	// what is tried in dev reaches production by merge request.
	prod, err := s.project(ctx, name+"-operations-"+production, "operations", group, &gitlab.ProjectArgs{
		Description: pulumi.Sprintf("What runs in production of %s.", args.Name), InitializeWithReadme: pulumi.Bool(true),
	})
	if err != nil {
		return nil, err
	}
	err = s.share(ctx, name+"-operations-"+production, prod, roles, func(a components.Access) string { return a.ProdOperations })
	if err != nil {
		return nil, err
	}
	if err := s.protect(ctx, name+"-operations-"+production, prod, productionProtection); err != nil {
		return nil, err
	}
	if err := s.operations(ctx, name, production, prod); err != nil {
		return nil, err
	}
	for i := range args.Environments {
		environment := args.Environments[i].Name
		if environment == production {
			continue
		}
		if err := s.fork(ctx, name, args.Name, environment, group, prod, roles); err != nil {
			return nil, err
		}
	}
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{"applicationUrl": s.ApplicationURL})
}

// OperationsURLs are the web addresses of the environments' projects.
func (s *Source) OperationsURLs() pulumi.StringMap {
	urls := pulumi.StringMap{}
	for environment, o := range s.Operations {
		urls[environment] = o.Project.WebUrl
	}
	return urls
}

func (args *TenantArgs) description() string {
	if args.Description != "" {
		return args.Description
	}
	return "Tenant " + args.Name + "."
}

// group makes a group at the top, or inside parent. It holds Git data: protected.
func (s *Source) group(ctx *pulumi.Context, name, path, description string, parent *gitlab.Group) (*gitlab.Group, error) {
	args := &gitlab.GroupArgs{
		Name: pulumi.String(path), Path: pulumi.String(path), Description: pulumi.String(description),
		VisibilityLevel: pulumi.String("private"), RequestAccessEnabled: pulumi.Bool(false),
	}
	if parent != nil {
		args.ParentId = components.IntID(parent.ID())
	}
	g, err := gitlab.NewGroup(ctx, name, args, pulumi.Parent(s), pulumi.Protect(true))
	if err != nil {
		return nil, fmt.Errorf("GitLab group %s: %w", path, err)
	}
	return g, nil
}

// project makes a private project in a group, with what args add. Protected.
func (s *Source) project(ctx *pulumi.Context, name, path string, group *gitlab.Group, args *gitlab.ProjectArgs,
) (*gitlab.Project, error) {
	args.Name, args.Path = pulumi.String(path), pulumi.String(path)
	args.NamespaceId = components.IntID(group.ID())
	args.VisibilityLevel = pulumi.String("private")
	args.DefaultBranch = pulumi.String(branch)
	args.RequestAccessEnabled = pulumi.Bool(false)
	// Harbor is the registry.
	args.ContainerRegistryAccessLevel = pulumi.String("disabled")
	p, err := gitlab.NewProject(ctx, name, args, pulumi.Parent(s), pulumi.Protect(true))
	if err != nil {
		return nil, fmt.Errorf("GitLab project %s: %w", path, err)
	}
	return p, nil
}

// fork makes the project of an environment before production, in a group of
// the environment's name: a fork may not be its own neighbour.
func (s *Source) fork(ctx *pulumi.Context, name, tenant, environment string, group *gitlab.Group, prod *gitlab.Project,
	roles map[components.Role]*gitlab.Group,
) error {
	own, err := s.group(ctx, name+"-"+environment, environment, fmt.Sprintf("Environment %s of %s.", environment, tenant), group)
	if err != nil {
		return err
	}
	logical := name + "-operations-" + environment
	fork, err := s.project(ctx, logical, "operations", own, &gitlab.ProjectArgs{
		Description:         pulumi.Sprintf("What runs in %s of %s.", environment, tenant),
		ForkedFromProjectId: components.IntID(prod.ID()),
	})
	if err != nil {
		return err
	}
	err = s.share(ctx, logical, fork, roles, func(a components.Access) string { return a.DevOperations })
	if err != nil {
		return err
	}
	if err := s.protect(ctx, logical, fork, devProtection); err != nil {
		return err
	}
	return s.operations(ctx, name, environment, fork)
}

// share gives each role its level in a project.
func (s *Source) share(ctx *pulumi.Context, name string, project *gitlab.Project, roles map[components.Role]*gitlab.Group,
	level func(components.Access) string,
) error {
	for _, access := range components.AccessTable {
		_, err := gitlab.NewProjectShareGroup(ctx, name+"-"+string(access.Role), &gitlab.ProjectShareGroupArgs{
			Project: project.ID(), GroupId: components.IntID(roles[access.Role].ID()),
			GroupAccess: pulumi.String(level(access)),
		}, pulumi.Parent(s))
		if err != nil {
			return fmt.Errorf("access of %s: %w", access.Role, err)
		}
	}
	return nil
}

// protection of the delivered branch: the least level that may push, and that
// may merge.
type protection struct{ push, merge string }

// Production's branch changes by merge requests alone, which maintainers, the
// owners, merge. GitLab would protect every default branch from developers: in
// the environments before production they push.
var (
	productionProtection = protection{push: "no one", merge: "maintainer"}
	devProtection        = protection{push: "developer", merge: "developer"}
)

func (s *Source) protect(ctx *pulumi.Context, name string, project *gitlab.Project, p protection) error {
	_, err := gitlab.NewBranchProtection(ctx, name, &gitlab.BranchProtectionArgs{
		Project: project.ID(), Branch: pulumi.String(branch),
		PushAccessLevel: pulumi.String(p.push), MergeAccessLevel: pulumi.String(p.merge),
		UnprotectAccessLevel: pulumi.String("maintainer"), AllowForcePush: pulumi.Bool(false),
	}, pulumi.Parent(s), pulumi.DeleteBeforeReplace(true))
	if err != nil {
		return fmt.Errorf("protection of %s: %w", branch, err)
	}
	return nil
}

// operations gives Argo CD a key that reads the project of an environment.
func (s *Source) operations(ctx *pulumi.Context, name, environment string, project *gitlab.Project) error {
	logical := name + "-argocd-" + environment
	key, err := tls.NewPrivateKey(ctx, logical, &tls.PrivateKeyArgs{Algorithm: pulumi.String("ED25519")}, pulumi.Parent(s))
	if err != nil {
		return fmt.Errorf("key of Argo CD: %w", err)
	}
	_, err = gitlab.NewDeployKey(ctx, logical, &gitlab.DeployKeyArgs{
		Project: project.ID(), Title: pulumi.String("argocd"), CanPush: pulumi.Bool(false),
		Key: key.PublicKeyOpenssh.ApplyT(strings.TrimSpace).(pulumi.StringOutput),
	}, pulumi.Parent(s))
	if err != nil {
		return fmt.Errorf("deploy key of Argo CD: %w", err)
	}
	s.Operations[environment] = &Operations{
		Project: project, DeployKey: pulumi.ToSecret(key.PrivateKeyOpenssh).(pulumi.StringOutput),
	}
	return nil
}
