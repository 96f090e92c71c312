package shm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// testArena returns an arena of that many spans on the heap, with constants
// shrunk so that the table grows and memory goes back soon.
func testArena(t testing.TB, spans int) *Arena {
	t.Helper()
	g := Geometry{Meta: 64, Data: (MetaBytes(spans)/SpanBytes + 1) * SpanBytes, Spans: spans}
	return peerArena(t, HeapSegment(g.Data+int64(spans)*SpanBytes), g)
}

// peerArena attaches to an arena as another process would.
func peerArena(t testing.TB, seg *Segment, g Geometry) *Arena {
	t.Helper()
	a, err := NewArena(seg, g)
	if err != nil {
		t.Fatal(err)
	}
	a.idleMax, a.grow = 2, 3
	return a
}

// checkEmpty verifies that every span is free and known to be, and that the
// whole arena can be one object.
func (a *Arena) checkEmpty(t testing.TB) {
	t.Helper()
	idle := int64(0)
	for i := range a.top() {
		w := a.spans[i].load()
		if w.state() != free {
			t.Errorf("span %d is in state %d of slot %d, arg %d", i, w.state(), w.owner(), w.arg())
		}
		if !a.spans[i].empty(maxObjects) {
			t.Errorf("span %d has objects in use", i)
		}
		if a.taken.next(true, i, i+1) == i {
			t.Errorf("span %d is free, and the map does not say so", i)
		}
		if w.committed() {
			idle++
		}
	}
	if got := a.header.idle.Load(); got != idle {
		t.Errorf("%d spans lie idle, the header says %d", idle, got)
	}
	if u := a.Usage(); len(u) != 0 {
		t.Errorf("an empty arena is used: %v", u)
	}
	if t.Failed() {
		t.FailNow()
	}
	r, err := a.Heap(999).Alloc(len(a.spans) * SpanBytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Free(999, r); err != nil {
		t.Fatal(err)
	}
}

// fill writes a pattern made from the reference and the size into an object;
// intact verifies it.
func fill(t testing.TB, a *Arena, r Ref, n int) {
	t.Helper()
	b, err := a.Bytes(r, n)
	if err != nil {
		t.Fatal(err)
	}
	copy(b, pattern(r, n))
}

func intact(t testing.TB, a *Arena, r Ref, n int) {
	t.Helper()
	b, err := a.Bytes(r, n)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, pattern(r, n)) {
		t.Fatalf("object %#x of %d bytes was overwritten", uint64(r), n)
	}
}

func pattern(r Ref, n int) []byte {
	word := binary.LittleEndian.AppendUint64(nil, uint64(r)*0x9e3779b97f4a7c15+uint64(n))
	return bytes.Repeat(word, n/8+1)[:n]
}

// sizeOf draws a size: mostly small, some that span runs.
func sizeOf(rnd *rand.Rand) int {
	switch rnd.IntN(10) {
	case 0:
		return rnd.IntN(4 * SpanBytes)
	case 1, 2:
		return rnd.IntN(SpanBytes)
	}
	return rnd.IntN(3000)
}

// TestArenaAgainstPlainMap compares random calls with a map of what is live.
func TestArenaAgainstPlainMap(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		a := testArena(t, 2+rnd.IntN(40))
		live := map[Ref]int{}
		var refs []Ref
		full := 0
		for range 3000 {
			slot := uint16(rnd.IntN(3))
			switch {
			case rnd.IntN(100) < 52:
				n := sizeOf(rnd)
				r, err := a.Heap(slot).Alloc(n)
				if errors.Is(err, ErrFull) {
					full++
					continue
				}
				if err != nil || r == 0 || uint64(r)%cacheLine != 0 || live[r] != 0 {
					t.Fatalf("seed %d: alloc of %d: %#x, %v", seed, n, uint64(r), err)
				}
				size, err := a.Size(r)
				if err != nil || size < n {
					t.Fatalf("seed %d: size of %d: %d, %v", seed, n, size, err)
				}
				live[r] = size
				refs = append(refs, r)
				fill(t, a, r, size)
			case len(refs) > 0:
				k := rnd.IntN(len(refs))
				r := refs[k]
				intact(t, a, r, live[r])
				if err := a.Free(slot, r); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				if err := a.Free(slot, r); !errors.Is(err, ErrBadRef) {
					t.Fatalf("seed %d: second free: %v", seed, err)
				}
				refs = slices.Delete(refs, k, k+1)
				delete(live, r)
			}
		}
		used := 0
		for r, n := range live {
			intact(t, a, r, n)
			used += n
		}
		for _, u := range a.Usage() {
			used -= int(u.InUse)
			if u.Committed < u.InUse {
				t.Fatalf("seed %d: usage %+v", seed, u)
			}
		}
		if used != 0 {
			t.Fatalf("seed %d: usage is off by %d", seed, used)
		}
		for _, r := range refs {
			if err := a.Free(1, r); err != nil {
				t.Fatal(err)
			}
		}
		for slot := range uint16(3) {
			a.Heap(slot).Trim()
		}
		a.checkEmpty(t)
		if full == 0 && len(a.spans) < 5 {
			t.Errorf("seed %d: a small arena was never full", seed)
		}
	}
}

