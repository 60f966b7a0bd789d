package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"platform/lab/tools"
)

// pluginsKept is how long the lab's own plugins of other sources stay after their
// last use: each change of those sources makes a folder.
const pluginsKept = 30 * 24 * time.Hour

// usePlugins notes the use of this clone's plugins, for prunePlugins of others.
func usePlugins(p *project) error {
	folder, err := tools.PluginFolder(p.labModule())
	if err != nil {
		return err
	}
	now := time.Now()
	if err := os.Chtimes(folder, now, now); err != nil {
		return fmt.Errorf("noting the use of the lab's plugins: %w", err)
	}
	return nil
}

// prunePlugins removes the lab's own plugins that no clone has used since before.
func prunePlugins(before time.Time) error {
	cache, err := tools.Cache()
	if err != nil {
		return err
	}
	locks, err := filepath.Glob(filepath.Join(cache, "plugins-*.lock"))
	if err != nil {
		return err
	}
	var problems []error
	for _, lock := range locks {
		if err := prune(lock[:len(lock)-len(".lock")], lock, before); err != nil {
			problems = append(problems, fmt.Errorf("removing old plugins of the lab: %w", err))
		}
	}
	return errors.Join(problems...)
}

// prune removes a folder of plugins and its lock, unless the folder was used
// lately or is being built, which the lock tells.
func prune(folder, lockFile string, before time.Time) error {
	lock, err := os.OpenFile(lockFile, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // another clone prunes too
	}
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return nil
	} else if err != nil {
		return err
	}
	// A build that was cut off leaves a lock without a folder.
	used, err := os.Stat(folder)
	if errors.Is(err, fs.ErrNotExist) {
		used, err = lock.Stat()
	}
	if err != nil || used.ModTime().After(before) {
		return err
	}
	return errors.Join(os.RemoveAll(folder), os.Remove(lockFile))
}
