package ipc

import (
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/shm"
)

// What is done with the cells of a ring; ring.go says what is allowed and why.

// seekTail walks from p to the tail and says whether its cell can be written to.
func (r *ring) seekTail(p uint64) (uint64, cellWord, verdict) {
	anchored := false
	for steps := 0; ; steps++ {
		if steps%ringWalkMax == ringWalkMax-1 {
			if p = r.hinted(&r.hints.tail, p); steps > ringStepsMax {
				return p, 0, damaged
			}
		}
		w := r.load(p)
		switch d := r.ahead(w, p); {
		case d > 0 && w.state() == cellEmpty:
			p = r.next(r.in(w-cellLap, p))
		case d >= 0 && w.state() == cellWriting:
			p = r.add(r.in(w, p), r.length(w))
		case d > 0 || d == 0 && w.state() != cellEmpty:
			p = r.next(r.in(w, p))
		case d == 0 && w.end() == 0:
			return p, w, ready
		case d >= -1 && w.end() != 0:
			return p, w, closed
		case d == -1 && w.state() == cellVoid:
			r.swap(p, w, w.lap()+cellLap)
			at("ring-skipped")
		case d == -1:
			return p, w, blocked
		case anchored:
			return p, w, damaged
		default: // the hint was left behind by half of all laps, or is no hint
			p, anchored = r.anchor(), true
		}
	}
}

// seekHead walks from p to the head and says whether there is something to receive.
func (r *ring) seekHead(p uint64) (uint64, cellWord, verdict) {
	anchored := false
	for steps := 0; ; steps++ {
		if steps%ringWalkMax == ringWalkMax-1 {
			if p = r.hinted(&r.hints.head, p); steps > ringStepsMax {
				return p, 0, damaged
			}
		}
		w := r.load(p)
		switch d := r.ahead(w, p); {
		case d >= 0 && w.state() == cellReading:
			p = r.add(r.in(w, p), r.length(w))
		case d > 0:
			p = r.next(r.in(w-cellLap, p))
		case d == 0 && w.state() == cellFull:
			return p, w, ready
		case d == 0 && w.state() == cellVoid:
			if r.swap(p, w, w.lap()+cellLap|w.end()) {
				at("ring-skipped")
				r.state.senders.ring(1)
			}
		case d == 0 && w.state() == cellWriting:
			return p, w, blocked
		case d == 0 || d == -1 && w.state() == cellReading:
			if w.end() != 0 {
				return p, w, closed
			}
			return p, w, blocked
		case anchored:
			return p, w, damaged
		default:
			p, anchored = r.anchor(), true
		}
	}
}

// length is that of a run, whatever stands there.
func (r *ring) length(w cellWord) uint64 { return min(max(w.run(), 1), r.capacity) }

// claimTail claims up to n cells for sending.
func (r *ring) claimTail(n uint64) (p, got uint64, v verdict) {
	p = loadWord(&r.tail)
	for {
		p, w, v := r.seekTail(p)
		if v != ready {
			storeWord(&r.tail, p)
			return p, 0, v
		}
		got = 1
		for q := r.next(p); got < min(n, r.runMax) && r.load(q) == r.lapOf(q); q = r.next(q) {
			got++
		}
		if r.swap(p, w, w|r.writing+cellWord(got-1)<<cellRunAt) { // SYNC ring-empty
			at("ring-claimed")
			shm.Acquire(unsafe.Pointer(r.word(p)))
			r.advance(&r.tail, &r.hints.tail, p, r.add(p, got))
			return p, got, ready
		}
	}
}

// claimOne is claimTail for one cell where the hint is right.
func (r *ring) claimOne() (p uint64, v verdict) {
	p = loadWord(&r.tail)
	if w := r.lapOf(p); r.load(p) == w && r.swap(p, w, w|r.writing) { // SYNC ring-empty
		at("ring-claimed")
		shm.Acquire(unsafe.Pointer(r.word(p)))
		r.advance(&r.tail, &r.hints.tail, p, r.next(p))
		return p, ready
	}
	p, _, v = r.claimTail(1)
	return p, v
}

// fill says that the n cells at p, which are this goroutine's, hold messages.
func (r *ring) fill(p, n uint64) {
	at("ring-valued")
	shm.Release(unsafe.Pointer(r.word(p)))
	for i := n - 1; i > 0; i-- {
		q := r.add(p, i)
		publish((*uint64)(unsafe.Pointer(r.word(q))), uint64(r.lapOf(q)|cellFull))
		at("ring-inner")
	}
	w := r.lapOf(p) | r.writing + cellWord(n-1)<<cellRunAt
	r.leave(p, w, r.lapOf(p)|cellFull) // SYNC ring-full
	at("ring-full")
	r.state.receivers.ring(int(n))
}

