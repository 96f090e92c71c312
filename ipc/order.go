package ipc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"structs"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/internal/waitfor"
	"github.com/tutti-run/tutti/shm"
)

// The order in which locks are taken, learnt and checked (Options.CheckOrder), or
// declared (SetRank).
//
// What is learnt are pairs, "next was taken while held was held", with the lines where
// that first was so. They lie in the space as a list that only grows, in an object of
// its own, so that processes learn from each other, also from those that are dead. A
// pair is written behind the list, and then counted: who dies before that has added
// nothing. Each process makes the matrix of it in which it looks for circles.
//
// What a goroutine holds is known to its process alone, and noted only where a check
// needs it: an unchecked Mutex spends one comparison on all this.

// ErrOrder is wrapped by every OrderError.
var ErrOrder = errors.New("ipc: lock order")

// OrderError says that a lock was refused, before it was waited for, since to take it
// there could end in a deadlock some day. It wraps ErrOrder. The lock is not held.
type OrderError struct {
	// Held is what the goroutine holds, such as `mutex "a"`, and HeldAt the line that
	// took it; Wanted is what it was refused at WantedAt.
	Held, HeldAt     string
	Wanted, WantedAt string
	// Before is where the opposite order was seen first: from Wanted to Held, each was
	// held while the next one was taken. It is empty where ranks forbid it.
	Before []OrderPair
	// Rank says what the ranks forbid; it is empty where an order was learnt.
	Rank string
}

// OrderPair says that Next was taken at NextAt, by process PID, while Held, which was
// taken at HeldAt, was held.
type OrderPair struct {
	Held, HeldAt string
	Next, NextAt string
	PID          int
}

// Unwrap returns ErrOrder.
func (e *OrderError) Unwrap() error { return ErrOrder }

// Error tells both orders, with their places.
func (e *OrderError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %s%s is wanted while %s%s is held", ErrOrder, e.Wanted, inBrackets(e.WantedAt), e.Held, inBrackets(e.HeldAt))
	if e.Rank != "" {
		b.WriteString("\n  " + e.Rank)
	}
	for i, p := range e.Before {
		also := ""
		if i > 0 {
			also = "and "
		}
		fmt.Fprintf(&b, "\n  %sbefore, %s%s was taken while %s%s was held, by process %d", also, p.Next, inBrackets(p.NextAt), p.Held, inBrackets(p.HeldAt), p.PID)
	}
	return b.String()
}

func inBrackets(place string) string {
	if place == "" {
		return ""
	}
	return " (" + place + ")"
}

const (
	orderName    = "lock order"
	orderChunk   = 64 // pairs that get memory together
	orderChunks  = 13
	orderClasses = 4096 // locks beyond this row of the table are not checked
)

// orderState is the list of pairs. Invariant: the first n pairs are whole.
type orderState struct {
	_      structs.HostLayout
	_      [8]byte // a futex on which nobody sleeps
	n      atomic.Uint64
	chunks [orderChunks]atomic.Uint64 // their memory; 0: none yet
}

// orderPair is one pair. It is written once, with the latch held.
type orderPair struct {
	_          structs.HostLayout
	held, next uint32 // objects
	pid        uint32
	_          uint32
	heldAt     [40]byte
	nextAt     [40]byte
}

var _ [96]byte = [unsafe.Sizeof(orderPair{})]byte{} // else bump layoutVersion

func init() { kinds[kindOrder] = kindOf{name: "order", refs: refsOrder} }

func refsOrder(s *Space, object int, keep func(shm.Ref)) {
	o := stateOf[orderState](&s.objects[object])
	for i := range o.chunks {
		if ref := o.chunks[i].Load(); ref != 0 {
			keep(shm.Ref(ref))
		}
	}
}

// taking is what a process knows of what its goroutines hold of locks that are checked.
type taking struct {
	sync.Mutex
	by map[uint64][]heldLock // by agent

	object int // that has the list of pairs
	seen   int // so many of it are in the matrix
	order  waitfor.Order
}

