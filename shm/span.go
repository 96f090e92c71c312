package shm

import (
	"math/bits"
	"structs"
	"sync/atomic"
	"unsafe"
)

// span is a row of the span table. Invariant: a bit of used is set only by the
// process that owns the span, and only while the word says small.
//
//	offset  size  field  writer                      if a writer dies
//	     0     8  word   any, by CAS                 Reclaim undoes or finishes the transition
//	     8    64  used   owner sets, anybody clears  the bit's object is the slot's, as every other
//	    72    56  -
type span struct {
	_    structs.HostLayout
	word atomic.Uint64
	used [maxObjects / 64]atomic.Uint64
	_    [56]byte
}

var _ [128]byte = [unsafe.Sizeof(span{})]byte{} // else bump layoutVersion

// inUse returns the number of objects in use, of which the span holds n.
func (s *span) inUse(n int) int {
	used := 0
	for w := range (n + 63) / 64 {
		used += bits.OnesCount64(s.used[w].Load())
	}
	return used
}

// empty reports whether none of the n objects is in use.
func (s *span) empty(n int) bool {
	for w := range (n + 63) / 64 {
		if s.used[w].Load() != 0 {
			return false
		}
	}
	return true
}

// take sets the bit of a free object among n and returns its number, or -1.
// Only the owner calls it, one goroutine at a time, so that a bit seen clear
// stays clear.
func (s *span) take(n int) int {
	for w := range (n + 63) / 64 {
		room := ^s.used[w].Load()
		if left := n - 64*w; left < 64 {
			room &= 1<<left - 1
		}
		if room != 0 {
			b := bits.TrailingZeros64(room)
			s.used[w].Or(1 << b)
			return 64*w + b
		}
	}
	return -1
}

func (s *span) has(i int) bool { return s.used[i/64].Load()>>(i%64)&1 != 0 }

// drop clears bit i and reports whether it was set.
func (s *span) drop(i int) bool {
	return s.used[i/64].And(^(1<<(i%64)))>>(i%64)&1 != 0
}

// spanState is what a span is. The zero value is a free span, so that zeroed
// memory is an empty arena.
type spanState uint8

const (
	free     spanState = iota // nobody's
	reserved                  // owner is about to make it small or large
	small                     // owner allocates objects of class arg in it
	adopted                   // as small, but nobody allocates; whoever empties it frees it
	large                     // first of a run of arg spans that are one object
	tail                      // further span of the run that begins at span arg
	freeing                   // first of a run of arg spans that owner is freeing
)

// spanWord is the whole state of a span in 64 bits; each transition is one CAS:
//
//	 0-2   state
//	 3     committed: has memory behind it. A large span and its tails always have
//	 8-31  arg
//	32-47  owner, a slot
//	48-63  generation, counted up as a span ceases to be free
type spanWord uint64

const committedBit spanWord = 1 << 3

// maxSpans is bounded by the 24 bits of arg: 1 TiB.
const maxSpans = 1<<24 - 1

func (w spanWord) state() spanState { return spanState(w & 7) }
func (w spanWord) committed() bool  { return w&committedBit != 0 }
func (w spanWord) arg() int         { return int(w >> 8 & 0xffffff) }
func (w spanWord) owner() uint16    { return uint16(w >> 32) }

// to returns the word of the same span and generation in another state.
func (w spanWord) to(st spanState, arg int, owner uint16) spanWord {
	return w&^0xffff_ffff_fff7 | spanWord(st) | spanWord(arg)<<8 | spanWord(owner)<<32
}

// claim is to for a free span.
func (w spanWord) claim(st spanState, arg int, owner uint16) spanWord {
	return w.to(st, arg, owner) + 1<<48
}

// freed returns the word of the same span when free.
func (w spanWord) freed(committed bool) spanWord {
	w = w.to(free, 0, 0) &^ committedBit
	if committed {
		w |= committedBit
	}
	return w
}

func (s *span) load() spanWord { return spanWord(s.word.Load()) }

func (s *span) swap(from, to spanWord) bool {
	return s.word.CompareAndSwap(uint64(from), uint64(to))
}
