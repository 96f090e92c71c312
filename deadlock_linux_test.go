package tutti_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/ipc"
)

// inCircle is one of two that lock "a" and "b" in opposite orders, and says how often it
// was begun.
type inCircle struct {
	First bool // it locks "a" first, and before the other locks "b"
	Last  bool // it waits after the other does, and so finds the circle
}

// circle takes part in a deadlock the first time that it runs.
var circle = tutti.NewFunc("test.circle", func(ctx context.Context, in inCircle) (int, error) {
	s, err := tutti.FromContext(ctx).Space()
	if err != nil {
		return 0, err
	}
	names := []string{"a", "b"}
	if !in.First {
		names = []string{"b", "a"}
	}
	begun, err1 := s.Counter(fmt.Sprint("begun", in.First))
	mine, err2 := s.Mutex(names[0])
	next, err3 := s.Mutex(names[1])
	ready, err4 := s.Event("a is locked")
	both, err5 := s.Event("both are locked")
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return 0, err
	}
	begun.Add(1)
	if !in.First {
		err = ready.Wait(ctx)
	}
	if err == nil {
		err = lockMended(ctx, mine)
	}
	if err != nil {
		return 0, err
	}
	defer mine.Unlock()
	if in.First {
		ready.Set()
		err = both.Wait(ctx)
	} else {
		both.Set()
	}
	for in.Last && err == nil && begun.Load() == 1 {
		var waiting int
		if waiting, err = waitFor(s, names[0]); waiting > 0 {
			break
		}
	}
	if err == nil {
		err = lockMended(ctx, next)
	}
	if err != nil {
		return 0, err
	}
	return int(begun.Load()), next.Unlock()
})

// lockMended takes a lock whose data is whole, whoever had it.
func lockMended(ctx context.Context, m *ipc.Mutex) error {
	err := m.Lock(ctx)
	if errors.Is(err, ipc.ErrOwnerDied) {
		return m.MarkConsistent()
	}
	return err
}

// waitFor is how many wait for the lock of a name.
func waitFor(s *ipc.Space, name string) (int, error) {
	st, err := s.Stat()
	for _, o := range st.Objects {
		if o.Name == name {
			return o.Waiting, err
		}
	}
	return 0, err
}

// When functions in two workers have closed a circle, the worker of the younger is killed,
// whichever of the two finds it, and that function is run again: both get what they want.
func TestDeadlockKillsTheWorker(t *testing.T) {
	t.Parallel()
	for _, youngestFinds := range []bool{false, true} {
		t.Run(fmt.Sprint("the youngest finds it: ", youngestFinds), func(t *testing.T) {
			t.Parallel()
			pool := open(t, tutti.Config{Workers: 2, OnDeadlock: ipc.KillProcess})
			type end struct {
				begun int
				err   error
			}
			ends := map[bool]chan end{true: make(chan end, 1), false: make(chan end, 1)}
			for first, to := range ends {
				go func() {
					n, err := circle.Call(t.Context(), pool, inCircle{first, first != youngestFinds})
					to <- end{n, err}
				}()
			}
			if e := <-ends[true]; e.err != nil || e.begun != 1 {
				t.Errorf("the older one: begun %d times, %v", e.begun, e.err)
			}
			// Run again it may close another circle, before the older one has its second lock.
			if e := <-ends[false]; e.err != nil || e.begun < 2 {
				t.Errorf("the younger one: begun %d times, %v", e.begun, e.err)
			}
		})
	}
}

// A wait of the master is ended with the error; it is not killed.
func TestDeadlockSparesTheMaster(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 1, OnDeadlock: ipc.KillProcess})
	s, err := pool.Space()
	if err != nil {
		t.Fatal(err)
	}
	mine, err1 := s.Mutex("b")
	next, err2 := s.Mutex("a")
	ready, err3 := s.Event("a is locked")
	both, err4 := s.Event("both are locked")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	other := make(chan error, 1)
	go func() {
		_, err := circle.Call(t.Context(), pool, inCircle{First: true, Last: true})
		other <- err
	}()
	if err := errors.Join(ready.Wait(t.Context()), mine.Lock(t.Context())); err != nil {
		t.Fatal(err)
	}
	both.Set()
	if err := next.Lock(t.Context()); !errors.Is(err, ipc.ErrDeadlock) {
		t.Errorf("the master waits in a circle: %v", err)
	}
	if err := errors.Join(mine.Unlock(), <-other); err != nil {
		t.Error(err)
	}
}
