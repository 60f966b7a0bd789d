//go:build minimal

// This file takes the place of registry_min.go when the lab builds Vault: the
// minimal server, and the log-in by Kubernetes accounts, which the platform
// uses for the tenants' vClusters.

package builtinplugins

import (
	kubernetes "github.com/hashicorp/vault-plugin-auth-kubernetes"
)

func extendAddonPlugins(r *registry) {
	r.credentialBackends["kubernetes"] = credentialBackend{Factory: kubernetes.Factory}
}
