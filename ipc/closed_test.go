package ipc

import (
	"errors"
	"testing"
)

// What is left takes no lock and sets no event any more: its slot may be another's.
func TestClosedSpaceIsLeftAlone(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	left, other := spaces[0], spaces[1]
	m, held, e := must(left.Mutex("m")), must(left.Mutex("held")), must(left.Event("e"))
	if err := held.Lock(soon(t)); err != nil {
		t.Fatal(err)
	}
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	e.Set()
	_, try := m.TryLock()
	for what, err := range map[string]error{
		"Lock": m.Lock(soon(t)), "TryLock": try, "Unlock": held.Unlock(), "Wait": e.Wait(soon(t)),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := must(other.Mutex("m")).Lock(soon(t)); err != nil {
		t.Errorf("the lock that the closed one asked for: %v", err)
	}
	if err := must(other.Mutex("held")).Lock(soon(t)); !errors.Is(err, ErrOwnerDied) {
		t.Errorf("the lock that it had: %v", err)
	}
	if must(other.Event("e")).IsSet() {
		t.Error("the event was set")
	}
}

// A latch that nobody can have, as its word says, is taken for torn.
func TestLatchOfNobody(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{})[0]
	must(s.Semaphore("there", 2))
	s.head.directory.word.Store(0xffff)
	for i := range s.objects {
		s.objects[i].latch.word.Store(0xfffe)
	}
	m := must(s.Mutex("m"))
	sem := must(s.Semaphore("there", 2))
	for what, err := range map[string]error{"mutex": m.Lock(soon(t)), "semaphore": sem.Acquire(soon(t), 2)} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
