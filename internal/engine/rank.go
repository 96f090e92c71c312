package engine

import "math/bits"

// takeLowest takes the hint of the task of lowest rank in a queue, of those whose
// rank less their expected time is not below least if that is not 0. Of equals it
// takes the first from cursor on, in a circle, so that none is passed over for more
// than a round.
//
// A stale hint has the rank that its descriptor was given last. It is removed as
// soon as it is the lowest, and who submits that descriptor next sets it again.
func (m *memory) takeLowest(h *hints, least int64, cursor *int) (leaf int, batch uint64) {
	for {
		i, ok := m.lowest(h, least, *cursor)
		if !ok {
			return 0, 0
		}
		leaf, batch = i>>6, uint64(1)<<(i&63)
		if !h.remove(leaf, batch) {
			continue // somebody else was quicker
		}
		if Word(m.words[i].Load()).state() == Queued {
			*cursor = (i + 1) % m.Geometry.Tasks
			return leaf, batch
		}
	}
}

// lowest finds it. It goes by the sums: a leaf without one is set again by the sweep.
func (m *memory) lowest(h *hints, least int64, from int) (index int, ok bool) {
	var best int64
	for step := range len(h.leaves) + 1 {
		leaf := (from>>6 + step) % len(h.leaves)
		if h.sums[leaf>>6].Load()>>(leaf&63)&1 == 0 {
			continue
		}
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
		for ; set != 0; set &= set - 1 {
			i := leaf<<6 + bits.TrailingZeros64(set)
			rank := m.ranks[i].Load()
			if ok && rank >= best || least != 0 && rank-m.descs[i].expectedNs.Load() < least {
				continue
			}
			index, best, ok = i, rank, true
		}
	}
	return index, ok
}