// takeHead claims up to n cells for receiving.
func (r *ring) takeHead(n uint64) (p, got uint64, v verdict) {
	p = loadWord(&r.head)
	for {
		p, w, v := r.seekHead(p)
		if v != ready {
			storeWord(&r.head, p)
			return p, 0, v
		}
		got = 1
		for q := r.next(p); got < min(n, r.runMax) && r.load(q) == r.lapOf(q)|cellFull; q = r.next(q) {
			got++
		}
		if r.swap(p, w, w.lap()|w.end()|r.reading+cellWord(got-1)<<cellRunAt) { // SYNC ring-full
			at("ring-taken")
			shm.Acquire(unsafe.Pointer(r.word(p)))
			r.advance(&r.head, &r.hints.head, p, r.add(p, got))
			return p, got, ready
		}
	}
}

// takeOne is takeHead for one cell where the hint is right.
func (r *ring) takeOne() (p uint64, v verdict) {
	p = loadWord(&r.head)
	if w := r.lapOf(p); r.load(p) == w|cellFull && r.swap(p, w|cellFull, w|r.reading) { // SYNC ring-full
		at("ring-taken")
		shm.Acquire(unsafe.Pointer(r.word(p)))
		r.advance(&r.head, &r.hints.head, p, r.next(p))
		return p, ready
	}
	p, _, v = r.takeHead(1)
	return p, v
}

// free gives back the n cells at p, whose messages this goroutine has copied.
func (r *ring) free(p, n uint64) {
	at("ring-copied")
	shm.Release(unsafe.Pointer(r.word(p)))
	for i := n - 1; i > 0; i-- {
		q := r.add(p, i)
		publish((*uint64)(unsafe.Pointer(r.word(q))), uint64(r.lapOf(q)+cellLap))
		at("ring-inner")
	}
	w := r.lapOf(p) | r.reading + cellWord(n-1)<<cellRunAt
	r.leave(p, w, r.lapOf(p)+cellLap) // SYNC ring-empty
	at("ring-freed")
	r.state.senders.ring(int(n))
}

// leave moves a cell that is its owner's on. It may have become the end meanwhile.
func (r *ring) leave(p uint64, from, to cellWord) {
	if !r.swap(p, from, to) {
		r.swap(p, from|cellEnd, to|cellEnd)
	}
}

// close makes the tail the end, and reports whether it was not before.
func (r *ring) close() (bool, verdict) {
	p := loadWord(&r.tail)
	for {
		q, w, v := r.seekTail(p)
		if v == closed || v == damaged {
			return false, v
		}
		if r.swap(q, w, w|cellEnd) {
			at("ring-closed")
			r.state.receivers.ring(wakeAll)
			r.state.senders.ring(wakeAll)
			return true, closed
		}
		p = q
	}
}

// count is how many messages are in the ring, at some moment of the call if nothing
// else is done meanwhile.
func (r *ring) count() int {
	head, _, _ := r.seekHead(loadWord(&r.head))
	tail, _, _ := r.seekTail(loadWord(&r.tail))
	return int(min(max(r.distance(tail, head), 0), int64(r.capacity)))
}

// buryRing takes cells out of the hands of a dead process.
func buryRing(s *Space, object, slot int) {
	r, err := s.ringOf(object)
	if err != nil {
		return
	}
	// He may have been about to wake somebody, and have taken the bell's bit already.
	defer r.state.receivers.ringOut(wakeAll)
	defer r.state.senders.ringOut(wakeAll)
	for i := range r.capacity {
		w := r.load(i)
		if w.slot() != slot {
			continue
		}
		switch w.state() {
		case cellWriting:
			r.void(r.in(w, i), w, func(q uint64) cellWord { return r.lapOf(q) | cellVoid })
		case cellReading:
			r.void(r.in(w, i), w, func(q uint64) cellWord { return r.lapOf(q) + cellLap })
		}
	}
}

// void moves the cells of the run of a dead process on, w being the word of the first.
func (r *ring) void(p uint64, w cellWord, to func(q uint64) cellWord) {
	for i := r.length(w) - 1; i > 0; i-- {
		q := r.add(p, i)
		atomic.StoreUint64((*uint64)(unsafe.Pointer(r.word(q))), uint64(to(q)))
		at("ring-void-inner")
	}
	for {
		w := r.load(p)
		if r.swap(p, w, to(p)|w.end()) {
			at("ring-voided")
			return
		}
	}
}
