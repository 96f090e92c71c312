package ipc

import (
	"context"
	"structs"
	"sync/atomic"

	"github.com/tutti-run/tutti/shm"
)

// Event is a flag that goroutines of any processes wait for. It stays set until
// somebody resets it.
type Event struct {
	s *Space
	e *eventState
	i int
}

// eventState is one word: bit 0 says that the event is set, the others count the
// changes, so that a sleeper never misses one.
type eventState struct {
	_    structs.HostLayout
	word atomic.Uint32
}

// Event returns the event of a name, and makes it if it is not there.
func (s *Space) Event(name string) (*Event, error) {
	i, err := s.find(kindEvent, name, nil)
	if err != nil {
		return nil, err
	}
	return &Event{s, stateOf[eventState](&s.objects[i]), i}, nil
}

// Set sets the event and wakes all who wait for it. In a closed space it does nothing.
func (e *Event) Set() { e.change(true) }

// Reset makes those who wait from now on wait for the next Set.
func (e *Event) Reset() { e.change(false) }

func (e *Event) change(set bool) {
	if e.s.closing.Load() {
		return
	}
	shm.Release(ptr(&e.e.word))
	for {
		w := e.e.word.Load()
		if w&1 == 1 == set {
			return
		}
		if e.e.word.CompareAndSwap(w, w+1) {
			at("event-changed")
			wake(addr(&e.e.word), wakeAll)
			return
		}
	}
}

// IsSet reports whether the event is set.
func (e *Event) IsSet() bool { return e.e.word.Load()&1 == 1 }

// Wait waits until the event is set, or ctx is done.
//
//go:noinline
func (e *Event) Wait(ctx context.Context) error {
	agent, pc, cycles := here()
	err := e.s.waitWord(ctx, e.i, &e.e.word, agent, pc, cycles, func(w uint32) bool { return w&1 == 1 })
	shm.Acquire(ptr(&e.e.word))
	return err
}

// waitWord waits until over holds for the first word of an object.
func (s *Space) waitWord(ctx context.Context, object int, word *atomic.Uint32, agent, pc, cycles uint64, over func(uint32) bool) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if over(word.Load()) { // which may write something
		return nil
	}
	i, err := s.claim(object, 1, false, agent, pc, cycles)
	if err != nil {
		return err
	}
	c := &s.claims[i]
	storeWord(&c.ticket, s.head.tickets.Add(1))
	c.word.Store(uint64(c.load().to(claimWaiting)))
	defer func() { c.settle(); s.unclaim(i) }()
	for {
		w := word.Load()
		if over(w) {
			return nil
		}
		if c.load().state() == claimAborted {
			return s.deadlocked(i)
		}
		if err := s.sleepOn(ctx, i, word, w, func() bool { return c.load().state() != claimWaiting }); err != nil {
			return err
		}
	}
}
