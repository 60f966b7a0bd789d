package components

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// The SQL server of a host cluster, a MariaDB resource of mariadb-operator.
const (
	DatabaseNamespace = "mariadb"
	DatabaseServer    = "mariadb"
	databaseOrg       = "platform"
)

// DatabaseArgs describe a database for one user, who logs in by certificate.
type DatabaseArgs struct {
	// Name of the database and its user.
	Name string
	// Connections are the most that the user may have at once.
	Connections int
	// Namespace of the Secret with the user's certificate.
	Namespace pulumi.StringInput
	Labels    Labels
}

// Database is a database of a tenant's environment.
type Database struct {
	pulumi.ResourceState

	// DataSource is kine's address of the database; it holds no password.
	DataSource string
	// ClientSecret is the Secret with the user's certificate: tls.crt, tls.key
	// and ca.crt.
	ClientSecret string
}

// DatabaseName is the name of an environment's database: hyphens are not
// allowed in an unquoted SQL name.
func DatabaseName(tenant, environment string) string {
	return "vc_" + strings.ReplaceAll(tenant, "-", "_") + "_" + environment
}

// NewDatabase makes a database, a user that can log in only with the
// certificate made here, and its grant
// (https://github.com/mariadb-operator/mariadb-operator/blob/main/docs/sql_resources.md).
func NewDatabase(ctx *pulumi.Context, name string, cluster *Cluster, args *DatabaseArgs,
	opts ...pulumi.ResourceOption,
) (*Database, error) {
	d := &Database{
		DataSource: fmt.Sprintf("mysql://%s@tcp(%s.%s.svc:3306)/%s",
			args.Name, DatabaseServer, DatabaseNamespace, args.Name),
		ClientSecret: "database-client",
	}
	if err := ctx.RegisterComponentResource("platform:components:Database", name, d, opts...); err != nil {
		return nil, err
	}
	_, err := NewCertificate(ctx, name+"-client", cluster, &CertificateArgs{
		Name: d.ClientSecret, Namespace: args.Namespace, Labels: args.Labels,
		CommonName: args.Name, Organization: databaseOrg,
	}, d)
	if err != nil {
		return nil, err
	}
	object := strings.ReplaceAll(args.Name, "_", "-")
	server := map[string]any{"name": DatabaseServer, "namespace": DatabaseNamespace}
	sql := func(kind string, spec map[string]any, opts ...pulumi.ResourceOption) error {
		spec["mariaDbRef"] = server
		_, err := NewCustomResource(ctx, name+"-"+strings.ToLower(kind), cluster, &CustomResourceArgs{
			APIVersion: "k8s.mariadb.com/v1alpha1", Kind: kind,
			Name: object, Namespace: pulumi.String(DatabaseNamespace), Labels: args.Labels, Spec: spec,
		}, d, opts...)
		return err
	}
	// The data outlives the object: only `purge` may drop a database.
	err = sql("Database", map[string]any{
		"name": args.Name, "characterSet": "utf8mb4", "collate": "utf8mb4_bin", "cleanupPolicy": "Skip",
	}, pulumi.Protect(true))
	if err != nil {
		return nil, err
	}
	err = sql("User", map[string]any{
		"name": args.Name, "host": "%", "cleanupPolicy": "Delete", "maxUserConnections": args.Connections,
		"require": map[string]any{"subject": fmt.Sprintf("/O=%s/CN=%s", databaseOrg, args.Name)},
	})
	if err != nil {
		return nil, err
	}
	err = sql("Grant", map[string]any{
		"privileges": []string{"ALL PRIVILEGES"}, "database": args.Name, "table": "*",
		"username": args.Name, "host": "%", "cleanupPolicy": "Delete",
	})
	if err != nil {
		return nil, err
	}
	return d, ctx.RegisterResourceOutputs(d, pulumi.Map{"dataSource": pulumi.String(d.DataSource)})
}
