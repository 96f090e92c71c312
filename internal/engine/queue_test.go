package engine

import (
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

func newHints(tasks int) *hints {
	s, l := hintWords(tasks)
	return &hints{sums: make([]atomic.Uint64, s), leaves: make([]atomic.Uint64, l)}
}

// The queue against a plain set, through every operation in random order, with
// sizes from one word to three levels' worth.
func TestHintsAgainstReference(t *testing.T) {
	t.Parallel()
	for _, tasks := range []int{2, 64, 65, 4096, 3 * 4096} {
		rnd := rand.New(rand.NewPCG(1, uint64(tasks)))
		h, ref, cursor := newHints(tasks), map[int]bool{}, 0
		for range 20_000 {
			if rnd.IntN(3) > 0 {
				i := rnd.IntN(tasks)
				h.add(i>>6, 1<<(i&63))
				ref[i] = true
			} else {
				most := 1 + rnd.IntN(32)
				leaf, taken := h.take(&cursor, most, rnd.IntN(2) == 0)
				if taken == 0 && len(ref) > 0 {
					t.Fatalf("%d tasks: nothing taken of %d", tasks, len(ref))
				}
				if bits.OnesCount64(taken) > most {
					t.Fatalf("took %d, asked for %d", bits.OnesCount64(taken), most)
				}
				for ; taken != 0; taken &= taken - 1 {
					i := leaf<<6 + bits.TrailingZeros64(taken)
					if !ref[i] {
						t.Fatalf("took %d which is not there", i)
					}
					delete(ref, i)
				}
			}
			if h.len() != len(ref) || h.empty() != (len(ref) == 0) {
				t.Fatalf("len %d, want %d", h.len(), len(ref))
			}
		}
	}
}

// What lies before a position and comes first, against a walk round the circle.
func TestHintsInOrder(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, leaves := range []int{1, 2, 5} {
		n := leaves * 64
		for range 5_000 {
			h, set := newHints(n), map[int]bool{}
			for range rnd.IntN(4) {
				i := rnd.IntN(n)
				h.add(i>>6, 1<<(i&63))
				set[i] = true
			}
			from, to := rnd.IntN(n), rnd.IntN(n)
			want := false
			for i := from; i != to; i = (i + 1) % n {
				want = want || set[i]
			}
			if got := h.before(from, to); got != want {
				t.Fatalf("%v from %d to %d of %d: %v", set, from, to, n, got)
			}
			for at, left := from, n; left > 0; at, left = (at+1)%n, left-1 {
				if !set[at] {
					continue
				}
				if i, ok := h.first(from); i != at || !ok || !h.remove(i>>6, 1<<(i&63)) {
					t.Fatalf("the first of %v from %d of %d: %d, %v", set, from, n, i, ok)
				}
				delete(set, at)
			}
			if _, ok := h.first(from); ok || !h.empty() {
				t.Fatalf("the set is not empty")
			}
		}
	}
}

// A task is overtaken by at most one round of the others, however often the
// bits below it are set again.
func TestHintsBoundedStray(t *testing.T) {
	t.Parallel()
	const tasks = 256
	h, cursor := newHints(tasks), 0
	h.add(1, 1<<63) // the victim: index 127
	for range tasks {
		h.add(0, ^uint64(0))
		h.add(1, 1<<63-1)
		leaf, taken := h.take(&cursor, 4, true)
		if leaf == 1 && taken>>63 == 1 {
			return
		}
	}
	t.Fatal("a waiting task was overtaken for more than a round")
}

// Every bit that is added is taken exactly once, by anybody.
func TestHintsConcurrent(t *testing.T) {
	t.Parallel()
	const tasks, rounds = 128, 2_000
	h := newHints(tasks)
	var got [tasks]atomic.Int64
	var owned [tasks]atomic.Bool // set while the hint is out; add only when clear
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(tasks * rounds)
	for g := range 4 {
		wg.Go(func() {
			cursor := g * 31
			for left.Load() > 0 {
				leaf, taken := h.take(&cursor, 7, g%2 == 0)
				for ; taken != 0; taken &= taken - 1 {
					i := leaf<<6 + bits.TrailingZeros64(taken)
					if !owned[i].CompareAndSwap(true, false) {
						t.Errorf("hint %d taken twice", i)
					}
					got[i].Add(1)
					left.Add(-1)
				}
			}
		})
	}
	wg.Go(func() {
		for sent := [tasks]int{}; ; {
			open := 0
			for i := range tasks {
				if sent[i] < rounds {
					open++
					if owned[i].CompareAndSwap(false, true) {
						sent[i]++
						h.add(i>>6, 1<<(i&63))
					}
				}
			}
			if open == 0 {
				return
			}
		}
	})
	wg.Wait()
	for i := range got {
		if got[i].Load() != rounds {
			t.Errorf("hint %d taken %d times, want %d", i, got[i].Load(), rounds)
		}
	}
}
