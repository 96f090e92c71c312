package ipc

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/tutti-run/tutti/shm"
)

// Waiting.
//
// Who waits makes a claim that says so, in the state WAITING, and sleeps on the
// claim's own futex, park. Who gives him what he waits for moves the claim to HELD
// and rings. A sleeper reads park first, then looks at what it waits for, and only
// then sleeps while park is as it was: a ring in between is seen.
//
// It looks again from time to time, though seldom: whoever was to ring it may have
// been stopped, or killed together with all guardians. At the first of these times
// it states where it stands, in words, and looks for a deadlock that it has closed.

// firstLook is when who waits looks for a deadlock. Most waits are over by then. It is
// changed by tests only, before they open a space.
var firstLook = 20 * time.Millisecond

const laterMax = time.Second

// sleep waits until claim i does not wait any more: it then holds what it claimed, or
// was aborted. On an error it waits still, and the caller must end that.
func (s *Space) sleep(ctx context.Context, i int) error {
	c := &s.claims[i]
	return s.sleepOn(ctx, i, nil, 0, func() bool { return c.load().state() != claimWaiting })
}

// sleepOn waits until over holds, woken by claim i and, if word is not nil, whenever
// that is rung while it holds val.
func (s *Space) sleepOn(ctx context.Context, i int, word *atomic.Uint32, val uint32, over func() bool) error {
	c := &s.claims[i]
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, func() { s.ring(i) })()
	}
	words := [2]shm.WaitWord{{Addr: addr(&c.park)}, {Val: val}}
	n := 1
	if word != nil {
		words[1].Addr, n = addr(word), 2
	}
	pause := firstLook
	if c.stated.Load() != 0 { // it has looked, and was woken for nothing since
		pause = backstop
	}
	for {
		words[0].Val = c.park.Load() // SYNC claim-park
		if over() {
			return nil
		}
		if s.closing.Load() {
			return ErrClosed
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		woken, err := shm.WaitAny(words[:n], pause)
		if err != nil {
			return err
		}
		if n == 2 && woken >= 0 && word.Load() != val {
			return nil
		}
		if woken < 0 {
			if pause == firstLook {
				s.inspect(i)
			}
			s.buryTheDead()
			pause = min(max(backstop, 2*pause), laterMax)
			if n == 2 {
				return nil // the value may have changed and changed back
			}
		}
	}
}

// buryTheDead does what guardians do, should all of them be stopped or dead.
func (s *Space) buryTheDead() {
	for slot := range s.members {
		if s.members[slot].load().state() != memberFree {
			s.buryIfDead(slot)
		}
	}
}
