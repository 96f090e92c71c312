package ipc

import (
	"fmt"
	"math/bits"
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/shm"
)

// ring is a bounded queue of cells that any number of processes send to and receive
// from, and that none of them can leave with a hole in it.
//
// A position is where a message stands in the row of all messages ever sent: a lap,
// and the index of a cell. The word of each cell says which lap it is in and what is
// being done with it, and by whom:
//
//	EMPTY(lap)    → WRITING(lap, sender, n)    the sender, CAS
//	WRITING       → FULL(lap)                  the same
//	FULL(lap)     → READING(lap, receiver, n)  the receiver, CAS
//	READING       → EMPTY(lap+1)               the same
//	WRITING(dead) → VOID(lap)                  burial
//	READING(dead) → EMPTY(lap+1)               burial: the dead one received it
//	VOID(lap)     → EMPTY(lap+1)               whoever comes by, receiver or sender
//	any           → the same with END          who closes, CAS; see below
//
// The owner is recorded in the CAS that claims the cell, so there is no moment at which
// a cell is somebody's and nobody knows whose. A counter of tickets, as most queues
// have, gives such a moment: who dies after he drew a number leaves a hole.
//
// The tail is the first position that no sender has claimed, the head the first that no
// receiver has. Senders claim the tail and nothing else, receivers the head. Nobody
// keeps those two: each handle remembers where it saw them last, which is never too
// far on, and walks from there: over claimed cells, by whole laps where a cell has got
// ahead. The shared hints only shorten the walk.
//
// A claim takes a run of n cells, of which the first alone says so: others come to it
// first, and pass over the whole run. Before the claim the owner sees that the cells
// behind are EMPTY (FULL), and so they stay, since nobody but the one who claims the
// first may claim them. He gives the run back from its last cell to its first. So a
// batch costs two exchanges, whatever its length; and whoever finds a cell of a run
// given back finds all behind it given back as well.
//
// END in the word of the tail's cell closes the channel, at one moment, for what is
// sent and not sent: a bit beside whatever of the lap before is still in that cell.
// Only the first cell of a run can be the tail's, so inner cells are stored to, and not
// exchanged. It stays for ever.
//
// If the process dies, by fail point:
//
//	ring-claimed, ring-valued, ring-inner  WRITING: burial makes the run VOID
//	ring-full                              it was sent; burial wakes who waits
//	ring-taken, ring-copied, ring-inner    READING: burial frees the run: received
//	ring-freed                             it was received; burial wakes who waits
//	ring-voided, ring-void-inner           burial dies: the next one does it again
//	ring-skipped                           nothing is lost
//	ring-closed                             it is closed; burial wakes who waits
type ring struct {
	s        *Space
	object   int
	state    *ringState
	hints    *ringHints
	cells    unsafe.Pointer
	stride   uintptr
	capacity uint64
	idxBits  uint
	writing  cellWord // what a claim of one cell adds to its word
	reading  cellWord
	runMax   uint64

	_      [lineBytes]byte
	tail   uint64 // hint: at most the tail
	toSend spinner
	_      [lineBytes]byte
	head   uint64 // hint: at most the head
	toRecv spinner
	_      [lineBytes]byte
}

// ringState is the state of the object. A line for each bell; the rest is written once.
type ringState struct {
	_         structs.HostLayout
	receivers bell // rung when there is something to receive
	capacity  uint32
	print     uint64 // of the type of messages
	size      uint64 // of a message, in bytes
	ref       uint64 // of ringHints, which the cells follow
	_         [32]byte
	senders   bell // rung when there is room
	_         [60]byte
}

// ringHints stands before the cells.
//
//	offset  size  field  writer   if the writer dies
//	     0   128  text   creator  nobody has seen it
//	   128     8  tail   any      a hint
//	   192     8  head   any      a hint
type ringHints struct {
	_    structs.HostLayout
	text [textBytes]byte // the type of messages
	tail uint64
	_    [56]byte
	head uint64
	_    [56]byte
}

var _ [lineBytes]byte = [unsafe.Offsetof(ringState{}.senders)]byte{} // else bump layoutVersion
var _ [2 * lineBytes]byte = [unsafe.Sizeof(ringState{})]byte{}       // else bump layoutVersion
var _ [4 * lineBytes]byte = [unsafe.Sizeof(ringHints{})]byte{}       // else bump layoutVersion

