package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"unsafe"

	"github.com/tutti-run/tutti/shm"
)

// Where inputs lie: short ones in the descriptor, others in the arena, within a budget.

// largestValue is how large an input or a result may be: their lengths have 32 bits.
const largestValue = math.MaxUint32

// Input returns room for an input of n bytes in a descriptor that is being
// filled. It waits while the inputs of this process fill their budget.
func (s *Submitter) Input(ctx context.Context, index uint32, n int) (unsafe.Pointer, error) {
	d := &s.m.descs[index]
	d.flags, d.inLen = 0, uint32(n)
	if n <= inlineIn {
		return s.m.inline(index, n), nil
	}
	if int64(n) > s.budget || n > largestValue {
		return nil, ErrTooLarge
	}
	ref, err := s.allocInput(ctx, n)
	if err != nil {
		return nil, err
	}
	return s.m.extern(index, n, ref)
}

// extern has an input of n bytes lie in the arena.
func (m *memory) extern(index uint32, n int, ref shm.Ref) (unsafe.Pointer, error) {
	d := &m.descs[index]
	*d.inputRef() = ref
	d.flags = flagInExtern
	b, err := m.arena.Bytes(ref, n)
	return unsafe.Pointer(unsafe.SliceData(b)), err
}

// Impatient is a Submitter whose Input fails with ErrFull where it would wait.
type Impatient struct{ *Submitter }

// Input returns room for an input, if there is any now.
func (s Impatient) Input(ctx context.Context, index uint32, n int) (unsafe.Pointer, error) {
	if n <= inlineIn || int64(n) > s.budget || s.worker != nil {
		return s.Submitter.Input(ctx, index, n) // waits for nothing
	}
	d := &s.m.descs[index]
	d.flags, d.inLen = 0, uint32(n)
	ref, ok, err := s.tryAlloc(n)
	if !ok {
		return nil, ErrFull
	}
	if err != nil {
		return nil, err
	}
	return s.m.extern(index, n, ref)
}

// inline is where an input of n bytes lies that fits the descriptor.
func (m *memory) inline(index uint32, n int) unsafe.Pointer {
	if n <= shortMax {
		return unsafe.Pointer(&m.ins[index])
	}
	return unsafe.Pointer(&m.descs[index].in)
}

// allocInput takes n bytes for an input as soon as the budget allows.
func (s *Submitter) allocInput(ctx context.Context, n int) (ref shm.Ref, err error) {
	if s.worker != nil {
		// A task that waited here could wait for what only it can free. What it
		// submits is bounded by the arena; when that is full it runs in place.
		if ref, err = s.heap.Alloc(n); err != nil {
			return 0, fmt.Errorf("%w: %w", ErrFull, err)
		}
		s.inputBytes.Add(int64(n))
		return ref, nil
	}
	try := func() (ok bool) {
		ref, ok, err = s.tryAlloc(n)
		return ok
	}
	if try() {
		return ref, err
	}
	if e := s.hungryUntil(ctx, try); e != nil {
		return 0, e
	}
	return ref, err
}

// tryAlloc takes n bytes for an input. ok is false where there is no room now and
// will be when another input of this process is done with. While the memory is full
// of slices and results nobody can tell when, and the error wraps ErrFull.
func (s *Submitter) tryAlloc(n int) (ref shm.Ref, ok bool, err error) {
	if s.inputBytes.Add(int64(n)) > s.budget {
		s.inputBytes.Add(-int64(n))
		return 0, false, nil
	}
	ref, err = s.heap.Alloc(n)
	if err == nil {
		return ref, true, nil
	}
	others := s.inputBytes.Add(-int64(n))
	if !errors.Is(err, shm.ErrFull) {
		return 0, true, err
	}
	return 0, others <= 0, fmt.Errorf("%w: slices and results leave no memory for an input of %d bytes; free some, or give the pool more (Config.Memory): %w", ErrFull, n, err)
}
