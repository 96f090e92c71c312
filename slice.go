package tutti

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"unsafe"

	"github.com/tutti-run/tutti/internal/codec"
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
type Slice[T any] struct {
	pool uint64
	ref  shm.Ref
	len  int64
}

// ErrFreed is returned by Data for a slice that was freed, or whose pool was closed.
var ErrFreed = errors.New("tutti: the slice's memory is gone: it was freed, or its pool was closed")

// pools are the pools of this process by number, so that a slice finds its own.
var pools = poolTable{byID: map[uint64]*Pool{}}

type poolTable struct {
	sync.RWMutex
	byID map[uint64]*Pool
}

func (t *poolTable) add(p *Pool) {
	t.Lock()
	defer t.Unlock()
	t.byID[p.sub.PoolID()] = p
}

func (t *poolTable) remove(p *Pool) {
	t.Lock()
	defer t.Unlock()
	delete(t.byID, p.sub.PoolID())
}

func (t *poolTable) find(id uint64) *Pool {
	t.RLock()
	defer t.RUnlock()
	return t.byID[id]
}

// NewSlice makes a slice of n zeros in the pool's memory. It belongs to the
// process that made it, until that frees it or ends: one that is made in a
// worker goes when the worker does.
func NewSlice[T any](p *Pool, n int) (Slice[T], error) {
	t := reflect.TypeFor[T]()
	if !codec.IsPlain(t) || t.Size() == 0 {
		return Slice[T]{}, fmt.Errorf("tutti: NewSlice: %v is not plain: it holds a pointer, or nothing", t)
	}
	if n < 0 || n > (1<<62)/int(t.Size()) {
		return Slice[T]{}, fmt.Errorf("tutti: NewSlice: %d elements of %d bytes", n, t.Size())
	}
	if err := p.enter(); err != nil {
		return Slice[T]{}, err
	}
	defer p.leave()
	ref, err := p.sub.Alloc(n * int(t.Size()))
	if err != nil {
		return Slice[T]{}, fmt.Errorf("tutti: NewSlice: %d bytes (see Config.Memory): %w", n*int(t.Size()), err)
	}
	return Slice[T]{p.sub.PoolID(), ref, int64(n)}, nil
}

// Len returns the number of elements.
func (s Slice[T]) Len() int { return int(s.len) }

// Data returns the elements. They may be used until the slice is freed or the
// pool is closed; after that they read as zeros or as somebody else's, so do not
// keep them any longer. In a worker they may be used as long as the task runs.
func (s Slice[T]) Data() ([]T, error) {
	p := pools.find(s.pool)
	if p == nil || p.enter() != nil {
		return nil, ErrFreed
	}
	defer p.leave()
	p.lent.Store(true)
	b, err := p.sub.Memory(s.ref, int(s.len)*int(unsafe.Sizeof(*new(T))))
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrFreed, err)
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), s.len), nil
}

// MarshalBinary lets a Slice travel in a struct that is not plain itself.
func (s Slice[T]) MarshalBinary() ([]byte, error) {
	return codec.Encoding.Marshal([...]uint64{s.pool, uint64(s.ref), uint64(s.len)})
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
// handed to a function. Only the whole can be freed.
func (s Slice[T]) Slice(i, j int) View[T] {
	if i < 0 || j < i || int64(j) > s.len {
		panic(fmt.Sprintf("tutti: Slice(%d, %d) of a slice of %d", i, j, s.len))
	}
	return View[T]{s, int64(i), int64(j)}
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
		return nil, fmt.Errorf("tutti: damaged view: %d to %d of %d", v.from, v.to, len(all))
	}
	return all[v.from:v.to:v.to], nil
}

// MarshalBinary lets a View travel in a struct that is not plain itself.
func (v View[T]) MarshalBinary() ([]byte, error) {
	return codec.Encoding.Marshal([...]uint64{v.of.pool, uint64(v.of.ref), uint64(v.of.len), uint64(v.from), uint64(v.to)})
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

// Free gives the memory back. Any process of the pool may do it, once, when
// nobody uses the elements any more.
func (s Slice[T]) Free() error {
	p := pools.find(s.pool)
	if p == nil || p.enter() != nil {
		return ErrFreed
	}
	defer p.leave()
	if err := p.sub.FreeMemory(s.ref); err != nil {
		return fmt.Errorf("%w (%w)", ErrFreed, err)
	}
	return nil
}
