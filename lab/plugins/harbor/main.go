// Command pulumi-resource-harbor manages Harbor, of the types that the platform
// uses, by the calls of the real plugin
// (https://www.pulumi.com/registry/packages/harbor/).
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
		Name:      "harbor",
		Version:   "3.10.21",
		Config:    map[string]provider.Input{"url": {}, "username": {}, "password": {}, "insecure": {}, "apiVersion": {}},
		Configure: c.configure,
		Types: map[string]provider.Resource{
			"harbor:index/project:Project":                       c.project(),
			"harbor:index/projectMemberGroup:ProjectMemberGroup": c.memberGroup(),
			"harbor:index/robotAccount:RobotAccount":             c.robot(),
			"harbor:index/configAuth:ConfigAuth":                 c.configAuth(),
		},
	}
}
