// Command pulumi-resource-vault manages Vault, of the types that the platform
// uses, as the real plugin does
// (https://www.pulumi.com/registry/packages/vault/).
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
		Name:    "vault",
		Version: "6.7.4",
		Config: map[string]provider.Input{
			"address": {}, "token": {}, "caCertFile": {}, "authLogin": {}, "skipChildToken": {},
			"maxLeaseTtlSeconds": {}, "maxRetries": {},
		},
		Configure: c.configure,
		Types: map[string]provider.Resource{
			"vault:index/mount:Mount":                              c.mount(),
			"vault:index/policy:Policy":                            c.policy(),
			"vault:index/authBackend:AuthBackend":                  c.authBackend(),
			"vault:kubernetes/authBackendConfig:AuthBackendConfig": c.kubernetesConfig(),
			"vault:kubernetes/authBackendRole:AuthBackendRole":     c.kubernetesRole(),
			"vault:kv/secretV2:SecretV2":                           c.secretV2(),
		},
	}
}
