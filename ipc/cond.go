package ipc

import (
	"context"
	"errors"
)

// Cond is a condition variable: goroutines of any processes wait for others to
// announce a change of what a Mutex protects.
type Cond struct {
	s *Space
	m *Mutex
	o *object
	i int
}

// Cond returns the condition variable of a name, and makes it if it is not there.
// Whoever waits for it must hold m.
func (s *Space) Cond(name string, m *Mutex) (*Cond, error) {
	if m == nil || m.s != s {
		return nil, errors.New("ipc: a Cond needs a Mutex of its own space")
	}
	i, err := s.find(kindCond, name, nil)
	if err != nil {
		return nil, err
	}
	return &Cond{s, m, &s.objects[i], i}, nil
}

// Wait unlocks the mutex, waits to be told of a change, and locks it again, whatever
// it returns, except with ErrNotOwner, ErrNotRecoverable and ErrClosed. Others may
// have changed things meanwhile: look again in a loop.
//
//go:noinline
func (c *Cond) Wait(ctx context.Context) error {
	agent, pc, cycles := here()
	s := c.s
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	i, err := s.claim(c.i, 1, false, agent, pc, cycles)
	if err != nil {
		return err
	}
	w := &s.claims[i]
	o := s.lock(c.i)
	storeWord(&w.ticket, s.head.tickets.Add(1))
	w.word.Store(uint64(w.load().to(claimWaiting)))
	at("cond-waiting")
	s.enqueue(o, i)
	s.unlock(o)
	if err = c.m.Unlock(); err == nil {
		err = s.sleep(ctx, i)
	}
	told := c.stop(i)
	if errors.Is(err, ErrNotOwner) {
		return err
	}
	if told {
		err = nil // it came at the same time
	}
	// The lock is taken whatever ctx says.
	lockErr := c.m.lock(context.WithoutCancel(ctx), agent, pc, cycles)
	if c.m.note(lockErr, agent, pc); lockErr != nil {
		return lockErr
	}
	return err
}

// stop ends the wait of claim i and reports whether it was told.
func (c *Cond) stop(i int) (told bool) {
	w := &c.s.claims[i]
	o := c.s.lock(c.i)
	told = w.load().state() == claimHeld
	if c.s.listed(o, i) {
		c.s.dequeue(o, i)
	}
	w.settle()
	c.s.unlock(o)
	c.s.unclaim(i)
	return told
}

// Signal wakes the one that has waited longest, if any waits. In a closed space it does
// nothing.
func (c *Cond) Signal() { c.tell(1) }

// Broadcast wakes all that wait. In a closed space it does nothing.
func (c *Cond) Broadcast() { c.tell(len(c.s.claims)) }

func (c *Cond) tell(most int) {
	if c.s.enter() != nil {
		return
	}
	defer c.s.leave()
	o := c.s.lock(c.i)
	told := c.s.tell(o, most)
	c.s.unlock(o)
	for _, i := range told {
		at("cond-ringing")
		c.s.ring(i)
	}
}

// tell moves the first most of those who wait for an object to HELD, which says that
// they have been told, and returns their claims.
func (s *Space) tell(o *object, most int) (told []int) {
	for o.first != 0 && len(told) < most {
		i := int(o.first) - 1
		c := &s.claims[i]
		if w := c.load(); w.state() == claimWaiting {
			if !c.swap(w, w.to(claimHeld)) {
				continue
			}
			at("told")
			told = append(told, i)
		}
		s.dequeue(o, i)
	}
	return told
}

// forfeitCond passes on what a dead process was told and had not heard yet.
func forfeitCond(s *Space, object, claim int) {
	c := &s.claims[claim]
	if w := c.load(); w.state() == claimHeld {
		c.word.Store(uint64(w.to(claimIdle)))
		for _, i := range s.tell(&s.objects[object], 1) {
			s.ring(i)
		}
	}
}
