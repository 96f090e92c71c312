package ipc

import (
	"sync/atomic"
	"time"

	"github.com/tutti-run/tutti/shm"
)

// latch guards the few instructions in which the state of an object is changed. It
// is never held while anything is waited for, so it takes no part in deadlocks.
//
//	bits  0–15  slot of the holder's process + 1; 0: free
//	bit   30    torn: a holder died, or repair has not ended yet
//	bit   31    somebody sleeps on it
//
// A holder may die between any two instructions. Whoever buries it turns its latch
// into a free one that is torn; who takes that one repairs the object first, from
// the claims, which are the truth of which everything else is a digest; if he dies
// too, it is torn still.
type latch struct{ word atomic.Uint32 }

const (
	latchOwner   = 1<<16 - 1
	latchTorn    = 1 << 30
	latchWaiters = 1 << 31

	// latchSpins is how often a latch is looked at before its taker sleeps: as long
	// as some latches are held. Sleeping at once costs two system calls for what is
	// over after a hundred nanoseconds.
	latchSpins = 200
	// backstop is how long a sleeper sleeps until it looks whether the one that it
	// waits for is alive: guardians tell of that sooner, if they have not been stopped.
	backstop = 100 * time.Millisecond
)

// take takes l for the space's process and reports whether the object must be repaired first:
// then mended must be called after that.
func (s *Space) take(l *latch) (torn bool) {
	if l.word.CompareAndSwap(0, s.owner) { // SYNC latch
		shm.Acquire(ptr(&l.word))
		return false
	}
	return s.takeSlowly(l)
}

func (s *Space) takeSlowly(l *latch) (torn bool) {
	for spins, flags := 0, uint32(0); ; {
		w := l.word.Load()
		if w&latchOwner == 0 {
			if l.word.CompareAndSwap(w, w|s.owner|flags) {
				shm.Acquire(ptr(&l.word))
				return w&latchTorn != 0
			}
			continue
		}
		if int(w&latchOwner) > len(s.members) { // nobody is that: the space is damaged
			if l.word.CompareAndSwap(w, s.owner|flags) {
				shm.Acquire(ptr(&l.word))
				return true
			}
			continue
		}
		if spins++; spins < latchSpins {
			pause()
			continue
		}
		if w&latchWaiters == 0 && !l.word.CompareAndSwap(w, w|latchWaiters) {
			continue
		}
		// From here on the latch is taken with this bit: others may sleep as well.
		flags = latchWaiters
		if !shm.Wait(addr(&l.word), w|latchWaiters, backstop) {
			s.buryIfDead(int(w&latchOwner) - 1)
		}
	}
}

// mended says that the object behind a torn latch, which is held, is whole again.
func (l *latch) mended() { l.word.And(^uint32(latchTorn)) }

// drop gives the latch back.
func (s *Space) drop(l *latch) {
	shm.Release(ptr(&l.word))
	if l.word.Swap(0)&latchWaiters != 0 { // SYNC latch
		wake(addr(&l.word), 1)
	}
}

// tear frees the latch of a dead process.
func (l *latch) tear(owner uint32) {
	for {
		w := l.word.Load()
		if w&latchOwner != owner {
			return
		}
		if l.word.CompareAndSwap(w, w&^latchOwner|latchTorn) {
			wake(addr(&l.word), wakeAll)
			return
		}
	}
}

const wakeAll = 1 << 30

func wake(word *uint32, n int) { shm.Wake(word, n) }
