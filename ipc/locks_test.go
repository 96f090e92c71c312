package ipc

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// Many goroutines of several processes count up what a lock protects.
func TestMutualExclusion(t *testing.T) {
	t.Parallel()
	type locker interface {
		Lock(context.Context) error
		Unlock() error
	}
	for name, find := range map[string]func(s *Space) locker{
		"mutex":   func(s *Space) locker { return must(s.Mutex("lock")) },
		"rwmutex": func(s *Space) locker { return must(s.RWMutex("lock")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spaces := heapSpaces(t, 3, Options{})
			const each, rounds = 4, 300
			counter := 0
			var all sync.WaitGroup
			for _, s := range spaces {
				for range each {
					all.Go(func() {
						l := find(s)
						for range rounds {
							if err := l.Lock(soon(t)); err != nil {
								t.Error(err)
								return
							}
							counter++
							if err := l.Unlock(); err != nil {
								t.Error(err)
							}
						}
					})
				}
			}
			all.Wait()
			if want := len(spaces) * each * rounds; counter != want {
				t.Errorf("counted %d, want %d", counter, want)
			}
		})
	}
}

// A lock belongs to the goroutine that took it.
func TestNotOwner(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{})[0]
	m, rw, sem := must(s.Mutex("m")), must(s.RWMutex("rw")), must(s.Semaphore("s", 3))
	for what, err := range map[string]error{
		"mutex": m.Unlock(), "writer": rw.Unlock(), "reader": rw.RUnlock(), "mark": m.MarkConsistent(), "mark rw": rw.MarkConsistent(), "units": sem.Release(1),
	} {
		if !errors.Is(err, ErrNotOwner) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := m.Lock(soon(t)); err != nil {
		t.Fatal(err)
	}
	other := make(chan error)
	go func() { other <- m.Unlock() }()
	if err := <-other; !errors.Is(err, ErrNotOwner) {
		t.Errorf("another goroutine unlocked: %v", err)
	}
	if err := m.Unlock(); err != nil {
		t.Error(err)
	}
}

// The next owner is told that the last one died, and so is everybody when it did not
// repair the data.
func TestOwnerDied(t *testing.T) {
	t.Parallel()
	type locker interface {
		Lock(context.Context) error
		TryLock() (bool, error)
		Unlock() error
		MarkConsistent() error
	}
	for name, find := range map[string]func(s *Space) locker{
		"mutex":   func(s *Space) locker { return must(s.Mutex("lock")) },
		"rwmutex": func(s *Space) locker { return must(s.RWMutex("lock")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spaces := heapSpaces(t, 3, Options{})
			first, second, third := find(spaces[0]), find(spaces[1]), find(spaces[2])
			if err := first.Lock(soon(t)); err != nil {
				t.Fatal(err)
			}
			if ok, err := second.TryLock(); ok || err != nil {
				t.Fatalf("a lock that is held was taken: %v", err)
			}
			got := make(chan error)
			go func() {
				err := second.Lock(soon(t))
				if errors.Is(err, ErrOwnerDied) {
					err = errors.Join(second.MarkConsistent(), second.Unlock())
				} else {
					err = fmt.Errorf("the heir got %v", err)
				}
				got <- err
			}()
			die(spaces[0])
			if err := <-got; err != nil {
				t.Fatal(err)
			}
			if err := third.Lock(soon(t)); err != nil {
				t.Fatalf("after the repair: %v", err)
			}
			die(spaces[2])
			if err := second.Lock(soon(t)); !errors.Is(err, ErrOwnerDied) {
				t.Fatal(err)
			}
			if err := second.Unlock(); err != nil {
				t.Fatal(err)
			}
			if err := second.Lock(soon(t)); !errors.Is(err, ErrNotRecoverable) {
				t.Errorf("data that nobody repaired: %v", err)
			}
			if ok, err := second.TryLock(); ok || !errors.Is(err, ErrNotRecoverable) {
				t.Errorf("data that nobody repaired: %v, %v", ok, err)
			}
		})
	}
}

