package engine

import (
	"unsafe"
)

// Kind says what a result is. The engine makes those from KindCrash on; the
// others are the caller's own, below kindExtern.
type Kind uint32

// The kinds of result.
const (
	KindValue     Kind = iota // what the function returned
	KindError                 // the error that it returned
	KindPanic                 // it panicked
	KindUnknown               // the worker has no such function
	KindCrash                 // its worker died; the data is a Crash, as JSON
	KindTimeout               // it was past its time limit and ended by force; the data is a Crash
	KindCancelled             // it was cancelled; the data is a Crash if by force
	KindNoMemory              // there was no memory for its result
	KindNoGroup               // no group that takes it has workers any more; the data says why
)

// kindExtern in a cell says that the result lies in the arena.
const kindExtern = 1 << 31

// Result is what a task left. Data lies in shared memory and is valid until the
// task is released.
type Result struct {
	Kind    Kind
	Data    []byte
	Worker  int // slot
	Attempt int
}

// result reads a task that has ended. A peer's bytes are checked.
func (m *memory) result(index uint32, w Word) (Result, error) {
	r := Result{Worker: w.owner(), Attempt: w.attempt()}
	if w.state() == Cancelled {
		r.Kind = KindCancelled
		return r, nil
	}
	if r.Worker >= m.Slots {
		return r, errDamaged
	}
	c := m.cellOf(r.Worker, index)
	kind, n := c.kind, int(c.len)
	r.Kind = Kind(kind &^ kindExtern)
	if kind&kindExtern == 0 {
		if n > inlineOut {
			return r, errDamaged
		}
		if n <= shortMax {
			r.Data = m.outOf(r.Worker, index)[:n:n]
		} else {
			r.Data = c.out[:n:n]
		}
		return r, nil
	}
	b, err := m.arena.Bytes(*c.ref(), n)
	r.Data = b
	return r, err
}

// plainResult is the short way to a small value: see Stream.Plain.
func (m *memory) plainResult(index uint32, n int) unsafe.Pointer {
	w := Word(m.words[index].Load())
	if w.state() != Done || w.owner() >= m.Slots || n > inlineOut {
		return nil
	}
	c := m.cellOf(w.owner(), index)
	if *(*uint64)(unsafe.Pointer(c)) != uint64(KindValue)|uint64(n)<<32 {
		return nil
	}
	if n <= shortMax {
		return unsafe.Pointer(m.outOf(w.owner(), index))
	}
	return unsafe.Pointer(&c.out)
}

// head writes kind and length, in one store and only where they are others than
// the last result's there.
func (c *cell) head(kind uint32, n int) {
	h := (*uint64)(unsafe.Pointer(c))
	if head := uint64(kind) | uint64(n)<<32; *h != head {
		*h = head
	}
}

// room returns where slot writes a result of n bytes of a task, which fit.
func (m *memory) room(slot int, index uint32, n int) unsafe.Pointer {
	if n <= shortMax {
		return unsafe.Pointer(m.outOf(slot, index))
	}
	return unsafe.Pointer(&m.cellOf(slot, index).out)
}
