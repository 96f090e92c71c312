package ipc

import (
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/internal/waitfor"
	"github.com/tutti-run/tutti/shm"
)

// The list of pairs that were learnt of the order of locks. It lies in an object of its
// own, and is looked at and changed with that object's latch held:
//
//	FREE → LIVE  who learns: the rest of the pair is written before
//	LIVE → FREE  who removes one of its two locks
//
// Each process has a matrix of the pairs in which it looks for circles. It reads what is
// new behind those that it has read; of all other changes round tells, and then it makes
// its matrix anew. That is counted after the change; if he who was to do it dies, the
// latch is torn, and who takes it next counts.
//
// A pair that a matrix has is looked up without the latch. It may have been struck out
// by now, but then one of its two locks was removed before this process opened what is
// in that row now, and round was counted before the row was free: so a matrix of this
// round is right about the locks that one has open.

const (
	orderName    = "lock order"
	orderChunk   = 64 // pairs that get memory together
	orderChunks  = 13
	orderClasses = 4096 // locks beyond this row of the table are not checked
)

// orderState is the state of the object.
type orderState struct {
	_      structs.HostLayout
	_      [8]byte                    // a futex on which nobody sleeps
	n      atomic.Uint64              // so many pairs were ever in use; latch
	chunks [orderChunks]atomic.Uint64 // their memory; 0: none yet
	round  atomic.Uint64              // counts the changes that are not at the end of the list
}

// orderPair is one pair. What it says is changed while it is FREE only.
type orderPair struct {
	_          structs.HostLayout
	held, next uint32 // objects
	pid        uint32
	live       atomic.Uint32
	heldAt     [40]byte
	nextAt     [40]byte
}

var _ [128]byte = [unsafe.Sizeof(orderState{})]byte{} // else bump layoutVersion
var _ [96]byte = [unsafe.Sizeof(orderPair{})]byte{}   // else bump layoutVersion

func init() { kinds[kindOrder] = kindOf{name: "order", repair: repairOrder, refs: refsOrder} }

func refsOrder(s *Space, object int, keep func(shm.Ref)) {
	o := stateOf[orderState](&s.objects[object])
	for i := range o.chunks {
		if ref := o.chunks[i].Load(); ref != 0 {
			keep(shm.Ref(ref))
		}
	}
}

// repairOrder is called when somebody died over the list: perhaps he did not count.
func repairOrder(s *Space, object int) { stateOf[orderState](&s.objects[object]).round.Add(1) }

// orderObject is the object that has the list, or -1.
func (s *Space) orderObject() int {
	for i := range s.objects {
		if s.objects[i].kind.Load() == kindOrder {
			return i
		}
	}
	return -1
}

// places is how many pairs of the list were ever in use.
func (st *orderState) places() int { return int(min(st.n.Load(), orderChunk*orderChunks)) }

// pair is the pair of a number in the list of an object, or nil where there is no memory
// for it.
func (s *Space) pair(object, i int) *orderPair {
	st := stateOf[orderState](&s.objects[object])
	if i/orderChunk >= orderChunks {
		return nil
	}
	ref := st.chunks[i/orderChunk].Load()
	if ref == 0 {
		return nil
	}
	b, err := s.arena.Bytes(shm.Ref(ref), orderChunk*int(unsafe.Sizeof(orderPair{})))
	if err != nil {
		return nil
	}
	return &(*[orderChunk]orderPair)(unsafe.Pointer(unsafe.SliceData(b)))[i%orderChunk]
}

// livePairs yields the pairs of the list of an object. Its latch is held.
func (s *Space) livePairs(object int) func(yield func(p *orderPair) bool) {
	return func(yield func(p *orderPair) bool) {
		for i := range stateOf[orderState](&s.objects[object]).places() {
			if p := s.pair(object, i); p != nil && p.live.Load() != 0 && !yield(p) {
				return
			}
		}
	}
}

