package engine

import (
	"bytes"
	"context"
	"math/bits"
)

// Calls in place.
//
// A task whose call finds no room, neither a descriptor nor memory, must not wait
// for it: it runs the call itself. Such a call is never queued, and its input and
// result stay in its process; all that it needs of the segment is a word and a
// descriptor, so that the supervisor sees its time limit, its attempts and its
// parent, as it does those of any call on its caller's stack. They come from the
// reserve: descriptors that serve for nothing else.
//
//	state    owner        what a death there leads to
//	FREE     nobody
//	WRITING  the caller   dropSubmitted frees it
//	RUNNING  the caller   core.Judge, as for any descendant of a task; the verdict
//	                      is kept by the hash of the input. Then freed
//	DONE     the caller   freed: its task begins again and makes it anew
//
// reserve holds hints, as a queue does; the word decides. A hint that a dead
// process had in hand the sweep sets again.

// reserveTasks is the size of the reserve: one leaf of the table, its last.
const reserveTasks = 64

// reserveLimited is how many of the reserve serve only calls that need them to be
// what they are: those with a time limit, or that run at most once.
const reserveLimited = reserveTasks / 2

// reserved reports whether a leaf of the table is the reserve.
func (m *memory) reserved(leaf int) bool { return leaf<<6 >= m.Geometry.Tasks }

// takeReserve takes a descriptor of the reserve for slot; false when none is left.
func (m *memory) takeReserve(slot int, limited bool) (index uint32, ok bool) {
	for {
		old := m.head.reserve.Load()
		if old == 0 || !limited && bits.OnesCount64(old) <= reserveLimited {
			return 0, false
		}
		if !m.head.reserve.CompareAndSwap(old, old&(old-1)) {
			continue
		}
		index = uint32(m.Geometry.Tasks + bits.TrailingZeros64(old))
		if m.writing(index, slot) {
			at(PointAcquired)
			return index, true
		}
	}
}

// InPlace has a call run in this process on this stack, as a task with limits of
// its own: run gets what a Handler gets, but its input and result are its own
// affair. input is what the input would be in shared memory. It waits until it may run
// beside what else does in this worker. ran is false when the call's end was known
// already, or when ctx or its task ended first: then res is it. ok is false when the reserve is
// empty; nothing has happened then.
func (s *Submitter) InPlace(ctx context.Context, t *Spec, input []byte, run Handler) (res Result, ran, ok bool) {
	index, ok := s.m.takeReserve(s.slot, t.TimeoutNs != 0 || t.AtMostOnce)
	if !ok {
		return Result{}, false, false
	}
	s.fill(index, t)
	d := &s.m.descs[index]
	d.flags, d.inLen = d.flags&^flagInExtern|flagInPlace, shortMax
	*(*uint64)(s.m.inline(index, shortMax)) = hashOf(input)
	s.m.cellOf(s.slot, index).head(uint32(KindValue), 0) // what an earlier task left there is not this one's
	at(PointFilled)
	res, ran = s.worker.runInPlace(ctx, index, t, run)
	return res, ran, true
}

// runInPlace runs a filled descriptor's call, and frees the descriptor, also when
// the call ends the goroutine by runtime.Goexit.
func (w *Worker) runInPlace(ctx context.Context, index uint32, t *Spec, run Handler) (res Result, ran bool) {
	m := w.m
	word := Word(m.words[index].Load()).withState(Running)
	h := w.waits(t.Caller)
	defer h.end()
	below, ok := h.enter(ctx, t.Parent, taskID(index, word), t.AtMostOnce && !t.Contained)
	if !ok {
		m.freed(index)
		return Result{Kind: KindCancelled, Worker: w.slot}, false
	}
	m.words[index].Store(uint64(word)) // a store: a word in WRITING is ours
	at(PointBegun)
	r := &Run{w: w, index: index, word: word, desc: &m.descs[index], cell: m.cellOf(w.slot, index)}
	r.caller.Store(below)
	defer func() {
		r.Close()
		m.freed(index)
		below.end()
	}()
	if m.head.findings.Load() != 0 {
		if f := w.known(r); f != nil {
			return Result{Kind: Kind(f.kind), Data: bytes.Clone(f.end()), Worker: w.slot, Attempt: r.Attempt()}, false
		}
	}
	if r.desc.timeoutNs != 0 {
		w.startTimer(r.desc)
	}
	run(r)
	return Result{}, true
}
