package ipc

import (
	"context"
	"fmt"
)

// Semaphore has a number of units, which goroutines of any processes acquire and
// release, several at a time if they like, in the order of asking. The units that a
// process holds come back when it dies.
//
// Any goroutine of that process may release them. So a goroutine that holds units of a
// semaphore and waits for more of the same is not taken for a deadlock: those that it
// started may give them back. Circles over several semaphores, or other locks, are
// found, as long as goroutines release what they acquired themselves.
type Semaphore struct{ units }

// Semaphore returns the semaphore of a name, and makes it with so many units if it
// is not there. One that is there keeps the units that it was made with.
func (s *Space) Semaphore(name string, units int64) (*Semaphore, error) {
	if units < 0 || units > allUnits {
		return nil, fmt.Errorf("ipc: semaphore %q: %d units: 0 to %d are possible", name, units, int64(allUnits))
	}
	u, err := s.units(kindSemaphore, name, units)
	if err != nil {
		return nil, err
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
// goroutine acquired, then those that were acquired first.
func (m *Semaphore) Release(n int64) error {
	if n < 1 {
		return fmt.Errorf("ipc: release %d units", n)
	}
	// While one gives back a part of a claim no other finds that claim.
	m.s.releasing.Lock()
	defer m.s.releasing.Unlock()
	for agent := self(); n > 0; {
		i, ok := m.s.giveUp(m.i, agent, false, true)
		if !ok {
			return fmt.Errorf("%w: %d units too many", ErrNotOwner, n)
		}
		if m.s.claims[i].agent.Load() != agent {
			m.o.flags.Or(flagHandedOn)
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
// came back. A producer adds what its consumers Take.
func (m *Semaphore) Add(n int64) error {
	o := m.s.lock(m.i)
	total := m.u.total.Load() + n
	if total < 0 || total > allUnits {
		m.s.unlock(o)
		return fmt.Errorf("ipc: %d units: 0 to %d are possible", total, int64(allUnits))
	}
	m.u.total.Store(total)
	if n > 0 {
		m.o.flags.Or(flagFed)
	}
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
	if s.closing.Load() {
		return ErrClosed
	}
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
