package ipc

import (
	"context"
	"fmt"
	"structs"
	"sync/atomic"
)

// Barrier holds up goroutines of any processes until a number of them have come. A
// process becomes its member when one of its goroutines first waits there; when a
// member dies, or gives up its wait, the barrier breaks, for all.
type Barrier struct {
	s *Space
	o *object
	b *barrierState
	i int

	parties int
}

type barrierState struct {
	_       structs.HostLayout
	parties atomic.Int64
	passed  atomic.Uint64 // how often all have come
}

// Barrier returns the barrier of a name, and makes it for so many parties if it is
// not there. One that is there for another number takes the new one if it has no
// members, and otherwise that is an error.
func (s *Space) Barrier(name string, parties int) (*Barrier, error) {
	if parties < 1 || parties > len(s.claims)/2 {
		return nil, fmt.Errorf("ipc: barrier %q: %d parties: 1 to %d are possible", name, parties, len(s.claims)/2)
	}
	i, err := s.find(kindBarrier, name, func(o *object) error {
		stateOf[barrierState](o).parties.Store(int64(parties))
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	b := &Barrier{s, &s.objects[i], stateOf[barrierState](&s.objects[i]), i, parties}
	o := s.lock(i)
	defer s.unlock(o)
	if !s.claimed(i) {
		b.b.parties.Store(int64(parties))
	}
	if err := b.fits(); err != nil {
		return nil, err
	}
	return b, nil
}

// fits looks whether the barrier still is for as many as this handle is about.
func (b *Barrier) fits() error {
	if have := b.b.parties.Load(); have != int64(b.parties) {
		return fmt.Errorf("ipc: barrier %q is for %d parties, not for %d, as long as somebody waits at it; say the same number, or take another name", pinned(b.o.name[:]), have, b.parties)
	}
	return nil
}

// claimed reports whether anybody holds some of an object, or waits for it. Its latch
// is held.
func (s *Space) claimed(object int) bool {
	for i := range s.claims {
		w := s.claims[i].load()
		if (w.state() == claimHeld || w.state() == claimWaiting) && w.object() == object {
			return true
		}
	}
	return false
}

// Wait waits until all parties have come. It returns ErrBroken when the barrier
// broke, be it before or meanwhile; if ctx is done first the barrier breaks, and the
// error is that of ctx.
//
//go:noinline
func (b *Barrier) Wait(ctx context.Context) error {
	agent, pc, cycles := here()
	s := b.s
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	if err := b.join(); err != nil {
		return err
	}
	i, err := s.claim(b.i, 1, false, agent, pc, cycles)
	if err != nil {
		return err
	}
	c := &s.claims[i]
	o := s.lock(b.i)
	if err = b.fits(); err == nil && o.flags.Load()&flagBroken != 0 {
		err = ErrBroken
	}
	if err != nil {
		s.unlock(o)
		s.unclaim(i)
		return err
	}
	if int64(o.waiting)+1 >= b.b.parties.Load() {
		b.b.passed.Add(1)
		at("barrier-passed")
		told := s.tell(o, len(s.claims))
		s.unlock(o)
		s.unclaim(i)
		for _, t := range told {
			s.ring(t)
		}
		return nil
	}
	storeWord(&c.ticket, s.head.tickets.Add(1))
	c.word.Store(uint64(c.load().to(claimWaiting)))
	at("barrier-waiting")
	s.enqueue(o, i)
	s.unlock(o)
	return b.end(i, s.sleep(ctx, i))
}

// end ends the wait of claim i.
func (b *Barrier) end(i int, err error) error {
	s, c := b.s, &b.s.claims[i]
	o := s.lock(b.i)
	var broken []int
	if s.listed(o, i) {
		s.dequeue(o, i)
	}
	switch c.load().state() {
	case claimHeld: // all have come
		err = nil
	case claimWaiting:
		broken = s.breakBarrier(o)
	default: // aborted by who broke it
		err = ErrBroken
	}
	c.settle()
	s.unlock(o)
	s.unclaim(i)
	for _, k := range broken {
		s.ring(k)
	}
	return err
}

// breakBarrier has all who wait, and all who come, get ErrBroken. The latch is held.
func (s *Space) breakBarrier(o *object) (waiting []int) {
	o.flags.Or(flagBroken)
	for o.first != 0 {
		i := int(o.first) - 1
		c := &s.claims[i]
		if w := c.load(); w.state() == claimWaiting && c.swap(w, w.to(claimAborted)) {
			waiting = append(waiting, i)
		}
		s.dequeue(o, i)
	}
	return waiting
}

// join makes this process a member: a claim that is HELD and exclusive, which is
// forfeited when it dies.
func (b *Barrier) join() error {
	s := b.s
	if _, ok := s.holds(b.i, 0, true, false); ok {
		return nil
	}
	i, err := s.claim(b.i, 0, true, 0, 0, 0)
	if err != nil {
		return err
	}
	o := s.lock(b.i)
	defer s.unlock(o)
	if _, ok := s.holds(b.i, 0, true, false); ok {
		s.unclaim(i)
		return nil
	}
	s.claims[i].word.Store(uint64(s.claims[i].load().to(claimHeld)))
	s.hold(b.i, i)
	return nil
}

// Leave ends this process's membership. Its end does not break the barrier any more.
func (b *Barrier) Leave() {
	if b.s.enter() != nil {
		return // closed: it has ended
	}
	defer b.s.leave()
	o := b.s.lock(b.i)
	defer b.s.unlock(o)
	if i, ok := b.s.giveUp(b.i, 0, true, false); ok {
		b.s.claims[i].settle()
		b.s.unclaim(i)
	}
}

// Reset makes a broken barrier whole. Nobody may be waiting at it. In a closed space it
// does nothing.
func (b *Barrier) Reset() {
	if b.s.enter() != nil {
		return
	}
	defer b.s.leave()
	o := b.s.lock(b.i)
	defer b.s.unlock(o)
	o.flags.And(^uint32(flagBroken))
}

// Passed returns how often all parties have come.
func (b *Barrier) Passed() uint64 { return b.b.passed.Load() }

// forfeitBarrier breaks the barrier: a member has died, or one that waited.
func forfeitBarrier(s *Space, object, claim int) {
	switch c := &s.claims[claim]; c.load().state() {
	case claimWaiting, claimHeld:
		o := &s.objects[object]
		if w := c.load(); w.state() == claimWaiting {
			s.dequeue(o, claim)
			c.word.Store(uint64(w.to(claimAborted)))
		} else if !w.exclusive() {
			return // all had come
		}
		for _, i := range s.breakBarrier(o) {
			s.ring(i)
		}
	}
}
