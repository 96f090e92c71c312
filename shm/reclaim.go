package shm

import (
	"cmp"
	"maps"
	"math/bits"
	"slices"
)

// What a death leaves behind, and who puts it right. A process dies between
// two instructions; these are the points between two stores of one operation,
// by their fail point's name.
//
//	claim-hinted        a free span's bit set in the map    Reclaim clears it
//	claim-one, -taken,  spans reserved or tail              Reclaim frees them; memory without a
//	-committed                                              committed flag goes back to the system
//	unclaim-one         as above; free, bit set             as above
//	extend-committed    memory behind rows beyond top       the next extension commits it again
//	alloc-bit-set,      an object nobody knows of           Reclaim frees it, as the slot's
//	-large, -span
//	free-small-cleared  adopted, empty                      any later Reclaim frees it
//	free-large-begun,   freeing, owner the dead slot        Reclaim completes it: a tail that still
//	free-adopted-begun,                                     names the head is the run's, other spans
//	trim-begun,                                             may be another's already
//	retire-released,
//	-tail
//	retire-head         free, bit set                       Reclaim clears it
//	reclaim-*           a Reclaim begun                     Reclaim of the same slot again

// SlotUsage is what a slot has of an arena.
type SlotUsage struct {
	// Slot owns it.
	Slot uint16
	// Committed is the memory of its spans, in bytes.
	Committed int64
	// InUse is the part that its objects take, in bytes.
	InUse int64
}

// Usage returns what each slot has, in order of slots; those that have nothing
// are left out. While others allocate and free it is not one moment's picture.
func (a *Arena) Usage() []SlotUsage {
	slots := make(map[uint16]SlotUsage)
	for i := range a.top() {
		w := a.spans[i].load()
		u := slots[w.owner()]
		u.Slot = w.owner()
		switch w.state() {
		case small, adopted:
			if w.arg() < numClasses {
				u.Committed += SpanBytes
				u.InUse += int64(a.spans[i].inUse(classCount(w.arg()))) * int64(classBytes[w.arg()])
			}
		case large:
			u.Committed += int64(w.arg()) * SpanBytes
			u.InUse += int64(w.arg()) * SpanBytes
		case freeing:
			u.Committed += int64(w.arg()) * SpanBytes
		case reserved:
			u.Committed += SpanBytes
		default:
			continue
		}
		slots[u.Slot] = u
	}
	return slices.SortedFunc(maps.Values(slots), func(x, y SlotUsage) int { return cmp.Compare(x.Slot, y.Slot) })
}

// Reclaim frees every object that slot owns, except those for which keep
// (which may be nil) returns true: they come to belong to slot heir. It
// completes or undoes whatever the slot's process was about, also the freeing
// of another's object, and returns the number of objects freed.
//
// The slot's process must be certainly gone, its pidfd readable; its threads
// might otherwise write into memory that is another's by then. keep must be
// true for every object that a living process may still read or free. Only one
// Reclaim of a slot may run at a time, and the slot must have no new owner
// before it returned; if the process that runs it dies, another runs it again.
// It looks at every span ever used: about 1 ms for 10 GiB.
func (a *Arena) Reclaim(slot, heir uint16, keep func(Ref) bool) (freed int) {
	if keep == nil {
		keep = func(Ref) bool { return false }
	}
	a.mu.Lock()
	delete(a.heaps, slot)
	a.mu.Unlock()
	idle := 0
	for i := range a.top() {
		freed += a.reclaimSpan(i, slot, heir, keep)
		w := a.spans[i].load()
		if w.state() != free {
			continue
		}
		if w.committed() {
			idle++
		}
		// A process that died may have left the bit; one that lives and has set
		// it this moment loses a hint.
		if a.taken.next(true, i, i+1) == i {
			a.taken.clear(i)
		}
	}
	a.header.idle.Store(int64(idle))
	a.header.low.Store(0)
	return freed
}

