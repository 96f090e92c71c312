package ipc

import (
	"context"
	"structs"
	"sync/atomic"

	"github.com/tutti-run/tutti/shm"
)

// Mutex is a mutual exclusion lock between goroutines of any processes. It belongs
// to the goroutine that locked it, which alone may unlock it. When its process dies
// the next one gets the lock with ErrOwnerDied.
type Mutex struct {
	s *Space
	o *object
	m *mutexState
	i int // object

	checked bool // ranks or the order are checked: what is held is noted
}

// mutexState is the state of a mutex.
//
//	bits  0–15  slot of the owner's process + 1; 0: free
//	bit   28    txn: the owner has it through a transaction, see txn.go
//	bit   29    died: an owner died, and nobody has marked the data consistent
//	bit   30    lost: and nobody ever will
//	bit   31    somebody sleeps on it
//
// Ownership is recorded in the CAS that takes the lock. Who exactly the owner is
// follows, and is wiped out before the lock is given back: so what can be read there
// is right, or nothing. It is not a fair lock: who comes at the right moment takes
// it, for a lock that is handed to a sleeper stays idle for the time of a wake-up.
type mutexState struct {
	_     structs.HostLayout
	word  atomic.Uint32
	_     [4]byte
	by    holder // the owner's goroutine
	pc    uint64 // where it took the lock
	since uint64 // when
	site  site   // where, in words
}

// holder is a goroutine of any process: its number in bits 0–47, its slot + 1 above them; 0:
// nobody, or it is not known. So one load tells whether it is oneself. The slot in the
// word beside it would not do: between two loads a goroutine of another process may have
// come to have the lock, and numbers are the same in all processes.
type holder uint64

const holderBits = 48

// holder is a goroutine of this process.
func (s *Space) holder(agent uint64) holder { return holder(s.owner)<<holderBits | holder(agent) }

func (h holder) slot() int     { return int(h>>holderBits) - 1 }
func (h holder) agent() uint64 { return uint64(h) & (1<<holderBits - 1) }

// holder is who has the lock, as far as it has said so. Others write that meanwhile.
func (m *mutexState) holder() holder { return holder(loadWord((*uint64)(&m.by))) }

func (m *mutexState) setHolder(h holder) { storeWord((*uint64)(&m.by), uint64(h)) }

const (
	mutexOwner   = 1<<16 - 1
	mutexTxn     = 1 << 28
	mutexDied    = 1 << 29
	mutexLost    = 1 << 30
	mutexWaiters = 1 << 31

	// mutexSpins is how often a mutex is looked at before its taker sleeps.
	mutexSpins = 100
)

// Mutex returns the mutex of a name, and makes it if it is not there.
func (s *Space) Mutex(name string) (*Mutex, error) {
	i, err := s.find(kindMutex, name, nil)
	if err != nil {
		return nil, err
	}
	o := &s.objects[i]
	return &Mutex{s, o, stateOf[mutexState](o), i, s.checked(o)}, nil
}

// Lock takes the lock, and waits for it until ctx is done. It holds the lock when it
// returns nil or ErrOwnerDied. Other errors are that of ctx, ErrNotRecoverable,
// ErrClosed, a *DeadlockError, or an *OrderError.
//
//go:noinline
func (m *Mutex) Lock(ctx context.Context) error {
	agent, pc, cycles := here()
	if m.checked {
		return m.lockChecked(ctx, agent, pc, cycles)
	}
	if !m.s.closing.Load() && m.m.word.CompareAndSwap(0, m.s.owner) { // SYNC mutex
		at("mutex-taken")
		m.m.own(m.s.holder(agent), pc, cycles)
		shm.Acquire(ptr(&m.m.word))
		return nil
	}
	return m.lock(ctx, agent, pc, cycles)
}

// own says who has the lock. The caller has.
func (m *mutexState) own(h holder, pc, cycles uint64) {
	storeWord(&m.pc, pc)
	storeWord(&m.since, cycles)
	m.setHolder(h)
}

// TryLock takes the lock if it is free, and reports whether it did. With true the
// error may be ErrOwnerDied.
//
//go:noinline
func (m *Mutex) TryLock() (bool, error) {
	agent, pc, cycles := here()
	w := m.m.word.Load()
	if w&mutexOwner != 0 || w&mutexLost != 0 {
		if w&mutexLost != 0 {
			return false, ErrNotRecoverable
		}
		return false, nil
	}
	if m.s.closing.Load() {
		return false, ErrClosed
	}
	if !m.m.word.CompareAndSwap(w, w|m.s.owner) {
		return false, nil
	}
	m.m.own(m.s.holder(agent), pc, cycles)
	shm.Acquire(ptr(&m.m.word))
	m.note(nil, agent, pc)
	return true, m.heir(w)
}

// heir is what who took the lock is told of those before.
func (m *Mutex) heir(w uint32) error {
	if w&mutexDied != 0 {
		return ErrOwnerDied
	}
	return nil
}

