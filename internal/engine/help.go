package engine

import (
	"math/bits"

	"github.com/tutti-run/tutti/sched"
)

// What a worker does while one of its tasks waits for others.

// help runs, while a task of this worker waits for another of its own, what it
// waits for, and what that waits for: nothing else, so that a stack never holds
// tasks that have nothing to do with each other, and no wait can close a circle.
//
// What may well die it leaves to an idle worker as long as it is patient, and what
// must not run beside others until it may, and reports that: the caller is to come
// again soon. A worker that dies takes all of its stack along, and the waiting task
// would have to begin again.
func (w *Worker) help(h *wait, top uint32, patient bool) (left bool) {
	for {
		index, word, ok := w.useful(top)
		if !ok || patient && w.risky(index) && w.idleOther(index) {
			h.unwant()
			return ok
		}
		if w.runNested(h, index, word, true) {
			return true
		}
	}
}

// useful finds what to run for a wait for top.
func (w *Worker) useful(top uint32) (index uint32, word Word, ok bool) {
	word = Word(w.m.words[top].Load())
	switch word.state() {
	case Queued:
		return top, word, w.mayRun(top)
	case Running:
		return w.descendant(taskID(top, word))
	}
	return 0, 0, false
}

// risky reports whether a task is one whose author reckons with its death.
func (w *Worker) risky(index uint32) bool {
	return w.m.descs[index].cautions.Load()&cautionRisky != 0
}

// idleOther offers a task to another worker that has nothing to do; false when
// there is none, nor one that is about to start.
func (w *Worker) idleOther(index uint32) bool {
	for slot := 1; slot < w.m.Slots; slot++ {
		b := &w.m.slot[slot]
		state := b.state.Load()
		if slot == w.slot || !w.m.mayTake(slot, index) || state != slotStarting && (state != slotReady || w.view.Running(sched.Slot(slot)) > 0) {
			continue
		}
		if !w.m.Assigned && w.m.head.inOrder == 0 { // it may never look where the task was placed
			w.m.queue[slot][w.m.descs[index].class()].add(int(index>>6), 1<<(index&63))
		}
		w.m.wakeSlot(slot)
		return true
	}
	return false
}

// runNested runs a task on the stack of another that waits, if its word is still as
// it was seen: the descriptor may have become that of a task of another family. It is
// refused where it must not run now; want says that its turn is to come.
func (w *Worker) runNested(h *wait, index uint32, seen Word, want bool) (refused bool) {
	word, below, ok, refused := h.begin(index, seen, want)
	if !ok {
		return refused
	}
	before := getLabels()
	setLabels(below.label.raw)
	defer func() { // also when the task ends the goroutine by runtime.Goexit
		setLabels(before)
		below.end(w)
	}()
	at(PointBegun)
	r := w.runs.Get().(*Run)
	r.caller.Store(below)
	w.perform(r, index, word)
	w.runs.Put(r)
	return false
}

// descendant finds a waiting task below of in any worker's queue.
func (w *Worker) descendant(of TaskID) (index uint32, seen Word, ok bool) {
	if w.m.Assigned {
		return w.below(of)
	}
	first := 1
	if !w.sub.lots {
		first = 0 // the policy may have placed it with the master's
	}
	for q := first; q < w.m.Slots; q++ {
		for c := range w.m.queue[q] {
			h := &w.m.queue[q][c]
			for leaf := range h.leaves {
				for set := h.leaves[leaf].Load(); set != 0; set &= set - 1 {
					i := uint32(leaf<<6 + bits.TrailingZeros64(set))
					seen := Word(w.m.words[i].Load())
					if seen.state() == Queued && w.isBelow(i, of) {
						return i, seen, true
					}
				}
			}
		}
	}
	return 0, 0, false
}

// isBelow reports whether a task descends from another that still runs.
func (w *Worker) isBelow(index uint32, of TaskID) bool {
	for range w.m.inUse() { // damaged parents cannot keep a worker busy
		parent := TaskID(w.m.descs[index].parent.Load())
		if parent == of {
			return true
		}
		if parent == 0 || int(parent.index()) >= w.m.inUse() {
			return false
		}
		index = parent.index()
		if Word(w.m.words[index].Load()).gen() != parent.gen() {
			return false
		}
	}
	return false
}
