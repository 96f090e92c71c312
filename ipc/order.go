package ipc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/tutti-run/tutti/internal/waitfor"
)

// The order in which locks are taken, learnt and checked (Options.CheckOrder), or
// declared (SetRank).
//
// What is learnt are pairs, "next was taken while held was held", with the lines where
// that first was so. They lie in the space, so that processes learn from each other, also
// from those that are dead; see orderpairs.go.
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

// taking is what a process knows of what its goroutines hold of locks that are checked.
type taking struct {
	sync.Mutex
	by map[uint64][]heldLock // by agent

	object int    // that has the list of pairs
	round  uint64 // of which the matrix is
	seen   int    // so many pairs of that have been read
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
		if before, ok := s.learnLocked(h, next, pc); !ok {
			return s.inverted(h, next, pc, before, "")
		}
	}
	for _, object := range together {
		h := heldLock{object, pc}
		if before, ok := s.learnLocked(h, next, pc); !ok {
			return s.inverted(h, next, pc, before, "")
		}
	}
	return nil
}

// inverted explains a refusal.
func (s *Space) inverted(h heldLock, next int, pc uint64, before []OrderPair, why string) error {
	return &OrderError{
		Held: s.describe(h.object), HeldAt: lineOf(h.pc),
		Wanted: s.describe(next), WantedAt: lineOf(pc),
		Before: before, Rank: why,
	}
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
