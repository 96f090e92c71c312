package ipc

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Who does not want to wait seizes what he needs; others wait until as much is back.
func TestSeize(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	a, b := must(spaces[0].Semaphore("s", 1)), must(spaces[1].Semaphore("s", 1))
	if err := errors.Join(a.Acquire(t.Context(), 1), b.Seize(1)); err != nil {
		t.Fatal(err)
	}
	if total, held := a.Units(); total != 1 || held != 2 {
		t.Errorf("%d of %d units are held", held, total)
	}
	if err := a.Release(1); err != nil {
		t.Fatal(err)
	}
	if ok, err := a.TryAcquire(1); ok || err != nil {
		t.Errorf("one was to be had while another was seized (%v)", err)
	}
	if err := errors.Join(b.Release(1), a.Acquire(soon(t), 1)); err != nil {
		t.Error(err)
	}
}

// A barrier without members is for as many as the next one says.
func TestBarrierTakesAnotherNumber(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{})[0]
	old := must(s.Barrier("b", 1))
	if err := old.Wait(soon(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Barrier("b", 2); err == nil {
		t.Error("a barrier with a member changed its number")
	}
	old.Leave()
	if _, err := s.Barrier("b", 2); err != nil {
		t.Error(err)
	}
	if err := old.Wait(soon(t)); err == nil || errors.Is(err, ErrBroken) {
		t.Errorf("a handle for another number waits: %v", err)
	}
}

// Stat says who holds what and who waits.
func TestStat(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	rw, reader := must(spaces[0].RWMutex("rw")), must(spaces[1].RWMutex("rw"))
	if err := errors.Join(rw.Lock(t.Context()), must(spaces[0].Mutex("m")).Lock(t.Context())); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	waited := make(chan error)
	go func() { waited <- reader.RLock(ctx) }()
	var st Stat
	for len(st.Objects) < 2 || st.Objects[0].Waiting == 0 {
		st = must(spaces[0].Stat())
	}
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	o, m := st.Objects[0], st.Objects[1]
	if o.Name != "rw" || o.Kind != "rwmutex" || len(o.Holders) != 1 || !o.Holders[0].Exclusive || o.Waiters[0].Exclusive {
		t.Errorf("%+v", o)
	}
	if m.Name != "m" || len(m.Holders) != 1 || len(st.Members) != 2 {
		t.Errorf("%+v %+v", m, st.Members)
	}
	if err := rw.Unlock(); err != nil {
		t.Error(err)
	}
}
