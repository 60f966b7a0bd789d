package main

import (
	"path/filepath"

	"platform/lab/kubelet"
	"platform/lab/mariadb"
	"platform/lab/site"
	"platform/lab/tools"
)

// images are those that the lab has the programs for in a mode. The pods with any
// other image are played.
func images(s *site.Site, m mode) ([]kubelet.Image, error) {
	all := jobImages(s)
	if m == thin {
		return all, nil
	}
	database, err := databaseImage()
	return append(append(all, controllerImages...), database), err
}

// databaseImage is MariaDB's, with the server that the machine has.
func databaseImage() (kubelet.Image, error) {
	cache, err := tools.Cache()
	if err != nil {
		return kubelet.Image{}, err
	}
	server, err := mariadb.Find(cache)
	if err != nil {
		return kubelet.Image{}, err
	}
	return kubelet.Image{
		Repository: "docker-registry1.mariadb.com/library/mariadb",
		Programs:   []string{"mariadb", "lab-mariadb"}, Entrypoint: []string{"lab-mariadb"},
		Env: server.Env(), Files: server.Files(),
	}, nil
}

// jobImages are those of the platform's own Jobs, which always run.
func jobImages(s *site.Site) []kubelet.Image {
	rails := railsSocket(s)
	return []kubelet.Image{
		// The server itself is a process of the lab's own, see vault.Spec.
		{Repository: "hashicorp/vault", Programs: []string{"vault"}, JobsOnly: true},
		{Repository: "registry.k8s.io/kubectl", Programs: []string{"kubectl"}, Entrypoint: []string{"kubectl"}, JobsOnly: true},
		{
			Repository: "registry.gitlab.com/gitlab-org/build/cng/gitlab-toolbox-ce",
			Programs:   []string{"gitlab-rails"}, ExecOnly: true,
			Env:   []string{"GITLAB_RAILS_SOCKET=" + rails},
			Files: []string{filepath.Dir(rails)},
		},
	}
}

// controllerImages are those of the controllers that the full lab runs.
var controllerImages = []kubelet.Image{
	{
		Repository: "quay.io/jetstack/cert-manager-controller",
		Programs:   []string{"cert-manager-controller"}, Entrypoint: []string{"cert-manager-controller"},
	},
	{
		Repository: "quay.io/jetstack/cert-manager-webhook",
		Programs:   []string{"cert-manager-webhook"}, Entrypoint: []string{"cert-manager-webhook"},
	},
	{
		Repository: "quay.io/jetstack/cert-manager-cainjector",
		Programs:   []string{"cert-manager-cainjector"}, Entrypoint: []string{"cert-manager-cainjector"},
	},
	{
		Repository: "quay.io/jetstack/cert-manager-startupapicheck",
		Programs:   []string{"startupapicheck"}, Entrypoint: []string{"startupapicheck"},
	},
	{
		Repository: "openpolicyagent/gatekeeper",
		Paths:      map[string]string{"/manager": "gatekeeper"}, Entrypoint: []string{"/manager"},
	},
	// Gatekeeper's chart asks its webhook before it is done.
	{Repository: "curlimages/curl", Paths: map[string]string{"/usr/bin/curl": "lab-curl"}, Entrypoint: []string{"curl"}},
	{
		Repository: "docker-registry3.mariadb.com/mariadb-operator/mariadb-operator",
		Programs:   []string{"mariadb-operator"}, Entrypoint: []string{"mariadb-operator"},
	},
	// A stand-in, see openunison/proxy. OpenUnison's own proxies, which people use,
	// are played as it is.
	{
		Repository: "ghcr.io/tremolosecurity/kube-oidc-proxy", Container: "management-proxy",
		Programs: []string{"kube-oidc-proxy"},
	},
	{Repository: "docker.io/rancher/kine", Programs: []string{"kine"}, Entrypoint: []string{"kine"}},
	{
		// The chart copies Kubernetes' programs out of an image of their own: links,
		// which the vCluster's container follows.
		Repository: "ghcr.io/loft-sh/kubernetes",
		Paths: map[string]string{
			"/kubernetes/kube-apiserver":          "kube-apiserver",
			"/kubernetes/kube-controller-manager": "kube-controller-manager",
		},
	},
	{
		Repository: "ghcr.io/loft-sh/vcluster-oss",
		Programs:   []string{"kube-apiserver", "kube-controller-manager"},
		Paths:      map[string]string{"/vcluster": "vcluster"}, Entrypoint: []string{"/vcluster", "start"},
	},
}

// played says what a mode plays.
var played = map[mode]string{
	thin: "it plays all of the platform's servers but Vault, GitLab and Harbor; make up LAB=full runs its controllers",
	full: "it plays Argo CD, External Secrets and OpenUnison but for its token service; the servers of GitLab and Harbor are stand-ins",
}
