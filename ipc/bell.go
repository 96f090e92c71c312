package ipc

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/tutti-run/tutti/shm"
)

// bell is what those sleep on who wait for the other side of a channel, stream, topic
// or server.
//
//	bit   0     somebody sleeps, or did
//	bits  1–31  count the rings
//
// Who waits sets bit 0, looks again whether he must wait, and sleeps while the word is
// as he saw it. Who changes something looks at the word after that, and rings if bit 0
// is set: of the two, one sees the other. So nobody makes a system call for nobody.
//
// There is no count of sleepers, since one who dies asleep would be counted for ever.
// Who rings and wakes nobody takes the bit away, and then wakes all who came to sleep
// before he did that.
//
// A ring wakes one (or as many as there is something for). Who is woken and does not
// take what he was woken for passes it on; if he dies meanwhile, his burial wakes all.
type bell struct{ word atomic.Uint32 }

// announce says that somebody will sleep, and returns the value to sleep on.
func (b *bell) announce() uint32 {
	for {
		w := b.word.Load()
		if w&1 == 1 {
			return w
		}
		if b.word.CompareAndSwap(w, w|1) {
			at("bell-announced")
			return w | 1
		}
	}
}

// ring wakes n of those who sleep. It is called after the change that they wait for,
// which must have been an atomic exchange, so that the load here comes after it.
func (b *bell) ring(n int) {
	if b.word.Load()&1 != 0 { // SYNC bell: pairs with announce
		b.ringOut(n)
	}
}

func (b *bell) ringOut(n int) {
	at("bell-ringing")
	b.word.Add(2)
	at("bell-rung")
	if shm.Wake(addr(&b.word), n) > 0 {
		return
	}
	w := b.word.Load()
	if w&1 != 0 && b.word.CompareAndSwap(w, (w+2)&^1) {
		at("bell-silenced")
		shm.Wake(addr(&b.word), wakeAll)
	}
}

// verdict is the outcome of an attempt.
type verdict uint8

const (
	ready   verdict = iota // it was done, or could be
	blocked                // not now
	closed                 // never any more: closed
	damaged                // what is in memory makes no sense
)

// Before they sleep, waiters look again for about as long as falling asleep and being
// woken takes: less would cost both, more is waste. It pays where the other side runs
// on another CPU and comes soon; the budget of a handle halves when it did not come,
// and doubles when it did.
const (
	spinMin = 16
	spinMax = 2048
	// spinYield is how many looks pass until other goroutines have a turn.
	spinYield = 128
)

// spinner is the budget of a handle. It is a hint.
type spinner struct{ looks uint64 }

// spin tries for a while.
func (sp *spinner) spin(try func() verdict) verdict {
	budget := min(max(loadWord(&sp.looks), spinMin), spinMax)
	if cpus == 1 {
		budget = 1
	}
	for i := range budget {
		if v := try(); v != blocked {
			if i > 0 && budget < spinMax {
				storeWord(&sp.looks, min(4*budget, spinMax))
			}
			return v
		}
		if i%spinYield == spinYield-1 {
			runtime.Gosched()
		}
		pause()
	}
	if budget > spinMin {
		storeWord(&sp.looks, budget/2)
	}
	return blocked
}

var cpus = runtime.NumCPU()

// What a claim on a channel, stream, topic or server waits for is in its units.
const (
	waitsForMessage = 1
	waitsForRoom    = -1
)

// caller is who waits, see here.
type caller struct{ agent, pc, cycles uint64 }

// await tries until it is done, the other side has closed, or ctx is done; between
// tries it sleeps on b. It makes a claim on the object meanwhile. The caller has entered
// the space, before it tried for a while: what a try does is not to meet Close.
func (s *Space) await(ctx context.Context, object int, b *bell, units int64, who caller, try func() verdict) (verdict, error) {
	i, err := s.claim(object, units, false, who.agent, who.pc, who.cycles)
	if err != nil {
		return blocked, err
	}
	c := &s.claims[i]
	storeWord(&c.ticket, s.head.tickets.Add(1))
	c.asleep.Store(0)
	c.word.Store(uint64(c.load().to(claimWaiting)))
	at("await-waiting")
	defer func() { c.settle(); s.unclaim(i) }()
	over := func() bool { return c.load().state() != claimWaiting }
	for {
		val := b.announce() // SYNC bell: pairs with ring
		if v := try(); v != blocked {
			return v, nil
		}
		if over() {
			return blocked, s.deadlocked(i)
		}
		c.asleep.Store(1) // from here on it takes and gives nothing; see picture
		at("await-sleeping")
		err := s.sleepOn(ctx, i, &b.word, val, over)
		c.asleep.Store(0)
		if err != nil {
			return blocked, err
		}
		at("await-woken")
	}
}
