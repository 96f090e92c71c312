package ipc

import (
	"fmt"
	"slices"
	"structs"
	"sync/atomic"
	"unsafe"
)

// claim is a row of what a goroutine holds or waits for. The claims are the truth
// about an object: how much of it is taken, who waits, in what order. What the
// object says of itself is a digest of them, made anew when somebody died while he
// changed it. They are also the wait-for graph in which deadlocks are found.
//
//	offset  size  field    writer                    if the writer dies
//	     0     8  word     CAS, see below            burial frees the row
//	     8     8  ticket   owner, before it waits    likewise
//	    16    32  agent …  owner, before it waits    likewise
//	    48     4  park     any +1                    burial wakes everybody
//	    52     8  next …   holder of the latch       the list is made anew
//	    64    96  site     owner, while it waits     the row is freed
//	   160     4  asleep   owner, while it waits     likewise
//	   164    92  -
//
// The states of a row, and who moves it:
//
//	FREE    → IDLE     a process that wants a row for later use
//	IDLE    → HELD     the same, holding the object's latch
//	IDLE    → WAITING  the same, likewise
//	WAITING → HELD     whoever gives back, holding the latch
//	WAITING → IDLE     the waiter that gives up, or has got a mutex
//	WAITING → ABORTED  whoever breaks a deadlock; the waiter makes it IDLE
//	HELD    → IDLE     the process that holds it, holding the latch
//	any     → FREE     who buries the process, or the process when it leaves
type claim struct {
	_      structs.HostLayout
	word   atomic.Uint64
	ticket uint64 // from header.tickets: smaller is earlier
	agent  atomic.Uint64
	units  int64
	since  uint64 // the CPU's counter
	pc     uint64 // of the call, in the owner's program
	park   atomic.Uint32
	next   uint32 // in the object's list of waiters: row + 1, 0: none
	prev   uint32
	stated atomic.Uint32 // site may be read
	site   site          // where, as text for other processes
	asleep atomic.Uint32 // who waits for the other side does not look whether it has come
	_      [92]byte
}

type claimState uint8

const (
	claimFree claimState = iota
	claimIdle
	claimWaiting
	claimHeld
	claimAborted
)

// claimWord is a row's state in 64 bits, moved by CAS:
//
//	bits  0–2   state
//	bit   3     exclusive
//	bits  8–23  slot of the process that owns the row
//	bits 24–39  object
//	bits 40–63  generation: counts the uses of the row
type claimWord uint64

const claimExclusive claimWord = 1 << 3

func (w claimWord) state() claimState { return claimState(w & 7) }
func (w claimWord) exclusive() bool   { return w&claimExclusive != 0 }
func (w claimWord) slot() int         { return int(w >> 8 & 0xffff) }
func (w claimWord) object() int       { return int(w >> 24 & 0xffff) }

func (w claimWord) to(s claimState) claimWord { return w&^7 | claimWord(s) }

// taken is the word of an unused row in the hands of slot.
func (w claimWord) taken(slot int) claimWord {
	return (w>>40)<<40 | claimWord(slot)<<8 | claimWord(claimIdle)
}

// used is the word of an idle row when it comes to be about an object.
func (w claimWord) used(object int, exclusive bool) claimWord {
	w = (w>>40+1)<<40 | w&(0xffff<<8) | claimWord(object)<<24 | claimWord(claimIdle)
	if exclusive {
		w |= claimExclusive
	}
	return w
}

func (w claimWord) freed() claimWord { return (w >> 40) << 40 }

func (c *claim) load() claimWord { return claimWord(c.word.Load()) }

func (c *claim) swap(from, to claimWord) bool {
	return c.word.CompareAndSwap(uint64(from), uint64(to))
}

// claimBatch is how many rows a process takes at once, and keeps for its waits.
const claimBatch = 8

