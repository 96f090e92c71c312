package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tutti-run/tutti/sched"
	"github.com/tutti-run/tutti/shm"
)

// Waiting for ends.
//
// Many goroutines of a process may wait, each for its own task; one OS thread
// asleep on one futex serves them all. Whoever holds the token of s.lead is the
// leader: it sleeps on the slot's done bell, empties the set of ended tasks and
// tells the others. When the leader has what it came for it puts the token
// back, and another waiter takes it. So a lone caller is woken by the kernel
// itself, with no goroutine in between.
//
// A finisher tells only of tasks whose word has the waited flag. The flag lies
// in the word that the finisher moves by CAS: it cannot miss it.

// waiter is who wants to hear of a task's end.
type waiter struct {
	tell   chan struct{} // one element of room; a token means: look again
	stream *Stream       // or: the stream that collects in the order of ends
	future *Pending      // set when somebody else may collect it, too
	orphan bool          // nobody: release it
}

func (w *waiter) notify() {
	select {
	case w.tell <- struct{}{}:
	default:
	}
}

// arrived passes on that a task may have ended; stale news is harmless.
func (s *Submitter) arrived(index uint32) {
	w := s.waiters[index].Load()
	if w == nil {
		return
	}
	if _, ended := s.m.hasEnded(index); !ended {
		return
	}
	switch {
	case w.orphan:
		s.releaseOrphan(index)
	case w.stream != nil:
		if s.waiters[index].CompareAndSwap(w, nil) { // else the stream has left
			w.stream.arrived(index)
		}
	default:
		w.notify()
	}
}

// drain empties the set of ended tasks. Only the leader calls it.
func (s *Submitter) drain() {
	for {
		leaf, taken := s.m.ended[s.slot].take(&s.endCursor, 64, false)
		if taken == 0 {
			return
		}
		each(leaf, taken, s.arrived)
	}
}

// hungryUntil waits for room: for cond, which is tried whenever a descriptor or
// memory of this process may have become free.
func (s *Submitter) hungryUntil(ctx context.Context, cond func() bool) error {
	tell := make(chan struct{}, 1)
	s.hungryMu.Lock()
	s.hungry[tell] = true
	s.hungryMu.Unlock()
	defer func() {
		s.hungryMu.Lock()
		delete(s.hungry, tell)
		s.hungryMu.Unlock()
	}()
	return s.leadUntil(ctx, tell, func() bool {
		s.m.head.starving[s.slot>>6].Or(1 << (s.slot & 63)) // announce, then look
		s.harvest()
		return cond()
	})
}

// tellHungry tells everybody in this process who waits for room to look again.
func (s *Submitter) tellHungry() {
	s.hungryMu.Lock()
	defer s.hungryMu.Unlock()
	for tell := range s.hungry {
		signal(tell)
	}
}

// The leader looks again after this long, then after twice as long, and so on:
// it finds tasks that wait although a worker sleeps (its waker or the worker
// that was woken has died or been stopped, perhaps with their hints in hand),
// hints them again and wakes others.
const (
	backstopFirst = 5 * time.Millisecond
	backstopMax   = time.Second
)

// leadUntil waits until cond holds, as the leader or told by it through tell,
// which may be nil. cond is called by one goroutine at a time.
func (s *Submitter) leadUntil(ctx context.Context, tell <-chan struct{}, cond func() bool) error {
	return s.leadFor(ctx, 0, tell, cond)
}

// errNap says that a nap is over and cond does not hold yet.
var errNap = errors.New("engine: the nap is over")

// leadFor is leadUntil for no longer than nap, if that is not 0.
func (s *Submitter) leadFor(ctx context.Context, nap time.Duration, tell <-chan struct{}, cond func() bool) error {
	var over <-chan time.Time
	if nap > 0 {
		select {
		case <-s.lead: // the usual case needs no timer
			err := s.leadOn(ctx, nap, cond)
			s.lead <- struct{}{}
			return err
		default:
			over = time.After(nap)
		}
	}
	for {
		select {
		case <-s.closing:
			return s.closeErr
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tell:
			if cond() {
				return nil
			}
		case <-over:
			return errNap
		case <-s.lead:
			err := s.leadOn(ctx, nap, cond)
			s.lead <- struct{}{}
			return err
		}
	}
}

