package ipc

import (
	"context"

	"github.com/tutti-run/tutti/shm"
)

// RWMutex is a lock that any number of readers, or one writer, may hold, goroutines
// of any processes. It is given in the order of asking: writers do not starve, nor do
// readers. So a goroutine that holds it for reading must not ask again: a writer may
// wait in between, which is a deadlock, and reported as one. When a writer's process
// dies the next one gets the lock with ErrOwnerDied.
type RWMutex struct {
	units

	checked bool // see Mutex
}

// RWMutex returns the lock of a name, and makes it if it is not there.
func (s *Space) RWMutex(name string) (*RWMutex, error) {
	u, err := s.units(kindRWMutex, name, allUnits, 0)
	if err != nil {
		return nil, err
	}
	return &RWMutex{u, s.checked(u.o)}, nil
}

// Lock takes the lock for writing; see Mutex.Lock.
//
//go:noinline
func (m *RWMutex) Lock(ctx context.Context) error {
	agent, pc, cycles := here()
	if m.checked {
		return m.s.noting(m.i, agent, pc, func() error { return m.lock(ctx, allUnits, true, agent, pc, cycles) })
	}
	return m.lock(ctx, allUnits, true, agent, pc, cycles)
}

// RLock takes the lock for reading; see Mutex.Lock. With ErrOwnerDied the lock is
// held, and the data is as the writer left it that died.
//
//go:noinline
func (m *RWMutex) RLock(ctx context.Context) error {
	agent, pc, cycles := here()
	return m.rlock(ctx, agent, pc, cycles)
}

func (m *RWMutex) rlock(ctx context.Context, agent, pc, cycles uint64) error {
	if m.checked {
		return m.s.noting(m.i, agent, pc, func() error { return m.lock(ctx, 1, false, agent, pc, cycles) })
	}
	return m.lock(ctx, 1, false, agent, pc, cycles)
}

func (m *RWMutex) lock(ctx context.Context, n int64, exclusive bool, agent, pc, cycles uint64) error {
	if err := m.s.enter(); err != nil {
		return err
	}
	defer m.s.leave()
	if m.o.flags.Load()&flagLost != 0 {
		return ErrNotRecoverable
	}
	i, err := m.acquire(ctx, n, exclusive, agent, pc, cycles)
	if err != nil {
		return err
	}
	return m.locked(i)
}

// locked is what who has got the lock with claim i is told.
func (m *RWMutex) locked(i int) error {
	shm.Acquire(ptr(&m.o.latch.word))
	switch f := m.o.flags.Load(); {
	case f&flagLost != 0:
		if j, ok := m.s.giveUp(m.i, m.s.claims[i].agent.Load(), m.s.claims[i].load().exclusive(), false); ok {
			m.release(j)
		}
		return ErrNotRecoverable
	case f&flagDied != 0:
		return ErrOwnerDied
	}
	return nil
}

// TryLock takes the lock for writing if it is free, and reports whether it did. With
// true the error may be ErrOwnerDied.
//
//go:noinline
func (m *RWMutex) TryLock() (bool, error) {
	agent, pc, cycles := here()
	return m.tryLock(allUnits, true, agent, pc, cycles)
}

// TryRLock takes the lock for reading if no writer has it or waits for it; see
// TryLock.
//
//go:noinline
func (m *RWMutex) TryRLock() (bool, error) {
	agent, pc, cycles := here()
	return m.tryLock(1, false, agent, pc, cycles)
}

func (m *RWMutex) tryLock(n int64, exclusive bool, agent, pc, cycles uint64) (bool, error) {
	if err := m.s.enter(); err != nil {
		return false, err
	}
	defer m.s.leave()
	i, err := m.try(n, exclusive, agent, pc, cycles)
	if i < 0 || err != nil {
		return false, err
	}
	err = m.locked(i)
	m.note(err, agent, pc)
	return err != ErrNotRecoverable, err
}

// Unlock gives back the lock that this goroutine has for writing. A lock that was
// taken with ErrOwnerDied and not marked consistent becomes useless, as a Mutex does.
func (m *RWMutex) Unlock() error { return m.unlock(false) }

func (m *RWMutex) unlock(leaveToNext bool) error {
	agent := self()
	if err := m.s.enter(); err != nil {
		return err
	}
	defer m.s.leave()
	i, ok := m.s.giveUp(m.i, agent, true, false)
	if !ok {
		return ErrNotOwner
	}
	if m.checked {
		m.s.gave(m.i, agent)
	}
	if m.o.flags.Load()&flagDied != 0 && !leaveToNext {
		m.o.flags.Or(flagLost)
	}
	shm.Release(ptr(&m.o.latch.word))
	m.release(i)
	return nil
}

// RUnlock gives back the lock that this goroutine has for reading.
func (m *RWMutex) RUnlock() error {
	agent := self()
	if err := m.s.enter(); err != nil {
		return err
	}
	defer m.s.leave()
	i, ok := m.s.giveUp(m.i, agent, false, false)
	if !ok {
		return ErrNotOwner
	}
	if m.checked {
		m.s.gave(m.i, agent)
	}
	shm.Release(ptr(&m.o.latch.word))
	m.release(i)
	return nil
}

// MarkConsistent says that the data which the lock protects has been repaired after
// ErrOwnerDied. This goroutine must have the lock for writing.
func (m *RWMutex) MarkConsistent() error {
	if err := m.s.enter(); err != nil {
		return err
	}
	defer m.s.leave()
	if _, ok := m.s.holds(m.i, self(), true, false); !ok {
		return ErrNotOwner
	}
	m.o.flags.And(^uint32(flagDied))
	return nil
}
