package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/tutti-run/tutti/ipc"
)

// Scripts use ever new names, of locks, semaphores and channels, in a space that others
// have open all the time.
func TestEverNewNames(t *testing.T) {
	t.Parallel()
	r := spaceRef{Name: fmt.Sprintf("test-names-%d", os.Getpid())}
	others, err := ipc.OpenWith(r.Name, 0, ipc.Options{Objects: 5, Data: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for i := range 12 {
		open, err := ipc.OpenWith(r.Name, 0, r.options())
		if err != nil {
			t.Fatal(err)
		}
		s := &shellSpace{open, r, -1}
		lock, sem := need{Name: fmt.Sprint("lock-", i)}, need{Name: fmt.Sprint(semPrefix, i), Most: 1}
		_, err = s.ByteChan(fmt.Sprint(chanPrefix, i), 0, true)
		err = errors.Join(err, s.take(ctx, lock), s.take(ctx, sem), s.give(sem), s.give(lock), s.Close())
		if err != nil {
			t.Fatalf("names number %d: %v", i, err)
		}
	}
	if err := errors.Join(others.Close(), ipc.Remove(r.Name, r.options())); err != nil {
		t.Error(err)
	}
}