// TestHeapsTogether has several processes' heaps, several goroutines each, and
// objects that one allocates and another frees.
func TestHeapsTogether(t *testing.T) {
	t.Parallel()
	first := testArena(t, 60)
	type object struct {
		r Ref
		n int
	}
	passed := make(chan object, 64)
	var wg sync.WaitGroup
	for g := range 8 {
		slot := uint16(g / 2)
		a := first
		if slot > 0 {
			a = peerArena(t, first.seg, first.geo)
		}
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(g), 3))
			for range 1500 {
				n := max(1, sizeOf(rnd))
				r, err := a.Heap(slot).Alloc(n)
				if err == nil {
					fill(t, a, r, n)
					passed <- object{r, n}
				} else if !errors.Is(err, ErrFull) {
					t.Error(err)
				}
				for len(passed) > 30 || err != nil {
					select {
					case o := <-passed:
						intact(t, a, o.r, o.n)
						if err := a.Free(slot, o.r); err != nil {
							t.Error(err)
						}
						continue
					default:
					}
					break
				}
			}
			a.Heap(slot).Trim()
		})
	}
	wg.Wait()
	close(passed)
	for o := range passed {
		intact(t, first, o.r, o.n)
		if err := first.Free(9, o.r); err != nil {
			t.Error(err)
		}
	}
	for slot := range uint16(4) {
		first.Reclaim(slot, 9, nil)
	}
	first.checkEmpty(t)
}

