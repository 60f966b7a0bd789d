package statefile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

type counter struct {
	N    int
	Keys map[string]int
}

func open(t *testing.T, path string) *File[counter] {
	t.Helper()
	f, err := Open(path, func() *counter { return &counter{N: 1, Keys: map[string]int{}} })
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func number(f *File[counter]) (n int) {
	_ = f.View(func(c *counter) error { n = c.N; return nil })
	return n
}

func TestAnUpdateIsThereAfterAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	f := open(t, path)
	if n := number(f); n != 1 {
		t.Errorf("the first state has %d, want 1", n)
	}
	if err := f.Update(func(c *counter) error { c.N = 2; return nil }); err != nil {
		t.Fatal(err)
	}
	// The first is never closed: a killed server has no time to. Nor has it to
	// end a write.
	if err := os.WriteFile(path+".new", []byte(`{"N":`), 0o600); err != nil {
		t.Fatal(err)
	}
	second := open(t, path)
	if n := number(second); n != 2 {
		t.Errorf("after a restart it has %d, want 2", n)
	}
	if err := second.Update(func(c *counter) error { c.N = 3; return nil }); err != nil || number(open(t, path)) != 3 {
		t.Errorf("a left write is in the way: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v), want 0600", info.Mode(), err)
	}
}

func TestAFailedUpdateLeavesNothing(t *testing.T) {
	folder := t.TempDir()
	f := open(t, filepath.Join(folder, "state.json"))
	refused := errors.New("no")
	err := f.Update(func(c *counter) error {
		c.N, c.Keys["x"] = 9, 1
		return refused
	})
	if !errors.Is(err, refused) {
		t.Errorf("the error is lost: %v", err)
	}
	if n := number(f); n != 1 {
		t.Errorf("a failed update left %d", n)
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := f.Update(func(c *counter) error { c.N = 9; return nil }); err == nil || number(f) != 1 {
		t.Errorf("an update that no disk took: %v, left %d", err, number(f))
	}
}

func TestADamagedFileIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.json")
	if err := os.WriteFile(path, []byte(`{"N":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, func() *counter { return &counter{} }); err == nil || !strings.Contains(err.Error(), path+" is damaged") {
		t.Errorf("the error is %v", err)
	}
}

func TestManyUpdatesAtOnce(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "state.json"))
	var work sync.WaitGroup
	for range 50 {
		work.Go(func() {
			if err := f.Update(func(c *counter) error { c.N++; return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	if n := number(f); n != 51 {
		t.Errorf("%d, want 51", n)
	}
}
