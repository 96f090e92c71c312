package shm

import (
	"math/bits"
	"sync/atomic"
)

// spanMap has a bit for each span: set says that the span is probably taken.
// It is a hint and makes searching fast; the span's word decides. Who takes a
// span sets the bit before it looks at the word, who frees it clears the bit
// afterwards, so that a free span's bit is set for ever only if one of them
// died in between; Reclaim clears it then.
type spanMap []atomic.Uint64

func (m spanMap) set(i int)   { m[i/64].Or(1 << (i % 64)) }
func (m spanMap) clear(i int) { m[i/64].And(^(uint64(1) << (i % 64))) }

// next returns the first i in [from, to) whose bit is 1 if taken, else 0, or to.
func (m spanMap) next(taken bool, from, to int) int {
	for from < to {
		word := m[from/64].Load()
		if !taken {
			word = ^word
		}
		if word >>= from % 64; word != 0 {
			return min(from+bits.TrailingZeros64(word), to)
		}
		from = (from/64 + 1) * 64
	}
	return to
}

// run returns the first i such that k spans from i lie in [from, to) and are
// probably free, or -1.
func (m spanMap) run(from, to, k int) int {
	for {
		from = m.next(false, from, to)
		if from+k > to {
			return -1
		}
		end := m.next(true, from, from+k)
		if end == from+k {
			return from
		}
		from = end + 1
	}
}
