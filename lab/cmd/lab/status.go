package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"platform/lab/process"
)

// status lists the lab's processes.
func status(_ context.Context, p *project) error {
	all, err := process.List(p.site)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return errors.New("the lab does not run; make lab starts it")
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "NAME\tSTATE\tPID\tMEMORY\tFOR")
	var total int64
	for _, s := range all {
		state, since := "runs", time.Since(s.Since).Round(time.Second).String()
		if !s.Alive {
			state, since = "DIED", "-"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\n", s.Name, state, s.PID, mebibytes(s.RSS), since)
		total += s.RSS
	}
	_, _ = fmt.Fprintf(table, "all\t\t\t%s\t\n", mebibytes(total))
	return table.Flush()
}

func mebibytes(n int64) string { return fmt.Sprintf("%d MiB", n>>20) }
