package engine

import (
	"math/bits"
	"sync/atomic"
)

// hints is a set of task indices in shared memory, two levels of bitmap words.
// It is what a queue is made of: a set bit says that the task may be waiting.
//
//	sums    one bit a leaf: "this leaf may have bits"   (one word per 64 leaves)
//	leaves  one bit a task                              (one word per 64 tasks)
//
// Anybody adds, anybody takes, each with one atomic operation on a leaf, and
// no operation has a gap that another party would have to wait for: a process
// that dies inside leaves at worst a leaf whose sum bit is missing, which the
// sweep (recover.go) sets again. The bits say nothing about ownership; the
// task's word does.
type hints struct {
	sums   []atomic.Uint64
	leaves []atomic.Uint64
}

// hintWords returns the number of words of each level for n tasks.
func hintWords(tasks int) (sums, leaves int) {
	leaves = (tasks + 63) / 64
	return (leaves + 63) / 64, leaves
}

// add sets bits of one leaf. The sum is set even when the leaf was not empty:
// its other bits may come from a process that was stopped before it set the sum.
func (h *hints) add(leaf int, set uint64) {
	h.leaves[leaf].Or(set) // SYNC hint-set: pairs with take; the word is QUEUED first
	sum, bit := &h.sums[leaf>>6], uint64(1)<<(leaf&63)
	if sum.Load()&bit == 0 {
		sum.Or(bit)
	}
}

// take removes up to most bits of one leaf, or about half of what is there when
// half is set, and returns them. It looks from cursor on, in a circle, so that
// a bit is passed over at most once in a round: that bounds how far a task may
// be overtaken by later ones. taken is 0 when the set was seen empty.
func (h *hints) take(cursor *int, most int, half bool) (leaf int, taken uint64) {
	first := *cursor >> 6
	for i := range len(h.sums) + 1 {
		s := (first>>6 + i) % len(h.sums)
		sum := h.sums[s].Load()
		if i == 0 {
			sum &= ^uint64(0) << (first & 63)
		} else if i == len(h.sums) {
			sum &= 1<<(first&63) - 1
		}
		for ; sum != 0; sum &= sum - 1 {
			leaf = s<<6 + bits.TrailingZeros64(sum)
			if leaf >= len(h.leaves) {
				break // a peer wrote bits that no leaf belongs to
			}
			from := 0
			if leaf == first {
				from = *cursor & 63
			}
			if taken = h.takeLeaf(leaf, from, most, half); taken != 0 {
				*cursor = h.after(leaf, from, taken)
				return leaf, taken
			}
		}
	}
	return 0, 0
}

// first returns the first position that is set, seen in a circle that begins at
// from. Unlike take it keeps to that order exactly, and looks at every leaf for it.
func (h *hints) first(from int) (i int, ok bool) {
	for step := range len(h.leaves) + 1 {
		leaf := (from>>6 + step) % len(h.leaves)
		set := h.leaves[leaf].Load()
		if set == 0 {
			h.clearSum(leaf)
		}
		switch step {
		case 0:
			set &= ^uint64(0) << (from & 63)
		case len(h.leaves):
			set &= 1<<(from&63) - 1
		}
		if set != 0 {
			return leaf<<6 + bits.TrailingZeros64(set), true
		}
	}
	return 0, false
}

// remove takes bits out of a leaf and reports whether one of them was there.
func (h *hints) remove(leaf int, set uint64) bool {
	old := h.leaves[leaf].And(^set) // SYNC hint-set
	if old&^set == 0 {
		h.clearSum(leaf)
	}
	return old&set != 0
}

// before reports whether a bit is set between positions from and to, seen in a
// circle that begins at from; to itself is left out.
func (h *hints) before(from, to int) bool {
	leaves := len(h.leaves)
	steps := (to>>6 - from>>6 + leaves) % leaves
	if steps == 0 && to < from {
		steps = leaves // once round, to the lower part of the first leaf
	}
	for i := range steps + 1 {
		set := h.leaves[(from>>6+i)%leaves].Load()
		if i == 0 {
			set &= ^uint64(0) << (from & 63)
		}
		if i == steps {
			set &= 1<<(to&63) - 1
		}
		if set != 0 {
			return true
		}
	}
	return false
}

// after returns the position that follows the last bit taken, seen from bit
// from on in a circle: where it wrapped round, the leaf's end was passed.
func (h *hints) after(leaf, from int, taken uint64) int {
	next := leaf<<6 + bits.Len64(taken)
	if taken&(1<<from-1) != 0 {
		next = (leaf + 1) << 6
	}
	if next >= len(h.leaves)<<6 {
		return 0
	}
	return next
}

// takeLeaf takes bits of one leaf, those at and above from first.
func (h *hints) takeLeaf(leaf, from, most int, half bool) uint64 {
	for {
		old := h.leaves[leaf].Load()
		if old == 0 {
			h.clearSum(leaf)
			return 0
		}
		n := most
		if half {
			n = min(n, (bits.OnesCount64(old)+1)/2)
		}
		taken := lowest(old, from, n)
		if h.leaves[leaf].CompareAndSwap(old, old&^taken) { // SYNC hint-set
			if old == taken {
				h.clearSum(leaf)
			}
			return taken
		}
	}
}

// clearSum takes back a leaf's sum bit and sets it again when the leaf got bits
// in between: their adder may have looked at the sum before we cleared it.
func (h *hints) clearSum(leaf int) {
	sum, bit := &h.sums[leaf>>6], uint64(1)<<(leaf&63)
	if sum.Load()&bit == 0 {
		return
	}
	sum.And(^bit)
	if h.leaves[leaf].Load() != 0 {
		sum.Or(bit)
	}
}

// lowest returns n bits of set, from bit from upwards and then from bit 0.
func lowest(set uint64, from, n int) uint64 {
	if bits.OnesCount64(set) <= n {
		return set
	}
	var out uint64
	for part := set &^ (1<<from - 1); part != 0 && n > 0; n-- {
		out |= part & -part
		part &= part - 1
	}
	for part := set & (1<<from - 1); part != 0 && n > 0; n-- {
		out |= part & -part
		part &= part - 1
	}
	return out
}

// empty reports whether no bit was seen.
func (h *hints) empty() bool {
	for i := range h.sums {
		if h.sums[i].Load() != 0 {
			return false
		}
	}
	return true
}

// len counts the bits.
func (h *hints) len() int {
	n := 0
	for s := range h.sums {
		for sum := h.sums[s].Load(); sum != 0; sum &= sum - 1 {
			leaf := s<<6 + bits.TrailingZeros64(sum)
			if leaf < len(h.leaves) {
				n += bits.OnesCount64(h.leaves[leaf].Load())
			}
		}
	}
	return n
}
