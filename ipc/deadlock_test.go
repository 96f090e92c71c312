package ipc

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// taken is a thing that a goroutine can hold.
type taken interface {
	take(ctx context.Context) error
	give() error
}

type (
	asMutex  struct{ *Mutex }
	asWriter struct{ *RWMutex }
	asUnits  struct {
		*Semaphore
		n int64
	}
)

func (m asMutex) take(ctx context.Context) error  { return m.Lock(ctx) }
func (m asMutex) give() error                     { return m.Unlock() }
func (m asWriter) take(ctx context.Context) error { return m.Lock(ctx) }
func (m asWriter) give() error                    { return m.Unlock() }
func (m asUnits) take(ctx context.Context) error  { return m.Acquire(ctx, m.n) }
func (m asUnits) give() error                     { return m.Release(m.n) }

// Goroutines of several processes each hold one thing and wait for the next one's: one
// of them is told so, names all, and when it gives back the others go on.
func TestDeadlockIsFound(t *testing.T) {
	t.Parallel()
	mutex := func(s *Space, i int) taken { return asMutex{must(s.Mutex(fmt.Sprint("m", i)))} }
	for name, c := range map[string]struct {
		parties int
		thing   func(s *Space, i int) taken
		kinds   string
	}{
		"two mutexes":  {2, mutex, "mutex"},
		"five mutexes": {5, mutex, "mutex"},
		"writers":      {2, func(s *Space, i int) taken { return asWriter{must(s.RWMutex(fmt.Sprint("m", i)))} }, "rwmutex"},
		"units":        {3, func(s *Space, i int) taken { return asUnits{must(s.OwnedSemaphore(fmt.Sprint("m", i), 3)), 2} }, "semaphore"},
		"mixed": {2, func(s *Space, i int) taken {
			if i == 0 {
				return mutex(s, i)
			}
			return asUnits{must(s.OwnedSemaphore("m1", 1)), 1}
		}, "(mutex|semaphore)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spaces := heapSpaces(t, 2, Options{})
			var held, all sync.WaitGroup
			held.Add(c.parties)
			told := make(chan *DeadlockError, c.parties)
			for i := range c.parties {
				s := spaces[i%2]
				all.Go(func() {
					mine, next := c.thing(s, i), c.thing(s, (i+1)%c.parties)
					if err := mine.take(soon(t)); err != nil {
						t.Error(err)
					}
					held.Done()
					held.Wait()
					err := next.take(soon(t))
					if dead, ok := errors.AsType[*DeadlockError](err); ok {
						told <- dead
					} else if err != nil {
						t.Error(err)
					} else if err := next.give(); err != nil {
						t.Error(err)
					}
					if err := mine.give(); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			close(told)
			n := 0
			for err := range told {
				n++
				if !errors.Is(err, ErrDeadlock) || len(err.Cycle) != c.parties || err.Ended < 0 {
					t.Errorf("%v", err)
				}
				party := regexp.MustCompile(`test \(process \d+, goroutine \d+\) holds ` + c.kinds + ` "m\d" since [\d.a-zµ]+ \(deadlock_test.go:\d+\)
    and waits for ` + c.kinds + ` "m\d" since [\d.a-zµ]+ \(deadlock_test.go:\d+\), which test \(process \d+, goroutine \d+\) has`)
				if got := party.FindAllString(err.Error(), -1); len(got) != c.parties {
					t.Errorf("it names %d of %d:\n%v", len(got), c.parties, err)
				}
			}
			if n != 1 {
				t.Errorf("%d of %d were told", n, c.parties)
			}
		})
	}
}

// A reader that waits behind a writer that waits for that reader's other lock.
func TestDeadlockInLine(t *testing.T) {
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
	err := first.RLock(soon(t)) // recursive, and a writer is ahead
	other := first.RUnlock()
	err = errors.Join(err, <-writer)
	if dead, ok := errors.AsType[*DeadlockError](err); !ok || len(dead.Cycle) != 2 || other != nil || !strings.Contains(dead.Error(), "ahead in the line") {
		t.Errorf("%v, %v", err, other)
	}
}

// Who locks what he holds is told at once.
func TestRelock(t *testing.T) {
	t.Parallel()
	m := must(heapSpaces(t, 1, Options{})[0].Mutex("m"))
	if err := m.Lock(soon(t)); err != nil {
		t.Fatal(err)
	}
	err := m.Lock(soon(t))
	if !errors.Is(err, ErrDeadlock) || strings.Count(err.Error(), "deadlock_test.go:") != 2 {
		t.Error(err)
	}
	if err := m.Unlock(); err != nil {
		t.Error(err)
	}
}

// With ReportOnly the circle is told of, and stays.
func TestDeadlockReport(t *testing.T) {
	t.Parallel()
	seen := make(chan *DeadlockError, 1)
	spaces := heapSpaces(t, 2, Options{OnDeadlock: ReportOnly, Report: func(e *DeadlockError) { seen <- e }})
	ctx, cancel := context.WithCancel(soon(t))
	var held, all sync.WaitGroup
	held.Add(2)
	for i, s := range spaces {
		all.Go(func() {
			mine, next := must(s.Mutex(fmt.Sprint("m", i))), must(s.Mutex(fmt.Sprint("m", 1-i)))
			if err := mine.Lock(ctx); err != nil {
				t.Error(err)
			}
			held.Done()
			held.Wait()
			if err := next.Lock(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	if e := <-seen; len(e.Cycle) != 2 || e.Ended != -1 {
		t.Error(e)
	}
	cancel()
	all.Wait()
}

// What a dead process holds makes no circle, and who waits for an event may be helped
// by anybody.
func TestNoFalseAlarm(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 3, Options{})
	s := spaces[0]
	m, e := must(s.Mutex("m")), must(s.Event("e"))
	if err := m.Lock(soon(t)); err != nil {
		t.Fatal(err)
	}
	waiter := make(chan error)
	go func() { waiter <- must(spaces[1].Mutex("m")).Lock(soon(t)) }()
	waits := make(chan error)
	go func() { // looks for a circle, and finds none, while the owner waits for the event
		waits <- must(spaces[2].Event("e")).Wait(soon(t))
	}()
	for !hasStated(spaces[1]) || !hasStated(spaces[2]) {
		pause()
	}
	e.Set()
	if err := errors.Join(<-waits, m.Unlock(), <-waiter); err != nil {
		t.Error(err)
	}
}

// hasStated reports whether a waiter of a process has looked for a deadlock.
func hasStated(s *Space) bool {
	for i := range s.claims {
		if w := s.claims[i].load(); w.slot() == s.slot && w.state() == claimWaiting && s.claims[i].stated.Load() != 0 {
			return true
		}
	}
	return false
}

// inspected is closed when the goroutine that calls it has looked for a deadlock.
func inspected(t *testing.T) <-chan bool {
	looked, me, once := make(chan bool), self(), sync.Once{}
	atPoints.Store(looked, func(point string) {
		if point == "inspected" && self() == me {
			once.Do(func() { close(looked) })
		}
	})
	t.Cleanup(func() { atPoints.Delete(looked) })
	return looked
}

// The goroutine that hands out work acquires units, and its workers release them: no
// deadlock, though it holds them all and waits for one more.
func TestUnitsHandedOn(t *testing.T) {
	t.Parallel()
	for _, mains := range []int{1, 2} {
		spaces := heapSpaces(t, mains, Options{})
		const units = 4
		var all, looked sync.WaitGroup
		looked.Add(mains)
		for _, s := range spaces {
			m := must(s.Semaphore("jobs", units))
			all.Go(func() {
				told := inspected(t)
				go func() { <-told; looked.Done() }()
				for range units + 1 {
					if err := m.Acquire(soon(t), 1); err != nil {
						t.Error(err)
						return
					}
					all.Go(func() {
						looked.Wait()
						if err := m.Release(1); err != nil {
							t.Error(err)
						}
					})
				}
			})
		}
		all.Wait()
	}
}

// Two circles that have nobody in common are both found, though one is shorter.
func TestTwoCircles(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	var held, all sync.WaitGroup
	held.Add(5)
	told := make(chan int, 5)
	for circle, n := range []int{2, 3} {
		for i := range n {
			s := spaces[i%2]
			all.Go(func() {
				name := func(i int) string { return fmt.Sprint("rw", circle, i%n) }
				mine, next := must(s.RWMutex(name(i))), must(s.RWMutex(name(i+1)))
				if err := mine.Lock(soon(t)); err != nil {
					t.Error(err)
				}
				held.Done()
				held.Wait()
				err := next.Lock(soon(t))
				if dead, ok := errors.AsType[*DeadlockError](err); ok {
					told <- len(dead.Cycle)
				} else if err != nil {
					t.Error(err)
				} else if err := next.Unlock(); err != nil {
					t.Error(err)
				}
				if err := mine.Unlock(); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	close(told)
	sum, n := 0, 0
	for parties := range told {
		sum, n = sum+parties, n+1
	}
	if n != 2 || sum != 5 {
		t.Errorf("%d were told, of circles of %d in all", n, sum)
	}
}

// A reader that wants to write while another one reads and wants to write.
func TestDeadlockOfUpgrade(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 1, Options{})
	m := must(spaces[0].RWMutex("rw"))
	if err := m.RLock(soon(t)); err != nil {
		t.Fatal(err)
	}
	err := m.Lock(soon(t))
	if dead, ok := errors.AsType[*DeadlockError](err); !ok || len(dead.Cycle) != 1 {
		t.Errorf("upgraded: %v", err)
	}
	if err := m.RUnlock(); err != nil {
		t.Error(err)
	}
}

// The picture of a circle, as people get to see it.
func TestDeadlockDrawn(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	e := &DeadlockError{Ended: 1, Cycle: []Party{
		{
			Process: "a", PID: 10, Goroutine: "7", Holds: `mutex "x"`, HeldAt: "a.go:1", HeldSince: now.Add(-time.Second),
			Waits: `mutex "y"`, WaitsAt: "a.go:2", WaitingSince: now.Add(-25 * time.Millisecond),
		},
		{Process: "b", PID: 11, Goroutine: "8", Holds: `mutex "y"`, Waits: `rwmutex "x"`, Ahead: true},
	}}
	want := `ipc: deadlock:
  a (process 10, goroutine 7) holds mutex "x" since 1s (a.go:1)
    and waits for mutex "y" since 25ms (a.go:2), which b (process 11, goroutine 8) has
  b (process 11, goroutine 8) is ahead in the line for mutex "y"
    and waits for rwmutex "x", which a (process 10, goroutine 7) has
  the wait of b (process 11, goroutine 8) was ended`
	if got := e.draw(now); got != want {
		t.Errorf("drawn:\n%s\nwant:\n%s", got, want)
	}
}

// Who has got the mutex that it waited for, and was stopped before it could say so, does
// not wait for itself.
func TestGotItStopped(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 3, Options{Report: func(e *DeadlockError) { t.Error(e) }})
	held := must(spaces[0].Mutex("m"))
	if err := held.Lock(soon(t)); err != nil {
		t.Fatal(err)
	}
	got, goOn := make(chan bool), make(chan bool)
	ended := make(chan error, 2)
	go func() {
		me := self()
		atPoints.Store(got, func(point string) {
			if point == "mutex-got" && self() == me {
				close(got)
				<-goOn
			}
		})
		m := must(spaces[1].Mutex("m"))
		ended <- errors.Join(m.Lock(soon(t)), m.Unlock())
	}()
	t.Cleanup(func() { atPoints.Delete(got) })
	for held.m.word.Load()&mutexWaiters == 0 {
		pause()
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	<-got
	go func() {
		looked := inspected(t)
		go func() { <-looked; close(goOn) }()
		m := must(spaces[2].Mutex("m"))
		ended <- errors.Join(m.Lock(soon(t)), m.Unlock())
	}()
	if err := errors.Join(<-ended, <-ended); err != nil {
		t.Error(err)
	}
}

// Goroutines of all processes have the same numbers: one that is told of the word of
// one moment and of the holder of a later one must not take the other process's for
// itself, nor write where that is.
func TestHolderOfAnotherProcess(t *testing.T) {
	t.Parallel()
	spaces := heapSpaces(t, 2, Options{})
	s := spaces[0]
	m, o := must(s.Mutex("m")), must(s.Once("o"))
	m.m.word.Store(s.owner) // a sister of this goroutine had it
	o.o.word.Store(s.owner)
	m.m.setHolder(spaces[1].holder(self())) // one of the same number has it now
	o.o.setHolder(spaces[1].holder(self()))
	given, cancel := context.WithCancel(t.Context())
	cancel()
	for what, err := range map[string]error{
		"lock": m.Lock(given), "transaction": s.Txn(given, func(tx *Txn) error { return tx.Lock(m) }),
		"once": o.Do(given, func() error { return nil }),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := m.Unlock(); err != ErrNotOwner {
		t.Errorf("unlock: %v", err)
	}
	m.m.word.Store(0)
	o.o.word.Store(0)
}
