package engine

import "math/bits"

// round gives descriptors in the order of the table, in a circle, passing over
// those in use. With more than twice as many as can be in flight at once, those
// that wait never go once round, so that the order of the table from where the
// last one was taken is the order of submission: see takeOldest.
type round struct {
	free []uint64 // by descriptor
	last uint32   // given last
}

func (r *round) add(i uint32) { r.free[i>>6] |= 1 << (i & 63) }

// take gives the first free descriptor behind the last one.
func (r *round) take() (uint32, bool) {
	first := int(r.last >> 6)
	for i := range len(r.free) + 1 {
		leaf := (first + i) % len(r.free)
		set := r.free[leaf]
		if i == 0 {
			set &^= 1<<(r.last&63) | (1<<(r.last&63) - 1)
		}
		if set != 0 {
			bit := bits.TrailingZeros64(set)
			r.free[leaf] &^= 1 << bit
			return uint32(leaf<<6 + bit), true
		}
	}
	return 0, false
}
