package ipc

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"unsafe"

	"github.com/tutti-run/tutti/internal/codec"
	"github.com/tutti-run/tutti/shm"
)

// Slice is a slice of T in memory that several processes see: they read and write the
// same bytes, and nothing is copied. A Slice itself is a small plain value: put it
// into a Var, a Map or a message, alone or in a struct. A pool of package tutti has
// slices of this type, too: hand them to its functions.
//
// T must be plain: numbers, booleans, arrays and structs of them. Nothing orders the
// accesses of different processes but the locks, messages and calls that they use:
// what was written before a message was sent is seen by who received it. Those who run
// at the same time must write to different elements.
//
// A function of a pool that is run again, after its worker died, finds what its
// earlier attempt had written: an update in place may then be applied twice. Write
// results that depend on the input alone, or use tutti.AtMostOnce.
type Slice[T any] struct {
	memory uint64
	ref    shm.Ref
	len    int64
}

// ErrFreed is returned by Data for a slice that was freed, or whose pool or space was
// closed in this process.
var ErrFreed = errors.New("the slice's memory is gone: it was freed, or its pool or space was closed")

// Memory is where slices lie: a Space, or the pool of package tutti, which registers
// its own. Programs need no others.
type Memory interface {
	// ID tells memories apart, in all their processes.
	ID() uint64
	// Alloc takes n zeroed bytes, n > 0.
	Alloc(n int) (shm.Ref, error)
	// Bytes returns n bytes of what Alloc gave.
	Bytes(ref shm.Ref, n int) ([]byte, error)
	// Free gives back what Alloc gave.
	Free(ref shm.Ref) error
}

// memories are those of this process by their numbers, so that a slice finds its own.
var memories struct {
	sync.RWMutex
	byID map[uint64][]Memory // a space may be open twice
}

// AddMemory has slices that lie in m find it, until RemoveMemory.
func AddMemory(m Memory) {
	memories.Lock()
	defer memories.Unlock()
	if memories.byID == nil {
		memories.byID = map[uint64][]Memory{}
	}
	memories.byID[m.ID()] = append(memories.byID[m.ID()], m)
}

// RemoveMemory undoes AddMemory.
func RemoveMemory(m Memory) {
	memories.Lock()
	defer memories.Unlock()
	all := memories.byID[m.ID()]
	if i := slices.Index(all, m); i >= 0 {
		all = slices.Delete(slices.Clone(all), i, i+1)
	}
	if memories.byID[m.ID()] = all; len(all) == 0 {
		delete(memories.byID, m.ID())
	}
}

func findMemory(id uint64) (Memory, error) {
	memories.RLock()
	defer memories.RUnlock()
	if all := memories.byID[id]; len(all) > 0 {
		return all[0], nil
	}
	return nil, ErrFreed
}

// NewSlice makes a slice of n zeros in the space's memory. It belongs to the process
// that made it, until somebody frees it or that process leaves or dies. The error
// wraps shm.ErrFull when there is no memory.
func NewSlice[T any](s *Space, n int) (Slice[T], error) {
	made, err := NewSliceIn[T](spaceMemory{s}, n)
	if err != nil {
		return made, fmt.Errorf("ipc: NewSlice: %w", err)
	}
	return made, nil
}

// NewSliceIn makes a slice in a memory, as NewSlice and tutti.NewSlice do.
func NewSliceIn[T any](m Memory, n int) (Slice[T], error) {
	t := reflect.TypeFor[T]()
	if !codec.IsPlain(t) || t.Size() == 0 {
		return Slice[T]{}, fmt.Errorf("%v is not plain: it holds a pointer, or nothing", t)
	}
	if n < 0 || n > (1<<62)/int(t.Size()) {
		return Slice[T]{}, fmt.Errorf("%d elements of %d bytes", n, t.Size())
	}
	ref, err := m.Alloc(max(1, n*int(t.Size())))
	if err != nil {
		return Slice[T]{}, err
	}
	return Slice[T]{m.ID(), ref, int64(n)}, nil
}

// Len returns the number of elements.
func (s Slice[T]) Len() int { return int(s.len) }

// Data returns the elements. They may be used until the slice is freed or the pool or
// space is closed; after that they read as zeros or as somebody else's, so do not keep
// them any longer. In a worker they may be used as long as the task runs.
func (s Slice[T]) Data() ([]T, error) {
	m, err := findMemory(s.memory)
	if err != nil {
		return nil, err
	}
	b, err := m.Bytes(s.ref, int(s.len)*int(unsafe.Sizeof(*new(T))))
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrFreed, err)
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), s.len), nil
}

