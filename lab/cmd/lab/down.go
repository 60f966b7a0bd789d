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

// down stops all of the lab, and removes its data if wanted.
func down(_ context.Context, p *project, data bool) error {
	list, err := process.List(p.site)
	if err != nil {
		return err
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
		return err
	}
	fmt.Printf("stopped %d processes\n", len(list))
	if !data {
		return nil
	}
	if err := os.RemoveAll(p.site.Dir); err != nil {
		return fmt.Errorf("removing the lab's data: %w", err)
	}
	fmt.Printf("removed %s\n", p.relative(p.site.Dir))
	return nil
}
