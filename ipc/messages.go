package ipc

import (
	"cmp"
	"context"
	"fmt"
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/shm"
)

// messages is a list of messages of any length: what ByteChan and ByteTopic are made of.
//
// Each message has a row, and, if it is long, memory of its sender's. The word of the
// row says what is being done with it, and by whom. All is done with the object's latch
// held, and each change is there with one store of that word:
//
//	FREE            → FULL             who sends; number, place and length come first
//	FULL            → TAKEN(receiver)  who receives
//	TAKEN(receiver) → FREE             the same, when it is done with the message
//	TAKEN(receiver) → FULL             the same gives it back, or burial: it was not done
//	FULL            → FREE             a topic: the oldest makes room
//
// So a message is in a row from when it is sent until somebody said that it is done
// with it, whoever dies. The lists and sums in messagesState are a digest of the rows,
// made anew when somebody died while he changed them. Memory is freed as in value.go.
//
// A ring as Chan has, without a latch, is faster. But there a place follows another: a
// message that comes back from the dead has none, and one that somebody is at work on
// would hold up all that are sent a lap later.
//
// If the process dies, by fail point:
//
//	rows-allocated      nobody has seen it
//	messages-joined     burial says that it does not use it
//	message-written     the row is FREE: it was not sent; its memory goes with the sender
//	message-full        it was sent; burial wakes who waits
//	message-taken       burial gives it back
//	message-done        it was received; see value.go for its memory
//	message-returned    it was given back; burial wakes who waits
//	messages-closed     it is closed; burial wakes who waits
//	messages-renewing   it is as it was
//	messages-renewed    it is new; the rows before it are left over, see value.go
type messages struct {
	s      *Space
	object int
	state  *messagesState
	rows   []messageRow
	claim  int // says that this process uses them
	reads  spinner
	writes spinner
}

// messagesState is the state of the object. Numbers of rows are + 1, 0: none.
type messagesState struct {
	_       structs.HostLayout
	readers bell          // rung when there is something to read
	first   uint32        // list of FULL rows, oldest first; latch
	last    uint32        // latch
	free    uint32        // list of FREE rows; latch
	full    uint32        // FULL rows; latch
	taken   uint32        // TAKEN rows; latch
	next    uint64        // number of the next message; latch; never goes back
	bytes   atomic.Uint64 // length of all messages; latch
	ref     atomic.Uint64 // of messagesHead, which the rows follow; latch
	spare   atomic.Uint64 // what ref was, while that is being freed; latch
	_       [8]byte
	writers bell // rung when there is room
	_       [60]byte
}

// messagesHead stands before the rows.
type messagesHead struct {
	_        structs.HostLayout
	capacity uint64 // written before anybody sees it
	_        [56]byte
}

// messageRow is the row of a message.
//
//	offset  size  field   writer           if the writer dies
//	     0     8  word    holder of latch  see above
//	     8     8  number  likewise         the row is FREE
//	    16     8  ref     likewise         cleared where the row is FREE
//	    24     8  size    likewise         the row is FREE
//	    32     4  next    likewise         the list is made anew
//	    40   216  short   likewise         the row is FREE
type messageRow struct {
	_      structs.HostLayout
	word   atomic.Uint64 // bits 0–1 state, 8–23 slot of who took it
	number uint64
	ref    atomic.Uint64 // memory of a long message; 0: it is in short
	size   uint64
	next   uint32
	_      [4]byte
	short  [216]byte
}

var _ [lineBytes]byte = [unsafe.Offsetof(messagesState{}.writers)]byte{} // else bump layoutVersion
var _ [2 * lineBytes]byte = [unsafe.Sizeof(messagesState{})]byte{}       // else bump layoutVersion
var _ [lineBytes]byte = [unsafe.Sizeof(messagesHead{})]byte{}            // else bump layoutVersion
var _ [4 * lineBytes]byte = [unsafe.Sizeof(messageRow{})]byte{}          // else bump layoutVersion