func TestArenaFull(t *testing.T) {
	t.Parallel()
	a := testArena(t, 2)
	h := a.Heap(1)
	var refs []Ref
	for {
		r, err := h.Alloc(32 << 10)
		if errors.Is(err, ErrFull) {
			t.Log(err)
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		refs = append(refs, r)
	}
	if len(refs) != 4 {
		t.Fatalf("%d objects of half a span in 2 spans", len(refs))
	}
	for _, n := range []int{1, SpanBytes, 3 * SpanBytes, 1 << 40} {
		if _, err := h.Alloc(n); !errors.Is(err, ErrFull) {
			t.Errorf("alloc of %d in a full arena: %v", n, err)
		}
	}
	if _, err := h.Alloc(-1); err == nil || errors.Is(err, ErrFull) {
		t.Errorf("alloc of -1: %v", err)
	}
	for _, r := range refs {
		if err := a.Free(2, r); err != nil {
			t.Fatal(err)
		}
	}
	// The spans are empty and still the first class's: a full arena trims.
	r, err := h.Alloc(2 * SpanBytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Free(1, r); err != nil {
		t.Fatal(err)
	}
	a.checkEmpty(t)
}

func TestBadRefs(t *testing.T) {
	t.Parallel()
	a := testArena(t, 20)
	h := a.Heap(1)
	sm, err := h.Alloc(200)
	if err != nil {
		t.Fatal(err)
	}
	lg, err := h.Alloc(3 * SpanBytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []Ref{0, 1, sm + 1, sm + 64, sm + 192, sm + SpanBytes - 64, lg + 64, lg + SpanBytes,
		Ref(a.geo.Data) - 64, Ref(a.offset(19, 0)), Ref(a.offset(20, 0)), 1 << 62, 1<<63 + sm, ^Ref(0)} {
		if _, err := a.Size(r); !errors.Is(err, ErrBadRef) {
			t.Errorf("size of %#x: %v", uint64(r), err)
		}
		if _, err := a.Bytes(r, 1); !errors.Is(err, ErrBadRef) {
			t.Errorf("bytes of %#x: %v", uint64(r), err)
		}
		if err := a.Free(1, r); !errors.Is(err, ErrBadRef) {
			t.Errorf("free of %#x: %v", uint64(r), err)
		}
	}
	for _, n := range []int{-1, 257, 1 << 40} {
		if _, err := a.Bytes(sm, n); err == nil {
			t.Errorf("%d bytes of 256", n)
		}
	}
	if b, err := a.Bytes(lg, 3*SpanBytes); err != nil || len(b) != 3*SpanBytes {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func TestGeometry(t *testing.T) {
	t.Parallel()
	seg := HeapSegment(10 * SpanBytes)
	for _, c := range []struct {
		g  Geometry
		ok bool
	}{
		{Geometry{0, SpanBytes, 9}, true},
		{Geometry{0, SpanBytes, 9}, true}, // the second attaches
		{Geometry{0, SpanBytes, 8}, false},
		{Geometry{0, 2 * SpanBytes, 8}, false},
		{Geometry{0, SpanBytes, 10}, false},
		{Geometry{0, SpanBytes, 0}, false},
		{Geometry{0, SpanBytes, -1}, false},
		{Geometry{0, SpanBytes, maxSpans + 1}, false},
		{Geometry{1, SpanBytes, 9}, false},
		{Geometry{-64, SpanBytes, 9}, false},
		{Geometry{SpanBytes, SpanBytes, 1}, false},
		{Geometry{2 * SpanBytes, SpanBytes, 9}, false},
		{Geometry{0, 0, 1}, false},
		{Geometry{0, 64, 1}, false},
		{Geometry{0, -SpanBytes, 1}, false},
		{Geometry{10*SpanBytes - 64, SpanBytes, 1}, false},
	} {
		if _, err := NewArena(seg, c.g); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.g, err)
		}
	}
	seg.Close()
	if _, err := NewArena(seg, Geometry{0, SpanBytes, 9}); err == nil {
		t.Error("an arena in a closed segment")
	}
}

// TestBrokenTable overwrites the table with noise, as a broken peer may: no
// call may crash.
func TestBrokenTable(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 4))
		a := testArena(t, 8)
		h := a.Heap(1)
		var refs []Ref
		for range 40 {
			if r, err := h.Alloc(sizeOf(rnd)); err == nil {
				refs = append(refs, r)
			}
		}
		for i := range a.spans {
			if rnd.IntN(2) == 0 {
				// Likely states and small arguments, else nearly all is refused at once.
				w := spanWord(rnd.Uint64()).to(spanState(rnd.IntN(8)), rnd.IntN(40), uint16(rnd.IntN(3)))
				a.spans[i].word.Store(uint64(w))
			}
			a.spans[i].used[rnd.IntN(8)].Store(rnd.Uint64())
		}
		a.header.top.Store(rnd.Uint64())
		a.header.low.Store(rnd.Uint64())
		a.header.idle.Store(rnd.Int64())
		for _, r := range refs {
			a.Size(r)
			a.Free(2, r)
			h.Alloc(sizeOf(rnd))
		}
		a.Usage()
		a.Reclaim(2, 3, func(Ref) bool { return rnd.IntN(2) == 0 })
		a.Reclaim(1, 3, nil)
		h.Trim()
	}
}

func FuzzRefs(f *testing.F) {
	f.Add(uint64(SpanBytes), uint16(10))
	f.Add(uint64(1<<63), uint16(0))
	f.Add(uint64(5*SpanBytes+256), uint16(65535))
	f.Fuzz(func(t *testing.T, ref uint64, n uint16) {
		a := testArena(t, 8)
		h := a.Heap(1)
		live := map[Ref]int{}
		for _, n := range []int{1, 100, 128, 500, 5000, 40_000, 2 * SpanBytes} {
			r, err := h.Alloc(n)
			if err != nil {
				t.Fatal(err)
			}
			fill(t, a, r, n)
			live[r] = n
		}
		r := Ref(ref)
		_, isLive := live[r]
		if size, err := a.Size(r); (err == nil) != isLive || size < live[r] {
			t.Errorf("size of %#x: %d, %v", ref, size, err)
		}
		if b, err := a.Bytes(r, int(n)); err == nil && (!isLive || len(b) != int(n)) {
			t.Errorf("bytes of %#x: %d", ref, len(b))
		}
		if err := a.Free(1, r); (err == nil) != isLive {
			t.Errorf("free of %#x: %v", ref, err)
		}
		delete(live, r)
		for r, n := range live {
			intact(t, a, r, n)
		}
	})
}
