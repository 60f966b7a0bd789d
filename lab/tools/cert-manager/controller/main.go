// Command controller runs cert-manager's controllers of certificates
// and of the issuers that the platform uses: its own CA, self-signed, Vault.
//
// cert-manager's own commands are modules that no proxy serves; this one puts
// the same controllers together from its library, takes the arguments of its chart
// and answers its probe. ACME, the Gateway API, the metrics and the election of a
// leader are left out: the lab has one replica.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/cert-manager/cert-manager/pkg/controller"
	shimingresses "github.com/cert-manager/cert-manager/pkg/controller/certificate-shim/ingresses"
	"github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	"github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/ca"
	"github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/selfsigned"
	"github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/vault"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	"github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	"github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	"github.com/cert-manager/cert-manager/pkg/controller/issuers"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/vault"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
)

// controllers are those of cert-manager's that run here.
var controllers = []string{
	approver.ControllerName, ca.CRControllerName, selfsigned.CRControllerName, vault.CRControllerName,
	issuing.ControllerName, keymanager.ControllerName, readiness.ControllerName, requestmanager.ControllerName,
	revisionmanager.ControllerName, trigger.ControllerName, clusterissuers.ControllerName, issuers.ControllerName,
	shimingresses.ControllerName,
}

// workers of each controller, cert-manager's own number.
const workers = 5

// healthAddress is what the chart's probe asks.
const healthAddress = ":9403"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, arguments()); err != nil {
		fmt.Fprintln(os.Stderr, "cert-manager:", err)
		os.Exit(1)
	}
}

// arguments are those that the chart gives. The ones of parts that are left out
// are taken and not heeded.
func arguments() controller.ContextOptions {
	options := controller.ContextOptions{KubernetesAPIQPS: 20, KubernetesAPIBurst: 50}
	flag.StringVar(&options.ClusterResourceNamespace, "cluster-resource-namespace", "kube-system", "namespace of the secrets of ClusterIssuers")
	flag.BoolVar(&options.EnableOwnerRef, "enable-certificate-owner-ref", false, "a Certificate owns its Secret")
	flag.Int("v", 0, "not heeded")
	for _, name := range []string{"leader-election-namespace", "acme-http01-solver-image"} {
		flag.String(name, "", "not heeded")
	}
	flag.Int("max-concurrent-challenges", 0, "not heeded")
	flag.Parse()
	options.CertificateRequestMinimumBackoffDuration = time.Hour
	options.CertificateRequestMaximumBackoffDuration = 32 * time.Hour
	return options
}

func run(ctx context.Context, options controller.ContextOptions) error {
	ctx = logf.NewContext(ctx, logf.Log, "controller")
	factory, err := controller.NewContextFactory(ctx, options)
	if err != nil {
		return fmt.Errorf("connecting to the API server: %w", err)
	}
	shared, err := factory.Build()
	if err != nil {
		return err
	}
	known := controller.Known()
	var running sync.WaitGroup
	for _, name := range controllers {
		construct, ok := known[name]
		if !ok {
			return fmt.Errorf("the library has no controller %s", name)
		}
		c, err := construct(factory)
		if err != nil {
			return fmt.Errorf("making controller %s: %w", name, err)
		}
		running.Go(func() {
			if err := c.Run(workers, ctx); err != nil {
				fmt.Fprintf(os.Stderr, "controller %s: %v\n", name, err)
			}
		})
	}
	shared.SharedInformerFactory.Start(ctx.Done())
	shared.KubeSharedInformerFactory.Start(ctx.Done())
	shared.HTTP01ResourceMetadataInformersFactory.Start(ctx.Done())
	go serveHealth()
	running.Wait()
	return nil
}

// serveHealth answers the liveness probe: a process that answers lives.
func serveHealth() {
	mux := http.NewServeMux()
	mux.HandleFunc("/livez", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) })
	server := &http.Server{Addr: healthAddress, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	if err := server.ListenAndServe(); err != nil {
		fmt.Fprintln(os.Stderr, "serving health:", err)
		os.Exit(1)
	}
}
