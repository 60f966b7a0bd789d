package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"
)

const benchRuns = 3

// bench times what a person waits for most often, on the lab as it stands.
func bench(ctx context.Context, p *project) error {
	if err := enterLab(p); err != nil {
		return err
	}
	for _, b := range []struct {
		name string
		args []string
	}{
		{"preview", []string{"preview"}},
		{"up without changes", []string{"up", "--yes", "--skip-preview", "--expect-no-changes"}},
	} {
		var times []time.Duration
		for range benchRuns {
			took, err := timeRun(ctx, p, b.args)
			if err != nil {
				return fmt.Errorf("%s: %w", b.name, err)
			}
			times = append(times, took)
		}
		slices.Sort(times)
		fmt.Printf("%-20s %6.1f s, the median of %d\n", b.name, times[benchRuns/2].Seconds(), benchRuns)
	}
	return nil
}

func timeRun(ctx context.Context, p *project, args []string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, "pulumi", append(args, "--stack", stack, "--non-interactive")...)
	cmd.Dir = p.root
	// An interrupted CLI saves its state; a killed one cannot.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	begin := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		_, _ = os.Stderr.Write(out)
	}
	return time.Since(begin), err
}
