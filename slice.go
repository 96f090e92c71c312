package tutti

import (
	"fmt"

	"github.com/tutti-run/tutti/ipc"
	"github.com/tutti-run/tutti/shm"
)

// Slice is a slice of T in memory that the whole pool sees: the master and all
// workers read and write the same bytes, and nothing is copied. A Slice itself
// is a small plain value: hand it to functions as input, alone or in a struct.
//
// T must be plain (see the package comment). Nothing orders the accesses of
// different tasks but the calls themselves: what was written before a call is
// seen by its task, and what a task wrote is seen when its result is there.
// Tasks that run at the same time must write to different elements.
//
// A task that is run again, after its worker died, finds what its earlier
// attempt had written: an update in place may then be applied twice. Write
// results that depend on the input alone, or use AtMostOnce.
//
// It is the type of package ipc, whose spaces have slices, too.
type Slice[T any] = ipc.Slice[T]

// View is a part of a Slice. Like that it is a small plain value.
type View[T any] = ipc.View[T]

// ErrFreed is returned by Data for a slice that was freed, or whose pool was closed.
var ErrFreed = ipc.ErrFreed

// NewSlice makes a slice of n zeros in the pool's memory. It belongs to the
// process that made it, until that frees it or ends: one that is made in a
// worker goes when the worker does.
func NewSlice[T any](p *Pool, n int) (Slice[T], error) {
	s, err := ipc.NewSliceIn[T](p.memory, n)
	if err != nil {
		return s, fmt.Errorf("tutti: NewSlice: %w", err)
	}
	return s, nil
}

// poolMemory is a pool as a memory of slices.
type poolMemory struct {
	p  *Pool
	id uint64 // which the pool's own memory tells as long as it is open
}

func (m poolMemory) ID() uint64 { return m.id }

func (m poolMemory) Alloc(n int) (shm.Ref, error) {
	if err := m.p.enter(); err != nil {
		return 0, err
	}
	defer m.p.leave()
	ref, err := m.p.sub.Alloc(n)
	if err != nil {
		return 0, fmt.Errorf("%d bytes (see Config.Memory): %w", n, err)
	}
	return ref, nil
}

// Bytes and Free serve a pool that is being drained, too: its tasks use the memory.
func (m poolMemory) Bytes(ref shm.Ref, n int) ([]byte, error) {
	if !m.p.look() {
		return nil, ErrClosed
	}
	defer m.p.leave()
	m.p.lent.Store(true)
	return m.p.sub.Memory(ref, n)
}

func (m poolMemory) Free(ref shm.Ref) error {
	if !m.p.look() {
		return ErrClosed
	}
	defer m.p.leave()
	return m.p.sub.FreeMemory(ref)
}
