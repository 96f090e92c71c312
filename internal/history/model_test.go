package history

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// near fails unless a number is within a share of another.
func near(t *testing.T, what string, got, want, share float64) {
	t.Helper()
	if math.Abs(got-want) > share*math.Abs(want) {
		t.Errorf("%s: %.4g, want %.4g to within %g", what, got, want, share)
	}
}

func TestGuess(t *testing.T) {
	t.Parallel()
	var m Model
	if g := m.Guess(Task{Key: key("a"), Size: 5}); g != (Guess{}) || m.Known() {
		t.Errorf("nothing is known: %+v", g)
	}
	m.Ended(Task{Key: key("a")}, 4, false)
	m.Ended(Task{Key: key("b")}, 2, false)
	if g := m.Guess(Task{Key: key("a")}); g != (Guess{4, ByKey}) {
		t.Errorf("known by itself: %+v", g)
	}
	if g := m.Guess(Task{Key: key("c"), Size: 5}); g != (Guess{3, ByAll}) {
		t.Errorf("another: %+v", g)
	}
	m.Ended(Task{}, 3, false)
	if g := m.Guess(Task{}); g != (Guess{3, ByAll}) {
		t.Errorf("one that nobody knows: %+v", g)
	}
	m.Ended(Task{Key: key("a")}, 8, true)
	near(t, "its second time counts as much as its first", m.Guess(Task{Key: key("a")}).Seconds, 6, 1e-6)
}

// Where times grow with sizes, what was never seen is guessed by its size.
func TestGuessBySize(t *testing.T) {
	t.Parallel()
	var m Model
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		size := int64(math.Exp(5 + 10*r.Float64()))
		m.Ended(Task{Size: size}, 1e-4*float64(size)*math.Exp(0.2*r.NormFloat64()), false)
	}
	g := m.Guess(Task{Key: key("new"), Size: 100_000})
	near(t, "100 kB", g.Seconds, 10, 0.1)
	if g.Basis != BySize {
		t.Errorf("%+v", g)
	}
	if g := m.Guess(Task{Key: key("new")}); g.Basis != ByAll {
		t.Errorf("of no size: %+v", g)
	}
	for _, c := range []struct {
		name string
		task func(i int) (Task, float64)
	}{
		{"times that sizes say nothing of", func(i int) (Task, float64) { return Task{Size: int64(1 + i%7)}, float64(1 + i%5) }},
		{"sizes that are all alike", func(i int) (Task, float64) { return Task{Size: 5}, float64(1 + i%5) }},
		{"larger ones that take less", func(i int) (Task, float64) { return Task{Size: int64(1 + i)}, 1 / float64(1+i) }},
		{"few", func(i int) (Task, float64) { return Task{Size: int64(1 + i%7)}, float64(1 + i%7) }},
	} {
		var m Model
		for i := range 70 {
			if c.name == "few" && i >= pointsLeast-1 {
				break
			}
			task, seconds := c.task(i)
			m.Ended(task, seconds, false)
		}
		if g := m.Guess(Task{Size: 3}); g.Basis != ByAll {
			t.Errorf("%s: %+v", c.name, g)
		}
	}
}

// Of times that are chance, the mean of all says more than what a task took last.
func TestTheBetterBasis(t *testing.T) {
	t.Parallel()
	var chance, steady Model
	r := rand.New(rand.NewPCG(3, 3))
	for i := range 400 {
		k := Task{Key: key(fmt.Sprint(i % 20))}
		chance.Ended(k, math.Exp(0.7*r.NormFloat64()), false)
		steady.Ended(k, float64(1+i%20), false)
	}
	if g := chance.Guess(Task{Key: key("3")}); g.Basis != ByAll {
		t.Errorf("of chance: %+v", g)
	}
	if g := steady.Guess(Task{Key: key("3")}); g.Basis != ByKey || math.Abs(g.Seconds-4) > 1e-3 {
		t.Errorf("of steady times: %+v", g)
	}
}

// Times and sizes as nobody would have them give numbers all the same.
func TestStrangeTimes(t *testing.T) {
	t.Parallel()
	var m Model
	for i, seconds := range []float64{0, -1, 1e9, 1e-9, 0, 5} {
		m.Ended(Task{Key: key("a"), Size: int64(i - 2)}, seconds, i%2 == 0)
		m.Ended(Task{Size: math.MaxInt64}, seconds, true)
	}
	g := m.Guess(Task{Key: key("a"), Size: 1})
	f := m.Forecast(Scene{Slots: 3, More: 1000, First: []Guess{g, {}}, Running: []Running{{Age: 1e12}, {Guess: g}}}, rand.New(rand.NewPCG(1, 1)))
	for _, n := range []float64{g.Seconds, f.Seconds, f.Within} {
		if math.IsNaN(n) || math.IsInf(n, 0) || n < 0 {
			t.Errorf("%+v %+v", g, f)
		}
	}
}

// A line that is steep says nothing endless of a size that is far from all others.
func TestSteepLine(t *testing.T) {
	t.Parallel()
	var m Model
	for i := range 100 {
		size := int64(1000 + i)
		m.Ended(Task{Size: size}, math.Pow(float64(size)/1000, 60), true)
	}
	g := m.Guess(Task{Size: math.MaxInt64})
	f := m.Forecast(Scene{Slots: 2, First: []Guess{g}}, rand.New(rand.NewPCG(1, 1)))
	if g != (Guess{longest, BySize}) || !(f.Seconds > 1e9 && f.Seconds < 1e15) {
		t.Errorf("%+v %+v", g, f)
	}
}

