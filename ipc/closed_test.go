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

// Who gives back late what went with the space gives back nothing of the one that has
// its slot, its rows and the lock by now.
func TestLateHandles(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	left, other := spaces[0], spaces[1]
	type all struct {
		m    *Mutex
		rw   *RWMutex
		sem  *Semaphore
		bar  *Barrier
		cond *Cond
		b    *ByteChan
		n    *Counter
		bank *Banker
	}
	open := func(s *Space) (a all) {
		a = all{must(s.Mutex("m")), must(s.RWMutex("rw")), must(s.Semaphore("s", 3)), must(s.Barrier("bar", 1)), nil,
			must(s.ByteChan("b", 3, true)), must(s.Counter("n")), must(s.Banker("bank", amounts{"r": 1}))}
		a.cond = must(s.Cond("c", a.m))
		a.bar.Reset() // a member may have left
		if err := errors.Join(heirGets(a.m.Lock(soon(t))), heirGets(a.rw.Lock(soon(t))), a.sem.Acquire(soon(t), 2), a.bar.Wait(soon(t)),
			a.b.Send(soon(t), nil)); err != nil {
			t.Fatal(err)
		}
		return a
	}
	late := open(left)
	taken := must(late.b.Receive(soon(t)))
	mustClose(t, left)
	next := newcomer(t, other)
	if next.slot != left.slot {
		t.Fatalf("slot %d is another than %d", next.slot, left.slot)
	}
	now := open(next)
	must(now.b.Receive(soon(t)))
	_, tryErr := late.rw.TryLock()
	_, receiveErr := late.b.Receive(soon(t))
	for what, err := range map[string]error{
		"Mutex.Unlock": late.m.Unlock(), "Mutex.MarkConsistent": late.m.MarkConsistent(),
		"RWMutex.Unlock": late.rw.Unlock(), "RUnlock": late.rw.RUnlock(), "RWMutex.MarkConsistent": late.rw.MarkConsistent(), "TryLock": tryErr,
		"Release": late.sem.Release(2), "Add": late.sem.Add(1), "Seize": late.sem.Seize(1), "Barrier.Wait": late.bar.Wait(soon(t)),
		"ByteChan.Close": late.b.Close(), "Send": late.b.Send(soon(t), nil), "Receive": receiveErr, "Done": taken.Done(), "Return": taken.Return(),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	late.bar.Leave()
	late.bar.Reset()
	late.cond.Signal()
	late.b.Leave()
	late.n.Add(1)
	late.m.SetRank(3)
	if n := now.n.Load(); n != 0 || now.m.Rank() != 0 {
		t.Errorf("the counter is at %d, the rank %d", n, now.m.Rank())
	}
	if _, held := now.sem.Units(); held != 2 {
		t.Errorf("%d units are held", held)
	}
	if err := errors.Join(now.m.MarkConsistent(), now.m.Unlock(), now.rw.MarkConsistent(), now.rw.Unlock(), now.sem.Release(2)); err != nil {
		t.Errorf("what the next one has: %v", err)
	}
	if total, _ := late.bank.Units(); len(total) != 0 {
		t.Errorf("the late one sees %v", total)
	}
	audit(t, other, next.slot+1)
}

// The end of a Once's function comes late when the space was closed meanwhile: the one
// that has the slot, and is about the same, is left alone.
func TestClosedWhileOnceRuns(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	left, other := spaces[0], spaces[1]
	begun, end, ended := make(chan bool), make(chan bool), make(chan error)
	var next *Space
	late := must(left.Once("o")).Do(soon(t), func() error {
		mustClose(t, left)
		next = newcomer(t, other)
		go func() {
			ended <- must(next.Once("o")).Do(soon(t), func() error { close(begun); <-end; return nil })
		}()
		<-begun
		return nil
	})
	if !errors.Is(late, ErrClosed) {
		t.Errorf("the late one got %v", late)
	}
	o := must(other.Once("o"))
	if w, by := o.o.word.Load(), o.o.holder().slot(); w != next.owner || by != next.slot {
		t.Errorf("the word is %#x, and slot %d is about it", w, by)
	}
	close(end)
	if err := <-ended; err != nil || !o.Done() {
		t.Errorf("the next one got %v; done: %v", err, o.Done())
	}
}

// An error of the function stays what it is.
func TestOnceFailsInClosedSpace(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{})[0]
	fails := errors.New("it fails")
	if err := must(s.Once("o")).Do(soon(t), func() error { mustClose(t, s); return fails }); err != fails {
		t.Error(err)
	}
}