// A wait ends with its context, and leaves nothing behind.
func TestLockContext(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	m, rw, sem := must(spaces[0].Mutex("m")), must(spaces[0].RWMutex("rw")), must(spaces[0].Semaphore("s", 2))
	for _, err := range []error{m.Lock(soon(t)), rw.Lock(soon(t)), sem.Acquire(soon(t), 2)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s := spaces[1]
	reason := errors.New("the reason")
	for name, wait := range map[string]func(context.Context) error{
		"mutex": must(s.Mutex("m")).Lock, "writer": must(s.RWMutex("rw")).Lock, "reader": must(s.RWMutex("rw")).RLock,
		"units":   func(ctx context.Context) error { return must(s.Semaphore("s", 2)).Acquire(ctx, 1) },
		"event":   must(s.Event("e")).Wait,
		"barrier": must(s.Barrier("b", 2)).Wait,
	} {
		ctx, cancel := context.WithCancelCause(context.Background())
		done := make(chan error)
		go func() { done <- wait(ctx) }()
		cancel(reason)
		if err := <-done; !errors.Is(err, reason) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, err := range []error{m.Unlock(), rw.Unlock(), sem.Release(2)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if ok, err := must(s.RWMutex("rw")).TryLock(); !ok || err != nil {
		t.Errorf("the lock is not free: %v", err)
	}
	if ok, err := must(s.Semaphore("s", 2)).TryAcquire(2); !ok || err != nil {
		t.Errorf("the units are not free: %v", err)
	}
}

// Units come back when their holder dies, and who asked first gets them first.
func TestSemaphore(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 3, Options{})
	a, b, c := must(spaces[0].Semaphore("s", 5)), must(spaces[1].Semaphore("s", 5)), must(spaces[2].Semaphore("s", 5))
	if err := a.Acquire(soon(t), 4); err != nil {
		t.Fatal(err)
	}
	if err := b.Acquire(soon(t), 6); err == nil {
		t.Error("more units than there are were not refused")
	}
	order := make(chan int64, 2)
	var all sync.WaitGroup
	for _, n := range []int64{5, 1} {
		waiting := spaces[1].objects[b.i].waiting
		all.Go(func() {
			if err := b.Acquire(soon(t), n); err != nil {
				t.Error(err)
			}
			order <- n
			if err := b.Release(n); err != nil {
				t.Error(err)
			}
		})
		awaitWaiting(t, spaces[1], b.i, waiting+1)
	}
	if ok, err := c.TryAcquire(1); ok || err != nil {
		t.Errorf("one unit was taken before those who wait: %v", err)
	}
	die(spaces[0])
	all.Wait()
	if first := <-order; first != 5 {
		t.Errorf("%d units were given first", first)
	}
	if err := c.Acquire(soon(t), 5); err != nil {
		t.Error(err)
	}
	if total, held := c.Units(); total != 5 || held != 5 {
		t.Errorf("%d of %d units are held", held, total)
	}
	if err := c.Release(2); err != nil {
		t.Error(err)
	}
	if err := b.Acquire(soon(t), 2); err != nil {
		t.Error(err)
	}
	if err := b.Add(-1); err != nil {
		t.Error(err)
	}
	if ok, err := b.TryAcquire(1); ok || err != nil {
		t.Errorf("a unit that is no more was taken: %v", err)
	}
}

// awaitWaiting waits until n claims wait for an object.
func awaitWaiting(t *testing.T, s *Space, object int, n uint32) {
	t.Helper()
	for ctx := soon(t); ; pause() {
		have := waitingFor(s, object)
		if have == n {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%d wait, want %d", have, n)
		}
	}
}

func TestCond(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	const n = 10
	full := false
	var all sync.WaitGroup
	m := must(spaces[0].Mutex("m"))
	c := must(spaces[0].Cond("c", m))
	for range n {
		all.Go(func() {
			m := must(spaces[1].Mutex("m"))
			c := must(spaces[1].Cond("c", m))
			if err := m.Lock(soon(t)); err != nil {
				t.Error(err)
			}
			for !full {
				if err := c.Wait(soon(t)); err != nil {
					t.Error(err)
					return
				}
			}
			full = false
			if err := m.Unlock(); err != nil {
				t.Error(err)
			}
		})
	}
	for sent := 0; sent < n; {
		if err := m.Lock(soon(t)); err != nil {
			t.Fatal(err)
		}
		if !full {
			full = true
			sent++
		}
		if err := m.Unlock(); err != nil {
			t.Fatal(err)
		}
		c.Signal()
	}
	c.Broadcast()
	all.Wait()
	if err := c.Wait(soon(t)); !errors.Is(err, ErrNotOwner) {
		t.Errorf("waited without the lock: %v", err)
	}
}

func TestBarrier(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 3, Options{})
	var all sync.WaitGroup
	for _, s := range spaces {
		all.Go(func() {
			b := must(s.Barrier("b", 3))
			for range 100 {
				if err := b.Wait(soon(t)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b := must(spaces[0].Barrier("b", 3))
	if n := b.Passed(); n != 100 {
		t.Errorf("passed %d times", n)
	}
	if _, err := spaces[0].Barrier("b", 4); err == nil {
		t.Error("another number of parties was accepted")
	}
	broken := make(chan error)
	go func() { broken <- b.Wait(soon(t)) }()
	awaitWaiting(t, spaces[0], b.i, 1)
	die(spaces[2]) // it does not wait, yet the others could wait for it for ever
	if err := <-broken; !errors.Is(err, ErrBroken) {
		t.Errorf("a member died: %v", err)
	}
	if err := must(spaces[1].Barrier("b", 3)).Wait(soon(t)); !errors.Is(err, ErrBroken) {
		t.Errorf("a member had died: %v", err)
	}
}

func TestOnceAndEvent(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 3, Options{})
	begun, stay := make(chan bool), make(chan bool)
	go func() {
		_ = must(spaces[0].Once("o")).Do(soon(t), func() error { close(begun); <-stay; select {} })
	}()
	<-begun
	var all sync.WaitGroup
	done := 0
	for _, s := range spaces[1:] {
		for range 3 {
			all.Go(func() {
				if err := must(s.Once("o")).Do(soon(t), func() error { done++; return nil }); err != nil {
					t.Error(err)
				}
			})
		}
	}
	die(spaces[0])
	all.Wait()
	if o := must(spaces[1].Once("o")); done != 1 || !o.Done() {
		t.Errorf("done %d times", done)
	}
	failed := errors.New("no")
	if err := must(spaces[1].Once("p")).Do(soon(t), func() error { return failed }); !errors.Is(err, failed) {
		t.Error(err)
	}
	if must(spaces[1].Once("p")).Done() {
		t.Error("what failed is done")
	}
	e, f := must(spaces[1].Event("e")), must(spaces[2].Event("e"))
	for range 50 {
		all.Go(func() {
			if err := e.Wait(soon(t)); err != nil {
				t.Error(err)
			}
		})
		f.Set()
		all.Wait()
		f.Reset()
	}
	if e.IsSet() {
		t.Error("it is set after Reset")
	}
}

// Goroutines give back parts of what one of them acquired, all at once.
func TestReleaseAtOnce(t *testing.T) {
	t.Parallel()
	m := must(heapSpaces(t, 1, Options{})[0].Semaphore("s", 3))
	atPoints.Store(m, func(point string) {
		if point == "unit-split" {
			runtime.Gosched() // so that another comes in the middle of it
		}
	})
	defer atPoints.Delete(m)
	for range 500 {
		if err := m.Acquire(soon(t), 3); err != nil {
			t.Fatal(err)
		}
		back := make(chan error, 3)
		for range 3 {
			go func() { back <- m.Release(1) }()
		}
		if err := errors.Join(<-back, <-back, <-back); err != nil {
			t.Fatal(err)
		}
	}
}
