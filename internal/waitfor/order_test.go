package waitfor

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

func newOrder(t *testing.T, classes int) Order {
	t.Helper()
	o, err := NewOrder(classes, make([]uint64, OrderWords(classes)))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestOrder(t *testing.T) {
	t.Parallel()
	o := newOrder(t, 70)
	for _, c := range []struct {
		held, next Class
		path       []Class
	}{
		{0, 1, nil},
		{0, 1, nil},
		{1, 0, []Class{0, 1}},
		{1, 69, nil},
		{69, 5, nil},
		{5, 0, []Class{0, 1, 69, 5}},
		{1, 5, nil}, // a short cut
		{5, 0, []Class{0, 1, 5}},
		{5, 0, []Class{0, 1, 5}}, // it was not recorded
		{0, 5, nil},
		{3, 3, []Class{3}},
		{3, 70, nil},
		{-1, 3, nil},
	} {
		before := slices.Clone(o.rows)
		if path, ok := o.Check(c.held, c.next); !slices.Equal(path, c.path) || ok != (c.path == nil) || !slices.Equal(o.rows, before) {
			t.Errorf("check %d, then %d: %v, %v; want %v and nothing recorded", c.held, c.next, path, ok, c.path)
		}
		if path, ok := o.Add(c.held, c.next); !slices.Equal(path, c.path) || ok != (c.path == nil) {
			t.Errorf("%d, then %d: %v, %v; want %v", c.held, c.next, path, ok, c.path)
		}
	}
}

// What was recorded elsewhere counts like what was added here, and can be taken back.
func TestOrderMadeAnew(t *testing.T) {
	t.Parallel()
	o := newOrder(t, 70)
	for _, pair := range [][2]Class{{0, 69}, {69, 3}, {70, 1}, {1, -1}} {
		o.Put(pair[0], pair[1])
	}
	if path, ok := o.Add(3, 0); ok || !slices.Equal(path, []Class{0, 69, 3}) {
		t.Errorf("against what was put: %v, %v", path, ok)
	}
	o.Clear()
	if path, ok := o.Add(3, 0); !ok {
		t.Errorf("when all was cleared: %v", path)
	}
	if path, ok := o.Add(0, 3); ok {
		t.Errorf("against what was added after that: %v", path)
	}
}

func TestNewOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		classes, words int
		ok             bool
	}{{0, 0, true}, {1, 1, true}, {64, 64, true}, {65, 130, true}, {65, 129, false}, {-1, 9, false}, {classesMax + 1, 0, false}} {
		if _, err := NewOrder(c.classes, make([]uint64, c.words)); (err == nil) != c.ok {
			t.Errorf("%d classes in %d words: %v", c.classes, c.words, err)
		}
	}
}

// TestOrderRandom: against a table of what can be reached from what.
func TestOrderRandom(t *testing.T) {
	t.Parallel()
	const most = 7
	for seed := range uint64(2000) {
		rnd := rand.New(rand.NewPCG(seed, 8))
		n := 1 + rnd.IntN(most)
		o := newOrder(t, n)
		var edge, reach [most][most]bool
		for range 4 * n {
			held, next := rnd.IntN(n), rnd.IntN(n)
			want := held != next && !reach[next][held]
			path, ok := o.Add(Class(held), Class(next))
			if ok != want {
				t.Fatalf("seed %d: %d, then %d: %v, want %v", seed, held, next, ok, want)
			}
			if ok {
				edge[held][next], reach[held][next] = true, true
				for mid := range n {
					for a := range n {
						for b := range n {
							reach[a][b] = reach[a][b] || reach[a][mid] && reach[mid][b]
						}
					}
				}
				continue
			}
			if path[0] != Class(next) || path[len(path)-1] != Class(held) {
				t.Fatalf("seed %d: %d, then %d: path %v", seed, held, next, path)
			}
			for i := 1; i < len(path); i++ {
				if !edge[path[i-1]][path[i]] {
					t.Fatalf("seed %d: %d, then %d: path %v", seed, held, next, path)
				}
			}
		}
	}
}

