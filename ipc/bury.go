package ipc

import (
	"sync/atomic"
	"time"

	"github.com/tutti-run/tutti/shm"
)

// Burial: what becomes of all that a dead process held, waited for and was about.
//
// There is no supervisor. Each process with the space open has a guardian, a
// goroutine that sleeps on the lifelines of the others, which the kernel marks when
// their process dies. Whoever notices, be it a guardian, somebody who waits for the
// dead one, or the next who opens the space, buries it, once it is certainly gone:
// a thread of a dying process may still write for a moment.
//
// CRASHES.md lists each point of death and its outcome.

// guardAgain is how long a guardian sleeps until it looks in any case. The kernel wakes
// one of those who sleep on a lifeline, who wakes the others; killed in the same moment, he
// does not.
const guardAgain = time.Second

// guard watches over the other members until the space is closed here.
func (s *Space) guard() {
	defer close(s.guarded)
	var words [shm.MaxWaitWords]shm.WaitWord
	var slots [shm.MaxWaitWords]int
	for {
		seen := s.head.changes.Load() // SYNC members
		if s.closing.Load() {
			return
		}
		words[0] = shm.WaitWord{Addr: addr(&s.head.changes), Val: seen}
		n := 1
		// Beyond what one wait can watch each watches those that follow it, so that
		// everyone is watched by many.
		for step := 1; step < len(s.members) && n < len(words); step++ {
			slot := (s.slot + step) % len(s.members)
			m := &s.members[slot]
			if m.load().state() == memberFree {
				continue
			}
			life := atomic.LoadUint32(&m.lifeline)
			if s.buryIfDead(slot) {
				continue
			}
			if life != 0 {
				words[n], slots[n] = shm.WaitWord{Addr: &m.lifeline, Val: life}, slot
				n++
			}
		}
		i, err := shm.WaitAny(words[:n], guardAgain)
		if err != nil {
			return // no system that can
		}
		if i > 0 {
			wake(words[i].Addr, wakeAll) // the kernel woke one alone
		}
	}
}

// buryIfDead buries the process of a slot if it is dead, and reports whether it was.
func (s *Space) buryIfDead(slot int) bool {
	if slot < 0 || slot >= len(s.members) || slot == s.slot {
		return false
	}
	epoch := s.members[slot].load().epoch() // before it is known to be dead
	if !s.dead(slot) {
		return false
	}
	s.bury(slot, epoch)
	return true
}

// dead reports whether a slot is that of a process that is certainly gone. If it is
// going it is waited for.
func (s *Space) dead(slot int) bool {
	m := &s.members[slot]
	w := m.load()
	switch w.state() {
	case memberFree:
		return false
	case memberLive, memberBurying:
		if !shm.LifelineDead(atomic.LoadUint32(&m.lifeline)) {
			return w.state() == memberBurying && atomic.LoadUint32(&m.lifeline) == 0 // but for the last steps
		}
		return s.kin.awaitGone(w.pid(), m.started.Load())
	default: // nothing watches over it yet, or any more
		if shm.LifelineDead(atomic.LoadUint32(&m.lifeline)) {
			return s.kin.awaitGone(w.pid(), m.started.Load())
		}
		return s.kin.gone(w.pid())
	}
}

// bury frees all that the dead process of a slot had, and then its slot. It does
// nothing when the slot is another process's by now: that of the epoch is dead.
func (s *Space) bury(slot int, epoch uint32) {
	m := &s.members[slot]
	for {
		w := m.load()
		if w.state() == memberFree || w.epoch() != epoch {
			return
		}
		if w.state() == memberBurying {
			by := w.burier()
			if by == s.slot || by < len(s.members) && s.members[by].load().active() && !s.dead(by) {
				return // somebody is about it
			}
		}
		if m.swap(w, w.buriedBy(s.slot)) {
			break
		}
	}
	at("burying")
	s.clear(slot)
	at("cleared")
	atomic.StoreUint32(&m.lifeline, 0)
	at("lifeless")
	w := m.load()
	m.swap(w, w.freed())
	s.changed()
}