// MarshalBinary lets a Slice travel in a struct that is not plain itself.
func (s Slice[T]) MarshalBinary() ([]byte, error) {
	return codec.Encoding.Marshal([...]uint64{s.memory, uint64(s.ref), uint64(s.len)})
}

// UnmarshalBinary reads what MarshalBinary wrote.
func (s *Slice[T]) UnmarshalBinary(b []byte) error {
	var w [3]uint64
	if err := codec.Decoding.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("damaged slice: %w", err)
	}
	*s = Slice[T]{w[0], shm.Ref(w[1]), int64(w[2])}
	return nil
}

// Slice returns the elements from i up to j as a slice of the same memory, to be
// handed to others. Only the whole can be freed. It panics when there are no such
// elements.
func (s Slice[T]) Slice(i, j int) View[T] {
	if i < 0 || j < i || int64(j) > s.len {
		panic(fmt.Sprintf("ipc: Slice(%d, %d) of a slice of %d", i, j, s.len))
	}
	return View[T]{s, int64(i), int64(j)}
}

// Free gives the memory back. Any process may do it, once, when nobody uses the
// elements any more.
func (s Slice[T]) Free() error {
	m, err := findMemory(s.memory)
	if err != nil {
		return err
	}
	if err := m.Free(s.ref); err != nil {
		return fmt.Errorf("%w (%w)", ErrFreed, err)
	}
	return nil
}

// View is a part of a Slice. Like that it is a small plain value.
type View[T any] struct {
	of       Slice[T]
	from, to int64
}

// Len returns the number of elements.
func (v View[T]) Len() int { return int(v.to - v.from) }

// Data returns the elements; see Slice.Data.
func (v View[T]) Data() ([]T, error) {
	all, err := v.of.Data()
	if err != nil {
		return nil, err
	}
	if v.from < 0 || v.to < v.from || v.to > int64(len(all)) {
		return nil, fmt.Errorf("ipc: damaged view: %d to %d of %d", v.from, v.to, len(all))
	}
	return all[v.from:v.to:v.to], nil
}

// MarshalBinary lets a View travel in a struct that is not plain itself.
func (v View[T]) MarshalBinary() ([]byte, error) {
	return codec.Encoding.Marshal([...]uint64{v.of.memory, uint64(v.of.ref), uint64(v.of.len), uint64(v.from), uint64(v.to)})
}

// UnmarshalBinary reads what MarshalBinary wrote.
func (v *View[T]) UnmarshalBinary(b []byte) error {
	var w [5]uint64
	if err := codec.Decoding.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("damaged view: %w", err)
	}
	*v = View[T]{Slice[T]{w[0], shm.Ref(w[1]), int64(w[2])}, int64(w[3]), int64(w[4])}
	return nil
}

// spaceMemory is a space as a memory of slices.
type spaceMemory struct{ s *Space }

// lent are the spaces of whose memory somebody has had a slice's elements: they stay
// mapped, even when they are closed, for nobody knows how long the elements are used.
var lent sync.Map

// wipePunched is the size from which memory is zeroed by giving it back to the system
// and taking it again, which touches no page.
const wipePunched = 1 << 20

func (m spaceMemory) ID() uint64 { return m.s.head.id }

func (m spaceMemory) Alloc(n int) (shm.Ref, error) {
	s := m.s
	if err := s.enter(); err != nil {
		return 0, err
	}
	defer s.leave()
	ref, err := s.arena.Heap(s.memorySlot()).Alloc(n)
	if err != nil {
		return 0, err
	}
	if n >= wipePunched {
		size := roundUp(int64(n), pageBytes)
		if err = s.seg.Release(int64(ref), size); err == nil {
			err = s.seg.Commit(int64(ref), size)
		}
	} else {
		var b []byte
		b, err = s.arena.Bytes(ref, n)
		clear(b)
	}
	if err != nil {
		s.unkeep(ref)
		return 0, err
	}
	return ref, nil
}

func (m spaceMemory) Bytes(ref shm.Ref, n int) ([]byte, error) {
	if err := m.s.enter(); err != nil {
		return nil, err
	}
	defer m.s.leave()
	lent.LoadOrStore(m.s, true)
	return m.s.arena.Bytes(ref, n)
}

func (m spaceMemory) Free(ref shm.Ref) error {
	if err := m.s.enter(); err != nil {
		return err
	}
	defer m.s.leave()
	return m.s.arena.Free(m.s.memorySlot(), ref)
}
