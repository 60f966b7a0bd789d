// Command startupapicheck waits until cert-manager's API and webhook answer, with
// the arguments that its chart gives the Job after an installation.
//
// cert-manager's own command is a module that no proxy serves; the check itself is
// its library's.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/cert-manager/cert-manager/pkg/util/cmapichecker"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cert-manager startupapicheck:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) < 2 || !slices.Equal(args[:2], []string{"check", "api"}) {
		return errors.New("the command is: check api [--wait=TIME]")
	}
	flags := flag.NewFlagSet("check api", flag.ContinueOnError)
	flags.Bool("v", false, "tell more: always done")
	wait := flags.Duration("wait", 0, "how long to try")
	if err := flags.Parse(args[2:]); err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the API server: %w", err)
	}
	checker, err := cmapichecker.New(config, os.Getenv("POD_NAMESPACE"))
	if err != nil {
		return err
	}
	for end := time.Now().Add(*wait); ; time.Sleep(time.Second) {
		err := checker.Check(ctx)
		if err == nil || ctx.Err() != nil || time.Now().After(end) {
			return err
		}
		fmt.Fprintln(os.Stderr, "not ready:", err)
	}
}