// clear gives back all that belongs to a slot, whose process is gone or leaves.
func (s *Space) clear(slot int) {
	// Latches come first: all that follows may need them, and while this process is
	// burying the slot nobody else frees them.
	s.head.directory.tear(uint32(slot) + 1)
	s.head.breaking.tear(uint32(slot) + 1)
	for i := range s.objects {
		if o := &s.objects[i]; o.kind.Load() != 0 {
			o.latch.tear(uint32(slot) + 1)
			at("torn")
		}
	}
	for other := range s.members {
		// What it was burying itself must not be left to a slot that will be another's.
		if w := s.members[other].load(); other != slot && w.state() == memberBurying && w.burier() == slot {
			s.bury(other, w.epoch())
		}
	}
	for i := range s.objects {
		if bury := s.objects[i].how().bury; bury != nil && s.objects[i].openedBy(slot) {
			bury(s, i, slot)
		}
	}
	for i := range s.claims {
		c := &s.claims[i]
		if w := c.load(); w.state() != claimFree && w.slot() == slot {
			s.forfeit(i)
			at("forfeited")
		}
	}
	// Not only where it had claims: it may have died with units settled and not given on,
	// as may one that was burying it.
	for i := range s.objects {
		if s.objects[i].openedBy(slot) {
			s.regrant(i)
		}
	}
	s.reclaim(slot)
	s.wakeEverybody()
	s.closeAll(slot) // last: from then on what it had open may be forgotten
}

// forfeit frees a claim of a dead process.
func (s *Space) forfeit(i int) {
	c := &s.claims[i]
	w := c.load()
	if w.state() == claimIdle || w.object() >= len(s.objects) {
		c.word.Store(uint64(w.freed()))
		return
	}
	object := w.object() // the word of a free claim does not say it
	o := s.lock(object)
	if forfeit := o.how().forfeit; forfeit != nil {
		forfeit(s, object, i)
	}
	// It may have been granted, or aborted, meanwhile.
	if w = c.load(); !o.how().unlisted && s.listed(o, i) {
		s.dequeue(o, i)
	}
	c.agent.Store(0)
	c.word.Store(uint64(w.freed()))
	at("forfeiting")
	s.unlock(o)
}

// regrant gives what has become free to those who wait for it.
func (s *Space) regrant(object int) {
	grant := s.objects[object].how().grant
	if grant == nil {
		return
	}
	o := s.lock(object)
	granted := grant(s, object)
	s.unlock(o)
	for _, i := range granted {
		s.ring(i)
	}
}

// reclaim frees the memory that a slot had but for what objects need. That comes to
// belong to this process, or to nobody when it leaves: so what an object ceases to
// need, and is not freed since who was to do that died, goes with somebody.
func (s *Space) reclaim(slot int) {
	needed := map[shm.Ref]bool{}
	for i := range s.objects {
		if refs := s.objects[i].how().refs; refs != nil {
			refs(s, i, func(r shm.Ref) { needed[r] = true })
		}
	}
	heir := s.memorySlot()
	if slot == s.slot {
		heir = 0
	}
	s.arena.Reclaim(uint16(slot)+1, heir, func(r shm.Ref) bool { return needed[r] })
}

// wakeEverybody has all look again: the dead one may have been about to wake them.
func (s *Space) wakeEverybody() {
	for i := range s.claims {
		if st := s.claims[i].load().state(); st != claimFree && st != claimIdle {
			s.ring(i)
		}
	}
	for i := range s.objects {
		o := &s.objects[i]
		if o.kind.Load() == 0 {
			continue
		}
		wake(addr(&o.latch.word), wakeAll)
		wake(addr(stateOf[atomic.Uint32](o)), wakeAll) // by convention what is slept on comes first
	}
}