const (
	rowFree = iota
	rowFull
	rowTaken

	// MessageMax is how long a message of a ByteChan or ByteTopic may be, in bytes, and
	// how much all messages in one may have together.
	MessageMax = 64 << 20
	// MessagesMax is the largest capacity of a ByteChan or ByteTopic: all rows are looked
	// through after a death.
	MessagesMax     = 1 << 16
	messagesDefault = 1024
)

func (r *messageRow) state() (state, slot int) {
	w := r.word.Load()
	return int(w & 3), int(w >> 8 & 0xffff)
}

// openMessages returns those of a name, and makes them if they are not there. From then
// on this process uses them, until leave.
func (s *Space) openMessages(kind uint32, name string, capacity int, writes bool) (*messages, error) {
	if capacity < 0 || capacity > MessagesMax {
		return nil, fmt.Errorf("ipc: %s %q: capacity %d: 1 to %d are possible", kindName(kind), name, capacity, MessagesMax)
	}
	i, err := s.find(kind, name, func(o *object) error {
		ref, err := s.makeRows(cmp.Or(capacity, messagesDefault))
		if err != nil {
			return err
		}
		st := stateOf[messagesState](o)
		st.ref.Store(uint64(ref))
		m, err := s.messagesOf(o, ref)
		if err == nil {
			m.digest()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	_, _, cycles := here()
	c, err := s.claim(i, 0, writes, 0, 0, cycles)
	if err != nil {
		return nil, err
	}
	m, err := s.joinMessages(i, c, capacity)
	if err != nil {
		s.unclaim(c)
		return nil, err
	}
	return m, nil
}

// joinMessages makes claim c one that says that this process uses the messages of an
// object. Those that nobody used and nothing is left of are new then.
func (s *Space) joinMessages(object, c, capacity int) (*messages, error) {
	o := s.lock(object)
	defer s.unlock(o)
	st := stateOf[messagesState](o)
	m, err := s.messagesOf(o, shm.Ref(st.ref.Load()))
	if err != nil {
		return nil, err
	}
	m.object, m.claim = object, c
	left := st.full+st.taken > 0
	if o.kind.Load() == kindByteTopic {
		left = left && o.flags.Load()&flagClosed == 0
	}
	switch {
	case !left && !s.messagesInUse(object):
		if err := m.renew(o, cmp.Or(capacity, messagesDefault)); err != nil {
			return nil, err
		}
	case capacity != 0 && capacity != len(m.rows):
		return nil, fmt.Errorf("%w: %s %q has one of %d, not %d", ErrCapacity, kindName(o.kind.Load()), pinned(o.name[:]), len(m.rows), capacity)
	}
	s.claims[c].word.Store(uint64(s.claims[c].load().to(claimHeld)))
	at("messages-joined")
	return m, nil
}

// messagesInUse reports whether any process uses the messages of an object. Its latch
// is held.
func (s *Space) messagesInUse(object int) bool {
	for i := range s.claims {
		w := s.claims[i].load()
		if (w.state() == claimHeld || w.state() == claimWaiting) && w.object() == object {
			return true
		}
	}
	return false
}

// renew makes messages that nobody uses as if they had never been used. The latch is
// held.
func (m *messages) renew(o *object, capacity int) error {
	st := m.state
	for m.drop() { // what a closed topic kept
	}
	if capacity != len(m.rows) {
		ref, err := m.s.makeRows(capacity)
		if err != nil {
			return err
		}
		at("messages-renewing")
		st.spare.Store(st.ref.Load())
		st.ref.Store(uint64(ref))
		at("messages-renewed")
		m.s.discard(&st.spare)
		fresh, err := m.s.messagesOf(o, ref)
		if err != nil {
			return err
		}
		m.rows = fresh.rows
		m.digest()
	}
	o.flags.And(^uint32(flagClosed))
	return nil
}

// leave says that this process does not use the messages any more.
func (m *messages) leave() {
	if m.s.enter() != nil {
		return // closed: that has been said
	}
	defer m.s.leave()
	m.s.claims[m.claim].settle()
	m.s.unclaim(m.claim)
}

func rowsBytes(capacity int) int {
	return int(unsafe.Sizeof(messagesHead{})) + capacity*int(unsafe.Sizeof(messageRow{}))
}

// makeRows takes memory for rows, which belongs to this process until an object refers
// to it.
func (s *Space) makeRows(capacity int) (shm.Ref, error) {
	n := rowsBytes(capacity)
	ref, err := s.arena.Heap(s.memorySlot()).Alloc(n)
	if err != nil {
		return 0, fmt.Errorf("ipc: room for %d messages: %w", capacity, err)
	}
	b, err := s.arena.Bytes(ref, n)
	if err != nil {
		return 0, fmt.Errorf("ipc: %w", err)
	}
	clear(b)
	(*messagesHead)(unsafe.Pointer(&b[0])).capacity = uint64(capacity)
	at("rows-allocated")
	return ref, nil
}

// messagesOf finds the rows of an object.
func (s *Space) messagesOf(o *object, ref shm.Ref) (*messages, error) {
	b, err := s.arena.Bytes(ref, rowsBytes(0))
	n := uint64(0)
	if err == nil {
		if n = (*messagesHead)(unsafe.Pointer(&b[0])).capacity; n < 1 || n > MessagesMax {
			err = fmt.Errorf("%d messages", n)
		} else {
			b, err = s.arena.Bytes(ref, rowsBytes(int(n)))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the rows of %q: %w", ErrNotASpace, pinned(o.name[:]), err)
	}
	rows := unsafe.Slice((*messageRow)(unsafe.Pointer(&b[rowsBytes(0)])), n)
	return &messages{s: s, state: stateOf[messagesState](o), rows: rows}, nil
}

// isLong reports whether a message needs memory of its own.
func isLong(n int) bool { return n > len(messageRow{}.short) }

// close ends the messages, and reports whether they had not been.
func (m *messages) close() error {
	if err := m.s.enter(); err != nil {
		return err
	}
	defer m.s.leave()
	o := m.s.lock(m.object)
	was := o.flags.Or(flagClosed)
	at("messages-closed")
	m.s.unlock(o)
	m.state.readers.ring(wakeAll)
	m.state.writers.ring(wakeAll)
	if was&flagClosed != 0 {
		return ErrClosed
	}
	return nil
}

// wait tries until it is done, as a channel does. The caller has entered the space.
func (m *messages) wait(ctx context.Context, b *bell, units int64, sp *spinner, who caller, try func() verdict) (verdict, error) {
	v := try()
	if v != blocked {
		return v, nil
	}
	if ctx.Err() != nil {
		return blocked, context.Cause(ctx)
	}
	if v = sp.spin(try); v != blocked {
		return v, nil
	}
	return m.s.await(ctx, m.object, b, units, who, try)
}

// refsMessages is about memory that rows refer to, whatever their state.
func refsMessages(s *Space, object int, keep func(shm.Ref)) {
	o := &s.objects[object]
	st := stateOf[messagesState](o)
	ref := shm.Ref(st.ref.Load())
	keep(ref)
	if spare := shm.Ref(st.spare.Load()); spare != 0 && spare != ref {
		keep(spare)
	}
	m, err := s.messagesOf(o, ref)
	if err != nil {
		return
	}
	for i := range m.rows {
		if ref := shm.Ref(m.rows[i].ref.Load()); ref != 0 {
			keep(ref)
		}
	}
}

// repairMessages is called when somebody died with the latch held.
func repairMessages(s *Space, object int) {
	o := &s.objects[object]
	st := stateOf[messagesState](o)
	st.spare.Store(0) // it is the same as ref, or was freed
	if m, err := s.messagesOf(o, shm.Ref(st.ref.Load())); err == nil {
		m.digest()
	}
}

// buryMessages gives back what a dead process, or one that leaves, took and was not
// done with.
func buryMessages(s *Space, object, slot int) {
	o := s.lock(object)
	st := stateOf[messagesState](o)
	if m, err := s.messagesOf(o, shm.Ref(st.ref.Load())); err == nil {
		for i := range m.rows {
			if state, by := m.rows[i].state(); state == rowTaken && by == slot {
				m.restore(i)
			}
		}
	}
	s.unlock(o)
	st.readers.ringOut(wakeAll)
	st.writers.ringOut(wakeAll)
}
