package ipc

import (
	"context"
	"structs"
	"sync/atomic"
)

// What RWMutex and Semaphore have in common: so many units, of which each claim that
// is HELD has some, given out in the order of asking. A reader takes one unit, a
// writer all. Who asks for many is not overtaken by those who ask for few, so nobody
// starves.
//
// The number of units that are taken is a digest of the claims; it is changed with
// the latch held, and made anew when somebody died meanwhile.
type unitState struct {
	_     structs.HostLayout
	total atomic.Int64
	taken atomic.Int64
	made  int64 // what total was at first; written before anybody sees it
}

// allUnits is what a writer takes.
const allUnits = 1 << 40

// units is a handle to an object that has units.
type units struct {
	s *Space
	o *object
	u *unitState
	i int // object
}

// units returns the object of a name, and makes it with so many units, and with flags, if
// it is not there.
func (s *Space) units(kind uint32, name string, total int64, flags uint32) (units, error) {
	i, err := s.find(kind, name, func(o *object) error {
		u := stateOf[unitState](o)
		u.made = total
		u.total.Store(total)
		o.flags.Store(flags)
		return nil
	})
	if err != nil {
		return units{}, err
	}
	o := &s.objects[i]
	return units{s, o, stateOf[unitState](o), i}, nil
}

// acquire takes n units for an agent, after those who asked before, and waits until
// ctx is done. It returns the claim.
func (u units) acquire(ctx context.Context, n int64, exclusive bool, agent, pc, cycles uint64) (int, error) {
	s := u.s
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	i, err := s.claim(u.i, n, exclusive, agent, pc, cycles)
	if err != nil {
		return 0, err
	}
	c := &s.claims[i]
	o := s.lock(u.i)
	if o.waiting == 0 && u.fits(n) {
		c.word.Store(uint64(c.load().to(claimHeld)))
		at("unit-held")
		u.u.taken.Add(n)
		s.unlock(o)
		s.hold(u.i, i)
		return i, nil
	}
	storeWord(&c.ticket, s.head.tickets.Add(1))
	c.word.Store(uint64(c.load().to(claimWaiting)))
	at("unit-waiting")
	s.enqueue(o, i)
	at("unit-listed")
	s.unlock(o)
	if err := s.sleep(ctx, i); err != nil {
		if u.withdraw(i) {
			return 0, err
		}
		s.hold(u.i, i) // it was given meanwhile
		return i, nil
	}
	if c.load().state() == claimAborted {
		err := s.deadlocked(i)
		u.withdraw(i)
		return 0, err
	}
	s.hold(u.i, i)
	return i, nil
}

// try takes n units if nobody is before; no claim is -1.
func (u units) try(n int64, exclusive bool, agent, pc, cycles uint64) (int, error) {
	s := u.s
	if err := s.enter(); err != nil {
		return -1, err
	}
	defer s.leave()
	i, err := s.claim(u.i, n, exclusive, agent, pc, cycles)
	if err != nil {
		return -1, err
	}
	c := &s.claims[i]
	o := s.lock(u.i)
	defer s.unlock(o)
	if o.waiting != 0 || !u.fits(n) {
		s.unclaim(i)
		return -1, nil
	}
	c.word.Store(uint64(c.load().to(claimHeld)))
	at("unit-held")
	u.u.taken.Add(n)
	s.hold(u.i, i)
	return i, nil
}

func (u units) fits(n int64) bool { return u.u.taken.Load() <= u.u.total.Load()-n }

// withdraw ends the wait of claim i, and reports false if it holds units by now. Who
// waits behind it may have its turn then.
func (u units) withdraw(i int) bool {
	s, c := u.s, &u.s.claims[i]
	o := s.lock(u.i)
	w := c.load()
	if w.state() == claimHeld {
		s.unlock(o)
		return false
	}
	if s.listed(o, i) {
		s.dequeue(o, i)
	}
	c.settle()
	granted := grantUnits(s, u.i)
	s.unlock(o)
	s.unclaim(i)
	for _, g := range granted {
		s.ring(g)
	}
	return true
}

// release gives back what claim i holds, which drop found.
func (u units) release(i int) {
	s, c := u.s, &u.s.claims[i]
	o := s.lock(u.i)
	n := c.units
	c.settle()
	at("unit-settled")
	u.u.taken.Add(-n)
	at("unit-given-back")
	var granted []int
	if o.waiting != 0 {
		granted = grantUnits(s, u.i)
	}
	s.unlock(o)
	s.unclaim(i)
	for _, g := range granted {
		at("unit-ringing")
		s.ring(g)
	}
}

// grantUnits gives what is free to those who wait, as far as it goes.
func grantUnits(s *Space, object int) (granted []int) {
	o := &s.objects[object]
	u := units{s, o, stateOf[unitState](o), object}
	for o.first != 0 {
		i := int(o.first) - 1
		c := &s.claims[i]
		w := c.load()
		if w.state() == claimAborted {
			break // it leaves the line when it has looked why
		}
		if w.state() == claimWaiting {
			if !u.fits(c.units) {
				break
			}
			if !c.swap(w, w.to(claimHeld)) {
				continue // aborted this moment
			}
			at("unit-granted")
			u.u.taken.Add(c.units)
			granted = append(granted, i)
		}
		s.dequeue(o, i)
	}
	return granted
}

// repairUnits counts what is taken.
func repairUnits(s *Space, object int) {
	taken := int64(0)
	for i := range s.claims {
		c := &s.claims[i]
		if w := c.load(); w.state() == claimHeld && w.object() == object {
			taken += c.units
		}
	}
	stateOf[unitState](&s.objects[object]).taken.Store(taken)
}

// forfeitUnits takes back what a dead process held.
func forfeitUnits(s *Space, object, claim int) {
	c := &s.claims[claim]
	w := c.load()
	if w.state() != claimHeld {
		return
	}
	o := &s.objects[object]
	if w.exclusive() {
		o.flags.Or(flagDied)
	}
	// It is not free yet: whoever takes a free row has it, and forfeit is not done with it.
	c.word.Store(uint64(w.to(claimIdle)))
	at("unit-forfeited")
	stateOf[unitState](o).taken.Add(-c.units)
}
