package ipc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/shm"
)

func init() {
	kinds[kindStream] = kindOf{name: "stream", unlisted: true, bury: buryStream, refs: streamRefs, blank: blankStream, role: roleInStream}
}

// Stream carries bytes, in order, from one process to another, through a ring in
// shared memory which both may use in place. One process at a time is the writer, one
// the reader; when one of them dies, or leaves, the next takes its role over, at the
// byte where it stopped.
//
// The tail says how many bytes, gaps counted, were ever written, the head how many were
// read. Only the writer moves the tail and only the reader the head, each by one store,
// after which the bytes are the other's: so whoever dies has committed (released)
// something as a whole or not at all. What was written and not committed is as if it
// had not been.
//
// What is reserved lies in one piece. Where the ring ends too soon for that the writer
// leaves a gap, which the reader passes over. A gap is noted, by the lap in which it is,
// before the tail goes past it; one that is noted and not passed belongs to a dead
// writer, and the next one strikes it out. Two notes suffice: the reader is at most one
// lap behind.
//
// If the process dies, by fail point:
//
//	stream-noted, stream-summed  as if nothing had been written; the gap is struck out
//	stream-committed             it was written; burial wakes the reader
//	stream-jumped                nothing was read
//	stream-read                  it was not released: the next reader gets it again
//	stream-released              it was read; burial wakes the writer
//	stream-taken                 burial frees the role
//	stream-ended                 it has ended; burial wakes the reader
type Stream struct {
	s      *Space
	object int
	state  *streamState
	marks  *streamMarks
	bytes  []byte // the ring; its length is a power of two
}

// streamState is the state of the object.
type streamState struct {
	_        structs.HostLayout
	readers  bell   // rung when there is something to read
	writer   role   // who writes
	reader   role   // who reads
	_        uint32 // -
	capacity uint64
	ref      uint64 // of streamMarks, which the ring follows
	_        [32]byte
	writers  bell // rung when there is room
	roles    bell // rung when a role is free
	_        [56]byte
}

// streamMarks stands before the bytes.
//
//	offset  size  field  writer  if the writer dies
//	     0     8  tail   writer  where it was
//	     8    32  …      writer  see above
//	    64     8  head   reader  where it was
//	    72    16  sums   reader  the one that the head does not name is to be written
type streamMarks struct {
	_    structs.HostLayout
	tail streamMark
	gaps [2]uint64 // where the gap of an even and of an odd lap begins
	end  atomic.Uint32
	_    [20]byte
	head streamMark
	_    [40]byte
}

// streamMark is a position: how many bytes, gaps counted, shifted by one bit that says
// which of sums has the length of all gaps before. So both change with one store.
type streamMark struct {
	word atomic.Uint64
	sums [2]uint64
}

const noGap = ^uint64(0)

var _ [lineBytes]byte = [unsafe.Offsetof(streamState{}.writers)]byte{} // else bump layoutVersion
var _ [2 * lineBytes]byte = [unsafe.Sizeof(streamState{})]byte{}       // else bump layoutVersion
var _ [2 * lineBytes]byte = [unsafe.Sizeof(streamMarks{})]byte{}       // else bump layoutVersion
var _ [lineBytes]byte = [unsafe.Offsetof(streamMarks{}.head)]byte{}    // else bump layoutVersion

const (
	streamMin = 64
	streamMax = 1 << 36
	// streamChunk is how much Write copies before it lets the reader have it.
	streamChunk = 128 << 10
	// streamWarm is how much of a ring is mapped when it is opened, at some 0.2 ms a
	// MiB: page by page the first lap went at a third of the speed (ipc-stream-first).
	streamWarm = 16 << 20
)

// load returns the position and the length of all gaps before it.
func (m *streamMark) load() (pos, gaps uint64) {
	w := m.word.Load()
	return w >> 1, observe(&m.sums[w&1])
}

// move stores a position, after all that was stored before.
func (m *streamMark) move(pos, gaps uint64) {
	w := m.word.Load()
	k := w & 1
	if m.sums[k] != gaps {
		k ^= 1
		publish(&m.sums[k], gaps)
		at("stream-summed")
	}
	m.word.Store(pos<<1 | k)
}

// Stream returns the stream of a name, and makes it with room for capacity bytes,
// rounded up to a power of two, if it is not there. A capacity of 0 accepts any stream
// that is there, and makes none.
func (s *Space) Stream(name string, capacity int) (*Stream, error) {
	if capacity < 0 || capacity > streamMax {
		return nil, fmt.Errorf("ipc: stream %q: %d bytes: 1 to %d are possible", name, capacity, int64(streamMax))
	}
	size := uint64(0)
	if capacity > 0 {
		size = max(streamMin, uint64(1)<<bits.Len64(uint64(capacity-1)))
	}
	i, err := s.find(kindStream, name, func(o *object) error {
		if size == 0 {
			return fmt.Errorf("ipc: there is no stream %q, and a capacity of 0 does not make one", name)
		}
		return s.makeStream(o, size)
	})
	if err != nil {
		return nil, err
	}
	st, err := s.streamOf(i)
	if err == nil && size != 0 && uint64(len(st.bytes)) != size {
		err = fmt.Errorf("ipc: stream %q has a capacity of %d bytes, not %d", name, len(st.bytes), size)
	}
	if err != nil {
		return nil, err
	}
	return st, nil
}