// learnLocked learns that next is taken while h is held, or reports false, with what was
// learnt before to the contrary. s.taking is locked; the list's latch is taken for what
// is new.
func (s *Space) learnLocked(h heldLock, next int, pc uint64) (before []OrderPair, ok bool) {
	if !s.checks {
		return nil, true
	}
	t := &s.taking
	held, to := waitfor.Class(h.object), waitfor.Class(next)
	word, bit, known := t.order.Bit(held, to)
	if !known {
		return nil, true
	}
	st := stateOf[orderState](&s.objects[t.object])
	if t.round == st.round.Load() && t.order.Has(word, bit) {
		return nil, true
	}
	o := s.lock(t.object)
	defer s.unlock(o)
	s.readPairsLocked(st)
	if t.order.Has(word, bit) {
		return nil, true
	}
	if path, ok := t.order.Check(held, to); !ok {
		return s.pairsOf(path), false
	}
	i := s.freePair(st)
	p := s.pair(t.object, i)
	if p == nil {
		return nil, true // no room: nothing more is learnt
	}
	p.live.Store(0) // behind the list a dead one may have left something
	p.held, p.next, p.pid = uint32(h.object), uint32(next), uint32(s.kin.pid())
	p.heldAt, p.nextAt = [40]byte{}, [40]byte{}
	copy(p.heldAt[:len(p.heldAt)-1], lineOf(h.pc))
	copy(p.nextAt[:len(p.nextAt)-1], lineOf(pc))
	at("order-filled")
	p.live.Store(1)
	at("order-live")
	if n := st.places(); i == n {
		st.n.Store(uint64(n) + 1)
		t.seen = n + 1
	} else {
		t.round = st.round.Add(1) // this process's matrix has all that is before
	}
	at("order-learnt")
	t.order.Put(held, to)
	return nil, true
}

// readPairsLocked brings the matrix up to date. s.taking is locked, and the list's latch
// is held.
func (s *Space) readPairsLocked(st *orderState) {
	t := &s.taking
	if round := st.round.Load(); t.round != round {
		t.order.Clear()
		t.seen, t.round = 0, round
	}
	for n := st.places(); t.seen < n; t.seen++ {
		if p := s.pair(t.object, t.seen); p != nil && p.live.Load() != 0 {
			t.order.Put(waitfor.Class(p.held), waitfor.Class(p.next))
		}
	}
}

// freePair is the number of the first pair that is free, with memory if there is any. The
// list's latch is held.
func (s *Space) freePair(st *orderState) int {
	n := st.places()
	for i := range n {
		if p := s.pair(s.taking.object, i); p != nil && p.live.Load() == 0 {
			return i
		}
	}
	if n/orderChunk < orderChunks && st.chunks[n/orderChunk].Load() == 0 {
		ref, err := s.keepBytes(make([]byte, orderChunk*int(unsafe.Sizeof(orderPair{}))))
		if err == nil {
			st.chunks[n/orderChunk].Store(uint64(ref))
			at("order-room")
		}
	}
	return n
}

// pairsOf says what was learnt along a path. The list's latch is held, so all locks on
// the path are there still.
func (s *Space) pairsOf(path []waitfor.Class) (list []OrderPair) {
	for k := 1; k < len(path); k++ {
		pair := OrderPair{Held: s.describe(int(path[k-1])), Next: s.describe(int(path[k]))}
		for p := range s.livePairs(s.taking.object) {
			if p.held == uint32(path[k-1]) && p.next == uint32(path[k]) {
				pair.HeldAt, pair.NextAt, pair.PID = pinned(p.heldAt[:]), pinned(p.nextAt[:]), int(p.pid)
				break
			}
		}
		list = append(list, pair)
	}
	return list
}

// inOrderPairs are the rows of locks whose order was learnt.
func (s *Space) inOrderPairs() map[uint32]bool {
	rows := map[uint32]bool{}
	i := s.orderObject()
	if i < 0 {
		return rows
	}
	o := s.lock(i)
	defer s.unlock(o)
	for p := range s.livePairs(i) {
		rows[p.held], rows[p.next] = true, true
	}
	return rows
}

// unlearn strikes out what was learnt of a lock, which nobody has open but who removes
// it: so nobody learns more of it meanwhile. A circle that led over it cannot close any
// more without it, and what has its name or its row next is learnt anew. If the process
// dies in between, the lock is there, and some of what was learnt of it.
func (s *Space) unlearn(lock int) {
	i := s.orderObject()
	if i < 0 {
		return
	}
	o := s.lock(i)
	defer s.unlock(o)
	struck := false
	for p := range s.livePairs(i) {
		if p.held == uint32(lock) || p.next == uint32(lock) {
			p.live.Store(0)
			struck = true
			at("order-struck")
		}
	}
	if struck {
		stateOf[orderState](&s.objects[i]).round.Add(1)
		at("order-unlearnt")
	}
}
