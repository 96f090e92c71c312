package engine

import (
	"context"
	"math"
	"time"
	"unsafe"

	"github.com/tutti-run/tutti/sched"
)

// The collector's side of a stream.

// Next waits for the next task to collect. False at the end of the stream; the
// error says why, nil at the end of the input.
func (st *Stream) Next(ctx context.Context) (index uint32, ok bool, err error) {
	if !st.ordered {
		return st.nextEnded(ctx)
	}
	for {
		if st.next == st.tailSeen {
			st.tailSeen = st.tail.Load()
		}
		if st.next == st.tailSeen {
			st.advanceHead()
			if done, err := st.awaitFeeder(ctx, func() bool { return st.tail.Load() != st.next }); done {
				return 0, false, err
			}
			continue
		}
		index = st.at(st.next)
		if _, ended := st.s.m.hasEnded(index); ended {
			return index, true, nil
		}
		st.advanceHead()
		if err := st.awaitHead(ctx, st.next, index); err != nil {
			return 0, false, err
		}
	}
}

// at is the descriptor of a submitted position.
func (st *Stream) at(pos int64) uint32 {
	return st.ring[pos%int64(len(st.ring))].Load()
}

// awaitFeeder waits until there is something to collect; done when nothing will come.
func (st *Stream) awaitFeeder(ctx context.Context, some func() bool) (done bool, err error) {
	st.hungry.Store(true)
	defer st.hungry.Store(false)
	for !some() {
		if st.fed.Load() && !some() {
			return true, st.feedErr
		}
		select {
		case <-st.more:
		case <-ctx.Done():
			return true, context.Cause(ctx)
		case <-st.s.closing:
			return true, st.s.closeErr
		}
	}
	return false, nil
}

// awaitHead waits for the end of the task at head. It spins if it may; then it
// hints what the feeder has not, since that may be blocked in its input; then it
// sleeps. While the feeder is fast the first sleep is a nap: so a stream of short
// tasks costs a wake-up in half a window and not one for every few tasks.
func (st *Stream) awaitHead(ctx context.Context, head int64, index uint32) error {
	s := st.s
	ended := func() bool { _, ok := s.m.hasEnded(index); return ok }
	if s.worker != nil && s.m.Assigned {
		st.rehint(head)
		return s.Wait(ctx, st.spec.Caller, index) // what holds up the head may come up later
	}
	if s.worker != nil {
		h := s.worker.waits(st.spec.Caller)
		defer h.end()
		for nap := napFirst; s.worker.help(h, index, nap < patientNap); nap = min(2*nap, napMax) {
			if err := s.park(ctx, index, nap, ended); err != errNap {
				return err
			}
		}
	}
	fast := st.fast.Load()
	if !fast {
		st.rehint(head)
		if st.tail.Load()-head < lot && spinUntil(s.m.head.spinNs, ended) {
			return nil // with more in flight the feeder needs the CPU
		}
	} else if yieldUntil(func() bool { return st.half(head) }) {
		// Much has ended; the head may be slow all the same.
	} else if err := st.nap(ctx, head); err != nil && err != errNap {
		return err
	}
	if ended() {
		return nil
	}
	st.rehint(head)
	return s.park(ctx, index, 0, ended)
}

// nap sleeps until half a window has ended from head on, whether it has been
// submitted or not, or until a short time has passed: then errNap.
func (st *Stream) nap(ctx context.Context, head int64) error {
	m := st.s.m
	target := head + max(1, st.window.Load()/2)
	st.wakeAt.Store(target) // the feeder sets the flag if it comes there; if it misses that, time is short
	defer st.wakeAt.Store(-1)
	if st.tail.Load() > target {
		i := st.at(target)
		m.flag(i, Word(m.words[i].Load()).gen(), flagWaited)
	}
	return st.s.leadFor(ctx, napTime, nil, func() bool { return st.half(head) })
}

// half reports whether half a window has ended from head on.
func (st *Stream) half(head int64) bool {
	target := head + max(1, st.window.Load()/2)
	if st.tail.Load() <= target {
		return st.fed.Load()
	}
	_, ended := st.s.m.hasEnded(st.at(target))
	return ended
}

// napTime is about as long as a fast feeder needs for a window.
const napTime = 100 * time.Microsecond

// rehint sets the hints of tasks from position from on that nobody has begun.
// Those that are hinted already get a second one, which is harmless. A feeder
// that places tasks one by one keeps none back.
func (st *Stream) rehint(from int64) {
	if st.single {
		return
	}
	m := st.s.m
	leaf, set := 0, uint64(0)
	hint := func() {
		if set != 0 {
			queue, rank := st.s.place(&st.spec, now())
			st.s.hint(queue, sched.Class(rank), leaf, set)
		}
	}
	for pos := from; pos < min(st.tail.Load(), from+2*lot); pos++ {
		i := st.at(pos)
		if Word(m.words[i].Load()).state() != Queued {
			continue
		}
		if int(i>>6) != leaf {
			hint()
			leaf, set = int(i>>6), 0
		}
		set |= 1 << (i & 63)
	}
	hint()
}

