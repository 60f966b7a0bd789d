// Package statefile keeps a stand-in's whole state in one JSON file, as a database
// would: a write is on disk before it is answered, and one that fails leaves
// nothing behind.
package statefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// File is a state of type T in a file.
type File[T any] struct {
	mu    sync.RWMutex
	path  string
	saved []byte
	data  *T
}

// Open reads the state at path, or saves the first one there.
func Open[T any](path string, first func() *T) (*File[T], error) {
	f := &File[T]{path: path}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		f.data = first()
		return f, f.save()
	}
	if err != nil {
		return nil, fmt.Errorf("reading the state: %w", err)
	}
	f.saved = raw
	if err := f.restore(); err != nil {
		return nil, fmt.Errorf("%w (%s is damaged: remove its folder to start empty)", err, path)
	}
	return f, nil
}

// View runs do while nothing is written, and gives its error.
func (f *File[T]) View(do func(*T) error) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return do(f.data)
}

// Update runs do alone and saves what it changed. When do fails, or the disk does,
// its changes are undone.
func (f *File[T]) Update(do func(*T) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := do(f.data)
	if err == nil {
		err = f.save()
	}
	if err != nil {
		return errors.Join(err, f.restore())
	}
	return nil
}

func (f *File[T]) restore() error {
	data := new(T)
	if err := json.Unmarshal(f.saved, data); err != nil {
		return fmt.Errorf("decoding the state: %w", err)
	}
	f.data = data
	return nil
}

func (f *File[T]) save() error {
	raw, err := json.Marshal(f.data)
	if err != nil {
		return fmt.Errorf("encoding the state: %w", err)
	}
	if bytes.Equal(raw, f.saved) {
		return nil
	}
	if err := Replace(f.path, raw); err != nil {
		return fmt.Errorf("saving the state: %w", err)
	}
	f.saved = raw
	return nil
}

// Replace writes a file so that after a crash either the old or the new text is
// there. The temporary file has a fixed name: the next write overwrites what a
// killed server left of it.
func Replace(path string, text []byte) error {
	temp, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = temp.Write(text)
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
