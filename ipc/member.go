package ipc

import (
	"fmt"
	"reflect"
	"structs"
	"sync/atomic"
	"unsafe"
)

// member is the row of a process that has the space open, its slot.
//
//	offset  size  field     writer           if the writer dies
//	     0     8  word      CAS              see below
//	     8     4  lifeline  owner, kernel    the kernel marks it
//	    16     8  started   owner            the row is JOINING, and freed
//	    24     8  joinedNs  owner            likewise
//	    32     8  text      owner            likewise
//	    64    64  name      owner            likewise
//
// The states of a row, and who moves it:
//
//	FREE     → JOINING  who comes: its process number is recorded with the claim
//	JOINING  → LIVE     the same, when the kernel watches its lifeline
//	LIVE     → LEAVING  the same, when it closes the space
//	any      → BURYING  whoever finds it dead, once it is certainly gone
//	LEAVING, BURYING → FREE  the same, epoch + 1, when nothing of it is left
//
// Who buries may die as well: the row then says BURYING by a slot that is dead
// itself, and the next one takes over. All steps of a burial can be done twice.
type member struct {
	_        structs.HostLayout
	word     atomic.Uint64
	lifeline uint32
	_        [4]byte
	started  atomic.Uint64 // of the process, in ticks since the boot: tells a reused number
	joinedNs atomic.Int64
	text     atomic.Uint64 // where the program has textMark
	_        [24]byte
	name     [lineBytes]byte
}

type memberState uint8

const (
	memberFree memberState = iota
	memberJoining
	memberLive
	memberLeaving
	memberBurying
)

func (s memberState) String() string {
	return [...]string{"free", "joining", "live", "leaving", "being buried", "?", "?", "?"}[s&7]
}

// memberWord is a row's state in 64 bits, moved by CAS:
//
//	bits  0–2   state
//	bits  4–15  slot of who buries
//	bits 16–39  process number
//	bits 40–63  epoch: counts the processes that had the row
type memberWord uint64

func (w memberWord) state() memberState { return memberState(w & 7) }
func (w memberWord) burier() int        { return int(w >> 4 & 0xfff) }
func (w memberWord) pid() int           { return int(w >> 16 & 0xffffff) }
func (w memberWord) epoch() uint32      { return uint32(w >> 40) }

// active reports whether the process may be burying others.
func (w memberWord) active() bool { return w.state() == memberLive || w.state() == memberLeaving }

func (w memberWord) to(s memberState) memberWord { return w&^7 | memberWord(s) }

func (w memberWord) buriedBy(slot int) memberWord {
	return w.to(memberBurying)&^(0xfff<<4) | memberWord(slot)<<4
}

// joined is the word of a free row when process pid takes it.
func (w memberWord) joined(pid int) memberWord {
	return w&(0xffffff<<40) | memberWord(pid)<<16 | memberWord(memberJoining)
}

// freed is the word when nothing of the process is left.
func (w memberWord) freed() memberWord { return (w>>40 + 1) << 40 }

func (m *member) load() memberWord { return memberWord(m.word.Load()) }

func (m *member) swap(from, to memberWord) bool {
	return m.word.CompareAndSwap(uint64(from), uint64(to))
}

// join takes a slot for this process.
func (s *Space) join() error {
	for slot := range s.members {
		m := &s.members[slot]
		w := m.load()
		if w.state() != memberFree {
			continue
		}
		mine := w.joined(s.kin.pid())
		if !m.swap(w, mine) {
			continue
		}
		at("joining")
		s.slot, s.owner = slot, uint32(slot)+1
		m.started.Store(s.kin.started())
		m.joinedNs.Store(s.kin.now())
		m.text.Store(textMark())
		clear(m.name[copy(m.name[:], s.kin.name()):])
		at("joined")
		if err := s.kin.hold(&m.lifeline); err != nil {
			m.swap(mine, mine.freed())
			return err
		}
		at("held")
		m.swap(mine, mine.to(memberLive))
		s.changed()
		return nil
	}
	return fmt.Errorf("%w: %d processes have it open", ErrTooMany, len(s.members))
}

// textMark is where a function of the program lies: two processes of one program have all
// their functions as far from each other as this one.
func textMark() uint64 { return uint64(reflect.ValueOf(pinned).Pointer()) }

// changed tells all guardians that a member has come or gone.
func (s *Space) changed() {
	s.head.changes.Add(1) // SYNC members: pairs with guard
	wake(addr(&s.head.changes), wakeAll)
}

// pinned returns the text in a fixed field up to its first zero.
func pinned(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

func addr(w *atomic.Uint32) *uint32 { return (*uint32)(unsafe.Pointer(w)) }