// lock takes the lock when it is not simply free.
func (m *Mutex) lock(ctx context.Context, agent, pc, cycles uint64) error {
	s := m.s
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	for spins := 0; spins < mutexSpins; spins++ {
		w := m.m.word.Load()
		switch {
		case w&mutexLost != 0:
			return ErrNotRecoverable
		case s.closing.Load():
			return ErrClosed
		case m.m.holder() == s.holder(agent):
			return m.relocked(pc)
		case w&mutexOwner == 0:
			if m.m.word.CompareAndSwap(w, w|s.owner) {
				m.m.own(m.s.holder(agent), pc, cycles)
				shm.Acquire(ptr(&m.m.word))
				return m.heir(w)
			}
		}
		pause()
	}
	i, err := s.claim(m.i, 1, true, agent, pc, cycles)
	if err != nil {
		return err
	}
	c := &s.claims[i]
	storeWord(&c.ticket, s.head.tickets.Add(1))
	c.word.Store(uint64(c.load().to(claimWaiting)))
	err = m.await(ctx, i)
	c.settle()
	s.unclaim(i)
	return err
}

// await waits for the lock with claim i and takes it.
func (m *Mutex) await(ctx context.Context, i int) error {
	s, c := m.s, &m.s.claims[i]
	for {
		w := m.m.word.Load()
		switch {
		case c.load().state() == claimAborted:
			return m.leaveOff(s.deadlocked(i))
		case w&mutexLost != 0:
			return ErrNotRecoverable
		case w&mutexOwner == 0:
			// Others may sleep as well: the bit stays.
			if m.m.word.CompareAndSwap(w, w|s.owner|mutexWaiters) {
				m.m.own(s.holder(c.agent.Load()), c.pc, cycles())
				at("mutex-got")
				shm.Acquire(ptr(&m.m.word))
				return m.heir(w)
			}
			continue
		case w&mutexWaiters == 0 && !m.m.word.CompareAndSwap(w, w|mutexWaiters):
			continue
		}
		over := func() bool { return c.load().state() != claimWaiting }
		if err := s.sleepOn(ctx, i, &m.m.word, w|mutexWaiters, over); err != nil {
			return m.leaveOff(err)
		}
	}
}

// leaveOff passes on a wake-up that came for who waits no more.
func (m *Mutex) leaveOff(err error) error {
	if m.m.word.Load()&mutexOwner == 0 {
		wake(addr(&m.m.word), 1)
	}
	return err
}

// Unlock gives the lock back. A lock that was taken with ErrOwnerDied and not marked
// consistent becomes useless: everybody gets ErrNotRecoverable from then on.
func (m *Mutex) Unlock() error { return m.unlock(false) }

// unlock gives the lock back; what is to be repaired is left to the next owner, or to
// nobody.
func (m *Mutex) unlock(leaveToNext bool) error {
	agent := self()
	if m.s.closing.Load() {
		return ErrClosed // it has been given back, and the slot may be another's
	}
	if m.m.holder() != m.s.holder(agent) {
		return ErrNotOwner
	}
	if m.checked {
		m.s.gave(m.i, agent)
	}
	m.m.setHolder(0)
	if m.o.site.Load() != 0 {
		m.o.site.Store(0)
	}
	at("mutex-wiped")
	shm.Release(ptr(&m.m.word))
	if m.m.word.CompareAndSwap(m.s.owner, 0) { // SYNC mutex
		return nil
	}
	for {
		w := m.m.word.Load()
		left := uint32(0)
		switch {
		case w&mutexDied == 0:
		case leaveToNext:
			left = mutexDied
		default:
			left = mutexDied | mutexLost
		}
		if m.m.word.CompareAndSwap(w, left) {
			if w&mutexWaiters != 0 || left != 0 {
				n := 1
				if left != 0 {
					n = wakeAll
				}
				wake(addr(&m.m.word), n)
			}
			return nil
		}
	}
}

// MarkConsistent says that the data which the lock protects has been repaired after
// ErrOwnerDied. The lock must be held.
func (m *Mutex) MarkConsistent() error {
	agent := self()
	if m.s.closing.Load() {
		return ErrClosed
	}
	if m.m.holder() != m.s.holder(agent) {
		return ErrNotOwner
	}
	m.m.word.And(^uint32(mutexDied))
	return nil
}

// buryMutex frees the lock of a dead process.
func buryMutex(s *Space, object, slot int) {
	o := &s.objects[object]
	m := stateOf[mutexState](o)
	for {
		w := m.word.Load()
		if w&mutexOwner != uint32(slot)+1 {
			return
		}
		m.setHolder(0)
		o.site.Store(0)
		at("mutex-nameless")
		if m.word.CompareAndSwap(w, w&^(mutexOwner|mutexTxn)|mutexDied) {
			at("mutex-freed")
			wake(addr(&m.word), wakeAll)
			return
		}
	}
}
