package tutti_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tutti-run/tutti"
)

func TestMapKeepsTheOrder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]tutti.Config{
		"plain": {}, "one worker": {Workers: 1}, "small table": {Tasks: 64}, "lanes": {TasksPerWorker: 3},
		"round robin": {Policy: "round-robin"}, "never spin": {Spin: -1},
	} {
		pool := open(t, c)
		for _, window := range []int{0, 1, 2, 63, 5_000} {
			opts := []tutti.Option{}
			if window > 0 {
				opts = append(opts, tutti.Window(window))
			}
			next := 0
			for n, err := range Echo.Map(t.Context(), pool, count(2_000), opts...) {
				if n != next || err != nil {
					t.Fatalf("%s, window %d: place %d holds %d, %v", name, window, next, n, err)
				}
				next++
			}
			seen := make([]bool, 2_000)
			for done, err := range Echo.MapCompleted(t.Context(), pool, count(2_000), opts...) {
				if err != nil || done.Index != done.Value || seen[done.Index] {
					t.Fatalf("%s, window %d: %+v, %v, seen %v", name, window, done, err, seen[max(0, done.Index)])
				}
				seen[done.Index] = true
			}
			if next != 2_000 || slices.Contains(seen, false) {
				t.Errorf("%s, window %d: %d in order; some missing as completed: %v", name, window, next, slices.Contains(seen, false))
			}
		}
	}
}

func TestMapOverNothing(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{})
	for n, err := range Echo.Map(t.Context(), pool, count(0)) {
		t.Error(n, err)
	}
	for done, err := range Echo.MapCompleted(t.Context(), pool, count(0)) {
		t.Error(done, err)
	}
	if err := Echo.ForEach(t.Context(), pool, count(0)); err != nil {
		t.Error(err)
	}
	if sum, err := tutti.Reduce(t.Context(), pool, Echo, count(0), 7, func(a, n int) int { return a + n }); sum != 7 || err != nil {
		t.Error(sum, err)
	}
}

// Two hundred thousand results, each counted once.
func TestMapChecksum(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{})
	const n = 200_000
	sum, err := tutti.Reduce(t.Context(), pool, Echo, count(n), 0, func(a, v int) int { return a + v*(v%7+1) })
	want := 0
	for v := range n {
		want += v * (v%7 + 1)
	}
	if sum != want || err != nil {
		t.Errorf("%d, want %d, error %v", sum, want, err)
	}
	squares := 0
	for done, err := range Echo.MapCompleted(t.Context(), pool, count(n)) {
		if err != nil {
			t.Fatal(err)
		}
		squares += done.Value * done.Index
	}
	if want := (n - 1) * n * (2*n - 1) / 6; squares != want {
		t.Errorf("%d, want %d", squares, want)
	}
}

// Results are delivered while the input blocks, down to a window of one.
func TestMapDeliversWhileItsInputBlocks(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{})
	for _, window := range []int{1, 2, 100} {
		for name, run := range map[string]func(iter.Seq[int]) iter.Seq2[int, error]{
			"map": func(in iter.Seq[int]) iter.Seq2[int, error] {
				return Echo.Map(t.Context(), pool, in, tutti.Window(window))
			},
			"completed": func(in iter.Seq[int]) iter.Seq2[int, error] {
				return func(yield func(int, error) bool) {
					for done, err := range Echo.MapCompleted(t.Context(), pool, in, tutti.Window(window)) {
						if !yield(done.Value, err) {
							return
						}
					}
				}
			},
		} {
			next, got := make(chan int, 1), 0
			next <- 0
			for n, err := range run(func(yield func(int) bool) {
				for v := range next {
					if !yield(v) {
						return
					}
				}
			}) {
				if n != got || err != nil {
					t.Fatalf("%s, window %d: %d, %v", name, window, n, err)
				}
				if got++; got == 300 {
					close(next)
				} else {
					next <- got
				}
			}
			if got != 300 {
				t.Errorf("%s, window %d: %d results", name, window, got)
			}
		}
	}
}

