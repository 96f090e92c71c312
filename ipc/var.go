package ipc

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"math"
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/internal/codec"
	"github.com/tutti-run/tutti/shm"
)

// Var is a value that all processes share. Each keeps a copy of it, and a write makes
// all of these stale at once: what Load returns is the value at that moment, never an
// older one. Reading a value that has not changed costs one atomic load of the
// version, which all processes have in their caches.
//
// A write is whole or it is not there: if its writer dies, all others see the old
// value or the new one.
//
// T may be any type whose values can travel: plain ones are copied as they are,
// strings and slices of plain ones as bytes, others through CBOR, exported fields only.
// What Load returns is shared by all who load it in this process: do not change what
// slices, maps and pointers in it refer to.
//
// A handle may be used from many goroutines at once. Open one and keep it: the copy
// belongs to the handle.
type Var[T any] struct {
	version *atomic.Uint64 // of the value, in shared memory
	copy    atomic.Pointer[versioned[T]]
	codec   codec.Codec[T]
	v       variable
}

// noVersion is the version of a copy that there is not yet. A value gets as far after
// a century of writing.
const noVersion = math.MaxUint64

// versioned is a value and when it was the value.
type versioned[T any] struct {
	version uint64
	value   T
}

// OpenVar returns the variable of a name, and makes it with an initial value if it is
// not there. All must open it for the same type.
func OpenVar[T any](s *Space, name string, initial T) (*Var[T], error) {
	c, err := codec.New[T]("the value")
	if err != nil {
		return nil, fmt.Errorf("ipc: variable %q: %w", name, err)
	}
	shape := codec.Shape[T]()
	v := &Var[T]{codec: c, v: variable{s: s}}
	err = encode(&c, initial, func(b []byte) (err error) {
		v.v.i, err = s.find(kindVar, name, func(o *object) error { return s.furnishVar(stateOf[varState](o), shape, b) })
		return err
	})
	if err != nil {
		return nil, err
	}
	v.v.st = stateOf[varState](&s.objects[v.v.i])
	if v.v.st.shape != shape {
		return nil, otherType[T]("variable", name)
	}
	v.version = &v.v.st.version
	v.copy.Store(&versioned[T]{version: noVersion})
	return v, nil
}

// Load returns the value. It fails only if the value has changed and the new one
// cannot be had: the space is closed, or its memory damaged.
func (v *Var[T]) Load() (T, error) {
	// The copy comes first: if its version counts afterwards, it was the value then.
	if c := v.copy.Load(); c.version == v.version.Load() { // SYNC var
		shm.Acquire(unsafe.Pointer(v.version))
		return c.value, nil
	}
	return v.changed()
}

// changed is Load when the copy is stale, apart from it so that Load stays short.
func (v *Var[T]) changed() (value T, err error) {
	value, _, err = v.LoadVersion()
	return value, err
}

// LoadVersion is Load, and returns the value's version besides, for Wait. Versions
// count the writes.
func (v *Var[T]) LoadVersion() (value T, version uint64, err error) {
	c, err := v.fetch()
	if err != nil {
		return value, 0, err
	}
	return c.value, c.version, nil
}

// fetch returns the value, from the copy if that is right, and keeps a copy.
func (v *Var[T]) fetch() (*versioned[T], error) {
	if c := v.copy.Load(); c.version == v.version.Load() {
		shm.Acquire(unsafe.Pointer(v.version))
		return c, nil
	}
	b, version, err := v.v.read()
	if err != nil {
		return nil, err
	}
	value, err := decode(&v.codec, b)
	if err != nil {
		return nil, err
	}
	c := &versioned[T]{version, value}
	for {
		have := v.copy.Load()
		if have.version != noVersion && have.version >= version || v.copy.CompareAndSwap(have, c) {
			return c, nil
		}
	}
}

// Store sets the value. The error wraps shm.ErrFull when there is no memory for it,
// and then the value is what it was.
func (v *Var[T]) Store(value T) error {
	return encode(&v.codec, value, func(b []byte) error {
		_, err := v.v.write(b, nil)
		return err
	})
}

// Swap sets the value and returns the one before. Errors are those of Store.
func (v *Var[T]) Swap(value T) (old T, err error) {
	_, err = v.Update(context.Background(), func(was T) (T, error) { old = was; return value, nil })
	return old, err
}

// Update sets the value to what f makes of it, and returns that. f is called again
// when somebody else has set the value meanwhile, until ctx is done; so it must do
// nothing but compute. It must not change what it is given. If it returns an error,
// which Update returns, the value stays as it is.
func (v *Var[T]) Update(ctx context.Context, f func(old T) (T, error)) (T, error) {
	for {
		c, err := v.fetch()
		if err != nil {
			return *new(T), err
		}
		value, err := f(c.value)
		if err != nil {
			return c.value, err
		}
		done := false
		err = encode(&v.codec, value, func(b []byte) (err error) {
			done, err = v.v.write(b, &c.version)
			return err
		})
		if done || err != nil {
			return value, err
		}
		if ctx.Err() != nil {
			return c.value, context.Cause(ctx)
		}
	}
}

// Wait waits until the value has another version than the given one, or ctx is done.
// Then the error is that of ctx; ErrClosed says that the space was closed.
//
//go:noinline
func (v *Var[T]) Wait(ctx context.Context, version uint64) error {
	agent, pc, cycles := here()
	return v.v.wait(ctx, version, agent, pc, cycles)
}