// nextEnded is Next in the order of ends.
func (st *Stream) nextEnded(ctx context.Context) (uint32, bool, error) {
	some := func() bool {
		st.mu.Lock()
		defer st.mu.Unlock()
		if n := len(st.ready); n > 0 {
			st.current = st.ready[0]
			st.ready = st.ready[1:]
			return true
		}
		return false
	}
	for {
		if some() {
			return st.current, true, nil
		}
		if st.next == st.tail.Load() {
			if done, err := st.awaitFeeder(ctx, func() bool { return st.tail.Load() != st.next }); done {
				return 0, false, err
			}
			continue
		}
		if err := st.awaitSome(ctx, some); err != nil {
			return 0, false, err
		}
		return st.current, true, nil
	}
}

// awaitSome waits until some holds. In a worker it runs the stream's own tasks
// meanwhile, since nobody else may ever do it, or what these wait for.
func (st *Stream) awaitSome(ctx context.Context, some func() bool) error {
	if st.s.worker == nil {
		return st.s.leadUntil(ctx, st.more, some)
	}
	h := st.s.worker.waits(st.spec.Caller)
	defer h.end()
	for nap := napFirst; ; nap = min(2*nap, napMax) {
		if index, ok := st.waiting(); ok {
			st.s.worker.help(h, index, nap < patientNap)
		}
		err := st.s.worker.rest(h, nap, func(nap time.Duration) error { return st.s.leadFor(ctx, nap, st.more, some) })
		if err != errNap {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// waiting finds the first task of the stream, by order of ends, that nobody has begun
// and that may run here. Where the master assigns and there is none, it is the task that
// waits: what others run for it may have calls that wait.
func (st *Stream) waiting() (index uint32, ok bool) {
	w, parent := st.s.worker, st.spec.Parent
	if w.m.Assigned && parent != 0 && !w.m.takes(w.slot, st.spec.Fn) {
		return parent.index(), true
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	first := int64(math.MaxInt64)
	for i, pos := range st.number {
		if pos < first && Word(st.s.m.words[i].Load()).state() == Queued {
			index, first, ok = i, pos, true
		}
	}
	if !ok && w.m.Assigned && parent != 0 {
		return parent.index(), true
	}
	return index, ok
}

// arrived notes a task that has ended; the leader calls it, or the feeder.
func (st *Stream) arrived(index uint32) {
	if st.stopped.Load() {
		return
	}
	st.mu.Lock()
	st.ready = append(st.ready, index)
	st.mu.Unlock()
	signal(st.more)
}

// Plain returns the n bytes of a result that is a value of just that size and
// lies in its cell; nil when it is anything else.
func (st *Stream) Plain(index uint32, n int) unsafe.Pointer { return st.s.m.plainResult(index, n) }

// Result reads the task that Next gave.
func (st *Stream) Result(index uint32) (Result, error) {
	r, err := st.s.Result(index)
	if n := int64(len(r.Data)); n > inlineOut && n > st.largest.Load() {
		st.largest.Store(n)
	}
	return r, err
}

// Position is the place of the task that Next gave in the order of submission.
func (st *Stream) Position(index uint32) int64 {
	if st.ordered {
		return st.next
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.number[index]
}

// Advance ends the use of the task that Next gave.
func (st *Stream) Advance(index uint32) {
	at(PointRead)
	st.s.clear(index)
	if !st.ordered {
		st.mu.Lock()
		delete(st.number, index)
		if st.round != nil {
			st.round.add(index)
		} else {
			st.unused = append(st.unused, index)
		}
		st.mu.Unlock()
	}
	st.next++
	if !st.ordered || st.next&(headStep-1) == 0 || st.starved.Load() {
		st.advanceHead()
	}
}

// headStep is how many results are collected before the feeder is told: one
// transfer of a cache line for as many tasks.
const headStep = 16

// advanceHead tells the feeder what was collected.
func (st *Stream) advanceHead() {
	if st.head.Load() != st.next {
		st.head.Store(st.next)
	}
	if st.starved.Load() && (!st.ordered || st.tail.Load()-st.next <= st.window.Load()/2) {
		signal(st.room)
	}
}

// Rejected returns why the task that Next gave was not submitted; nil when it was.
func (st *Stream) Rejected(index uint32) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	err := st.rejects[index]
	delete(st.rejects, index)
	return err
}