// cellWord is the state of a cell in 64 bits:
//
//	bits  0–2   state
//	bit   3     END: the position of the next lap, or of this one if EMPTY, is the end
//	bits  4–11  slot of the owner  (WRITING and READING)
//	bits 12–19  length of the run  (WRITING and READING)
//	bits 20–63  lap
//
// Laps wrap. What is compared is their difference, which is 0 or 1 but for hints that
// have been left behind.
type cellWord uint64

const (
	cellEmpty cellWord = iota
	cellWriting
	cellFull
	cellReading
	cellVoid

	cellState  cellWord = 7
	cellEnd    cellWord = 1 << 3
	cellSlotAt          = 4
	cellRunAt           = 12
	cellLap    cellWord = 1 << 20
	cellLapAt           = 20

	ringRunMax      = 255
	ringCapacityMax = 1 << 20 // 44 bits of lap and 20 of index make a position
	ringHintEvery   = 64      // positions between two stores of a shared hint
	ringWalkMax     = 8       // cells passed before a shared hint is looked at
	ringStepsMax    = 1 << 21 // cells passed before it is clear that this leads nowhere
)

var _ [ringRunMax + 1 - maxMembers]byte // a slot has 8 bits

func (w cellWord) state() cellWord { return w & cellState }
func (w cellWord) slot() int       { return int(w >> cellSlotAt & 0xff) }
func (w cellWord) run() uint64     { return uint64(w >> cellRunAt & 0xff) }
func (w cellWord) lap() cellWord   { return w &^ (cellLap - 1) }
func (w cellWord) end() cellWord   { return w & cellEnd }

// stride is the distance of cells with values of a size: so that none lies across more
// lines than it must.
func strideOf(size uintptr) uintptr {
	n := size + 8
	if n > lineBytes/2 {
		return uintptr(roundUp(int64(n), lineBytes))
	}
	return uintptr(1) << bits.Len64(uint64(n-1))
}

// findRing returns the ring of a name, and makes it if it is not there.
func (s *Space) findRing(kind uint32, name string, capacity int, p plain, first cellWord) (*ring, error) {
	if capacity < 0 || capacity > ringCapacityMax {
		return nil, fmt.Errorf("ipc: %s %q: capacity %d: 1 to %d are possible", kindName(kind), name, capacity, ringCapacityMax)
	}
	i, err := s.find(kind, name, func(o *object) error {
		if capacity == 0 {
			return fmt.Errorf("ipc: there is no %s %q, and a capacity of 0 does not make one", kindName(kind), name)
		}
		return s.makeRing(o, uint32(capacity), p, first)
	})
	if err != nil {
		return nil, err
	}
	r, err := s.ringOf(i)
	if err != nil {
		return nil, err
	}
	if err := p.match(kindName(kind), name, r.state.size, r.state.print, r.hints.text[:]); err != nil {
		return nil, err
	}
	if capacity != 0 && r.capacity != uint64(capacity) {
		return nil, fmt.Errorf("ipc: %s %q has a capacity of %d, not %d", kindName(kind), name, r.capacity, capacity)
	}
	return r, nil
}

func ringBytes(capacity, size uint64) int {
	return int(uint64(unsafe.Sizeof(ringHints{})) + capacity*uint64(strideOf(uintptr(size))) + lineBytes)
}

// makeRing sets up a new ring, whose cells' words are first. Nobody else sees it.
func (s *Space) makeRing(o *object, capacity uint32, p plain, first cellWord) error {
	n := ringBytes(uint64(capacity), uint64(p.size))
	// It belongs to this process until it dies or leaves, and then, since the object
	// needs it, to nobody.
	ref, err := s.arena.Heap(uint16(s.slot) + 1).Alloc(n)
	if err != nil {
		return fmt.Errorf("ipc: room for %d messages of %d bytes: %w", capacity, p.size, err)
	}
	at("ring-allocated")
	b, err := s.arena.Bytes(ref, n)
	if err != nil {
		return err
	}
	clear(b)
	copy(b[:textBytes-1], p.text)
	cells := unsafe.Pointer(&b[unsafe.Sizeof(ringHints{})])
	for i := range uintptr(capacity) {
		*(*cellWord)(unsafe.Add(cells, i*strideOf(p.size))) = first
	}
	st := stateOf[ringState](o)
	st.capacity, st.print, st.size, st.ref = capacity, p.print, uint64(p.size), uint64(ref)
	return nil
}

