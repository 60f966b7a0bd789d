package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"platform/lab/process"
)

// lastToStop is what the others write to until they end.
const lastToStop = "etcd"

// down stops all of the lab, and removes its data if wanted. From its first step
// on nothing is started again, even if it is cut off.
func down(_ context.Context, p *project, data bool) error {
	if err := process.Halt(p.site); err != nil {
		return err
	}
	stopped, err := stopAll(p)
	if err != nil {
		return err
	}
	fmt.Printf("stopped %d processes\n", stopped)
	if !data {
		return nil
	}
	if err := os.RemoveAll(p.site.Dir); err != nil {
		return fmt.Errorf("removing the lab's data: %w", err)
	}
	fmt.Printf("removed %s\n", p.relative(p.site.Dir))
	return nil
}

// stopAll looks again when all are stopped: one may have been about to start.
func stopAll(p *project) (stopped int, err error) {
	for {
		list, err := process.List(p.site)
		if err != nil || len(list) == 0 {
			return stopped, err
		}
		var stopping sync.WaitGroup
		problems := make([]error, len(list))
		for i, s := range list {
			if s.Name != lastToStop {
				stopping.Go(func() { problems[i] = process.Stop(p.site, s.Name) })
			}
		}
		stopping.Wait()
		if err := errors.Join(append(problems, process.Stop(p.site, lastToStop))...); err != nil {
			return stopped, err
		}
		stopped += len(list)
	}
}