// TestOrderShared: what one has recorded the other knows, in the word that Bit
// names and nowhere else.
func TestOrderShared(t *testing.T) {
	t.Parallel()
	mem := make([]uint64, OrderWords(100)+3)
	one, err := NewOrder(100, mem)
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewOrder(100, mem)
	if err != nil {
		t.Fatal(err)
	}
	one.Add(2, 99)
	word, bit, known := other.Bit(2, 99)
	for i, w := range mem {
		if i == word && w != bit || i != word && w != 0 {
			t.Errorf("word %d is %x; Bit says %x in word %d", i, w, bit, word)
		}
	}
	if path, ok := other.Add(99, 2); ok || !known {
		t.Errorf("99, then 2: %v, %v", path, ok)
	}
	if _, _, known := one.Bit(2, 100); known {
		t.Error("class 100 of 100 is known")
	}
}

// TestOrderTogether: several that add as the comment of Order says, under the race
// detector; what they have recorded has no cycle.
func TestOrderTogether(t *testing.T) {
	t.Parallel()
	const classes = 70
	mem := make([]uint64, OrderWords(classes))
	var mu sync.Mutex
	var all sync.WaitGroup
	for seed := range uint64(4) {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, 10))
			o, err := NewOrder(classes, mem)
			if err != nil {
				t.Error(err)
				return
			}
			for range 2000 {
				held, next := Class(rnd.IntN(classes)), Class(rnd.IntN(classes))
				word, bit, _ := o.Bit(held, next)
				if atomic.LoadUint64(&mem[word])&bit != 0 {
					continue
				}
				mu.Lock()
				if _, ok := o.Check(held, next); ok {
					atomic.OrUint64(&mem[word], bit)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	o, err := NewOrder(classes, mem)
	if err != nil {
		t.Fatal(err)
	}
	pairs := 0
	for a := range Class(classes) {
		for b := range Class(classes) {
			if word, bit, _ := o.Bit(a, b); mem[word]&bit == 0 {
				continue
			}
			if pairs++; o.path(b, a) != nil {
				t.Errorf("%d, then %d, and back by %v", a, b, o.path(b, a))
			}
		}
	}
	if pairs < 500 {
		t.Errorf("only %d pairs were recorded", pairs)
	}
}

// TestOrderStrangers: any bits give an answer.
func TestOrderStrangers(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 9))
		n := 1 + rnd.IntN(130)
		mem := make([]uint64, OrderWords(n))
		for i := range mem {
			mem[i] = rnd.Uint64() & rnd.Uint64() & rnd.Uint64() & rnd.Uint64() & rnd.Uint64()
		}
		o, err := NewOrder(n, mem)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			path, ok := o.Add(Class(rnd.IntN(n)), Class(rnd.IntN(n)))
			if ok != (path == nil) || len(path) > n || slices.ContainsFunc(path, func(c Class) bool { return !o.has(c) }) {
				t.Fatalf("seed %d: %v, %v", seed, path, ok)
			}
		}
	}
}

func TestCheckRank(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		held []Rank
		next Rank
		why  string
	}{
		{nil, 3, ""},
		{nil, 0, ""},
		{[]Rank{1, 2}, 3, ""},
		{[]Rank{0, 0}, -3, ""},
		{[]Rank{9}, 0, ""},
		{[]Rank{1, 0, 3}, 3, "a lock of rank 3 is held and another of the same rank is wanted; take them with one call that takes several"},
		{[]Rank{1, 4}, 3, "a lock of rank 3 is wanted while one of rank 4 is held; take the one of rank 3 first"},
		{[]Rank{4, 7, 3}, 3, "a lock of rank 3 is wanted while one of rank 4 is held; take the one of rank 3 first"},
		{[]Rank{-1}, -2, "a lock of rank -2 is wanted while one of rank -1 is held; take the one of rank -2 first"},
	} {
		if why, ok := CheckRank(c.held, c.next); why != c.why || ok != (c.why == "") {
			t.Errorf("%v, then %d: %q, %v; want %q", c.held, c.next, why, ok, c.why)
		}
	}
}
