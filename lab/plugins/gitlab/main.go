// Command pulumi-resource-gitlab manages GitLab, of the types that the platform
// uses, by the calls of the real plugin
// (https://www.pulumi.com/registry/packages/gitlab/).
package main

import (
	"platform/lab/plugins/provider"
)

func main() {
	c := &client{}
	provider.Main(plugin(c))
}

func plugin(c *client) provider.Plugin {
	return provider.Plugin{
		Name:    "gitlab",
		Version: "8.11.0",
		Config: map[string]provider.Input{
			"baseUrl": {}, "token": {}, "cacertFile": {}, "earlyAuthCheck": {},
		},
		Configure: c.configure,
		Types: map[string]provider.Resource{
			"gitlab:index/group:Group":                         c.group(),
			"gitlab:index/project:Project":                     c.project(),
			"gitlab:index/projectShareGroup:ProjectShareGroup": c.projectShare(),
			"gitlab:index/branchProtection:BranchProtection":   c.branchProtection(),
			"gitlab:index/deployKey:DeployKey":                 c.deployKey(),
			"gitlab:index/repositoryFile:RepositoryFile":       c.repositoryFile(),
		},
	}
}
