package ipc

import (
	"errors"
	"strings"
	"sync"
	"testing"
)

// Do within its own function is told so at once.
func TestOnceWithinItself(t *testing.T) {
	t.Parallel()
	o := must(heapSpaces(t, 1, Options{})[0].Once("o"))
	var inner error
	err := o.Do(soon(t), func() error {
		inner = o.Do(soon(t), func() error { return errors.New("it was done") })
		return nil
	})
	if err != nil || !o.Done() {
		t.Errorf("the outer one: %v", err)
	}
	if !errors.Is(inner, ErrDeadlock) || !strings.Contains(inner.Error(), "within its own function") || strings.Count(inner.Error(), "circles_test.go:") != 2 {
		t.Error(inner)
	}
}

// Two that are each done by the other are found to be a circle.
func TestOncesInACircle(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	errs := make(chan error)
	var begun sync.WaitGroup
	begun.Add(2)
	for i, s := range spaces {
		go func() {
			names := [2]string{"a", "b"}
			errs <- must(s.Once(names[i])).Do(soon(t), func() error {
				begun.Done()
				begun.Wait()
				return must(s.Once(names[1-i])).Do(soon(t), func() error { return nil })
			})
		}()
	}
	dead := told(t, <-errs, <-errs)
	if len(dead.Cycle) != 2 || strings.Count(dead.Error(), "circles_test.go:") != 4 || !strings.Contains(dead.Error(), `holds once "a"`) {
		t.Error(dead)
	}
}

// Units that another goroutine gives back make no circle with a lock.
func TestUnitsHandedOnBesideALock(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{Report: func(e *DeadlockError) { t.Error(e) }})[0]
	m, sem := must(s.Mutex("m")), must(s.Semaphore("jobs", 1))
	if err := sem.Acquire(soon(t), 1); err != nil {
		t.Fatal(err)
	}
	errs, locked, looked := make(chan error, 2), make(chan bool), make(chan bool)
	go func() { // wants a unit with the lock held
		err := m.Lock(soon(t))
		close(locked)
		told := inspected(t)
		go func() { <-told; close(looked) }()
		errs <- errors.Join(err, sem.Acquire(soon(t), 1), m.Unlock())
	}()
	<-locked
	go func() { // the worker that the unit was acquired for
		<-looked
		for !hasStatedFor(s, m.i) {
			pause()
		}
		errs <- sem.Release(1)
	}()
	if err := errors.Join(m.Lock(soon(t)), m.Unlock(), <-errs, <-errs); err != nil {
		t.Error(err)
	}
}

// hasStatedFor reports whether somebody who waits for an object has looked for a deadlock.
func hasStatedFor(s *Space, object int) bool {
	for i := range s.claims {
		if w := s.claims[i].load(); w.object() == object && w.state() == claimWaiting && s.claims[i].stated.Load() != 0 {
			return true
		}
	}
	return false
}

// Units of an owned semaphore are given back by who acquired them, and their number stays.
func TestOwnedSemaphore(t *testing.T) {
	t.Parallel()
	s := heapSpaces(t, 1, Options{})[0]
	sem := must(s.OwnedSemaphore("s", 2))
	if err := sem.Acquire(soon(t), 2); err != nil {
		t.Fatal(err)
	}
	other := make(chan error)
	go func() { other <- sem.Release(1) }()
	if err := <-other; !errors.Is(err, ErrNotOwner) {
		t.Errorf("another goroutine released: %v", err)
	}
	if err := sem.Add(1); err == nil || !strings.Contains(err.Error(), "Semaphore") {
		t.Errorf("a unit was added: %v", err)
	}
	if err := sem.Acquire(soon(t), 1); !errors.Is(err, ErrDeadlock) {
		t.Errorf("it has all that there are, and asked for more: %v", err)
	}
	if err := errors.Join(sem.Release(1), sem.Acquire(soon(t), 1), sem.Release(2)); err != nil {
		t.Error(err)
	}
	must(s.Semaphore("free", 1))
	_, err1 := s.Semaphore("s", 2)
	_, err2 := s.OwnedSemaphore("free", 1)
	if err1 == nil || err2 == nil || !strings.Contains(err1.Error(), "OwnedSemaphore") {
		t.Errorf("opened as what it is not: %v, %v", err1, err2)
	}
}

// Who is ahead in a line is shown with the place where it waits there.
func TestDeadlockInLineHasPlaces(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	first := must(spaces[0].RWMutex("rw"))
	if err := first.RLock(soon(t)); err != nil {
		t.Fatal(err)
	}
	writer := make(chan error)
	go func() {
		m := must(spaces[1].RWMutex("rw"))
		err := m.Lock(soon(t))
		if err == nil {
			err = m.Unlock()
		}
		writer <- err
	}()
	awaitWaiting(t, spaces[0], first.i, 1)
	err := first.RLock(soon(t))
	dead := told(t, errors.Join(err, first.RUnlock()), <-writer)
	if strings.Count(dead.Error(), "circles_test.go:") != 4 || strings.Count(dead.Error(), " since ") != 4 {
		t.Error(dead)
	}
}

// Whoever sees where a goroutine waits can read where it took what it holds: it states
// that first.
func TestHoldsAreStatedFirst(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	e, stated := must(spaces[1].Event("e")), make(chan error, 1)
	errs := make(chan error)
	go func() {
		s, me := spaces[0], self()
		m, rw := must(s.Mutex("m")), must(s.RWMutex("rw"))
		err := errors.Join(m.Lock(soon(t)), rw.RLock(soon(t)))
		atPoints.Store(stated, func(point string) {
			if point != "holds-stated" || self() != me {
				return
			}
			i, ok := s.holds(rw.i, me, false, false)
			if m.o.site.Load() == 0 || !ok || s.claims[i].stated.Load() == 0 || hasStated(s) {
				stated <- errors.New("the wait was stated before what is held")
			}
			close(stated)
			e.Set()
		})
		errs <- errors.Join(err, must(s.Event("e")).Wait(soon(t)), m.Unlock(), rw.RUnlock())
	}()
	t.Cleanup(func() { atPoints.Delete(stated) })
	if err := errors.Join(<-stated, <-errs); err != nil {
		t.Error(err)
	}
}

// Who was stopped before it could state where it stands is shown with its places by a
// process of the same program.
func TestDeadlockOfTheStopped(t *testing.T) {
	t.Parallel()
	errs, stopped, goOn := make(chan error), make(chan bool), make(chan bool)
	spaces := heapSpaces(t, 2, Options{Report: func(e *DeadlockError) {
		if strings.Count(e.Error(), "circles_test.go:") != 4 {
			t.Error(e)
		}
		close(goOn)
	}})
	m, next := must(spaces[1].RWMutex("m")), must(spaces[1].Mutex("next"))
	if err := next.Lock(soon(t)); err != nil {
		t.Fatal(err)
	}
	go func() {
		me := self()
		atPoints.Store(stopped, func(point string) {
			if point == "inspecting" && self() == me {
				close(stopped)
				<-goOn
			}
		})
		m, next := must(spaces[0].RWMutex("m")), must(spaces[0].Mutex("next"))
		errs <- errors.Join(m.Lock(soon(t)), next.Lock(soon(t)), m.Unlock())
	}()
	t.Cleanup(func() { atPoints.Delete(stopped) })
	<-stopped
	told(t, errors.Join(m.RLock(soon(t)), m.RUnlock(), next.Unlock()), <-errs) // the other one, which is younger
}
