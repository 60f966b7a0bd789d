package controlplane

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"platform/components"
)

// MariaDBArgs configure the SQL server of a host cluster.
type MariaDBArgs struct {
	Cluster *components.Cluster
	Sizes   Sizes
}

// MariaDB holds the databases that the vClusters of a host keep their state in.
type MariaDB struct {
	pulumi.ResourceState
}

// NewMariaDB installs mariadb-operator and a server that takes TLS connections
// only (https://github.com/mariadb-operator/mariadb-operator/blob/main/docs/tls.md).
func NewMariaDB(ctx *pulumi.Context, name string, args *MariaDBArgs, opts ...pulumi.ResourceOption,
) (*MariaDB, error) {
	m := &MariaDB{}
	if err := ctx.RegisterComponentResource("platform:controlplane:MariaDB", name, m, opts...); err != nil {
		return nil, err
	}
	labels := components.PlatformLabels()
	ns, err := components.NewNamespace(ctx, name+"-namespace", args.Cluster, &components.NamespaceArgs{
		Name: components.DatabaseNamespace, Labels: labels, Security: components.Baseline,
	}, m, pulumi.Protect(true))
	if err != nil {
		return nil, err
	}
	namespace := ns.Metadata.Name().Elem()
	crds, err := components.NewRelease(ctx, name+"-crds", args.Cluster, &components.ReleaseArgs{
		Chart: components.MariaDBOperatorCRDs, Name: "mariadb-operator-crds", Namespace: namespace,
	}, m)
	if err != nil {
		return nil, err
	}
	operator, err := components.NewRelease(ctx, name+"-operator", args.Cluster, &components.ReleaseArgs{
		Chart: components.MariaDBOperator, Name: "mariadb-operator", Namespace: namespace,
		Values: pulumi.Map{"ha": pulumi.Map{
			"enabled": pulumi.Bool(args.Sizes.Replicas > 1), "replicas": pulumi.Int(args.Sizes.Replicas),
		}},
	}, m, pulumi.DependsOn([]pulumi.Resource{crds}))
	if err != nil {
		return nil, err
	}
	password, err := components.NewPassword(ctx, name+"-root", m)
	if err != nil {
		return nil, err
	}
	root, err := components.NewSecret(ctx, name+"-root", args.Cluster, &components.SecretArgs{
		Name: "mariadb-root", Namespace: namespace, Labels: labels, Data: pulumi.StringMap{"password": password},
	}, m)
	if err != nil {
		return nil, err
	}
	_, err = components.NewCustomResource(ctx, name, args.Cluster, &components.CustomResourceArgs{
		APIVersion: "k8s.mariadb.com/v1alpha1", Kind: "MariaDB",
		Name: components.DatabaseServer, Namespace: namespace, Labels: labels,
		Spec: m.spec(args),
	}, m, pulumi.Protect(true), pulumi.DependsOn([]pulumi.Resource{operator, root}))
	if err != nil {
		return nil, err
	}
	return m, ctx.RegisterResourceOutputs(m, pulumi.Map{})
}

// serverConfig lets every vCluster have its connections: the server's own limit of
// 151 is that of three. One that is not used costs nothing
// (https://mariadb.com/docs/server/server-management/variables-and-modes/server-system-variables#max_connections).
const serverConfig = "[mariadb]\nmax_connections=5000\n"

func (m *MariaDB) spec(args *MariaDBArgs) map[string]any {
	storage := map[string]any{"size": args.Sizes.DatabaseStorage}
	if args.Cluster.StorageClass != "" {
		storage["storageClassName"] = args.Cluster.StorageClass
	}
	issuer := map[string]any{"kind": "ClusterIssuer", "name": components.ClusterIssuer}
	return map[string]any{
		"rootPasswordSecretKeyRef": map[string]any{"name": "mariadb-root", "key": "password"},
		"storage":                  storage,
		"myCnf":                    serverConfig,
		"replicas":                 args.Sizes.Replicas,
		"galera":                   map[string]any{"enabled": args.Sizes.Replicas > 1},
		"tls": map[string]any{
			"enabled": true, "required": true,
			"serverCertIssuerRef": issuer, "clientCertIssuerRef": issuer,
		},
	}
}
