package engine

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/tutti-run/tutti/sched"
)

// A worker where the master assigns (AMP): it runs what lies in its box, and asks.
// assign.go has the protocol.

// order is what the master goes by when it assigns a task. Its submitter writes it
// while the word is WRITING; a stale hint may lead the assigner to read it at any
// time, so its fields are atomic.
type order struct {
	submitted atomic.Int64 // 0: when the assigner hears of it
	deadline  atomic.Int64
	locality  atomic.Uint64
	priority  atomic.Int32
	affinity  atomic.Uint32
	fn        atomic.Uint32
	_         uint32
}

func (o *order) write(t *Spec, submitted int64) {
	o.submitted.Store(submitted)
	o.deadline.Store(t.DeadlineNs)
	o.locality.Store(t.Locality)
	o.priority.Store(int32(max(min(t.Priority, 1<<30), -1<<30)))
	o.affinity.Store(uint32(t.Affinity))
	o.fn.Store(t.Fn)
}

// task is what a policy is told of it.
func (o *order) task(submitter int, expected, at int64) sched.Task {
	t := sched.Task{
		Submitter: sched.Slot(submitter), Priority: int(o.priority.Load()), Affinity: sched.Slot(o.affinity.Load()),
		Submitted: o.submitted.Load(), Deadline: o.deadline.Load(), Expected: expected, Locality: o.locality.Load(),
	}
	if t.Submitted == 0 {
		t.Submitted = at
	}
	return t
}

// box holds the hints of the tasks that a worker has been given and not taken.
func (m *memory) box(slot int) *hints { return &m.queue[slot][normalClass] }

// inbox holds the hints of the tasks that the assigner has not seen yet.
func (m *memory) inbox() *hints { return &m.queue[0][normalClass] }

// takeGiven takes up to most tasks from the box. Where the master may assign ahead it
// asks for more as soon as the box is empty, else when this worker has nothing left.
func (w *Worker) takeGiven(most int) (leaf int, batch uint64) {
	box := w.m.box(w.slot)
	leaf, batch = box.take(&w.cursors[w.slot*sched.Classes], most, false)
	if batch == 0 {
		w.ask() // SYNC asking: announce, look again
		if leaf, batch = box.take(&w.cursors[w.slot*sched.Classes], most, false); batch == 0 {
			return 0, 0
		}
	}
	at(PointTaken)
	w.publish(leaf, batch)
	at(PointBatched)
	if w.m.head.ahead != 0 && box.empty() {
		w.ask()
	}
	return leaf, batch
}

// ask tells the assigner, once, that the box is empty.
func (w *Worker) ask() {
	if !w.asks() {
		w.m.head.asking[w.slot>>6].Or(uint64(1) << (w.slot & 63))
		w.m.wakeAny()
	}
}

func (w *Worker) asks() bool { return w.m.asks(w.slot) }

// asks reports whether a worker has told the assigner that its box is empty.
func (m *memory) asks(slot int) bool { return m.head.asking[slot>>6].Load()>>(slot&63)&1 != 0 }

// waits reports whether all lanes of a worker wait for others.
func (m *memory) waits(slot int) bool {
	b := &m.slot[slot]
	n := b.waits.Load()
	return n > 0 && n >= b.lanes && b.looking.Load() == 0
}

// lookBegins says that the loop has a lane free and finds nothing for it: until it does,
// this worker is no waiting one, however many goroutines of its tasks wait.
func (w *Worker) lookBegins() {
	if !w.m.Assigned {
		return
	}
	w.block.looking.Store(1) // SYNC waits
	if w.lanesWait() {
		w.m.wakeAny() // it may have been told already that the box is empty
	}
}

func (w *Worker) lookEnds() {
	if w.m.Assigned {
		w.block.looking.Store(0)
	}
}

// waitBegins says that a goroutine of a task is about to sleep until others end, or
// that the loop keeps a lane free for such a one. When that holds for all lanes, the
// worker is a waiting one: what it was given before goes back, and the assigner gives it
// only what all who may run it wait for.
func (w *Worker) waitBegins() {
	if !w.m.Assigned {
		return
	}
	switch n := int(w.block.waits.Add(1)); { // SYNC waits: pairs with assigner.hand
	case n == w.lanes:
		w.m.emptyBox(w.slot)
		fallthrough
	case n > w.lanes:
		w.m.wakeAny()
	}
}

// waitEnds takes that back. What was given because nobody else could run it, and was not
// taken, goes back when a lane does not wait any more: that one has something to do,
// and the others are not given anything beside it.
func (w *Worker) waitEnds() {
	if !w.m.Assigned || int(w.block.waits.Add(^uint32(0))) != w.lanes-1 { // SYNC waits
		return
	}
	w.m.emptyBox(w.slot)
	if w.asks() {
		w.m.wakeAny() // the assigner had no ear for it
	}
}

