package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"platform/lab/process"
)

// supervisor is the process that starts the others again when they die, and its
// subcommand. Serve starts the supervisor again: each alone may be killed.
const supervisor = "supervise"

// retryUnseal and maxRetryUnseal are the first and the longest time between two
// tries to unseal Vault, whose keys are in a cluster that may be starting too.
const retryUnseal, maxRetryUnseal = time.Second, 30 * time.Second

func startSupervisor(ctx context.Context, p *project) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return process.Start(ctx, p.site, process.Spec{
		Name: supervisor, Path: self, Args: []string{supervisor}, Dir: p.root,
	})
}

// supervise keeps all processes of the lab but itself, and Vault unsealed, until
// ctx ends. They go on after it.
func supervise(ctx context.Context, p *project) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	sealed := make(chan struct{}, 1)
	// The supervisor before may have died between a restart of Vault and this.
	sealed <- struct{}{}
	go keepUnsealed(ctx, log, sealed, func(ctx context.Context) error { return unsealVault(ctx, p) })
	keeper := process.Keeper{
		Site: p.site, Log: log,
		Keeps: func(name string) bool { return name != supervisor },
		Restarted: func(name string) {
			if name != "vault" {
				return
			}
			select {
			case sealed <- struct{}{}:
			default: // it is to be unsealed already
			}
		},
	}
	keeper.Run(ctx)
	return nil
}

// keepUnsealed unseals Vault each time that it may be sealed.
func keepUnsealed(ctx context.Context, log *slog.Logger, sealed <-chan struct{}, unseal func(context.Context) error) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-sealed:
		}
		for delay := retryUnseal; ; delay = min(2*delay, maxRetryUnseal) {
			err := unseal(ctx)
			if err == nil {
				break
			}
			log.Warn("Vault is not unsealed yet", "error", err, "next try in", delay)
			select {
			case <-ctx.Done():
				return
			case <-time.After(delay):
			}
		}
	}
}

// keepSupervisor is what serve does for the supervisor.
func keepSupervisor(ctx context.Context, p *project, log *slog.Logger) {
	keeper := process.Keeper{
		Site: p.site, Log: log.With("server", "keeper"),
		Keeps: func(name string) bool { return name == supervisor },
	}
	keeper.Run(ctx)
}