// Watch gives the value, and then each value that it changes to, until ctx is done.
// Who takes long over one gets the latest next: values in between are left out. An
// error is the last thing it gives.
func (v *Var[T]) Watch(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			value, version, err := v.LoadVersion()
			if !yield(value, err) || err != nil {
				return
			}
			if err = v.Wait(ctx, version); ctx.Err() != nil {
				return
			} else if err != nil {
				yield(value, err)
				return
			}
		}
	}
}

// inlineMax is the size up to which a value lies in its object.
const inlineMax = 32

// varState is the state of a variable.
//
//	offset  size  field    writer              if the writer dies
//	     0     8  version  holder of latch +1  see value.go; its low half is slept on
//	     8     4  watched  any                 burial wakes everybody
//	    16     8  shape    creator             nobody has seen it
//	    24    48  place 0  holder of latch     whole, if it counts
//	    72    48  place 1  likewise
//
// Invariant, when the latch is free and not torn: the place that does not count
// refers to no memory.
type varState struct {
	_       structs.HostLayout
	version atomic.Uint64
	watched atomic.Uint32 // 1: somebody may sleep on version
	_       [4]byte
	shape   uint64
	place   [2]place
}

// place is where a value lies: in itself, or in the arena.
type place struct {
	_      structs.HostLayout
	ref    atomic.Uint64
	size   uint64
	inline [inlineMax]byte
}

var _ [24]byte = [unsafe.Offsetof(varState{}.place)]byte{} // else bump layoutVersion
var _ [48]byte = [unsafe.Sizeof(place{})]byte{}            // else bump layoutVersion

func init() {
	kinds[kindVar] = kindOf{name: "variable", repair: repairVar, bury: mendIfTorn, refs: refsVar}
}

// variable is a Var without its type.
type variable struct {
	s  *Space
	i  int // object
	st *varState
}

// furnishVar sets up a variable that nobody has seen.
func (s *Space) furnishVar(st *varState, shape uint64, b []byte) error {
	ref, err := s.overflow(b)
	if err == nil {
		st.shape = shape
		st.place[0].fill(b, ref)
	}
	return err
}

// overflow copies a value into memory if it has no room in its place.
func (s *Space) overflow(b []byte) (shm.Ref, error) {
	if len(b) <= inlineMax {
		return 0, nil
	}
	return s.keepBytes(b)
}

func (p *place) fill(b []byte, ref shm.Ref) {
	if ref == 0 {
		copy(p.inline[:], b)
	}
	p.size = uint64(len(b))
	p.ref.Store(uint64(ref))
}

// read returns a copy of the value's bytes, and its version.
func (v *variable) read() ([]byte, uint64, error) {
	s := v.s
	if err := s.enter(); err != nil {
		return nil, 0, err
	}
	defer s.leave()
	defer s.unlock(s.lock(v.i))
	version := v.st.version.Load()
	p := &v.st.place[version&1]
	if ref := p.ref.Load(); ref != 0 {
		b, err := s.copied(v.i, shm.Ref(ref), p.size)
		return b, version, err
	}
	if p.size > inlineMax {
		return nil, 0, s.damaged(v.i, fmt.Sprintf("a value of %d bytes in %d", p.size, inlineMax))
	}
	return bytes.Clone(p.inline[:p.size]), version, nil
}

// write makes b the value, if the version is as given, or always, and reports whether
// it did.
func (v *variable) write(b []byte, only *uint64) (bool, error) {
	s, st := v.s, v.st
	if err := s.enter(); err != nil {
		return false, err
	}
	defer s.leave()
	ref, err := s.overflow(b)
	if err != nil {
		return false, err
	}
	o := s.lock(v.i)
	at("var-locked")
	version := st.version.Load()
	if only != nil && *only != version {
		s.unlock(o)
		s.unkeep(ref)
		return false, nil
	}
	st.place[(version+1)&1].fill(b, ref)
	at("var-filled")
	shm.Release(unsafe.Pointer(&st.version))
	st.version.Store(version + 1) // SYNC var: pairs with Load; the value is written first
	at("var-set")
	s.discard(&st.place[version&1].ref)
	s.unlock(o)
	at("var-unlocked")
	if st.watched.Load() != 0 && st.watched.Swap(0) != 0 { // SYNC watched: after the version
		at("var-waking")
		wake(addr(st.low()), wakeAll)
	}
	return true, nil
}

// low is the half of the version that changes with every write: a futex has 32 bits.
// All systems that Open supports have it first.
func (st *varState) low() *atomic.Uint32 { return (*atomic.Uint32)(unsafe.Pointer(&st.version)) }

// wait waits until the version is another.
func (v *variable) wait(ctx context.Context, version uint64, agent, pc, cycles uint64) error {
	return v.s.waitWord(ctx, v.i, v.st.low(), agent, pc, cycles, func(uint32) bool {
		v.st.watched.Store(1) // SYNC watched: before the version is looked at
		return v.st.version.Load() != version
	})
}

// repairVar clears the place that does not count. What it referred to was never seen,
// and its writer's, or has been the value before.
func repairVar(s *Space, object int) {
	st := stateOf[varState](&s.objects[object])
	st.place[(st.version.Load()+1)&1].ref.Store(0)
}

func refsVar(s *Space, object int, keep func(shm.Ref)) {
	st := stateOf[varState](&s.objects[object])
	for i := range st.place {
		if ref := st.place[i].ref.Load(); ref != 0 {
			keep(shm.Ref(ref))
		}
	}
}
