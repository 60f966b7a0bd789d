package provider

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// Main serves a plugin until the engine ends it.
func Main(p Plugin) { Serve(p.Name, p.Provider()) }

// Provider is what answers the engine.
func (p Plugin) Provider() plugin.Provider { return &server{p: p} }

// Serve serves any provider as a plugin's main program: it listens on a free
// port of 127.0.0.1 and tells the engine which, on the first line of its
// output.
func Serve(name string, p plugin.Provider) {
	if err := serve(p); err != nil {
		fmt.Fprintf(os.Stderr, "pulumi-resource-%s: %v\n", name, err)
		os.Exit(1)
	}
}

func serve(p plugin.Provider) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cancel := make(chan bool)
	go func() {
		<-ctx.Done()
		close(cancel)
	}()
	if engine := engineAddress(os.Args[1:]); engine != "" {
		// A plugin whose engine is gone must not stay.
		if err := rpcutil.Healthcheck(ctx, engine, healthInterval, stop); err != nil {
			return fmt.Errorf("watching the engine at %s: %w", engine, err)
		}
	}
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(s *grpc.Server) error {
			pulumirpc.RegisterResourceProviderServer(s, plugin.NewProviderServer(p))
			return nil
		},
		Options: rpcutil.OpenTracingServerInterceptorOptions(nil),
	})
	if err != nil {
		return err
	}
	fmt.Printf("%d\n", handle.Port)
	return <-handle.Done
}

// engineAddress is the last argument; flags for logs and traces may come before.
func engineAddress(args []string) string {
	if len(args) == 0 || strings.HasPrefix(args[len(args)-1], "-") {
		return ""
	}
	return args[len(args)-1]
}

// Partial says that a resource was made, but not wholly: it is in the state,
// and the next run goes on with it.
func Partial(id string, outputs, inputs resource.PropertyMap, cause error) error {
	options := plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, KeepResources: true}
	state, err := plugin.MarshalProperties(outputs, options)
	if err != nil {
		return err
	}
	in, err := plugin.MarshalProperties(inputs, options)
	if err != nil {
		return err
	}
	return rpcerror.WithDetails(rpcerror.New(codes.Unknown, cause.Error()), &pulumirpc.ErrorResourceInitFailed{
		Id: id, Properties: state, Inputs: in, Reasons: []string{cause.Error()},
	})
}

const healthInterval = 5 * time.Second
