package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"syscall"
	"time"

	"platform/lab/site"
)

const (
	keepInterval = time.Second
	// firstDelay and maxDelay are the least times from one start of a server to
	// its next. They double for one that dies soon again and again.
	firstDelay, maxDelay = time.Second, time.Minute
	// settled is how long a server lives that does not die soon.
	settled = 30 * time.Second
)

// Keeper starts servers again that die, as they were started before: with the
// recorded command, in the environment of the keeper. All it knows is in the
// records, so another keeper can take over at any time, or work beside it.
type Keeper struct {
	Site *site.Site
	// Keeps says by name which servers it is to keep.
	Keeps func(name string) bool
	// Restarted is told of each that was started again, and may be nil. The next
	// waits for its return.
	Restarted func(name string)
	Log       *slog.Logger
}

// Run keeps the servers until ctx ends. They go on.
func (k *Keeper) Run(ctx context.Context) {
	problems := map[string]string{}
	for {
		k.look(problems)
		select {
		case <-ctx.Done():
			return
		case <-time.After(keepInterval):
		}
	}
}

// look restarts what is dead. Problems are those logged already, by server.
func (k *Keeper) look(problems map[string]string) {
	records, err := readRecords(k.Site)
	k.report("", err, problems)
	for _, r := range records {
		if !k.Keeps(r.Name) || !r.due() {
			continue
		}
		restarted, err := k.restart(r.Name)
		k.report(r.Name, err, problems)
		if restarted && k.Restarted != nil {
			k.Restarted(r.Name)
		}
	}
}

// restart starts a dead server again, unless another command has it in hand or
// all is to stop.
func (k *Keeper) restart(name string) (done bool, err error) {
	unlock, err := tryLock(k.Site, name)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer unlock()
	r, err := readRecord(k.Site, name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // stopped meanwhile
	}
	if err != nil || halted(k.Site) || !r.due() {
		return false, err
	}
	said := lastLine(k.Site.Log(name))
	if err := r.again(k.Site); err != nil {
		// A try counts, so that the next waits longer.
		failed := *r
		failed.InRow, failed.Since = r.nextInRow(), time.Now()
		return false, errors.Join(fmt.Errorf("starting %s again: %w", name, err), failed.write(k.Site))
	}
	k.Log.Warn("died and was started again", "process", name, "pid", r.PID,
		"ran since", r.Since.Format(time.DateTime), "restarts", r.Restarts+1, "said", said)
	return true, nil
}

// again starts the dead server of a record once more. The log of the first of
// several deaths in a row stays the older one, beside that of the last.
func (r *record) again(s *site.Site) error {
	// What it left behind may hold its ports and files.
	if err := r.end(); err != nil {
		return err
	}
	command, err := digest(r.Spec)
	if err != nil {
		return err
	}
	open := newLog
	if r.nextInRow() > 1 {
		open = emptyLog
	}
	log, err := open(s.Log(r.Name))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	_, err = spawn(s, record{Spec: r.Spec, Command: command, Restarts: r.Restarts + 1, InRow: r.nextInRow()}, log)
	return err
}

// due says that the server is dead and is to be started now. What died in an
// earlier boot, whose ports others may have now, is left to Start.
func (r *record) due() bool {
	if r.running() || r.Boot != bootID() {
		return false
	}
	age := time.Since(r.Since)
	return age >= r.delay() || age < 0 // the clock was set back
}

// delay is the least time from the last start of a server to its next.
func (r *record) delay() time.Duration {
	delay := firstDelay
	for range r.InRow {
		delay = min(2*delay, maxDelay)
	}
	return delay
}

// nextInRow is what a restart now makes of InRow: 1 after a server's first death,
// or after a long life. The wait for this restart is no part of a life.
func (r *record) nextInRow() int {
	if time.Since(r.Since) >= r.delay()+settled {
		return 1
	}
	return r.InRow + 1
}

// report logs a problem once, not each time that it is met.
func (k *Keeper) report(name string, err error, problems map[string]string) {
	if err == nil {
		delete(problems, name)
		return
	}
	if problems[name] != err.Error() {
		problems[name] = err.Error()
		k.Log.Error("starting again what died", "process", name, "error", err)
	}
}