func TestMapErrorsStandInTheirPlace(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Memory: 4 << 20})
	i := 0
	for n, err := range Fail.Map(t.Context(), pool, slices.Values([]string{"fine", "eof", "fine", "panic"})) {
		if (err != nil) != (i%2 == 1) || err == nil && n != 1 {
			t.Errorf("place %d: %d, %v", i, n, err)
		}
		i++
	}
	if i != 4 {
		t.Errorf("%d results", i)
	}
	if err := Fail.ForEach(t.Context(), pool, slices.Values([]string{"fine", "busy", "eof"})); !errors.Is(err, errBusy) {
		t.Errorf("ForEach: %v", err)
	}
	if sum, err := tutti.Reduce(t.Context(), pool, Fail, slices.Values([]string{"fine", "fine", "eof", "fine"}), 0,
		func(a, n int) int { return a + n }); sum != 2 || err == nil {
		t.Errorf("Reduce: %d, %v", sum, err)
	}
	huge := strings.Repeat("h", 64<<20)
	for _, ordered := range []bool{true, false} {
		var faults []int
		check := func(i int, s string, err error) {
			if err != nil {
				faults = append(faults, i)
				if !errors.Is(err, tutti.ErrTooLarge) {
					t.Errorf("place %d: %v", i, err)
				}
			} else if s != "ok" {
				t.Errorf("place %d: %.10q", i, s)
			}
		}
		in := slices.Values([]string{"ok", huge, "ok", huge, huge, "ok"})
		if ordered {
			i := 0
			for s, err := range idString.Map(t.Context(), pool, in) {
				check(i, s, err)
				i++
			}
		} else {
			for done, err := range idString.MapCompleted(t.Context(), pool, in) {
				check(done.Index, done.Value, err)
			}
		}
		if slices.Sort(faults); !slices.Equal(faults, []int{1, 3, 4}) {
			t.Errorf("in order %v: errors at %v", ordered, faults)
		}
	}
	if _, err := idString.Call(t.Context(), pool, huge); !errors.Is(err, tutti.ErrTooLarge) {
		t.Errorf("Call: %v", err)
	}
}

// Inputs and results that together are far larger than the pool's memory pass
// through it.
func TestMapOfMoreThanTheMemory(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Memory: 32 << 20})
	text, n := strings.Repeat("m", 1<<20), 0
	for s, err := range idString.Map(t.Context(), pool, func(yield func(string) bool) {
		for range 200 {
			if !yield(text) {
				return
			}
		}
	}) {
		if s != text || err != nil {
			t.Fatalf("result %d: %d bytes, %v", n, len(s), err)
		}
		n++
	}
	if n != 200 {
		t.Errorf("%d results", n)
	}
}

// A result that finds no memory is an error, and the next one that fits arrives.
func TestResultsWithoutMemory(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Memory: 4 << 20})
	if _, err := Grow.Call(t.Context(), pool, 1<<30); !errors.Is(err, tutti.ErrNoMemory) {
		t.Errorf("1 GiB: %v", err)
	}
	if b, err := Grow.Call(t.Context(), pool, 1<<20); len(b) != 1<<20 || err != nil {
		t.Errorf("1 MiB: %d bytes, %v", len(b), err)
	}
}

var Grow = tutti.NewFunc("test.grow", func(_ context.Context, n int) ([]byte, error) { return make([]byte, n), nil })

