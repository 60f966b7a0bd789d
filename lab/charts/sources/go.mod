// Module sources pins the modules that hold what upstream publishes as files:
// Helm charts and CRDs. Nothing is built from it, so `go mod tidy` would empty
// it; `go mod download` checks each module against go.sum and keeps it in the
// module cache. The charts' test says which lines go.sum lacks.
module platform/lab/charts/sources

go 1.26.0

require (
	github.com/argoproj/argo-cd/v3 v3.2.11
	github.com/cert-manager/cert-manager v1.21.1
	github.com/external-secrets/external-secrets v1.3.2
	github.com/hashicorp/vault-helm v0.34.1
	github.com/loft-sh/vcluster v0.34.0
	github.com/mariadb-operator/mariadb-operator v0.38.1
	github.com/open-policy-agent/gatekeeper/v3 v3.23.1
)