// heldLock is a lock that a goroutine holds.
type heldLock struct {
	object int
	pc     uint64
}

// checkOrder begins to learn and check.
func (s *Space) checkOrder() error {
	i, err := s.find(kindOrder, orderName, nil)
	if err != nil {
		return err
	}
	classes := min(len(s.objects), orderClasses)
	s.taking.object = i
	s.taking.order, err = waitfor.NewOrder(classes, make([]uint64, waitfor.OrderWords(classes)))
	s.checks = err == nil
	return err
}

// checked reports whether an object's locks are to be noted.
func (s *Space) checked(o *object) bool { return s.checks || o.rank.Load() != 0 }

// mayTake reports whether a goroutine may take one more lock, which it may have to
// wait for. Those of together it takes before that in the same call: ranks do not
// matter among them.
func (s *Space) mayTake(agent, pc uint64, next int, together ...int) error {
	t := &s.taking
	t.Lock()
	defer t.Unlock()
	for _, h := range t.by[agent] {
		if h.object == next {
			if s.objects[next].kind.Load() == kindMutex {
				continue // that is a deadlock at once, and told as one
			}
			return s.inverted(h, next, pc, nil, "a lock that is held is wanted once more, behind those who wait for it")
		}
		ranks := []waitfor.Rank{waitfor.Rank(s.objects[h.object].rank.Load())}
		if why, ok := waitfor.CheckRank(ranks, waitfor.Rank(s.objects[next].rank.Load())); !ok {
			return s.inverted(h, next, pc, nil, why)
		}
		if path := s.learnLocked(h, next, pc); path != nil {
			return s.inverted(h, next, pc, path, "")
		}
	}
	for _, object := range together {
		h := heldLock{object, pc}
		if path := s.learnLocked(h, next, pc); path != nil {
			return s.inverted(h, next, pc, path, "")
		}
	}
	return nil
}

// inverted explains a refusal.
func (s *Space) inverted(h heldLock, next int, pc uint64, path []waitfor.Class, why string) error {
	e := &OrderError{Held: s.describe(h.object), HeldAt: lineOf(h.pc), Wanted: s.describe(next), WantedAt: lineOf(pc), Rank: why}
	for k := 1; k < len(path); k++ {
		pair := OrderPair{Held: s.describe(int(path[k-1])), Next: s.describe(int(path[k]))}
		for i := range s.taking.seen {
			if p := s.pair(i); p != nil && p.held == uint32(path[k-1]) && p.next == uint32(path[k]) {
				pair.HeldAt, pair.NextAt, pair.PID = pinned(p.heldAt[:]), pinned(p.nextAt[:]), int(p.pid)
				break
			}
		}
		e.Before = append(e.Before, pair)
	}
	return e
}

// pair is the pair of a number, or nil where there is no memory for it.
func (s *Space) pair(i int) *orderPair { return s.pairOf(s.taking.object, i) }

// pairOf is the pair of a number in the list of an object.
func (s *Space) pairOf(object, i int) *orderPair {
	o := stateOf[orderState](&s.objects[object])
	if i/orderChunk >= orderChunks {
		return nil
	}
	ref := o.chunks[i/orderChunk].Load()
	if ref == 0 {
		return nil
	}
	b, err := s.arena.Bytes(shm.Ref(ref), orderChunk*int(unsafe.Sizeof(orderPair{})))
	if err != nil {
		return nil
	}
	return &(*[orderChunk]orderPair)(unsafe.Pointer(unsafe.SliceData(b)))[i%orderChunk]
}

