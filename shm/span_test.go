package shm

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
)

func TestSpanWord(t *testing.T) {
	t.Parallel()
	for st := free; st <= freeing; st++ {
		for _, arg := range []int{0, 1, 0x123456, maxSpans} {
			for _, owner := range []uint16{0, 1, 0xffff} {
				for _, before := range []spanWord{0, committedBit, ^spanWord(0), ^spanWord(0) &^ committedBit} {
					w := before.claim(st, arg, owner)
					if w.state() != st || w.arg() != arg || w.owner() != owner || w.committed() != before.committed() {
						t.Fatalf("%#x: state %d, arg %#x, owner %d", w, w.state(), w.arg(), w.owner())
					}
					if w>>48 != (before>>48+1)&0xffff {
						t.Fatalf("%#x: the generation after %#x", w, before)
					}
					for _, has := range []bool{false, true} {
						f := w.freed(has)
						if f.state() != free || f.arg() != 0 || f.owner() != 0 || f.committed() != has || f>>48 != w>>48 {
							t.Fatalf("%#x freed is %#x", w, f)
						}
					}
				}
			}
		}
	}
}

func TestSpanTakesEachObjectOnce(t *testing.T) {
	t.Parallel()
	for c := range classBytes {
		var s span
		n := classCount(c)
		for want := range n {
			if got := s.take(n); got != want || !s.has(got) || s.inUse(n) != want+1 {
				t.Fatalf("class %d: took %d, want %d", c, got, want)
			}
		}
		if got := s.take(n); got != -1 {
			t.Fatalf("class %d: took %d of a full span", c, got)
		}
		if !s.drop(n-1) || s.drop(n-1) || s.take(n) != n-1 {
			t.Fatalf("class %d: the last object", c)
		}
	}
}

func TestSpanMapRun(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		n := 1 + rnd.IntN(200)
		m := make(spanMap, (n+63)/64)
		plain := make([]bool, n)
		density := rnd.IntN(100)
		for i := range plain {
			if rnd.IntN(100) < density {
				plain[i] = true
				m.set(i)
			}
		}
		from, to, k := rnd.IntN(n), 1+rnd.IntN(n), 1+rnd.IntN(10)
		want := -1
		for i := from; i+k <= to && want < 0; i++ {
			want = i
			for j := i; j < i+k; j++ {
				if plain[j] {
					want = -1
				}
			}
		}
		if got := m.run(from, to, k); got != want {
			t.Fatalf("run of %d in [%d, %d) of %v: %d, want %d", k, from, to, plain, got, want)
		}
	}
	m := spanMap(make([]atomic.Uint64, 1))
	m.set(3)
	m.clear(3)
	if m[0].Load() != 0 {
		t.Error("clear leaves the bit")
	}
}
