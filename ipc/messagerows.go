package ipc

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tutti-run/tutti/shm"
)

// What is done with the rows of messages, with the latch held; messages.go says what is
// allowed and why.

// digest makes the lists and sums anew from the rows.
func (m *messages) digest() {
	st := m.state
	st.first, st.last, st.free, st.full, st.taken = 0, 0, 0, 0, 0
	bytes := uint64(0)
	var full []int
	for i := len(m.rows) - 1; i >= 0; i-- {
		r := &m.rows[i]
		state, _ := r.state()
		switch state {
		case rowFull:
			full = append(full, i)
		case rowTaken:
			st.taken++
		default:
			// What it refers to was freed, or was never sent and goes with its sender.
			r.ref.Store(0)
			r.next, st.free = st.free, uint32(i)+1
			continue
		}
		bytes += r.size
		st.next = max(st.next, r.number+1)
	}
	st.bytes.Store(bytes)
	slices.SortFunc(full, func(a, b int) int { return cmp.Compare(m.rows[a].number, m.rows[b].number) })
	for _, i := range full {
		m.append(i)
	}
}

// append makes row i the last of those that are FULL.
func (m *messages) append(i int) {
	st := m.state
	m.rows[i].next = 0
	if last := m.row(st.last); last != nil {
		last.next = uint32(i) + 1
	} else {
		st.first = uint32(i) + 1
	}
	st.last = uint32(i) + 1
	st.full++
}

// row is the row of a number that a list has; nil: none, or none that there can be.
func (m *messages) row(n uint32) *messageRow {
	if n == 0 || int(n) > len(m.rows) {
		return nil
	}
	return &m.rows[n-1]
}

// shift takes the first row, which is r, out of the list of those that are FULL.
func (m *messages) shift(r *messageRow) {
	st := m.state
	if st.first = r.next; st.first == 0 {
		st.last = 0
	}
	st.full--
}

// drop frees the first of the FULL rows, and reports whether there was one.
func (m *messages) drop() bool {
	n := m.state.first
	r := m.row(n)
	if r == nil {
		return false
	}
	m.shift(r)
	m.empty(n, r)
	return true
}

// empty frees row number n, which is r and in no list.
func (m *messages) empty(n uint32, r *messageRow) {
	r.word.Store(rowFree)
	at("message-done")
	m.s.discard(&r.ref)
	m.state.bytes.Add(-r.size)
	r.next, m.state.free = m.state.free, n
}

// put sends a message; ref is memory that holds it, if it is a long one. The latch is
// held, and there is room.
func (m *messages) put(msg []byte, ref shm.Ref) {
	st := m.state
	n := st.free
	r := m.row(n)
	st.free = r.next
	r.number, r.size = st.next, uint64(len(msg))
	r.ref.Store(uint64(ref))
	if ref == 0 {
		copy(r.short[:], msg)
	}
	at("message-written")
	r.word.Store(rowFull)
	at("message-full")
	st.next++
	st.bytes.Add(r.size)
	m.append(int(n) - 1)
}

// content is the bytes of a row's message, where they lie.
func (m *messages) content(r *messageRow) ([]byte, error) {
	ref := shm.Ref(r.ref.Load())
	if ref == 0 && r.size <= uint64(len(r.short)) {
		return r.short[:r.size], nil
	}
	if r.size > MessageMax {
		return nil, m.s.damaged(m.object, fmt.Sprintf("a message of %d bytes", r.size))
	}
	b, err := m.s.arena.Bytes(ref, int(r.size))
	if err != nil {
		return nil, m.s.damaged(m.object, err.Error())
	}
	return b, nil
}

// fits reports whether one message more has room. The latch is held.
func (m *messages) fits(n int) bool {
	st := m.state
	return m.row(st.free) != nil && (st.bytes.Load()+uint64(n) <= MessageMax || st.full+st.taken == 0)
}

// count is how many rows are not FREE, for who does not hold the latch.
func (m *messages) count() (n int) {
	for i := range m.rows {
		if state, _ := m.rows[i].state(); state != rowFree {
			n++
		}
	}
	return n
}

// restore puts row i, which is TAKEN, back to where it was among the FULL ones.
func (m *messages) restore(i int) {
	st, r := m.state, &m.rows[i]
	r.word.Store(rowFull)
	at("message-returned")
	st.taken--
	before := (*messageRow)(nil)
	n := st.first
	for next := m.row(n); next != nil && next.number < r.number; next = m.row(n) {
		before, n = next, next.next
	}
	r.next = n
	if before == nil {
		st.first = uint32(i) + 1
	} else {
		before.next = uint32(i) + 1
	}
	if n == 0 {
		st.last = uint32(i) + 1
	}
	st.full++
}
