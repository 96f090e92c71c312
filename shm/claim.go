package shm

import (
	"fmt"
	"unsafe"
)

// claim takes k neighbouring free spans for slot and gets memory for them. The
// first is reserved, the others are its tails. The caller then makes the first
// what it shall be, with become.
func (a *Arena) claim(k int, slot uint16) (int, error) {
	i, err := a.search(k, slot)
	if err != nil {
		return 0, err
	}
	at("claim-taken")
	if err := a.back(i, k); err != nil {
		a.unclaim(i, k)
		return 0, err
	}
	at("claim-committed")
	return i, nil
}

// become turns span i, which slot reserved, into what was asked for.
func (a *Arena) become(i int, st spanState, arg int, slot uint16) error {
	s := &a.spans[i]
	w := s.load()
	if w.state() != reserved || w.owner() != slot || !s.swap(w, w.to(st, arg, slot)|committedBit) {
		return fmt.Errorf("arena: span %d, reserved by slot %d, was changed by another process: state %d, slot %d", i, slot, w.state(), w.owner())
	}
	return nil
}

// search finds and takes a run of k spans, extending the table as needed.
func (a *Arena) search(k int, slot uint16) (int, error) {
	for {
		top := a.top()
		low := int(min(a.header.low.Load(), uint64(top)))
		i := a.searchIn(low, top, k, slot)
		if i < 0 && low > 0 {
			i = a.searchIn(0, min(low+k-1, top), k, slot)
		}
		if i >= 0 {
			if k == 1 {
				// If a lower span was freed meanwhile, low changed and stays.
				a.header.low.CompareAndSwap(uint64(low), uint64(i+1))
			}
			return i, nil
		}
		if top == len(a.spans) {
			return 0, fmt.Errorf("arena: no %d free bytes in one piece among %d: %w", k*SpanBytes, len(a.spans)*SpanBytes, ErrFull)
		}
		if err := a.extend(top, k); err != nil {
			return 0, err
		}
	}
}

// searchIn takes the first run of k spans in [from, to), or returns -1.
func (a *Arena) searchIn(from, to, k int, slot uint16) int {
	for {
		i := a.taken.run(from, to, k)
		if i < 0 {
			return -1
		}
		n := a.takeRun(i, k, slot)
		if n == k {
			return i
		}
		from = i + n + 1 // span i+n is another's
	}
}

// takeRun takes spans i to i+k-1, first to last, and returns k; or it meets
// one that is another's, gives back what it took and returns how many those
// were.
func (a *Arena) takeRun(i, k int, slot uint16) int {
	for n := range k {
		a.taken.set(i + n)
		at("claim-hinted")
		s := &a.spans[i+n]
		w := s.load()
		to := w.claim(reserved, 0, slot)
		if n > 0 {
			to = w.claim(tail, i, slot)
		}
		if w.state() != free || !s.swap(w, to) {
			a.unclaim(i, n)
			return n
		}
		if w.committed() {
			a.header.idle.Add(-1)
		}
		at("claim-one")
	}
	return k
}

// unclaim frees the first k spans of a run that this process is claiming.
// Those that had memory keep it.
func (a *Arena) unclaim(i, k int) {
	for j := i + k - 1; j >= i; j-- {
		s := &a.spans[j]
		w := s.load()
		if w.committed() {
			a.header.idle.Add(1)
		}
		s.swap(w, w.freed(w.committed()))
		at("unclaim-one")
		a.taken.clear(j)
	}
}

// back gets memory for those of the k spans from i that have none.
func (a *Arena) back(i, k int) error {
	first, last := -1, -1
	for j := i; j < i+k; j++ {
		if !a.spans[j].load().committed() {
			if first < 0 {
				first = j
			}
			last = j
		}
	}
	if first < 0 {
		return nil
	}
	err := a.seg.Commit(a.offset(first, 0), int64(last+1-first)*SpanBytes)
	if err != nil {
		// A part may have got memory; whoever is short of it should have that.
		for j := first; j <= last; j++ {
			if !a.spans[j].load().committed() {
				a.seg.Release(a.offset(j, 0), SpanBytes)
			}
		}
		return fmt.Errorf("arena: %w", err)
	}
	return nil
}

// extend gets memory for rows of the table beyond top, enough for a run of k.
func (a *Arena) extend(top, k int) error {
	want := min(top+max(a.grow, k), len(a.spans))
	const row = int64(unsafe.Sizeof(span{}))
	off := a.geo.Meta + MetaBytes(0) + mapBytes(len(a.spans)) + int64(top)*row
	if err := a.seg.Commit(off, int64(want-top)*row); err != nil {
		return fmt.Errorf("arena: table: %w", err)
	}
	at("extend-committed")
	a.header.top.CompareAndSwap(uint64(top), uint64(want))
	return nil
}

// retire frees the run of spans whose head, span i, the caller put into state
// freeing with the word head. Its memory goes back to the system unless little
// lies idle.
func (a *Arena) retire(i int, head spanWord) {
	k := head.arg()
	keep := a.header.idle.Add(int64(k)) <= a.idleMax
	if !keep && a.seg.Release(a.offset(i, 0), int64(k)*SpanBytes) == nil {
		a.header.idle.Add(int64(-k))
	} else {
		keep = true // free all the same, if the system did not want it back
	}
	at("retire-released")
	// The head comes last: while it says freeing, no other run begins here, so
	// what calls itself its tail is one.
	for j := i + k - 1; j > i; j-- {
		if w := a.spans[j].load(); w.state() == tail && w.arg() == i {
			a.spans[j].swap(w, w.freed(keep))
			at("retire-tail")
			a.taken.clear(j)
		}
	}
	a.spans[i].swap(head, head.freed(keep))
	at("retire-head")
	a.taken.clear(i)
	if low := a.header.low.Load(); uint64(i) < low {
		a.header.low.CompareAndSwap(low, uint64(i))
	}
}
