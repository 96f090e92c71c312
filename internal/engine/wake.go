package engine

import (
	"math/bits"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/shm"
)

// Sleeping and waking.
//
// A sleeper announces itself, looks again, and only then sleeps; a waker makes
// its news visible and only then looks for announcements. Both steps are
// sequentially consistent, so one of the two sees the other. Between them
// stands a futex word that only ever counts up: a sleeper waits for it to
// differ from what it read before it announced itself.
//
// A waker that dies between its news and the wake-up leaves a sleeper asleep:
// recovery therefore wakes everybody. A sleeper that was woken and then stopped
// (SIGSTOP) takes the wake-up with it: whoever waits for a result looks again
// after a while (see Submitter.lead) and wakes others.

// wakeFor wakes a worker for a task that waits in queue q: the queue's own when
// it sleeps, else any.
func (m *memory) wakeFor(q int) {
	if q > 0 && m.wakeSlot(q) {
		return
	}
	m.wakeAny()
}

func (m *memory) wakeAny() bool {
	for i := range (m.Slots + 63) / 64 {
		for set := m.head.sleeping[i].Load(); set != 0; set &= set - 1 {
			if m.wakeSlot(i<<6 + bits.TrailingZeros64(set)) {
				return true
			}
		}
	}
	return false
}

// wakeSlot wakes worker s if it sleeps. Of several wakers one succeeds.
func (m *memory) wakeSlot(s int) bool {
	if s >= m.Slots {
		return false
	}
	word, bit := m.sleepers(s), uint64(1)<<(s&63)
	if word.Load()&bit == 0 || word.And(^bit)&bit == 0 {
		return false
	}
	b := &m.slot[s]
	b.park.Add(1) // SYNC park: pairs with Worker.park
	shm.Wake(addr(&b.park), 1)
	return true
}

// sleepers is the word in which worker s says that it sleeps. Where the master
// assigns, the assigner alone is among those that wakeAny finds, as slot 0, and
// workers are woken by it.
func (m *memory) sleepers(s int) *atomic.Uint64 {
	if m.Assigned && s > 0 {
		return &m.head.napping[s>>6]
	}
	return &m.head.sleeping[s>>6]
}

// anySleeping reports whether a worker sleeps. One load for up to 63 workers.
func (m *memory) anySleeping() bool {
	for i := range (m.Slots + 63) / 64 {
		if m.head.sleeping[i].Load() != 0 {
			return true
		}
	}
	return false
}

// ringDone tells the process of a slot that something it waits for may have
// happened.
func (m *memory) ringDone(s int) {
	b := &m.slot[s]
	b.done.Add(1) // SYNC done-bell: pairs with Submitter.lead
	if b.awaiting.Load() != 0 {
		shm.Wake(addr(&b.done), 1)
	}
}

// ringControl wakes the control goroutine of a worker.
func (m *memory) ringControl(s int) {
	b := &m.slot[s]
	b.control.Add(1)
	shm.Wake(addr(&b.control), 1)
}

// ringSupervisor wakes the supervisor.
func (m *memory) ringSupervisor() {
	m.head.bell.Add(1)
	shm.Wake(addr(&m.head.bell), 1)
}

// ringStarving tells every process that waits for a descriptor to try again.
func (m *memory) ringStarving() {
	for i := range (m.Slots + 63) / 64 {
		if m.head.starving[i].Load() == 0 {
			continue
		}
		for set := m.head.starving[i].Swap(0); set != 0; set &= set - 1 {
			if s := i<<6 + bits.TrailingZeros64(set); s < m.Slots {
				m.ringDone(s)
			}
		}
	}
}

// wakeEverybody is recovery's: whatever a dead process failed to announce,
// everyone looks again.
func (m *memory) wakeEverybody() {
	for s := range m.Slots {
		b := &m.slot[s]
		m.sleepers(s).And(^(uint64(1) << (s & 63)))
		b.park.Add(1)
		shm.Wake(addr(&b.park), 1<<30)
		b.done.Add(1)
		shm.Wake(addr(&b.done), 1<<30)
	}
	m.ringStarving()
}

// spinUntil spins until cond holds or ns have passed and reports whether it
// holds. The clock is read once in a few hundred nanoseconds only.
func spinUntil(ns int64, cond func() bool) bool {
	if ns <= 0 {
		return cond()
	}
	for end := now() + ns; ; {
		for range 16 {
			if cond() {
				return true
			}
			pause()
		}
		if now() >= end {
			return cond()
		}
	}
}

// yieldUntil offers the CPU to others a few times and reports whether cond came
// to hold. Where no CPU is free to spin on, whoever will end the wait may be
// waiting for just this one; where nobody is, it costs a microsecond or two,
// less than going to sleep and being woken.
func yieldUntil(cond func() bool) bool {
	for range yields {
		yield()
		if cond() {
			return true
		}
	}
	return false
}

const yields = 40

// addr is where a futex call finds the word.
func addr(w *atomic.Uint32) *uint32 { return (*uint32)(unsafe.Pointer(w)) }
