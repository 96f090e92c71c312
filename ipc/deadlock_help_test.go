package ipc

import (
	"context"
	"errors"
	"sync"
	"testing"
)

// Two circles share a party, and all but the one who closed the longer one have been
// stopped before they looked: that one breaks up both.
func TestDeadlockHelped(t *testing.T) {
	t.Parallel()
	told := make(chan *DeadlockError, 10)
	goOn, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	spaces := heapSpaces(t, 4, Options{Report: func(e *DeadlockError) { told <- e; cancel() }})
	ctx := soon(t)
	asWriterOf := func(name string) func(s *Space) taken {
		return func(s *Space) taken { return asWriter{must(s.RWMutex(name))} }
	}
	asReaderOf := func(name string) func(s *Space) taken {
		return func(s *Space) taken { return asReader{must(s.RWMutex(name))} }
	}
	var held, stopped, all sync.WaitGroup
	held.Add(4)
	stopped.Add(3)
	failed := make(chan error, 8)
	party := func(i int, has, wants func(s *Space) taken) {
		all.Go(func() {
			s, me := spaces[i], self()
			atPoints.Store(me, func(point string) {
				if i < 3 && point == "inspecting" && self() == me {
					stopped.Done()
					<-goOn.Done()
				}
			})
			defer atPoints.Delete(me)
			mine, next := has(s), wants(s)
			err := mine.take(ctx)
			held.Done()
			held.Wait()
			if i == 3 {
				stopped.Wait()
			}
			if err == nil {
				err = next.take(ctx)
			}
			if err == nil {
				err = next.give()
			}
			if errors.Is(err, ErrDeadlock) {
				err = nil
			}
			failed <- errors.Join(err, mine.give())
		})
	}
	party(0, asWriterOf("a"), asWriterOf("shared"))
	party(1, asReaderOf("shared"), asWriterOf("a"))
	party(2, asWriterOf("d"), asReaderOf("a"))
	party(3, asReaderOf("shared"), asWriterOf("d"))
	all.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			t.Error(err)
		}
	}
	if len(told) == 0 || context.Cause(goOn) == context.DeadlineExceeded {
		t.Error("nobody was told")
	}
}

type asReader struct{ *RWMutex }

func (m asReader) take(ctx context.Context) error { return m.RLock(ctx) }
func (m asReader) give() error                    { return m.RUnlock() }
