package ipc

import (
	"context"
	"fmt"
)

// Semaphore has a number of units, which goroutines of any processes acquire and
// release, several at a time if they like, in the order of asking. The units that a
// process holds come back when it dies.
//
// Any goroutine of that process may release them, so nobody can know whether one that
// waits keeps those that it acquired: a wait for units is no part of a deadlock. Those of
// an owned semaphore belong to the goroutine that acquired them, as a lock does: who
// waits for them in a circle is told.
type Semaphore struct{ units }

// Semaphore returns the semaphore of a name, and makes it with so many units if it
// is not there. One that is there keeps the units that it was made with. It is an error
// if that is an owned one.
func (s *Space) Semaphore(name string, units int64) (*Semaphore, error) {
	return s.semaphore(name, units, 0)
}

// OwnedSemaphore returns the semaphore of a name as Semaphore does, and makes one whose
// units belong to the goroutines that acquire them if it is not there. No other goroutine
// may release them, and none can be added. It is an error if a semaphore is there that is
// not such a one.
func (s *Space) OwnedSemaphore(name string, units int64) (*Semaphore, error) {
	return s.semaphore(name, units, flagOwned)
}

func (s *Space) semaphore(name string, units int64, owned uint32) (*Semaphore, error) {
	if units < 0 || units > allUnits {
		return nil, fmt.Errorf("ipc: semaphore %q: %d units: 0 to %d are possible", name, units, int64(allUnits))
	}
	u, err := s.units(kindSemaphore, name, units, owned)
	if err != nil {
		return nil, err
	}
	switch have := u.o.flags.Load() & flagOwned; {
	case have > owned:
		return nil, fmt.Errorf("ipc: semaphore %q is there, and its units belong to who acquires them: open it with OwnedSemaphore, or take another name", name)
	case have < owned:
		return nil, fmt.Errorf("ipc: semaphore %q is there, and anybody may release its units: open it with Semaphore, or take another name", name)
	}
	return &Semaphore{u}, nil
}

// Acquire takes n units, and waits for them until ctx is done. To ask for more than
// there are is an error at once, and nothing that is waited for.
//
//go:noinline
func (m *Semaphore) Acquire(ctx context.Context, n int64) error {
	agent, pc, cycles := here()
	if err := m.check(n); err != nil {
		return err
	}
	_, err := m.acquire(ctx, n, false, agent, pc, cycles)
	return err
}

func (m *Semaphore) check(n int64) error {
	if total := m.u.total.Load(); n < 1 || n > total {
		return fmt.Errorf("ipc: %d units of a semaphore that has %d: at least 1 can be had, and no more than it has", n, total)
	}
	return nil
}

// TryAcquire takes n units if they are free and nobody waits, and reports whether it
// did.
//
//go:noinline
func (m *Semaphore) TryAcquire(n int64) (bool, error) {
	agent, pc, cycles := here()
	if err := m.check(n); err != nil {
		return false, err
	}
	i, err := m.try(n, false, agent, pc, cycles)
	return i >= 0 && err == nil, err
}

// Release gives back n units of those that this process holds: first those that this
// goroutine acquired, then those that were acquired first; of an owned semaphore only
// the former.
func (m *Semaphore) Release(n int64) error {
	if n < 1 {
		return fmt.Errorf("ipc: release %d units", n)
	}
	if err := m.s.enter(); err != nil {
		return err
	}
	defer m.s.leave()
	// While one gives back a part of a claim no other finds that claim.
	m.s.releasing.Lock()
	defer m.s.releasing.Unlock()
	for agent := self(); n > 0; {
		i, ok := m.s.giveUp(m.i, agent, false, m.o.flags.Load()&flagOwned == 0)
		if !ok {
			return fmt.Errorf("%w: %d units too many", ErrNotOwner, n)
		}
		n -= m.giveBack(i, n)
	}
	return nil
}

// giveBack gives back up to n of the units of claim i and returns how many.
func (m *Semaphore) giveBack(i int, n int64) int64 {
	c := &m.s.claims[i]
	if c.units <= n {
		n = c.units
		m.release(i)
		return n
	}
	o := m.s.lock(m.i)
	c.units -= n
	at("unit-split")
	m.u.taken.Add(-n)
	granted := grantUnits(m.s, m.i)
	m.s.unlock(o)
	m.s.hold(m.i, i)
	for _, g := range granted {
		m.s.ring(g)
	}
	return n
}

// Add changes how many units there are by n, which may be negative: then those that
// are held beyond the new number are not taken away, and none is given until so many
// came back. A producer adds what its consumers Take. An owned semaphore keeps the number
// that it was made with.
func (m *Semaphore) Add(n int64) error {
	if err := m.s.enter(); err != nil {
		return err
	}
	defer m.s.leave()
	if m.o.flags.Load()&flagOwned != 0 {
		return fmt.Errorf("ipc: the units of semaphore %q belong to who acquires them, and their number stays: use one that is made by Semaphore", pinned(m.o.name[:]))
	}
	o := m.s.lock(m.i)
	total := m.u.total.Load() + n
	if total < 0 || total > allUnits {
		m.s.unlock(o)
		return fmt.Errorf("ipc: %d units: 0 to %d are possible", total, int64(allUnits))
	}
	m.u.total.Store(total)
	granted := grantUnits(m.s, m.i)
	m.s.unlock(o)
	for _, g := range granted {
		m.s.ring(g)
	}
	return nil
}

// Units returns how many units there are, and how many of them are held.
func (m *Semaphore) Units() (total, held int64) { return m.u.total.Load(), m.u.taken.Load() }

// Seize takes n units at once, be they free or not, and before all who wait: for who
// does not want to wait any longer. Nobody else gets a unit until as many have come
// back as there are too many.
//
//go:noinline
func (m *Semaphore) Seize(n int64) error {
	agent, pc, cycles := here()
	if err := m.check(n); err != nil {
		return err
	}
	s := m.s
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	i, err := s.claim(m.i, n, false, agent, pc, cycles)
	if err != nil {
		return err
	}
	c := &s.claims[i]
	o := s.lock(m.i)
	c.word.Store(uint64(c.load().to(claimHeld)))
	at("unit-held")
	m.u.taken.Add(n)
	s.unlock(o)
	s.hold(m.i, i)
	return nil
}
