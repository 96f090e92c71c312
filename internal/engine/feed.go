package engine

import (
	"context"
	"math/bits"
	"time"
	"unsafe"

	"github.com/tutti-run/tutti/sched"
)

// The feeder's side of a stream.

// Room waits for a place in the window and returns the descriptor to fill.
func (st *Stream) Room(ctx context.Context) (uint32, error) {
	for {
		if st.stopped.Load() {
			return 0, context.Canceled
		}
		tail, window := st.tail.Load(), st.window.Load()
		if tail-st.headSeen >= min(window, st.most) {
			st.look(tail)
		}
		if tail-st.headSeen < min(window, st.most) {
			if i, ok, err := st.descriptor(ctx, tail, window); ok || err != nil {
				return i, err
			}
			continue
		}
		st.flush()
		st.wake()
		st.starved.Store(true)
		st.look(tail)
		if st.fast.Load() && !st.spec.Bulky {
			yieldUntil(func() bool { return st.tail.Load()-st.head.Load() <= window/2 || st.stopped.Load() })
			st.look(tail)
		}
		var err error
		if tail-st.headSeen >= min(window, st.most) && !st.stopped.Load() {
			err = st.awaitRoom(ctx)
		}
		st.starved.Store(false)
		if err != nil {
			return 0, err
		}
	}
}

// awaitRoom waits until the collector has moved head or, where results are
// large, for a moment: then more may be known of their size.
func (st *Stream) awaitRoom(ctx context.Context) error {
	var moment <-chan time.Time
	if st.spec.Bulky && st.most < st.window.Load() {
		moment = time.After(time.Millisecond)
	}
	select {
	case <-st.room:
	case <-moment:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-st.s.closing:
		return st.s.closeErr
	}
	return nil
}

// AwaitCollected waits until a result has been collected and its memory is free
// again; false when nothing is in flight. It is for a feeder that found no memory
// for an input, and must not wait for what others have.
func (st *Stream) AwaitCollected(ctx context.Context) (bool, error) {
	seen := st.head.Load()
	st.flush()
	st.wake()
	st.starved.Store(true) // announce, then look
	defer st.starved.Store(false)
	for {
		head := st.head.Load()
		switch {
		case st.stopped.Load():
			return false, context.Canceled
		case head == st.tail.Load():
			return false, nil
		case head != seen:
			return true, nil
		}
		select {
		case <-st.room:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-st.s.closing:
			return false, st.s.closeErr
		}
	}
}

// look finds out how many tasks may be in flight. Where results are large it
// begins with few and allows more as tasks end and their size becomes known,
// so that the results that wait for the collector stay within the budget.
func (st *Stream) look(tail int64) {
	st.headSeen = st.head.Load()
	if !st.spec.Bulky {
		return
	}
	ended, largest := st.headSeen, st.largest.Load()
	if st.ordered {
		for pos := st.headSeen; pos < tail; pos++ {
			w, ok := st.s.m.hasEnded(st.at(pos))
			if !ok {
				continue
			}
			ended++
			if w.state() == Done && w.owner() < st.s.m.Slots {
				if c := st.s.m.cellOf(w.owner(), st.at(pos)); c.kind&kindExtern != 0 {
					largest = max(largest, int64(c.len))
				}
			}
		}
	}
	st.most = lot + ended
	if largest > 0 {
		st.most = min(st.most, max(1, st.s.budget/largest))
	}
}

// descriptor returns a descriptor for position tail: one whose result has been
// collected, or else a new one. When the table has none to spare for a growing
// window, the window stays as it is.
func (st *Stream) descriptor(ctx context.Context, tail, window int64) (index uint32, ok bool, err error) {
	most := window
	if st.round != nil {
		most += window + 64 // so that it goes round the table, see next
	}
	index, ok = st.used(int64(len(st.lots)) < most)
	if !ok {
		if int64(len(st.lots)) < most {
			index, ok = st.lend(most)
		}
		switch {
		case !ok && len(st.lots) > 0:
			st.window.Store(int64(len(st.lots)))
			return 0, false, nil
		case !ok:
			if index, err = st.s.Acquire(ctx); err != nil {
				return 0, false, err
			}
		}
		st.s.fill(index, &st.spec)
		if !st.single {
			_, rank := st.s.place(&st.spec, now())
			st.s.m.descs[index].setOrigin(st.s.slot, sched.Class(rank))
			if st.s.m.Assigned {
				st.s.m.orders[index].write(&st.spec, 0)
			}
		}
		st.flags = st.s.m.descs[index].flags &^ flagInExtern
		st.lots = append(st.lots, index)
	}
	if place := &st.ring[tail%int64(len(st.ring))]; place.Load() != index {
		place.Store(index) // in order and with a full window it stays as it is
	}
	return index, true, nil
}