// ringOf is a handle to the ring of an object.
func (s *Space) ringOf(i int) (*ring, error) {
	st := stateOf[ringState](&s.objects[i])
	capacity, size := uint64(st.capacity), st.size
	if capacity < 1 || capacity > ringCapacityMax || size > plainMax {
		return nil, fmt.Errorf("%w: %q has %d cells of %d bytes", ErrNotASpace, pinned(s.objects[i].name[:]), capacity, size)
	}
	b, err := s.arena.Bytes(shm.Ref(st.ref), ringBytes(capacity, size))
	if err != nil {
		return nil, fmt.Errorf("%w: the memory of %q: %w", ErrNotASpace, pinned(s.objects[i].name[:]), err)
	}
	r := &ring{
		s: s, object: i, state: st,
		hints:    (*ringHints)(unsafe.Pointer(&b[0])),
		cells:    unsafe.Pointer(&b[unsafe.Sizeof(ringHints{})]),
		stride:   strideOf(uintptr(size)),
		capacity: capacity,
		idxBits:  uint(bits.Len64(capacity - 1)),
		runMax:   min(capacity, ringRunMax),
	}
	r.writing = cellWriting | cellWord(s.slot)<<cellSlotAt | 1<<cellRunAt
	r.reading = cellReading | cellWord(s.slot)<<cellSlotAt | 1<<cellRunAt
	r.tail, r.head = r.anchor(), r.anchor()
	return r, nil
}

func ringRefs(s *Space, object int, keep func(shm.Ref)) {
	keep(shm.Ref(stateOf[ringState](&s.objects[object]).ref))
}

// Positions: the lap in the high bits, the cell in the low ones.

func (r *ring) idx(p uint64) uint64 { return p & (1<<r.idxBits - 1) }

// lapOf is the lap of a position as a cell's word has it.
func (r *ring) lapOf(p uint64) cellWord { return cellWord(p>>r.idxBits) << cellLapAt }

func (r *ring) next(p uint64) uint64 { return r.add(p, 1) }

// add is n positions on, n being at most the capacity.
func (r *ring) add(p, n uint64) uint64 {
	if r.idx(p)+n >= r.capacity {
		return p + n - r.capacity + 1<<r.idxBits
	}
	return p + n
}

// in is the position of cell p in the lap of w.
func (r *ring) in(w cellWord, p uint64) uint64 {
	return uint64(w>>cellLapAt)<<r.idxBits | r.idx(p)
}

// ahead is how many laps w is ahead of p.
func (r *ring) ahead(w cellWord, p uint64) int64 {
	return int64(w.lap()-r.lapOf(p)) >> cellLapAt
}

// distance is how many positions q is ahead of p.
func (r *ring) distance(q, p uint64) int64 {
	laps := int64((r.lapOf(q) - r.lapOf(p))) >> cellLapAt
	return laps*int64(r.capacity) + int64(r.idx(q)) - int64(r.idx(p))
}

func (r *ring) word(p uint64) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Add(r.cells, uintptr(r.idx(p))*r.stride))
}

func (r *ring) load(p uint64) cellWord { return cellWord(r.word(p).Load()) }

func (r *ring) swap(p uint64, from, to cellWord) bool {
	return r.word(p).CompareAndSwap(uint64(from), uint64(to))
}

// value is where the message of a position lies.
func (r *ring) value(p uint64) unsafe.Pointer {
	return unsafe.Add(r.cells, uintptr(r.idx(p))*r.stride+8)
}

// anchor is a position that is before tail and head, found from the cells alone: the
// first cell is in some lap, so what was sent with it in the lap before is over.
func (r *ring) anchor() uint64 {
	return r.in(r.load(0).lap()-cellLap, 0)
}

// hinted is the shared hint if it is further on than p.
func (r *ring) hinted(hint *uint64, p uint64) uint64 {
	if h := observe(hint); r.idx(h) < r.capacity && r.distance(h, p) > 0 {
		return h
	}
	return p
}

// advance remembers that a tail or head has come from p to q.
func (r *ring) advance(own, shared *uint64, p, q uint64) {
	storeWord(own, q)
	if (p^q)&^(ringHintEvery-1) != 0 {
		publish(shared, q)
	}
}