// learnLocked adds a pair, if it is new, or returns the path that it would close to a
// circle. s.taking is locked; the object's latch is taken for what is new.
func (s *Space) learnLocked(h heldLock, next int, pc uint64) (path []waitfor.Class) {
	if !s.checks {
		return nil
	}
	t := &s.taking
	held, to := waitfor.Class(h.object), waitfor.Class(next)
	word, bit, known := t.order.Bit(held, to)
	if !known || t.order.Has(word, bit) {
		return nil
	}
	o := s.lock(t.object)
	defer s.unlock(o)
	st := stateOf[orderState](o)
	n := int(min(st.n.Load(), orderChunk*orderChunks))
	for ; t.seen < n; t.seen++ {
		if p := s.pair(t.seen); p != nil {
			t.order.Add(waitfor.Class(p.held), waitfor.Class(p.next))
		}
	}
	path, ok := t.order.Check(held, to)
	if !ok {
		return path
	}
	if n/orderChunk < orderChunks && st.chunks[n/orderChunk].Load() == 0 {
		ref, err := s.keepBytes(make([]byte, orderChunk*int(unsafe.Sizeof(orderPair{}))))
		if err == nil {
			st.chunks[n/orderChunk].Store(uint64(ref))
			at("order-room")
		}
	}
	p := s.pair(n)
	if p == nil {
		return nil // no room: nothing more is learnt
	}
	*p = orderPair{held: uint32(h.object), next: uint32(next), pid: uint32(s.kin.pid())}
	copy(p.heldAt[:len(p.heldAt)-1], lineOf(h.pc))
	copy(p.nextAt[:len(p.nextAt)-1], lineOf(pc))
	at("order-filled")
	st.n.Store(uint64(n) + 1)
	at("order-learnt")
	t.order.Add(held, to)
	t.seen = n + 1
	return nil
}

// took notes that a goroutine has a lock.
func (s *Space) took(object int, agent, pc uint64) {
	t := &s.taking
	t.Lock()
	defer t.Unlock()
	if t.by == nil {
		t.by = map[uint64][]heldLock{}
	}
	t.by[agent] = append(t.by[agent], heldLock{object, pc})
}

// gave notes that a goroutine has given a lock back.
func (s *Space) gave(object int, agent uint64) {
	t := &s.taking
	t.Lock()
	defer t.Unlock()
	held := t.by[agent]
	if k := slices.IndexFunc(held, func(h heldLock) bool { return h.object == object }); k >= 0 {
		held = slices.Delete(held, k, k+1)
	}
	if t.by[agent] = held; len(held) == 0 {
		delete(t.by, agent)
	}
}

// noting takes a lock with take, which is checked before and noted after that.
func (s *Space) noting(object int, agent, pc uint64, take func() error) error {
	if err := s.mayTake(agent, pc, object); err != nil {
		return err
	}
	err := take()
	if err == nil || errors.Is(err, ErrOwnerDied) {
		s.took(object, agent, pc)
	}
	return err
}

// SetRank gives the lock a rank above 0 in all processes, before they open it: from
// then on a goroutine that holds a lock of some rank may take only locks of higher
// ranks, and gets an OrderError otherwise, whether anybody would have to wait or not.
// 0 takes the rank away. In a closed space it does nothing.
func (m *Mutex) SetRank(rank int32) {
	m.checked = m.s.setRank(m.o, rank)
}

// Rank is what SetRank set, or 0.
func (m *Mutex) Rank() int32 { return m.o.rank.Load() }

// SetRank gives the lock a rank; see Mutex.SetRank.
func (m *RWMutex) SetRank(rank int32) {
	m.checked = m.s.setRank(m.o, rank)
}

// setRank gives an object a rank, and reports whether its locks are to be noted then.
func (s *Space) setRank(o *object, rank int32) bool {
	if !s.closing.Load() {
		o.rank.Store(rank)
	}
	return s.checked(o)
}

// Rank is what SetRank set, or 0.
func (m *RWMutex) Rank() int32 { return m.o.rank.Load() }

// lockChecked is Lock where ranks or the order are checked.
func (m *Mutex) lockChecked(ctx context.Context, agent, pc, cycles uint64) error {
	return m.s.noting(m.i, agent, pc, func() error { return m.lock(ctx, agent, pc, cycles) })
}