func (s *Space) makeStream(o *object, size uint64) error {
	n := int(uint64(unsafe.Sizeof(streamMarks{})) + size)
	ref, err := s.arena.Heap(uint16(s.slot) + 1).Alloc(n)
	if err != nil {
		return fmt.Errorf("ipc: room for a stream of %d bytes: %w", size, err)
	}
	b, err := s.arena.Bytes(ref, n)
	if err != nil {
		return err
	}
	m := (*streamMarks)(unsafe.Pointer(&b[0]))
	clear(b[:unsafe.Sizeof(*m)])
	m.gaps = [2]uint64{noGap, noGap}
	st := stateOf[streamState](o)
	st.capacity, st.ref = size, uint64(ref)
	return nil
}

func (s *Space) streamOf(i int) (*Stream, error) {
	state := stateOf[streamState](&s.objects[i])
	size, marks := state.capacity, uint64(unsafe.Sizeof(streamMarks{}))
	if size < streamMin || size > streamMax || size&(size-1) != 0 {
		return nil, fmt.Errorf("%w: stream %q has %d bytes", ErrNotASpace, pinned(s.objects[i].name[:]), size)
	}
	b, err := s.arena.Bytes(shm.Ref(state.ref), int(marks+size))
	if err != nil {
		return nil, fmt.Errorf("%w: the memory of stream %q: %w", ErrNotASpace, pinned(s.objects[i].name[:]), err)
	}
	s.seg.Populate(int64(state.ref), int64(marks)+int64(min(size, streamWarm)))
	return &Stream{s, i, state, (*streamMarks)(unsafe.Pointer(&b[0])), b[marks:]}, nil
}

func streamRefs(s *Space, object int, keep func(shm.Ref)) {
	keep(shm.Ref(stateOf[streamState](&s.objects[object]).ref))
}

func buryStream(s *Space, object, slot int) {
	st := stateOf[streamState](&s.objects[object])
	st.writer.bury(slot)
	st.reader.bury(slot)
	st.readers.ringOut(wakeAll)
	st.writers.ringOut(wakeAll)
	st.roles.ringOut(wakeAll)
}

// roleInStream says whether a process writes or reads.
func roleInStream(s *Space, object, slot int) string {
	st := stateOf[streamState](&s.objects[object])
	switch {
	case st.writer.is(slot):
		return "this process writes it; close its StreamWriter first"
	case st.reader.is(slot):
		return "this process reads it; close its StreamReader first"
	}
	return ""
}

// Cap returns how many bytes the stream has room for.
func (st *Stream) Cap() int { return len(st.bytes) }

// role is what one process at a time has.
//
//	bits 0–15  slot of the process + 1; 0: nobody
//	bit  31    the last one died
type role struct{ word atomic.Uint32 }

const roleDied = 1 << 31

// take takes the role if nobody has it.
func (r *role) take(owner uint32) (died bool, v verdict) {
	w := r.word.Load()
	if w&^roleDied != 0 || !r.word.CompareAndSwap(w, owner) {
		return false, blocked
	}
	at("stream-taken")
	shm.Acquire(ptr(&r.word))
	return w&roleDied != 0, ready
}

func (r *role) drop(owner uint32) {
	shm.Release(ptr(&r.word))
	r.word.CompareAndSwap(owner, 0)
}

// is reports whether the process of a slot has the role.
func (r *role) is(slot int) bool { return r.word.Load()&^roleDied == uint32(slot)+1 }

func (r *role) bury(slot int) { r.word.CompareAndSwap(uint32(slot)+1, roleDied) }

// take waits for a role. It is taken if the error is nil or ErrOwnerDied.
func (st *Stream) take(ctx context.Context, r *role, who caller) error {
	if err := st.s.enter(); err != nil {
		return err
	}
	defer st.s.leave()
	died, v := r.take(st.s.owner)
	if v == blocked {
		_, err := st.s.await(ctx, st.object, &st.state.roles, waitsForRoom, who, func() verdict {
			died, v = r.take(st.s.owner)
			return v
		})
		if err != nil {
			return err
		}
	}
	if died {
		return ErrOwnerDied
	}
	return nil
}

func (st *Stream) leave(r *role) {
	r.drop(st.s.owner)
	st.state.roles.ring(wakeAll)
}

// wait tries until it is done, as a channel does.
func (st *Stream) wait(ctx context.Context, b *bell, units int64, sp *spinner, who caller, try func() verdict) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := st.s.enter(); err != nil {
		return err
	}
	defer st.s.leave()
	v := sp.spin(try)
	if v == blocked {
		var err error
		if v, err = st.s.await(ctx, st.object, b, units, who, try); err != nil {
			return err
		}
	}
	return st.error(v)
}

func (st *Stream) error(v verdict) error {
	switch v {
	case closed:
		return io.EOF
	case damaged:
		return fmt.Errorf("%w: the marks of stream %q make no sense", ErrNotASpace, pinned(st.s.objects[st.object].name[:]))
	}
	return nil
}

var errNotReserved = errors.New("ipc: more bytes than there are in hand")