// rest sleeps for a nap while a task of this worker waits, and then runs what it was
// given meanwhile, if anything. Who runs that does not wait.
func (w *Worker) rest(h *wait, nap time.Duration, sleep func(time.Duration) error) error {
	if !w.m.Assigned {
		return sleep(nap)
	}
	var err error
	var quiet bool // the assigner had nothing to do, before it hears of the end of this wait
	w.waitBegins()
	leaf, set := w.takeForWait(h)
	if set == 0 {
		if err = sleep(nap); err == errNap {
			leaf, set = w.takeForWait(h) // it came during the nap, which it ended
			quiet = nap == napMax && w.m.anySleeping()
		}
	}
	w.waitEnds()
	switch {
	case set != 0:
		w.runGiven(h, leaf, set)
		return errNap
	case quiet:
		w.hintAgain(h)
	}
	return err
}

// hintAgain sets the hints of what this process has submitted and nobody has begun, from
// time to time: a worker that was stopped may have them in its hands, and here nobody may
// run the tasks in its place.
func (w *Worker) hintAgain(h *wait) {
	if at := now(); at >= h.next {
		h.next = at + int64(backstopMax)
		w.sub.rehint()
		w.m.wakeAny()
	}
}

func (w *Worker) lanesWait() bool { return int(w.block.waits.Load()) >= w.lanes }

// givenToWait reports whether there is something for one that waits.
func (w *Worker) givenToWait() bool {
	return w.m.Assigned && w.m.waits(w.slot) && !w.m.box(w.slot).empty()
}

// takeForWait takes a task that this worker was given though it waits.
func (w *Worker) takeForWait(h *wait) (leaf int, set uint64) {
	if !w.givenToWait() || now() < h.shy {
		return 0, 0
	}
	cursor := 0 // several goroutines may come here at once
	leaf, set = w.m.box(w.slot).take(&cursor, 1, false)
	if set != 0 {
		at(PointTaken) // and not published: the batch is the loop's
	}
	return leaf, set
}

// emptyBox has the assigner place anew what a worker was given and has not taken.
func (m *memory) emptyBox(slot int) {
	if m.box(slot).moveTo(m.inbox()) {
		m.wakeAny()
	}
}

// moveTo moves all hints to another set, and reports whether there were any.
func (h *hints) moveTo(to *hints) (any bool) {
	for cursor := 0; ; any = true {
		leaf, set := h.take(&cursor, 64, false)
		if set == 0 {
			return any
		}
		to.add(leaf, set)
	}
}

// runGiven runs a task that this worker was given though it waits. It is given one
// only when all workers that may run it wait as well, since they might be waiting for
// each other.
//
// That closes no circle. Who waits began before what it waits for, its child; and a
// task on a stack began before those above it. So whatever holds up a task began
// after it, and the one begun last is held up by nothing. Each level has a descriptor,
// so the table bounds the stack.
//
// One that must not run now, because what runs alone in this worker does, or is to, is
// put back for whoever may: another worker, or in this one the one that runs alone, when
// that waits, too. So this wait takes nothing for longer than that one sleeps.
func (w *Worker) runGiven(h *wait, leaf int, set uint64) {
	index := uint32(leaf<<6 + bits.TrailingZeros64(set))
	word := Word(w.m.words[index].Load())
	if word.state() == Queued && !w.m.misled(w.slot, index) && w.runNested(h, index, word, false) {
		h.shy = now() + 2*int64(napMax)
		w.refused.Store(h.shy)
		w.m.inbox().add(leaf, set)
		w.m.wakeAny()
	}
}

// mayRun reports whether a task's function is one that this worker's group takes.
func (w *Worker) mayRun(index uint32) bool { return w.m.mayTake(w.slot, index) }

// mayTake is mayRun for the worker of a slot.
func (m *memory) mayTake(slot int, index uint32) bool {
	return !m.Assigned || m.takes(slot, m.orders[index].fn.Load())
}

// misled reports whether a hint has led a worker to a task that its group does not take:
// it was a hint of an earlier task in the descriptor, whose word the worker has loaded
// before. The task has a hint of its own elsewhere; another one does no harm.
func (m *memory) misled(slot int, index uint32) bool {
	if m.mayTake(slot, index) {
		return false
	}
	m.inbox().add(int(index>>6), 1<<(index&63))
	m.wakeAny()
	return true
}

// takes reports whether the group of a slot takes a function.
func (m *memory) takes(slot int, fn uint32) bool {
	return int(fn) >= len(m.takers) || m.takers[fn]>>(m.slot[slot].group%groupsMax)&1 != 0
}

// Takes reports whether tasks of a function may run in this process.
func (s *Submitter) Takes(fn uint32) bool {
	return s.worker == nil || !s.m.Assigned || s.m.takes(s.slot, fn)
}

// below finds a waiting task below of, of a function that this worker takes, by a
// look at the whole table: where the master assigns, hints may be in its own memory.
func (w *Worker) below(of TaskID) (index uint32, seen Word, ok bool) {
	for i := range w.m.Geometry.Tasks {
		index, seen = uint32(i), Word(w.m.words[i].Load())
		if seen.state() == Queued && w.mayRun(index) && w.isBelow(index, of) {
			return index, seen, true
		}
	}
	return 0, 0, false
}
