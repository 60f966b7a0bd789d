// Command recover puts a stack's state right after a run that was cut off:
//
//	go run ./cmd/recover STACK
//
// Pulumi notes each create before it asks for it. What a killed run asked for
// and did not note the end of is looked for by its name in the system it belongs
// to, and so is what a failed run may have made before its plugin died: what is
// there is taken into the state, what is not there is forgotten, and the next
// `pulumi up` goes on. Nothing is deleted but Helm's own marks of an operation
// that no longer runs.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: recover STACK")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "recover:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, stack string) error {
	s, err := export(ctx, stack)
	if err != nil {
		return err
	}
	var affected []string
	if len(s.pending()) > 0 {
		affected, err = s.settlePending(ctx)
	} else {
		affected, err = s.settleFailed(ctx, stack)
	}
	if err != nil {
		return err
	}
	if !s.changed {
		return nil
	}
	if err := s.save(ctx, stack); err != nil {
		return err
	}
	return refresh(ctx, stack, affected)
}

// settlePending takes the operations of a killed run out of the state, and what
// they made into it. It gives the URNs that have to be read anew.
func (s *state) settlePending(ctx context.Context) ([]string, error) {
	pending := s.pending()
	fmt.Printf("%d operations of a run that was killed are not finished; looking for what they made\n", len(pending))
	var affected []string
	for _, op := range pending {
		r := op.Resource
		if op.Type != "creating" {
			affected = append(affected, r.URN)
			continue
		}
		object, looked, err := s.find(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("looking for %s: %w", r.URN, err)
		}
		switch {
		case !looked:
			fmt.Printf("  the next run makes it, or takes over what is there: %s\n", r.URN)
		case object.ID == "":
			fmt.Printf("  not made: %s\n", r.URN)
		default:
			fmt.Printf("  made:     %s (%s)\n", r.URN, object.ID)
			s.adopt(r, object.ID)
			affected = append(affected, r.URN)
		}
	}
	s.dropPending()
	return affected, nil
}

// settleFailed looks for what a failed run may have made without knowing: when a
// plugin dies, the engine forgets the creates that it was asked for. Only what is
// younger than that run is taken, so nobody else's object of the same name is.
// What cannot be looked for is said, and left to the next run.
func (s *state) settleFailed(ctx context.Context, stack string) ([]string, error) {
	began, failed, err := lastFailure(ctx, stack)
	if err != nil || !failed {
		return nil, err
	}
	creates, err := s.toBeMade(ctx, stack)
	if err != nil {
		fmt.Println("The last run failed, and what it may have made cannot be told:", err)
		return nil, nil
	}
	var affected []string
	unreachable := map[string]bool{}
	for _, r := range creates {
		if unreachable[r.Provider] {
			continue
		}
		object, _, err := s.find(ctx, r)
		switch {
		case err != nil:
			unreachable[r.Provider] = true
			fmt.Printf("What the last run may have made cannot be looked for: %v\n", err)
		case object.ID == "":
		case !object.Made.IsZero() && object.Made.Before(began):
			fmt.Printf("%s is there, but since %s, before this platform asked for it: left alone\n", r.URN, object.Made.Format(time.RFC3339))
		default:
			fmt.Printf("The last run may have made %s (%s)\n", r.URN, object.ID)
			s.adopt(r, object.ID)
			affected = append(affected, r.URN)
		}
	}
	return affected, nil
}
