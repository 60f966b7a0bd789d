// Package stacks is what a stack is: the config that a site writes, the
// providers that reach its clusters and systems, and the platform made of them.
//
// Config comes first and whole: Load decodes it strictly, checks everything and
// fills in what was left out before a resource is registered.
package stacks

// Config is everything under `platform:` in a stack's config file. The fields
// of the structs below are the keys of the file, and their comments are the
// descriptions in schema.json. A field tagged secret is encrypted in the file.
type Config struct {
	// Domain is the DNS suffix of the control plane's hosts: gitlab.<domain>.
	Domain string `json:"domain"`
	// Profile says how the control plane is laid out: small runs one replica of
	// everything, ha three.
	Profile string `json:"profile"`
	// CA signs the certificates of every host, and is trusted by every client.
	CA CA `json:"ca"`
	// CAKey is the PEM of the CA's private key. Set it as a secret; ca.keyFile
	// can name a file in its place.
	CAKey string `json:"caKey" secret:"true"`
	// Charts says where Helm charts come from.
	Charts Charts `json:"charts"`
	// Clusters are the three Kubernetes clusters.
	Clusters Clusters `json:"clusters"`
	// Login is the OpenID Connect provider that people log in with.
	Login Login `json:"login"`
	// LoginClientSecret is the secret of login.clientId at the provider. Set it
	// as a secret; login.clientSecretFile can name a file in its place.
	LoginClientSecret string `json:"loginClientSecret" secret:"true"`
	// Administrators are the user names (e-mail addresses) of the platform's
	// first administrators.
	Administrators []string `json:"administrators"`
	// Tenants are the applications that live on the platform. Their order says
	// nothing: Load sorts them by name.
	Tenants []Tenant `json:"tenants"`
}

// CA names the platform's certificate authority. After Load, Certificate and
// Config.CAKey hold what the files held.
type CA struct {
	// Certificate is the PEM of the CA's certificate.
	Certificate string `json:"certificate"`
	// CertificateFile is a file with the PEM of the certificate, in place of
	// certificate; relative to the project.
	CertificateFile string `json:"certificateFile"`
	// KeyFile is a file with the PEM of the CA's key, in place of the secret
	// platform:caKey; relative to the project.
	KeyFile string `json:"keyFile"`
}

// Charts says where Helm charts come from.
type Charts struct {
	// Mirror holds all charts for a site without internet: the https:// address
	// of a chart repository, the oci:// address of a registry, or a directory of
	// chart archives relative to the project. Without it charts come from the
	// public repositories.
	Mirror string `json:"mirror"`
}

// Clusters are the three Kubernetes clusters of a platform.
type Clusters struct {
	// ControlPlane carries GitLab, Harbor, Vault, Argo CD and OpenUnison.
	ControlPlane Cluster `json:"controlPlane"`
	// Dev carries the tenants' dev vClusters.
	Dev Cluster `json:"dev"`
	// Prod carries the tenants' prod vClusters.
	Prod Cluster `json:"prod"`
}

// Cluster says how to reach a cluster and how to use it.
type Cluster struct {
	// Kubeconfig is the path of a kubeconfig file, relative to the project. The
	// file need not exist yet when the config is checked.
	Kubeconfig string `json:"kubeconfig"`
	// Context in the kubeconfig; left out, its current context.
	Context string `json:"context"`
	// Domain is the DNS suffix of the cluster's ingress hosts. Left out it is
	// platform:domain for the control plane, dev.<domain> and prod.<domain> for
	// the others.
	Domain string `json:"domain"`
	// Ingress is the cluster's ingress controller.
	Ingress Ingress `json:"ingress"`
	// StorageClass of the platform's volumes; left out, the cluster's default.
	StorageClass string `json:"storageClass"`
}

// Ingress is the ingress controller of a cluster.
type Ingress struct {
	// Class is the IngressClass of the platform's hosts.
	Class string `json:"class"`
	// Annotations are put on every Ingress of the platform in this cluster.
	Annotations map[string]string `json:"annotations"`
}

// Login is the OpenID Connect provider behind OpenUnison's portal.
type Login struct {
	// Issuer is the provider's issuer, an https:// URL.
	Issuer string `json:"issuer"`
	// ClientID is how OpenUnison is known to the provider.
	ClientID string `json:"clientId"`
	// ClientSecretFile is a file with the client's secret, in place of the
	// secret platform:loginClientSecret; relative to the project.
	ClientSecretFile string `json:"clientSecretFile"`
}

// Tenant is an application's place on the platform.
type Tenant struct {
	// Name of the tenant, from which the names of all that is its own derive:
	// lower case letters, digits and single hyphens, starting with a letter. It
	// cannot be changed later.
	Name string `json:"name"`
	// Owners are the user names (e-mail addresses) of the tenant's first owners.
	Owners []string `json:"owners"`
	// Description of the application, in a line.
	Description string `json:"description"`
	// CostCentre is a label on everything that the tenant has.
	CostCentre string `json:"costCentre"`
	// Size is the row of the table of sizes that quotas come from.
	Size string `json:"size"`
	// Environments say where an environment differs from the tenant's size.
	Environments Environments `json:"environments"`
}

// Environments are a tenant's places, one on each host cluster.
type Environments struct {
	// Dev is the environment on cluster dev.
	Dev Environment `json:"dev"`
	// Prod is the environment on cluster prod.
	Prod Environment `json:"prod"`
}

// Environment is a tenant's place on one host cluster.
type Environment struct {
	// Size is the row of the table of sizes; left out, the tenant's.
	Size string `json:"size"`
	// Quota is what the environment may use; what is left out of it comes from
	// the size. After Load it is complete.
	Quota Quota `json:"quota"`
}

// Quota is what an environment may use of its host cluster.
type Quota struct {
	// CPU is the sum of the containers' CPU limits: "4" or "500m".
	CPU string `json:"cpu"`
	// Memory is the sum of the containers' memory limits: "8Gi".
	Memory string `json:"memory"`
	// Storage is the sum of the volumes' sizes: "20Gi".
	Storage string `json:"storage"`
	// Pods is the number of pods.
	Pods int `json:"pods"`
}
