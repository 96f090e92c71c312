package shm

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"
)

// death is what a fail point throws where the process is to die: what it holds
// in its own memory is then abandoned, what lies in the segment stays.
type death struct{ point string }

// dieAt runs f until the n-th fail point it meets and reports which that was,
// or "" if f came to its end first.
func dieAt(n int, f func()) (point string) {
	defer func() {
		failpoint = nil
		if d := recover(); d != nil {
			point = d.(death).point // another panic is the test's
		}
	}()
	failpoint = func(p string) {
		if n--; n < 0 {
			panic(death{p})
		}
	}
	f()
	return ""
}

const (
	victimSlot   = 1
	survivorSlot = 2
	heirSlot     = 3
)

// scene is an arena in which a survivor has objects, some of which it has
// passed to the victim for it to free.
type scene struct {
	*testing.T
	seg     *Segment
	geo     Geometry
	own     *Arena // the survivor's
	stays   map[Ref]int
	passed  []Ref
	results map[Ref]int // the victim's, which someone has still to read
}

func newScene(t *testing.T) *scene {
	own := testArena(t, 24)
	s := &scene{T: t, seg: own.seg, geo: own.geo, own: own, stays: map[Ref]int{}, results: map[Ref]int{}}
	h := own.Heap(survivorSlot)
	for i, n := range []int{100, 100, 30_000, SpanBytes, 3 * SpanBytes, 3 * SpanBytes} {
		r := s.alloc(h, n)
		if i%2 == 0 {
			fill(t, own, r, n)
			s.stays[r] = n
		} else {
			s.passed = append(s.passed, r)
		}
	}
	// An object of an earlier victim, the last in a span that nobody owns.
	r := s.alloc(own.Heap(9), 777)
	own.Reclaim(9, survivorSlot, func(k Ref) bool { return k == r })
	s.passed = append(s.passed, r)
	return s
}

func (s *scene) alloc(h *Heap, n int) Ref {
	r, err := h.Alloc(n)
	if err != nil {
		s.Fatal(err)
	}
	return r
}

// live is what the victim does until it dies: every kind of transition.
func (s *scene) live(a *Arena) {
	h := a.Heap(victimSlot)
	free := func(r Ref) {
		if err := a.Free(victimSlot, r); err != nil {
			s.Error(err)
		}
	}
	for _, n := range []int{500, 2 * SpanBytes} {
		r := s.alloc(h, n)
		fill(s.T, a, r, n)
		s.results[r] = n
	}
	var mine []Ref
	for _, n := range []int{500, 600, 32 << 10, 32 << 10, 32 << 10, SpanBytes, 5 * SpanBytes} {
		mine = append(mine, s.alloc(h, n))
	}
	for _, r := range s.passed {
		free(r)
	}
	for _, r := range mine[1:] {
		free(r)
	}
	h.Trim()
	// Runs that meet others' spans: claimed in part and given back. The map, a
	// hint, is made to promise more than there is.
	for i := range a.top() {
		a.taken.clear(i)
	}
	s.alloc(h, 4*SpanBytes)
	if _, err := h.Alloc(20 * SpanBytes); !errors.Is(err, ErrFull) {
		s.Error("20 of 24 spans in one piece:", err)
	}
}

// settle verifies what a death left, frees the rest, and finds the arena empty.
func (s *scene) settle(point string) {
	for r, n := range s.stays {
		intact(s.T, s.own, r, n)
		if err := s.own.Free(survivorSlot, r); err != nil {
			s.Errorf("%s: %v", point, err)
		}
	}
	for r, n := range s.results {
		intact(s.T, s.own, r, n)
		if err := s.own.Free(survivorSlot, r); err != nil {
			s.Errorf("%s: %v", point, err)
		}
	}
	for _, r := range s.passed {
		// Freed by the victim, wholly or not at all.
		if err := s.own.Free(survivorSlot, r); err != nil && !errors.Is(err, ErrBadRef) {
			s.Errorf("%s: %v", point, err)
		}
	}
	s.own.Heap(survivorSlot).Trim()
	s.own.header.idle.Store(s.own.countIdle()) // deaths make the hint drift
	if s.own.checkEmpty(s.T); s.Failed() {
		s.Fatalf("after a death at %s", point)
	}
}

func (a *Arena) countIdle() (n int64) {
	for i := range a.top() {
		if a.spans[i].load().committed() {
			n++
		}
	}
	return n
}

func (s *scene) keep(r Ref) bool { return s.results[r] != 0 }

// TestDeathAtEveryPoint lets a victim die at each fail point it meets, and then
// lets the one who reclaims its slot die at each that it meets.
func TestDeathAtEveryPoint(t *testing.T) {
	seen := map[string]int{}
	for n := 0; ; n++ {
		var point string
		for m := 0; ; m++ {
			s := newScene(t)
			point = dieAt(n, func() { s.live(peerArena(t, s.seg, s.geo)) })
			second := dieAt(m, func() {
				peerArena(t, s.seg, s.geo).Reclaim(victimSlot, heirSlot, s.keep)
			})
			if second != "" {
				seen[second]++
				s.own.Reclaim(victimSlot, heirSlot, s.keep)
			}
			for _, u := range s.own.Usage() {
				if u.Slot == victimSlot {
					t.Fatalf("after deaths at %s and %s the victim still has %+v", point, second, u)
				}
			}
			s.settle(fmt.Sprintf("%q (%d) and %q (%d)", point, n, second, m))
			if second == "" {
				break
			}
		}
		if point == "" {
			break
		}
		seen[point]++
	}
	t.Log(seen)
	if want := failpoints(t); !slices.Equal(want, slices.Sorted(maps.Keys(seen))) {
		t.Errorf("fail points in the code: %v", want)
		t.Errorf("fail points met: %v", slices.Sorted(maps.Keys(seen)))
	}
}

// failpoints lists the names in the package's source.
func failpoints(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, file := range []string{"arena.go", "claim.go", "heap.go", "reclaim.go"} {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\bat\("([^"]+)"\)`).FindAllSubmatch(src, -1) {
			names = append(names, string(m[1]))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func TestReclaimKeepsAndCounts(t *testing.T) {
	t.Parallel()
	a := testArena(t, 80)
	h := a.Heap(1)
	kept := map[Ref]bool{}
	for i := range 100 {
		r, err := h.Alloc(300 * (i + 1))
		if err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			kept[r] = true
			fill(t, a, r, 300*(i+1))
		}
	}
	if freed := a.Reclaim(1, 7, func(r Ref) bool { return kept[r] }); freed != 100-len(kept) {
		t.Errorf("%d objects freed, want %d", freed, 100-len(kept))
	}
	if u := a.Usage(); len(u) != 1 || u[0].Slot != 7 {
		t.Errorf("usage after the death: %+v", u)
	}
	// The heir dies too, and then whoever frees the last of a span frees that.
	if freed := a.Reclaim(7, 8, func(r Ref) bool { return kept[r] }); freed != 0 {
		t.Errorf("%d objects of the heir freed", freed)
	}
	for r := range kept {
		if err := a.Free(5, r); err != nil {
			t.Error(err)
		}
	}
	a.checkEmpty(t)
}