// used returns a descriptor whose result has been collected. Of those that are to
// start in order none, as long as there are fresh ones.
func (st *Stream) used(fresh bool) (uint32, bool) {
	if st.ordered {
		if st.reused == st.headSeen {
			st.headSeen = st.head.Load()
		}
		if st.reused == st.headSeen {
			return 0, false
		}
		st.reused++
		return st.at(st.reused - 1), true
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.round != nil {
		if fresh && st.s.m.free.len() > st.s.Tasks()/4 {
			return 0, false
		}
		return st.round.take()
	}
	n := len(st.unused)
	if n == 0 {
		return 0, false
	}
	i := st.unused[n-1]
	st.unused = st.unused[:n-1]
	return i, true
}

// lend takes descriptors for the window, a leaf at a time, so that neighbours in
// the stream are neighbours in the table. A quarter of the table is left to
// calls and to the first descriptors of other streams.
func (st *Stream) lend(window int64) (uint32, bool) {
	s := st.s
	if len(st.lent) == 0 {
		if s.m.free.len() <= s.Tasks()/4 {
			return 0, false
		}
		most := min(64, int(window)-len(st.lots))
		s.freeMu.Lock()
		leaf, taken := s.m.free.take(&s.freeCursor, most, false)
		s.freeMu.Unlock()
		each(leaf, taken, func(i uint32) {
			if s.m.writing(i, s.slot) {
				st.lent = append(st.lent, i)
			}
		})
		if len(st.lent) == 0 {
			return s.TryAcquire()
		}
	}
	i := st.lent[0]
	st.lent = st.lent[1:]
	return i, true
}

// Input returns room for the task's input in a descriptor that Room gave.
func (st *Stream) Input(ctx context.Context, index uint32, n int) (unsafe.Pointer, error) {
	d := &st.s.m.descs[index]
	if d.flags != st.flags || d.inLen != uint32(n) {
		d.flags, d.inLen = st.flags, uint32(n)
	}
	if d.returned != 0 {
		d.returned = 0
	}
	if d.deadlineNs.Load() != 0 {
		d.deadlineNs.Store(0)
	}
	if d.stampNs != 0 { // its cache line is only read otherwise
		d.stampNs = 0
	}
	if n <= inlineIn {
		return st.s.m.inline(index, n), nil
	}
	st.flush()
	st.wake()
	p, err := st.s.Input(ctx, index, n)
	d.flags |= st.flags
	return p, err
}

// Submit makes the task that was filled in last visible.
//
// A wake-up costs the feeder microseconds, as long as a hundred short tasks. So
// while it is fast, hints are set for a lot at a time and a sleeping worker is
// woken for several lots; a timer sees to it that this waits for no more than a
// moment, should the input block in between. A slow feeder wakes at once, and so
// does one whose tasks start in order: see takeOldest.
func (st *Stream) Submit(index uint32) {
	m := st.s.m
	leaf := int(index >> 6)
	if leaf != st.pendLeaf {
		if st.single { // there is never a leaf pending
			st.submitSingle(index)
			return
		}
		st.flush()
	}
	if st.pendBits == 0 {
		m.descs[index].stampNs = now()
	}
	st.enter(index)
	st.pendLeaf = leaf
	st.pendBits |= 1 << (index & 63)
	st.pending++
	switch {
	case !st.fast.Load(), st.round != nil: // also when nobody sleeps: a worker may be about to
		st.flush()
		st.wake()
	case bits.OnesCount64(st.pendBits) >= lot:
		st.flush()
		if st.pending >= wakeLots*lot {
			st.wake()
		}
	}
	if st.pending != 0 && !st.armed.Load() && st.fast.Load() {
		st.arm()
	}
	if st.hungry.Load() {
		signal(st.more)
	}
}

// submitSingle is Submit where the policy is asked for each task by itself.
func (st *Stream) submitSingle(index uint32) {
	s := st.s
	if d := &s.m.descs[index]; d.expectedNs.Load() != st.spec.ExpectedNs {
		d.expectedNs.Store(st.spec.ExpectedNs)
	}
	queue, class := s.decide(index, &st.spec)
	st.enter(index)
	s.hint(queue, class, int(index>>6), 1<<(index&63))
	if st.hungry.Load() {
		signal(st.more)
	}
}

// Hint says what a policy may go by for the task that is submitted next; see
// Spec.Each.
func (st *Stream) Hint(h Hints) { st.spec.Hints = h }

// enter makes a filled task visible and counts it, and only then has the collector hear of
// its end, since somebody may have run it by now: a collector that took what is not counted
// yet would be ahead of the count, and wait for one more when the input has ended.
func (st *Stream) enter(index uint32) {
	tail, flags := st.tail.Load(), Word(0)
	if !st.ordered {
		st.enlist(index, tail)
		flags = flagWaited
	}
	if tail == st.wakeAt.Load() {
		flags = flagWaited
	}
	at(PointFilled)
	st.s.m.queued(index, flags)
	at(PointQueued)
	st.tail.Store(tail + 1)
	if !st.ordered {
		st.await(index)
	}
}

// enlist notes the place of a task that is about to be submitted, for a collector
// that takes them in the order of their ends.
func (st *Stream) enlist(index uint32, tail int64) {
	if st.round != nil {
		st.round.last = index
	}
	st.mu.Lock()
	st.number[index] = tail
	st.mu.Unlock()
}

// await has a task that was just submitted reported to the collector when it ends. Not
// sooner: until then its word is that of the task before, which has ended, and late news
// of that one would be taken for news of this one. Who was told meanwhile that this one
// has ended found nobody who waits.
func (st *Stream) await(index uint32) {
	st.s.waiters[index].Store(&waiter{stream: st})
	st.s.arrived(index)
}

const (
	// wakeLots is how many lots a fast feeder publishes for one wake-up.
	wakeLots = 8
	// fastNs is the time for a lot below which a feeder is fast: a wake-up for
	// each of its tasks would cost more than the feeding.
	fastNs = lot * 1000
	// moment is how long what a fast feeder has submitted may wait to be noticed.
	moment = 200 * time.Microsecond
)

// arm sees to it that what is pending is noticed.
func (st *Stream) arm() {
	st.armed.Store(true)
	if st.timer == nil {
		st.timer = time.AfterFunc(moment, st.notice)
	} else {
		st.timer.Reset(moment)
	}
}

// notice hints what the feeder may not have, and wakes; the timer calls it.
func (st *Stream) notice() {
	st.noticing.Lock()
	defer st.noticing.Unlock()
	st.armed.Store(false)
	if !st.stopped.Load() {
		st.rehint(max(st.head.Load(), st.tail.Load()-2*lot))
		st.s.m.rouse()
	}
}

// wake wakes a worker for what was published.
func (st *Stream) wake() {
	st.pending = 0
	if st.s.m.anySleeping() {
		st.s.m.wakeFor(st.queue)
	}
	at(PointWoken)
}

// Reject gives the place of a task that cannot be submitted, because of err, to
// the collector: Next gives its descriptor, and Rejected its error.
func (st *Stream) Reject(index uint32, err error) {
	tail := st.tail.Load()
	st.mu.Lock()
	if st.rejects == nil {
		st.rejects = map[uint32]error{}
	}
	st.rejects[index] = err
	if !st.ordered {
		st.number[index] = tail
	}
	st.mu.Unlock()
	w := Word(st.s.m.words[index].Load())
	st.s.m.words[index].Store(uint64(w.fresh(Cancelled, 0))) // nobody else has seen it
	st.tail.Store(tail + 1)
	if st.ordered {
		signal(st.more)
		return
	}
	st.arrived(index)
	st.s.m.ringDone(st.s.slot) // the collector may lead, and sleep there
}

// flush hints what was submitted.
func (st *Stream) flush() {
	if st.pendBits == 0 {
		return
	}
	t := now()
	queue, rank := st.s.place(&st.spec, t)
	class := sched.Class(rank)
	st.s.m.note(class)
	st.s.m.queue[queue][class].add(st.pendLeaf, st.pendBits)
	at(PointHinted)
	st.queue, st.pendBits = queue, 0
	if fast := t-st.flushed < fastNs; fast != st.fast.Load() {
		st.fast.Store(fast)
	}
	st.flushed = t
}

// Fed says that no more will be submitted, and why when it is not the end of
// the input.
func (st *Stream) Fed(err error) {
	st.flush()
	st.wake()
	st.feedErr = err
	st.fed.Store(true)
	signal(st.more)
	st.leave()
}