func TestModelIsBounded(t *testing.T) {
	t.Parallel()
	var m Model
	for i := range keysMax + 1000 {
		m.Ended(Task{Key: key(fmt.Sprint(i)), Size: int64(i)}, 1, true)
	}
	if len(m.keys) != keysMax || len(m.sizes) != pointsMax || len(m.trials[ByAll].cells[decade(1)].seen) != ratiosMax {
		t.Errorf("%d tasks, %d points, %d ratios", len(m.keys), len(m.sizes), len(m.trials[ByAll].cells[decade(1)].seen))
	}
}

func TestWindowOrders(t *testing.T) {
	t.Parallel()
	type task struct {
		name    string
		seconds float64
		size    int64
	}
	tasks := []task{{"a", 2, 0}, {"b", 5, 0}, {"c", 2, 9}, {"d", 1, 0}, {"e", 2, 9}}
	all := func(o Order, seed uint64) (names string) {
		w := NewWindow[string](o, rand.New(rand.NewPCG(seed, 0)))
		for _, t := range tasks {
			w.Push(t.name, t.size, Guess{t.seconds, ByKey})
		}
		first, _, last := w.Outlook()
		foretold := slices.Concat(first, last)
		for w.Len() > 0 {
			name, g := w.First()
			if g != foretold[0] {
				t.Errorf("%v: %+v where %+v was foretold", o, g, foretold[0])
			}
			names, foretold = names+name, foretold[1:]
			w.Pop()
		}
		return names
	}
	for o, want := range map[Order]string{Input: "abcde", Longest: "bcead", Shortest: "daceb"} {
		if got := all(o, 1); got != want {
			t.Errorf("%s: %s, want %s", o, got, want)
		}
	}
	seen := map[string]bool{}
	for seed := range uint64(20) {
		names := all(Random, seed)
		seen[names] = true
		if again := all(Random, seed); again != names {
			t.Errorf("seed %d gives %s, and %s", seed, names, again)
		}
	}
	if len(seen) < 15 {
		t.Errorf("20 seeds give %d orders", len(seen))
	}
}

// Tasks come out in their order whatever was told of them, came or went between.
func TestWindowKeepsItsOrder(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	w := NewWindow[int](Longest, nil)
	waiting := map[int]float64{} // the seconds of each by its number
	for n := range 20_000 {
		switch what := r.IntN(100); {
		case what < 50:
			waiting[n] = float64(r.IntN(50))
			w.Push(n, 0, Guess{waiting[n], ByKey})
		case what < 99 && w.Len() > 0:
			got, g := w.First()
			w.Pop()
			if waiting[got] != g.Seconds {
				t.Fatalf("%d comes with %v", got, g)
			}
			for other, seconds := range waiting {
				if seconds > g.Seconds || seconds == g.Seconds && other < got {
					t.Fatalf("%d of %v s comes before %d of %v s", got, g.Seconds, other, seconds)
				}
			}
			delete(waiting, got)
		case what == 99:
			first, _, last := w.Outlook()
			if got := len(first) + len(last); got != min(len(waiting), 2*listed) {
				t.Fatalf("%d of %d are told", got, len(waiting))
			}
		}
		if w.Len() != len(waiting) {
			t.Fatalf("%d wait, want %d", w.Len(), len(waiting))
		}
	}
}

// What is said of many tasks is about what they are.
func TestOutlookOfMany(t *testing.T) {
	t.Parallel()
	w := NewWindow[int](Longest, nil)
	const n = 5000
	for i := range 2 * n {
		w.Push(i, 0, Guess{float64(1 + i*7919%n), ByKey})
	}
	for range n {
		w.Pop()
	}
	first, between, last := w.Outlook()
	if len(first) != listed || len(last) > listed || len(last) < listed/2 || first[0].Seconds != n/2 {
		t.Errorf("%d first, from %v on, %d last", len(first), first[0], len(last))
	}
	if !slices.IsSortedFunc(last, func(a, b Guess) int { return int(b.Seconds - a.Seconds) }) {
		t.Errorf("the last ones: %v", last)
	}
	count, sum := 0.0, 0.0
	for _, decade := range between[ByKey] {
		count, sum = count+float64(decade.count), sum+decade.seconds
	}
	for _, g := range slices.Concat(first, last) {
		count, sum = count+1, sum+g.Seconds
	}
	near(t, "tasks", count, n, 0)
	near(t, "their work", sum, n*(n/2+1)/2, 1e-9)
	for w.Len() > 0 {
		w.Pop()
	}
	if w.work != (Work{}) {
		t.Errorf("an empty window has work: %+v", w.work)
	}
}

func TestOrderNamed(t *testing.T) {
	t.Parallel()
	for _, o := range []Order{Input, Longest, Shortest, Random} {
		if got, ok := OrderNamed(o.String()); got != o || !ok {
			t.Errorf("%v: %v %v", o, got, ok)
		}
	}
	if o, ok := OrderNamed("long"); ok {
		t.Error(o)
	}
}

func TestScore(t *testing.T) {
	t.Parallel()
	var s Score
	if _, ok := s.Report(); ok {
		t.Error("of nothing")
	}
	for _, c := range [][2]float64{{10, 10}, {11, 10}, {10, 11}, {20, 10}, {0, 0}} {
		s.Add(c[0], c[1])
	}
	r, ok := s.Report()
	if !ok || r.Tasks != 5 {
		t.Errorf("%+v", r)
	}
	near(t, "half are within", r.Median, 0.1, 1e-9)
	near(t, "all together", r.Total, 51.0/41, 1e-3)
}
