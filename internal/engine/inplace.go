package engine

import (
	"bytes"
	"context"
	"math/bits"
	"unsafe"
)

// Calls in place.
//
// A task whose call finds no room, neither a descriptor nor memory, must not wait
// for it: it runs the call itself. Such a call is never queued, and its input and
// result stay in its process; all that it needs of the segment is a word and a
// descriptor, so that the supervisor sees its time limit, its attempts and its
// parent, as it does those of any call on its caller's stack. They come from the
// reserve: descriptors behind the table that serve for nothing else.
//
//	state    owner        what a death there leads to
//	FREE     nobody
//	WRITING  the caller   dropSubmitted frees it
//	RUNNING  the caller   core.Judge, as for any descendant of a task; the verdict
//	                      is kept by the hash of the input. Then freed
//	DONE     the caller   freed: its task begins again and makes it anew
//
// The set m.reserve holds hints, as a queue does; the word decides. A hint that a dead
// process had in hand the sweep sets again.
//
// Such calls may be as many as there are goroutines, and nested as deep as a stack can
// be, and none may wait for another's descriptor: that one may be its ancestor, or
// wait in turn. So the reserve is large and costs nothing until it is used: it has
// address space, and gets memory, reserveStep descriptors at a time, when all that has
// some is taken. Whoever finds it empty gives the next step memory, then counts it, so
// that the supervisor looks at it, and then sets its hints. Who dies before it is
// counted has changed nothing; after that the sweep sets the hints. Two at once do the
// same: memory that is there stays as it is, and a hint that is set twice is stale.

const (
	// InPlaceMax is the size of the reserve. A call that finds none of it left
	// fails; a call without a descriptor would be one that nobody can end.
	InPlaceMax = 1 << 14
	// reserveStep is how much of it gets memory at once: a page of words.
	reserveStep = pageBytes / 8
)

// reserved reports whether a descriptor belongs to the reserve.
func (m *memory) reserved(index uint32) bool { return int(index) >= m.Geometry.Tasks }

// inUse is how much of the table has memory: all of it but for the rest of the reserve.
func (m *memory) inUse() int {
	return m.Geometry.Tasks + min(int(m.head.grown.Load()), InPlaceMax/64)*64
}

// commitTasks gets memory for n descriptors from the first on.
func (m *memory) commitTasks(first, n int) error {
	for _, p := range []struct {
		off  int64
		size int
	}{{m.layout.words, 8}, {m.layout.tasks, int(unsafe.Sizeof(descriptor{}))}, {m.layout.ins, shortMax}} {
		if err := m.seg.Commit(p.off+int64(first*p.size), int64(n*p.size)); err != nil {
			return err
		}
	}
	return nil
}

// growReserve gives more of the reserve memory; false when there is no more.
func (m *memory) growReserve(grown uint32) bool {
	first := int(grown) * 64
	if first+reserveStep > InPlaceMax || m.commitTasks(m.Geometry.Tasks+first, reserveStep) != nil {
		return false
	}
	m.head.grown.CompareAndSwap(grown, grown+reserveStep/64)
	for leaf := range reserveStep / 64 {
		m.reserve.add(int(grown)+leaf, ^uint64(0))
	}
	return true
}

// takeReserve takes a descriptor of the reserve for slot; false when none is left.
func (m *memory) takeReserve(slot int) (index uint32, ok bool) {
	for {
		grown := m.head.grown.Load()
		cursor := 0 // the same few again and again
		leaf, bit := m.reserve.take(&cursor, 1, false)
		if bit == 0 {
			if !m.growReserve(grown) {
				return 0, false
			}
			continue
		}
		index = uint32(m.Geometry.Tasks + leaf<<6 + bits.TrailingZeros64(bit))
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
// already, or when ctx or its task ended first: then res is it. ok is false when the
// reserve is used up; nothing has happened then.
func (s *Submitter) InPlace(ctx context.Context, t *Spec, input []byte, run Handler) (res Result, ran, ok bool) {
	index, ok := s.m.takeReserve(s.slot)
	if !ok {
		return Result{}, false, false
	}
	s.fill(index, t)
	d := &s.m.descs[index]
	d.flags, d.inLen = d.flags&^flagInExtern|flagInPlace, shortMax
	*(*uint64)(s.m.inline(index, shortMax)) = hashOf(input)
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
	r := &Run{w: w, index: index, word: word, desc: &m.descs[index]}
	r.caller.Store(below)
	before := getLabels()
	setLabels(below.label.raw)
	defer func() {
		r.Close()
		setLabels(before)
		m.freed(index)
		below.end(w)
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