// Many Maps over one pool, some inside the loops of others, and calls within.
func TestMapsSideBySideAndNested(t *testing.T) {
	t.Parallel()
	for _, tasks := range []int{64, 4096} {
		pool := open(t, tutti.Config{Tasks: tasks})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				next := 0
				for n, err := range Echo.Map(t.Context(), pool, count(5_000)) {
					if n != next || err != nil {
						t.Errorf("place %d: %d, %v", next, n, err)
						return
					}
					next++
				}
			})
		}
		wg.Wait()
		total := 0
		for a, err := range Echo.Map(t.Context(), pool, count(20)) {
			if err != nil {
				t.Fatal(err)
			}
			for b, err := range Echo.MapCompleted(t.Context(), pool, count(a)) {
				if err != nil {
					t.Fatal(err)
				}
				n, err := Echo.Call(t.Context(), pool, b.Value)
				if err != nil {
					t.Fatal(err)
				}
				total += n
			}
		}
		if total != 1140 {
			t.Errorf("%d tasks: %d", tasks, total)
		}
	}
}

// While the task at the head stays away the others run on, up to the window.
func TestOneSlowHead(t *testing.T) {
	t.Parallel()
	pool, g := open(t, tutti.Config{}), newGate(t)
	var fed atomic.Int64
	full := make(chan struct{})
	results := make(chan int, 1000)
	go func() {
		defer close(results)
		for n, err := range Sometimes.Map(t.Context(), pool, func(yield func(Visit) bool) {
			for i := range 1_000 {
				v := Visit{N: i}
				if i == 0 {
					v = g.visit(0)
				}
				if !yield(v) {
					return
				}
				if fed.Add(1) == 100 {
					close(full)
				}
			}
		}, tutti.Window(100)) {
			if err != nil {
				t.Error(err)
			}
			results <- n
		}
	}()
	guest := g.await(1)[0]
	<-full
	select {
	case n := <-results:
		t.Errorf("%d overtook the head", n)
	default:
	}
	guest.letGo()
	for want := range 1_000 {
		if n := <-results; n != want {
			t.Fatalf("place %d holds %d", want, n)
		}
	}
}

// Sometimes stands at the gate if there is one.
var Sometimes = tutti.NewFunc("test.sometimes", func(ctx context.Context, v Visit) (int, error) {
	if v.Gate == "" {
		return v.N, nil
	}
	return v.N, stand(ctx, v)
})

func TestMapEndsWithItsContext(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{})
	for _, ordered := range []bool{true, false} {
		ctx, cancel := context.WithCancel(t.Context())
		n, last := 0, error(nil)
		see := func(err error) {
			if n++; n == 1_000 {
				cancel()
			}
			if last != nil {
				t.Errorf("another pair after %v", last)
			}
			last = err
		}
		if ordered {
			for _, err := range Echo.Map(ctx, pool, count(1<<40)) {
				see(err)
			}
		} else {
			for _, err := range Echo.MapCompleted(ctx, pool, count(1<<40)) {
				see(err)
			}
		}
		cancel()
		if !errors.Is(last, context.Canceled) || n < 1_000 {
			t.Errorf("%d pairs, the last with %v", n, last)
		}
	}
}

// A loop's body that panics leaves nothing behind.
func TestMapWhoseBodyPanics(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Tasks: 64})
	for range 20 {
		func() {
			defer func() {
				if v := recover(); v != "enough" {
					t.Errorf("recovered %v", v)
				}
			}()
			for range Echo.Map(t.Context(), pool, count(1<<40)) {
				panic("enough")
			}
		}()
	}
	if n, err := Echo.Call(t.Context(), pool, 8); n != 8 || err != nil {
		t.Error(n, err)
	}
}

// Two million tasks leave the heap as it was.
func TestMapInConstantMemory(t *testing.T) {
	if raceDetector || testing.Short() {
		t.Skip("too many tasks for this build")
	}
	pool := open(t, tutti.Config{})
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var before, most int64
	for n, err := range Echo.Map(t.Context(), pool, count(2_000_000)) {
		if err != nil {
			t.Fatal(err)
		}
		if n%500_000 == 100_000 {
			if before == 0 {
				before = heap()
			}
			most = max(most, heap())
		}
	}
	if most-before > 4<<20 {
		t.Errorf("the heap has grown by %d bytes", most-before)
	}
}