// reclaimSpan puts span i right after the death of slot and returns the number
// of objects freed.
func (a *Arena) reclaimSpan(i int, slot, heir uint16, keep func(Ref) bool) int {
	s := &a.spans[i]
	w := s.load()
	if w.owner() != slot {
		// Whoever emptied it may have died before it could free it.
		a.retireAdopted(i, slot)
		return 0
	}
	switch w.state() {
	case reserved:
		a.undoClaim(i, w)
	case tail:
		if !a.hasTail(w.arg(), i) {
			a.undoClaim(i, w)
		}
	case small, adopted:
		return a.reclaimSmall(i, slot, heir, keep)
	case large:
		return a.reclaimLarge(i, w, slot, heir, keep)
	case freeing:
		a.finishFreeing(i, w)
	}
	return 0
}

// undoClaim frees span i, which a dead process claimed and did not come to use.
func (a *Arena) undoClaim(i int, w spanWord) {
	if !w.committed() {
		// There may be memory behind it: its claimer died before it said so.
		a.seg.Release(a.offset(i, 0), SpanBytes)
	}
	at("reclaim-claim-released")
	a.spans[i].swap(w, w.freed(w.committed()))
}

// hasTail reports whether span j, a tail that names span i as its head, belongs
// to a run that is in use or is being freed by a living process. The run's
// claimer is dead, so if it does not, it never will.
func (a *Arena) hasTail(i, j int) bool {
	if i >= j {
		return false
	}
	head := a.spans[i].load()
	return (head.state() == large || head.state() == freeing) && j < i+head.arg()
}

// reclaimSmall frees the objects of span i, small or adopted before by slot.
func (a *Arena) reclaimSmall(i int, slot, heir uint16, keep func(Ref) bool) int {
	s := &a.spans[i]
	w := s.load()
	class := w.arg()
	if class >= numClasses {
		class = 0 // a broken word: nothing it says can be kept
		keep = func(Ref) bool { return false }
	}
	if to := w.to(adopted, class, slot); w != to && !s.swap(w, to) {
		return 0
	}
	at("reclaim-adopted")
	freed := 0
	for b := range s.used {
		for left := s.used[b].Load(); left != 0; left &= left - 1 {
			n := b*64 + bits.TrailingZeros64(left)
			r := Ref(a.offset(i, uint32(n)*classBytes[class]))
			if n < classCount(class) && keep(r) {
				continue
			}
			if s.drop(n) {
				freed++
			}
			at("reclaim-object")
		}
	}
	// SYNC last-object: pairs with Free. The word is changed before the bits
	// are read again.
	w = s.load()
	if w.state() == adopted && w.owner() == slot && !s.empty(classCount(class)) {
		s.swap(w, w.to(adopted, class, heir))
		at("reclaim-inherited")
	}
	a.retireAdopted(i, slot)
	return freed
}

func (a *Arena) reclaimLarge(i int, w spanWord, slot, heir uint16, keep func(Ref) bool) int {
	k := w.arg()
	if k < 1 || k > len(a.spans)-i {
		k = 1 // a broken word: its tails are freed as they are met
	}
	if keep(Ref(a.offset(i, 0))) {
		a.spans[i].swap(w, w.to(large, k, heir))
		return 0
	}
	head := w.to(freeing, k, slot)
	if !a.spans[i].swap(w, head) {
		return 0 // somebody freed it
	}
	at("reclaim-large-begun")
	a.retire(i, head)
	return 1
}

// finishFreeing completes what the dead owner of head, span i, began. Those of
// its tails that are free may be another's by now, so each is looked at.
func (a *Arena) finishFreeing(i int, head spanWord) {
	k := min(head.arg(), len(a.spans)-i)
	for j := i + k - 1; j > i; j-- {
		if w := a.spans[j].load(); w.state() == tail && w.arg() == i {
			a.seg.Release(a.offset(j, 0), SpanBytes)
			a.spans[j].swap(w, w.freed(false))
			at("reclaim-tail")
			a.taken.clear(j)
		}
	}
	a.seg.Release(a.offset(i, 0), SpanBytes)
	a.spans[i].swap(head, head.freed(false))
}