// leadOn is what the leader does until its own cond holds, or nap is over.
func (s *Submitter) leadOn(ctx context.Context, nap time.Duration, cond func() bool) error {
	b := &s.m.slot[s.slot]
	if nap == 0 && ctx.Done() != nil { // a nap is over soon enough
		rung := make(chan struct{})
		stop := context.AfterFunc(ctx, func() { s.m.ringDone(s.slot); close(rung) })
		defer func() {
			if !stop() {
				<-rung // the bell must not be touched when we have gone
			}
		}()
	}
	defer b.awaiting.Store(0)
	for pause := backstopFirst; ; {
		bell := b.done.Load()
		b.awaiting.Store(1) // SYNC done-bell: announce, look again, sleep
		s.drain()
		s.tellHungry()
		if cond() {
			return nil
		}
		if err := s.Err(); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if nap > 0 {
			if w := s.worker; w != nil && w.givenToWait() && now() >= w.refused.Load() {
				return errNap
			}
			if !shm.Wait(addr(&b.done), bell, nap) {
				return errNap
			}
		} else if !shm.Wait(addr(&b.done), bell, pause) {
			pause = min(2*pause, backstopMax)
			if s.lots || s.m.anySleeping() { // else what waits elsewhere may be meant to
				s.rehint()
			}
			s.m.rouse()
		} else {
			pause = backstopFirst
		}
	}
}

// rehint sets the hints of all tasks of this process that nobody has begun.
func (s *Submitter) rehint() {
	m := s.m
	for leaf := range m.Geometry.Tasks / 64 {
		var set [sched.Classes]uint64
		for bit := range 64 {
			i := leaf<<6 + bit
			d := &m.descs[i]
			if Word(m.words[i].Load()).state() == Queued && d.submitter() == s.slot {
				set[d.class()] |= 1 << bit
			}
		}
		for class, bits := range set {
			if bits != 0 {
				q, _ := s.place(&Spec{}, now())
				m.queue[q][class].add(leaf, bits)
			}
		}
	}
}

// rouse wakes every sleeping worker if any task waits in a queue.
func (m *memory) rouse() {
	for q := range m.Slots {
		for c := range m.queue[q] {
			if !m.queue[q][c].empty() {
				for m.wakeAny() {
				}
				return
			}
		}
	}
}

// Wait waits for the end of a task of ours. It spins first where that is
// cheaper than sleeping. On an error of ctx the task is still ours to collect:
// Abandon it or wait again. c is the task that waits; nil outside of tasks.
func (s *Submitter) Wait(ctx context.Context, c *Caller, index uint32) error {
	ended := func() bool { _, ok := s.m.hasEnded(index); return ok }
	return s.waitHelping(ctx, c, index, ended, func(nap time.Duration) error { return s.park(ctx, index, nap, ended) })
}