// claim gives a row of this process for an object, not yet waiting for it nor
// holding it.
func (s *Space) claim(object int, units int64, exclusive bool, agent, pc, cycles uint64) (int, error) {
	s.idle.Lock()
	if len(s.idle.rows) == 0 {
		s.fetchClaimsLocked()
	}
	n := len(s.idle.rows)
	if n == 0 {
		s.idle.Unlock()
		return 0, fmt.Errorf("%w: %d holds and waits at a time; open it with more Claims", ErrTooMany, len(s.claims))
	}
	i := s.idle.rows[n-1]
	s.idle.rows = s.idle.rows[:n-1]
	s.idle.Unlock()
	c := &s.claims[i]
	// Stat reads these at any time, and forgets them when the word has changed.
	storeWord((*uint64)(unsafe.Pointer(&c.units)), uint64(units))
	storeWord(&c.since, cycles)
	storeWord(&c.pc, pc)
	c.agent.Store(agent)
	c.stated.Store(0)
	c.next, c.prev = 0, 0
	c.word.Store(uint64(c.load().used(object, exclusive)))
	return i, nil
}

// fetchClaimsLocked takes free rows of the table; s.idle is locked.
func (s *Space) fetchClaimsLocked() {
	for range s.claims {
		i := s.idle.cursor
		s.idle.cursor = (i + 1) % len(s.claims)
		c := &s.claims[i]
		if w := c.load(); w.state() == claimFree && c.swap(w, w.taken(s.slot)) {
			at("claim-taken")
			if s.idle.rows = append(s.idle.rows, i); len(s.idle.rows) == claimBatch {
				return
			}
		}
	}
}

// unclaim gives back a row that is about nothing any more.
func (s *Space) unclaim(i int) {
	s.claims[i].agent.Store(0)
	s.idle.Lock()
	s.idle.rows = append(s.idle.rows, i)
	s.idle.Unlock()
}

// amount is how many units a claim is about, for others than its owner.
func (c *claim) amount() int64 { return int64(loadWord((*uint64)(unsafe.Pointer(&c.units)))) }

// settle makes a row of this process idle, whatever it was.
func (c *claim) settle() { c.word.Store(uint64(c.load().to(claimIdle))) }

// ring wakes the goroutine that waits with claim i.
func (s *Space) ring(i int) {
	c := &s.claims[i]
	c.park.Add(1) // SYNC claim-park: pairs with sleep
	wake(addr(&c.park), 1)
}

// What this process holds is known to it by object too, so that giving back need not
// look through the table.

// hold notes that claim i holds some of an object.
func (s *Space) hold(object, i int) {
	s.mine.Lock()
	defer s.mine.Unlock()
	if s.mine.held == nil {
		s.mine.held = map[int][]int{}
	}
	s.mine.held[object] = append(s.mine.held[object], i)
}

// holds returns a claim of this process that holds some of an object: one of the
// goroutine agent or else, if others will do, the one that came first.
func (s *Space) holds(object int, agent uint64, exclusive, others bool) (i int, ok bool) {
	s.mine.Lock()
	defer s.mine.Unlock()
	at := s.holdsLocked(object, agent, exclusive, others)
	if at < 0 {
		return 0, false
	}
	return s.mine.held[object][at], true
}

// giveUp is holds; the claim is the caller's to give back, and nobody else finds it.
func (s *Space) giveUp(object int, agent uint64, exclusive, others bool) (i int, ok bool) {
	s.mine.Lock()
	defer s.mine.Unlock()
	at := s.holdsLocked(object, agent, exclusive, others)
	if at < 0 {
		return 0, false
	}
	held := s.mine.held[object]
	i = held[at]
	s.mine.held[object] = slices.Delete(held, at, at+1)
	return i, true
}

func (s *Space) holdsLocked(object int, agent uint64, exclusive, others bool) (at int) {
	first := -1
	for at, i := range s.mine.held[object] {
		c := &s.claims[i]
		if c.load().exclusive() != exclusive {
			continue
		}
		if c.agent.Load() == agent {
			return at
		}
		if others && first < 0 {
			first = at
		}
	}
	return first
}
