package engine

import (
	"math/bits"
	"unsafe"

	"github.com/tutti-run/tutti/shm"
)

// The transitions of a task. Each is one CAS on its word; where a store serves,
// the comment says why nobody else can write at that time.

// writing takes a free descriptor for slot. False when it is not free any more.
func (m *memory) writing(index uint32, slot int) bool {
	w := m.words[index].Load()
	if w := Word(w); w.state() != Free {
		return false
	}
	return m.words[index].CompareAndSwap(w, uint64(Word(w).fresh(Writing, slot)))
}

// queued makes a filled descriptor's task visible. A store: a word in WRITING,
// or one that has ended, is its submitter's alone. flags are those it starts with.
func (m *memory) queued(index uint32, flags Word) Word {
	w := Word(m.words[index].Load())
	if w.state() == Writing {
		w = w.withState(Queued).withOwner(0) | flags
	} else {
		w = w.fresh(Queued, 0) | flags // used again without passing through FREE
	}
	m.words[index].Store(uint64(w)) // SYNC task-filled: pairs with claim
	return w
}

// begin claims a waiting task for slot and returns its word; false when the
// hint was stale. A flag that is set in between (waited, cancel) is no reason to
// let go of it: the hint in hand may be the only one. seen, when not zero, is the
// word of the task that is meant: nothing but its flags may have changed.
func (m *memory) begin(index uint32, slot int, seen Word) (Word, bool) {
	for {
		w := Word(m.words[index].Load())
		if w.state() != Queued || seen != 0 && !w.same(seen) || m.misled(slot, index) {
			return 0, false
		}
		if running, ok := m.claim(index, slot, w); ok {
			return running, true
		}
	}
}

// claim claims a waiting task whose word is w.
func (m *memory) claim(index uint32, slot int, w Word) (Word, bool) {
	running := w.withState(Running).withOwner(slot)
	return running, m.words[index].CompareAndSwap(uint64(w), uint64(running)) // SYNC task-filled
}

// end moves a running task to its end and returns the last word and whom to
// tell. False when it
// is not ours any more: the supervisor took it for dead. Only flags can have
// changed otherwise.
func (m *memory) end(index uint32, running Word, to State) (w Word, submitter int, ok bool) {
	for w = running; ; {
		ended := w.withState(to)
		submitter = m.descs[index].submitter()                       // once it has ended, the descriptor may be another's
		if m.words[index].CompareAndSwap(uint64(w), uint64(ended)) { // SYNC result: pairs with ended
			return ended, submitter, true
		}
		w = Word(m.words[index].Load())
		if w&^flagMask != running&^flagMask {
			return w, 0, false
		}
	}
}

// hasEnded returns the word of a task and whether it has come to its end.
func (m *memory) hasEnded(index uint32) (Word, bool) {
	w := Word(m.words[index].Load()) // SYNC result
	return w, w.ended()
}

// flag sets flags on the task of generation gen while it waits or runs. It
// returns the last word seen, and false when the task has ended or is another.
func (m *memory) flag(index uint32, gen uint64, flags Word) (Word, bool) {
	for {
		w := Word(m.words[index].Load())
		if s := w.state(); w.gen() != gen || s != Queued && s != Running {
			return w, false
		}
		if w&flags == flags || m.words[index].CompareAndSwap(uint64(w), uint64(w|flags)) {
			return w | flags, true
		}
	}
}

// cancelQueued ends a task that nobody has begun.
func (m *memory) cancelQueued(index uint32, gen uint64) bool {
	for {
		w := Word(m.words[index].Load())
		if w.gen() != gen || w.state() != Queued {
			return false
		}
		if m.words[index].CompareAndSwap(uint64(w), uint64(w.withState(Cancelled))) {
			return true
		}
	}
}

// freed gives an ended descriptor back. A store, since an ended word is its
// submitter's alone. What lay in the arena must have been freed before.
func (m *memory) freed(index uint32) {
	w := Word(m.words[index].Load())
	m.words[index].Store(uint64(Word(w.gen())<<genShift | Word(Free)))
	at(PointReleased)
	if leaf, bit := int(index>>6), uint64(1)<<(index&63); m.reserved(index) {
		m.reserve.add(leaf-m.Geometry.Tasks/64, bit)
	} else {
		m.free.add(leaf, bit)
		m.ringStarving()
	}
}

// tell marks a task as ended for its submitter s and rings.
func (m *memory) tell(index uint32, s int) {
	if s >= m.Slots {
		return
	}
	m.ended[s].add(int(index>>6), 1<<(index&63))
	at(PointMarked)
	m.ringDone(s)
	if s != 0 && m.slot[s].awaiting.Load() == 0 {
		m.wakeSlot(s) // an idle worker: the task may be one that it has given up
	}
	at(PointRung)
}

// inputRef is where a descriptor's input lies when it does not fit inline.
func (d *descriptor) inputRef() *shm.Ref { return (*shm.Ref)(unsafe.Pointer(&d.in)) }

// ref is where a cell's result lies when it does not fit inline.
func (c *cell) ref() *shm.Ref { return (*shm.Ref)(unsafe.Pointer(&c.out)) }

// input returns a task's input. A damaged descriptor gives an error.
func (m *memory) input(index uint32) (unsafe.Pointer, int, error) {
	d := &m.descs[index]
	n := int(d.inLen)
	if d.flags&flagInExtern == 0 {
		if n <= shortMax {
			return unsafe.Pointer(&m.ins[index]), n, nil
		}
		return unsafe.Pointer(&d.in), min(n, inlineIn), nil
	}
	b, err := m.arena.Bytes(*d.inputRef(), n)
	if err != nil {
		return nil, 0, err
	}
	return unsafe.Pointer(unsafe.SliceData(b)), n, nil
}

// freeInput gives a task's input back to the arena. by is the caller's slot.
func (m *memory) freeInput(index uint32, by int) {
	if d := &m.descs[index]; d.flags&flagInExtern != 0 {
		d.flags &^= flagInExtern
		_ = m.arena.Free(uint16(by), *d.inputRef()) // a bad reference frees nothing
	}
}

// freeResult gives a task's result back to the arena. w is its last word.
func (m *memory) freeResult(index uint32, w Word, by int) {
	if !w.ended() || w.state() == Cancelled || w.owner() >= m.Slots || m.reserved(index) {
		return // what a dead worker had begun to leave, Reclaim frees
	}
	if c := m.cellOf(w.owner(), index); c.kind&kindExtern != 0 {
		c.kind &^= kindExtern
		_ = m.arena.Free(uint16(by), *c.ref())
	}
}

// each calls f for the indices that bits names in a leaf.
func each(leaf int, set uint64, f func(index uint32)) {
	for ; set != 0; set &= set - 1 {
		f(uint32(leaf<<6 + bits.TrailingZeros64(set)))
	}
}
