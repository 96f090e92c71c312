package ipc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// Locker is a lock that LockAll takes: a *Mutex, a *RWMutex, or what its RLocker
// returns.
type Locker interface {
	Lock(ctx context.Context) error
	Unlock() error
	// place is where the lock is in the order of all locks.
	place() lockPlace
	// takeAt is Lock, without checks, for a call at pc.
	takeAt(ctx context.Context, agent, pc uint64) error
	// putBack is Unlock, but what its last owner left stays to be repaired.
	putBack() error
}

// lockPlace orders locks: those of one space by rank, then by their rows.
type lockPlace struct {
	space  *Space
	rank   int32
	object int
	shared bool
}

// LockAll takes several locks in one order, the same for all who take several so,
// whatever the order of the arguments: nobody who does has to fear the others. What is
// named twice is taken once, as a writer if either is.
//
// The locks are held if unlock is not nil: then err is nil, or wraps ErrOwnerDied if a
// former owner of one of them died. Otherwise none is.
//
//go:noinline
func LockAll(ctx context.Context, locks ...Locker) (unlock func() error, err error) {
	agent, pc, _ := here()
	locks, err = inOrder(locks)
	if err != nil {
		return nil, err
	}
	if err := mayTakeAll(locks, agent, pc); err != nil {
		return nil, err
	}
	var died []error
	for i, l := range locks {
		err := l.takeAt(ctx, agent, pc)
		if errors.Is(err, ErrOwnerDied) {
			p := l.place()
			died = append(died, fmt.Errorf("%s: %w", p.space.describe(p.object), err))
			continue
		}
		if err != nil {
			return nil, errors.Join(err, putBack(locks[:i]))
		}
	}
	return func() error { return unlockAll(locks) }, errors.Join(died...)
}

// inOrder sorts locks and leaves out what is there twice.
func inOrder(locks []Locker) ([]Locker, error) {
	locks = slices.Clone(locks)
	slices.SortStableFunc(locks, func(a, b Locker) int {
		p, q := a.place(), b.place()
		shared := func(p lockPlace) int {
			if p.shared {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(p.space.head.id, q.space.head.id), cmp.Compare(p.rank, q.rank),
			cmp.Compare(p.object, q.object), cmp.Compare(shared(p), shared(q)))
	})
	for k := 1; k < len(locks); k++ {
		p, q := locks[k-1].place(), locks[k].place()
		if p.space.head.id == q.space.head.id && p.space != q.space {
			return nil, errors.New("ipc: LockAll: one space, opened twice in this process")
		}
	}
	return slices.CompactFunc(locks, func(a, b Locker) bool {
		p, q := a.place(), b.place()
		return p.space == q.space && p.object == q.object
	}), nil
}

// mayTakeAll checks all locks against what the goroutine holds already, and in which
// order they are taken now against what is learnt.
func mayTakeAll(locks []Locker, agent, pc uint64) error {
	before := map[*Space][]int{}
	for _, l := range locks {
		p := l.place()
		if !p.space.checked(&p.space.objects[p.object]) {
			continue
		}
		if err := p.space.mayTake(agent, pc, p.object, before[p.space]...); err != nil {
			return err
		}
		before[p.space] = append(before[p.space], p.object)
	}
	return nil
}

func unlockAll(locks []Locker) (err error) {
	for _, l := range slices.Backward(locks) {
		err = errors.Join(err, l.Unlock())
	}
	return err
}

func putBack(locks []Locker) (err error) {
	for _, l := range slices.Backward(locks) {
		err = errors.Join(err, l.putBack())
	}
	return err
}

func (m *Mutex) place() lockPlace {
	return lockPlace{space: m.s, rank: m.o.rank.Load(), object: m.i}
}

func (m *Mutex) takeAt(ctx context.Context, agent, pc uint64) error {
	err := m.lock(ctx, agent, pc, cycles())
	m.note(err, agent, pc)
	return err
}

// note notes a lock that was got, if it is checked.
func (m *Mutex) note(err error, agent, pc uint64) {
	if m.checked && (err == nil || errors.Is(err, ErrOwnerDied)) {
		m.s.took(m.i, agent, pc)
	}
}

func (m *Mutex) putBack() error { return m.unlock(true) }

func (m *RWMutex) place() lockPlace {
	return lockPlace{space: m.s, rank: m.o.rank.Load(), object: m.i}
}

func (m *RWMutex) takeAt(ctx context.Context, agent, pc uint64) error {
	err := m.lock(ctx, allUnits, true, agent, pc, cycles())
	m.note(err, agent, pc)
	return err
}

func (m *RWMutex) note(err error, agent, pc uint64) {
	if m.checked && (err == nil || errors.Is(err, ErrOwnerDied)) {
		m.s.took(m.i, agent, pc)
	}
}

func (m *RWMutex) putBack() error { return m.unlock(true) }

// RLocker returns the lock as its readers take it.
func (m *RWMutex) RLocker() Locker { return reader{m} }

type reader struct{ m *RWMutex }

// Lock is RLock.
//
//go:noinline
func (r reader) Lock(ctx context.Context) error {
	agent, pc, cycles := here()
	return r.m.rlock(ctx, agent, pc, cycles)
}

// Unlock is RUnlock.
func (r reader) Unlock() error { return r.m.RUnlock() }

func (r reader) place() lockPlace {
	p := r.m.place()
	p.shared = true
	return p
}

func (r reader) takeAt(ctx context.Context, agent, pc uint64) error {
	err := r.m.lock(ctx, 1, false, agent, pc, cycles())
	r.m.note(err, agent, pc)
	return err
}

func (r reader) putBack() error { return r.m.RUnlock() }
