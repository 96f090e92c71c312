package ipc

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/internal/codec"
	"github.com/tutti-run/tutti/shm"
)

// Values in the space's memory.
//
// A value is written whole into memory that nobody else knows, which belongs to the
// writer's slot; then one store of a version makes it the value. There are two places
// for it, and the version's lowest bit says which of them counts, so that the old
// value is untouched until the new one is there:
//
//	what the writer has done                if it dies then
//	memory taken, value copied              the memory is freed with all that the slot had
//	the other place refers to the memory    likewise: the next holder of the latch clears the place
//	version + 1                             the new value is there
//	the old value's memory freed            its place is cleared; see below
//	the old place cleared                   nothing is left to do
//
// Memory is freed by whoever takes it out of an object, while he holds the latch and
// the place still refers to it: then kindOf.refs, which takes no latch, sees it for as
// long, and a burial at the same time leaves it alone. Whoever dies between the version
// and the end of the freeing may leave that memory unused. It cannot be told then
// whether it is freed, and another's, so it goes with the process that it belongs to.

// memorySlot is the space's process as the allocator knows it.
func (s *Space) memorySlot() uint16 { return uint16(s.slot) + 1 }

// keepBytes copies bytes into memory of this process, that is freed with it unless an
// object refers to it.
func (s *Space) keepBytes(parts ...[]byte) (shm.Ref, error) {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	ref, err := s.arena.Heap(s.memorySlot()).Alloc(n)
	if err != nil {
		return 0, fmt.Errorf("ipc: %d bytes for a value: %w", n, err)
	}
	at("value-allocated")
	b, err := s.arena.Bytes(ref, n)
	if err != nil {
		return 0, fmt.Errorf("ipc: %w", err)
	}
	for _, p := range parts {
		b = b[copy(b, p):]
	}
	at("value-copied")
	return ref, nil
}

// unkeep frees memory that no object refers to.
func (s *Space) unkeep(ref shm.Ref) {
	if ref != 0 {
		_ = s.arena.Free(s.memorySlot(), ref) // if it is damaged there is nothing to free
	}
}

// discard frees what a place refers to and clears it. The latch is held, and the
// place does not count any more.
func (s *Space) discard(place *atomic.Uint64) {
	if ref := shm.Ref(place.Load()); ref != 0 {
		s.unkeep(ref)
		at("value-freed")
		place.Store(0)
		at("value-forgotten")
	}
}

// mendIfTorn is the bury function of kinds whose objects refer to memory: they must
// be whole before the memory of the dead is freed.
func mendIfTorn(s *Space, object, _ int) {
	if o := &s.objects[object]; o.latch.word.Load()&latchTorn != 0 {
		s.unlock(s.lock(object))
	}
}

// encode calls use with the bytes of a value.
func encode[T any](c *codec.Codec[T], v T, use func(b []byte) error) error {
	b, buf, err := c.Bytes(&v)
	if err != nil {
		return fmt.Errorf("ipc: encode a %T: %w", v, err)
	}
	err = use(b)
	if buf != nil {
		codec.Buffers.Put(buf)
	}
	return err
}

// decode makes a value of bytes that another process wrote.
func decode[T any](c *codec.Codec[T], b []byte) (T, error) {
	v, err := c.Read(unsafe.Pointer(unsafe.SliceData(b)), len(b))
	if err != nil {
		return v, fmt.Errorf("ipc: decode a %T: %w", v, err)
	}
	return v, nil
}

// damaged says that a peer has broken something.
func (s *Space) damaged(object int, what string) error {
	o := &s.objects[object]
	return fmt.Errorf("%w: the %s %q: %s", ErrNotASpace, kindName(o.kind.Load()), pinned(o.name[:]), what)
}

// copied returns a copy of n bytes of an object's memory. The latch is held.
func (s *Space) copied(object int, ref shm.Ref, n uint64) ([]byte, error) {
	if n > uint64(s.seg.Size()) {
		return nil, s.damaged(object, fmt.Sprintf("a value of %d bytes", n))
	}
	b, err := s.arena.Bytes(ref, int(n))
	if err != nil {
		return nil, s.damaged(object, err.Error())
	}
	return bytes.Clone(b), nil
}

// otherType says that a name is in use for values of another type.
func otherType[T any](what, name string) error {
	return fmt.Errorf("ipc: the %s %q is for another type than %T", what, name, *new(T))
}
