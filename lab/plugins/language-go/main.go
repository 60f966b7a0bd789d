// Command pulumi-language-go runs a Pulumi program written in Go, as the host
// that comes with Pulumi's own downloads does
// (https://github.com/pulumi/pulumi/tree/master/sdk/go/pulumi-language-go): it
// tells which plugins the program's modules need, builds the program and runs
// it. What only `pulumi new`, `package` and `convert` ask for is not there.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintf(os.Stderr, "pulumi-language-go: %v\n", err)
		os.Exit(1)
	}
}

const healthInterval = 5 * time.Second

func serve() error {
	if len(os.Args) < 2 {
		return fmt.Errorf("the engine's address is missing")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cancel := make(chan bool)
	go func() {
		<-ctx.Done()
		close(cancel)
	}()
	engine := os.Args[len(os.Args)-1]
	// A host whose engine is gone must not stay, nor the program it runs.
	if err := rpcutil.Healthcheck(ctx, engine, healthInterval, stop); err != nil {
		return fmt.Errorf("watching the engine at %s: %w", engine, err)
	}
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(s *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(s, &host{engine: engine})
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
