package shm

import (
	"fmt"
	"unsafe"
)

// Segment is a region of memory that processes share, addressed by offsets
// only, since every process maps it elsewhere. Its methods may be called from
// many goroutines at once, but nothing may use the segment, or memory obtained
// from it, during or after Close.
type Segment struct {
	base unsafe.Pointer // nil once closed
	size int64
	fd   int      // -1 on the heap and once closed
	heap []uint64 // keeps a heap segment's memory alive; nil when mapped

	whole *Segment // of which this is a part, from off on; else nil
	off   int64
}

// cacheLine is the alignment that layouts may rely on: offsets that are
// multiples of it give addresses that are.
const cacheLine = 64

// HeapSegment returns a segment of size bytes (at least 1, else it panics) in Go's
// own memory, zeroed and aligned to 64 bytes. No other process can see it: it
// lets the race detector watch algorithms that otherwise run on mapped memory,
// where the detector is blind. Commit does nothing; Release zeroes, as it does
// on a mapped segment.
func HeapSegment(size int64) *Segment {
	if size <= 0 {
		panic(fmt.Sprintf("shm: heap segment of %d bytes", size))
	}
	words := make([]uint64, (size+7)/8+cacheLine/8)
	base := unsafe.Pointer(unsafe.SliceData(words))
	skip := -uintptr(base) & (cacheLine - 1)
	return &Segment{base: unsafe.Add(base, skip), size: size, fd: -1, heap: words}
}

// Part returns the n bytes at off as a segment of their own, for code that lays out
// structures in a whole one. Closing it does nothing; it may be used as long as the
// whole may.
func (s *Segment) Part(off, n int64) (*Segment, error) {
	if err := s.check("part", off, n); err != nil {
		return nil, err
	}
	return &Segment{base: unsafe.Add(s.base, off), size: n, fd: -1, whole: s, off: off}, nil
}

// FD returns the segment's file descriptor, to be passed to another process
// that calls [Attach]; it remains the segment's. It is -1 for a heap segment and for
// a part of another.
func (s *Segment) FD() int { return s.fd }

// Size returns the segment's length in bytes; it never changes.
func (s *Segment) Size() int64 { return s.size }

// Base returns the address of offset 0, for code that lays out structures in
// the segment after it has checked their geometry once. It is nil after Close.
func (s *Segment) Base() unsafe.Pointer { return s.base }

// Bytes returns the n bytes at offset off as a slice into the shared memory.
// A range outside the segment, or a closed segment, is an error.
func (s *Segment) Bytes(off, n int64) ([]byte, error) {
	if err := s.check("view", off, n); err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(unsafe.Add(s.base, off)), n), nil
}

// Commit gets memory from the system for the n bytes at off, so that touching
// them later cannot fail. What is committed already stays as it is. It returns
// an error that wraps [ErrFull] when the system has no memory; then a part of
// the range may be committed.
func (s *Segment) Commit(off, n int64) error {
	if err := s.check("commit", off, n); err != nil {
		return err
	}
	if s.whole != nil {
		return s.whole.Commit(s.off+off, n)
	}
	if s.heap != nil || n == 0 {
		return nil
	}
	return s.commit(off, n)
}

// Release gives the whole pages within the n bytes at off back to the system.
// All n bytes read as zero from then on, and must be committed again before
// they are used.
func (s *Segment) Release(off, n int64) error {
	if err := s.check("release", off, n); err != nil {
		return err
	}
	if s.whole != nil {
		return s.whole.Release(s.off+off, n)
	}
	if n == 0 {
		return nil
	}
	if s.heap != nil {
		clear(unsafe.Slice((*byte)(unsafe.Add(s.base, off)), n))
		return nil
	}
	return s.release(off, n)
}

// Populate maps the whole pages of the n bytes at off, which are committed, into this
// process: else each costs a fault when it is touched first, which is most of what a
// copy of new memory takes. It is a hint: where the system cannot, touching does it.
func (s *Segment) Populate(off, n int64) {
	if s.check("populate", off, n) != nil {
		return
	}
	if s.whole != nil {
		s.whole.Populate(s.off+off, n)
	} else if s.heap == nil {
		s.populate(off, n)
	}
}

func (s *Segment) check(op string, off, n int64) error {
	switch {
	case s.base == nil:
		return fmt.Errorf("%s: the segment is closed", op)
	case off < 0 || n < 0 || n > s.size || off > s.size-n:
		return fmt.Errorf("%s: %d bytes at offset %d lie outside a segment of %d bytes", op, n, off, s.size)
	}
	return nil
}
