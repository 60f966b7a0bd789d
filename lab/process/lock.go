package process

import (
	"fmt"
	"os"
	"syscall"

	"platform/lab/site"
)

// lock keeps two commands from starting or stopping the same server at once.
func lock(s *site.Site, name string) (unlock func(), err error) {
	return flock(s, name, syscall.LOCK_EX)
}

// tryLock fails with EWOULDBLOCK when another command has the lock.
func tryLock(s *site.Site, name string) (unlock func(), err error) {
	return flock(s, name, syscall.LOCK_EX|syscall.LOCK_NB)
}

func flock(s *site.Site, name string, how int) (unlock func(), err error) {
	f, err := os.OpenFile(s.Path("run", name+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
	}
	return func() { _ = f.Close() }, nil
}

// Halt is the first step of stopping all: from then on nobody starts a server,
// not even one that died, until Resume. A start that was under way has a record
// by the time that Stop gets the server's lock.
func Halt(s *site.Site) error {
	if err := os.WriteFile(haltFile(s), nil, 0o600); err != nil {
		return fmt.Errorf("noting that the lab is to stop: %w", err)
	}
	return nil
}

// Resume allows servers to be started again.
func Resume(s *site.Site) error {
	if err := os.Remove(haltFile(s)); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("noting that the lab is to run: %w", err)
	}
	return nil
}

// halted is to be asked with the lock of the server that would be started.
func halted(s *site.Site) bool {
	_, err := os.Stat(haltFile(s))
	return err == nil
}

func haltFile(s *site.Site) string { return s.Path("run", "halted") }