// waitHelping waits until ended holds: in a worker it runs what it waits for and
// looks from time to time whether there is more of that; elsewhere it spins and
// then sleeps.
func (s *Submitter) waitHelping(ctx context.Context, c *Caller, index uint32, ended func() bool, sleep func(nap time.Duration) error) error {
	w := s.worker
	if w == nil {
		if spinUntil(s.m.head.spinNs, ended) {
			return nil
		}
		return sleep(0)
	}
	if ended() {
		return nil
	}
	h := w.waits(c)
	defer h.end()
	for nap := napFirst; ; nap = min(2*nap, napMax) {
		if !ended() {
			w.help(h, index, nap < patientNap)
		}
		if spinUntil(s.m.head.spinNs, ended) {
			return nil
		}
		if err := w.rest(h, nap, sleep); err != errNap {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

const (
	napFirst = 200 * time.Microsecond
	napMax   = 20 * time.Millisecond
	// patientNap is the nap from which on a worker waits no longer for an idle one:
	// some 25 ms from the start, in which a new process has started.
	patientNap = napMax
)

// park sleeps until ended holds, or nap is over if that is not 0, having asked to be told of the task's end.
func (s *Submitter) park(ctx context.Context, index uint32, nap time.Duration, ended func() bool) error {
	w := &waiter{tell: make(chan struct{}, 1)}
	s.waiters[index].Store(w)
	defer s.waiters[index].CompareAndSwap(w, nil)
	gen := Word(s.m.words[index].Load()).gen()
	if _, open := s.m.flag(index, gen, flagWaited); !open {
		return s.Err() // it has ended, or a pool that was closed has lost it
	}
	return s.leadFor(ctx, nap, w.tell, ended)
}

// Pending is a submitted task whose result is collected once, either when it
// is asked for or earlier, when its descriptor is needed for others.
type Pending struct {
	s     *Submitter
	id    TaskID
	index uint32

	mu        sync.Mutex
	collected atomic.Bool
	res       Result // Data is a copy
	err       error
}

// Go submits a filled descriptor's task and returns its future.
func (s *Submitter) Go(index uint32, t *Spec) *Pending {
	p := &Pending{s: s, index: index}
	p.mu.Lock() // a harvest may find it before it is submitted
	defer p.mu.Unlock()
	s.waiters[index].Store(&waiter{tell: make(chan struct{}, 1), future: p})
	p.id = s.Submit(index, t)
	return p
}

// ID names the task.
func (p *Pending) ID() TaskID { return p.id }

// harvest collects the task if it has ended, and otherwise asks to be told.
func (p *Pending) harvest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.collected.Load() {
		return
	}
	if _, open := p.s.m.flag(p.index, p.id.gen(), flagWaited); !open {
		p.collectLocked()
	}
}

// collectLocked copies the result and releases the descriptor.
func (p *Pending) collectLocked() {
	r, err := p.s.Result(p.index)
	r.Data = append([]byte(nil), r.Data...)
	if closed := p.s.Err(); closed != nil { // then what was read may be zeros
		r, err = Result{}, closed
	}
	p.res, p.err = r, err
	w := p.s.waiters[p.index].Swap(nil)
	p.s.Release(p.index)
	p.collected.Store(true)
	if w != nil {
		w.notify()
	}
}

// Wait returns the result; on an error of ctx the future stays good. Any number
// of goroutines may wait. c is the task that waits; nil outside of tasks.
func (p *Pending) Wait(ctx context.Context, c *Caller) (Result, error) {
	ended := func() bool {
		if p.collected.Load() {
			return true
		}
		w := Word(p.s.m.words[p.index].Load())
		return w.gen() != p.id.gen() || w.ended()
	}
	err := p.s.waitHelping(ctx, c, p.index, ended, func(nap time.Duration) error { return p.sleep(ctx, nap, ended) })
	if err != nil && !ended() {
		return Result{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.collected.Load() {
		p.collectLocked()
	}
	return p.res, p.err
}

// sleep waits to be told of the end.
func (p *Pending) sleep(ctx context.Context, nap time.Duration, ended func() bool) error {
	w := p.s.waiters[p.index].Load()
	if w == nil || w.future != p {
		return nil // it was collected
	}
	if _, open := p.s.m.flag(p.index, p.id.gen(), flagWaited); !open {
		return p.s.Err() // it has ended and nobody will tell, or a pool that was closed has lost it
	}
	err := p.s.leadFor(ctx, nap, w.tell, ended)
	w.notify() // another goroutine may wait for the same future
	return err
}

// Collected returns the result if it has been collected: it then needs the pool's memory
// no more.
func (p *Pending) Collected() (r Result, err error, ok bool) {
	if !p.collected.Load() {
		return r, nil, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.res, p.err, true
}

// Cancel asks the task to end; Wait then returns how it did.
func (p *Pending) Cancel() {
	if !p.collected.Load() {
		p.s.Cancel(p.id)
	}
}

// Abandon gives up a future that nobody will wait for.
func (p *Pending) Abandon() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.collected.Load() {
		p.err = ErrClosed
		p.collected.Store(true)
		p.s.Abandon(p.id)
	}
}
