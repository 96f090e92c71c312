package tutti_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tutti-run/tutti"
)

// Part is a piece of work on shared memory.
type Part struct {
	Label string // makes the type one that is not plain
	To    tutti.View[int64]
	Count tutti.Slice[int64]
	Die   bool
}

var (
	AddOne = tutti.NewFunc("test.addone", func(_ context.Context, v tutti.View[int64]) (int, error) {
		data, err := v.Data()
		for i := range data {
			data[i]++
		}
		return len(data), err
	})
	CountIn = tutti.NewFunc("test.countin", func(_ context.Context, p Part) (string, error) {
		data, err := p.To.Data()
		if err != nil {
			return "", err
		}
		counts, err := p.Count.Data()
		if err != nil {
			return "", err
		}
		if n := atomic.AddInt64(&counts[0], 1); p.Die && n == 1 {
			data[0] = 77
			deaths["kill"]()
		}
		for i := range data {
			data[i] += int64(i)
		}
		return p.Label, nil
	})
	FreeIt = tutti.NewFunc("test.freeit", func(_ context.Context, s tutti.Slice[int64]) (int, error) {
		return s.Len(), s.Free()
	})
	MakeOne = tutti.NewFunc("test.makeone", func(ctx context.Context, n int) (tutti.Slice[int64], error) {
		s, err := tutti.NewSlice[int64](tutti.FromContext(ctx), n)
		if err != nil {
			return s, err
		}
		data, err := s.Data()
		if err == nil {
			data[n-1] = int64(n)
		}
		return s, err
	})
	sumMiB = tutti.NewFunc("test.summib", func(_ context.Context, v tutti.View[byte]) (int, error) {
		data, err := v.Data()
		sum := 0
		for _, b := range data {
			sum += int(b)
		}
		return sum, err
	})
)

func TestSliceIsShared(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{})
	for _, n := range []int{0, 1, 1000, 1 << 20} {
		s, err := tutti.NewSlice[int64](pool, n)
		if err != nil {
			t.Fatal(err)
		}
		data, err := s.Data()
		if err != nil || len(data) != n || s.Len() != n {
			t.Fatalf("%d elements: %d, %v", n, len(data), err)
		}
		for i, v := range data {
			if v != 0 {
				t.Fatalf("element %d of %d is %d at first", i, n, v)
			}
			data[i] = int64(i)
		}
		half := n / 2
		for range AddOne.Map(t.Context(), pool, func(yield func(tutti.View[int64]) bool) {
			_ = yield(s.Slice(0, half)) && yield(s.Slice(half, n)) && yield(s.Slice(half, half))
		}) {
		}
		for i, v := range data {
			if v != int64(i)+1 {
				t.Fatalf("element %d of %d is %d", i, n, v)
			}
		}
		if err := s.Free(); err != nil {
			t.Error(err)
		}
		if err := s.Free(); !errors.Is(err, tutti.ErrFreed) {
			t.Errorf("freed twice: %v", err)
		}
		if _, err := s.Data(); !errors.Is(err, tutti.ErrFreed) {
			t.Errorf("used after it was freed: %v", err)
		}
	}
}

// Memory that was used before is zero again.
func TestSliceIsZeroed(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Memory: 96 << 20})
	for round := range 20 {
		for _, n := range []int{40, 5_000, 3 << 20} {
			s, err := tutti.NewSlice[byte](pool, n)
			if err != nil {
				t.Fatal(err)
			}
			data, err := s.Data()
			if err != nil {
				t.Fatal(err)
			}
			for i := range data {
				if data[i] != 0 {
					t.Fatalf("round %d: byte %d of %d is %d", round, i, n, data[i])
				}
				data[i] = 0xff
			}
			if err := s.Free(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestSliceOf64MiB(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{})
	s, err := tutti.NewSlice[byte](pool, 64<<20)
	if err != nil {
		t.Fatal(err)
	}
	data, err := s.Data()
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(data); i += 4096 {
		data[i] = byte(i >> 12)
	}
	sum, err := tutti.Reduce(t.Context(), pool, sumMiB, func(yield func(tutti.View[byte]) bool) {
		for i := 0; i < s.Len() && yield(s.Slice(i, i+1<<20)); i += 1 << 20 {
		}
	}, 0, func(a, n int) int { return a + n })
	if want := 64 << 20 >> 20 * (255 * 256 / 2); sum != want || err != nil {
		t.Errorf("%d, want %d, error %v", sum, want, err)
	}
}

// What a worker wrote stays when it dies; the next attempt finds it.
func TestSliceSurvivesItsWorkers(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 1})
	s, err := tutti.NewSlice[int64](pool, 4)
	if err != nil {
		t.Fatal(err)
	}
	counts, err := tutti.NewSlice[int64](pool, 1)
	if err != nil {
		t.Fatal(err)
	}
	p := Part{Label: "part", To: s.Slice(1, 3), Count: counts, Die: true}
	if label, err := CountIn.Call(t.Context(), pool, p); label != "part" || err != nil {
		t.Errorf("%q, %v", label, err)
	}
	data, err := s.Data()
	if err != nil || data[0] != 0 || data[1] != 77 || data[2] != 1 || data[3] != 0 {
		t.Errorf("%v, %v", data, err)
	}
	if n, err := FreeIt.Call(t.Context(), pool, s); n != 4 || err != nil {
		t.Errorf("freed in a worker: %d, %v", n, err)
	}
	if _, err := FreeIt.Call(t.Context(), pool, s); err == nil {
		t.Error("freed twice in a worker without an error")
	}
	if _, err := s.Data(); !errors.Is(err, tutti.ErrFreed) {
		t.Errorf("freed in a worker: %v", err)
	}
}

// A slice that a task made belongs to its worker, and goes with it.
func TestSliceOfAWorker(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 1})
	s, err := MakeOne.Call(t.Context(), pool, 1000)
	if err != nil {
		t.Fatal(err)
	}
	data, err := s.Data()
	if err != nil || len(data) != 1000 || data[999] != 1000 {
		t.Errorf("%d elements, %v", len(data), err)
	}
	kill(t, pool, 0)
	for err == nil {
		if _, callErr := Echo.Call(t.Context(), pool, 1); callErr != nil {
			t.Fatal(callErr)
		}
		_, err = s.Data()
	}
	if !errors.Is(err, tutti.ErrFreed) {
		t.Errorf("after its worker's death: %v", err)
	}
}

func TestSliceRefuses(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Memory: 4 << 20})
	_, pointers := tutti.NewSlice[*int](pool, 1)
	_, texts := tutti.NewSlice[string](pool, 1)
	_, nothing := tutti.NewSlice[struct{}](pool, 1)
	_, negative := tutti.NewSlice[int](pool, -1)
	_, huge := tutti.NewSlice[int](pool, 1<<61)
	_, large := tutti.NewSlice[int](pool, 1<<40)
	for what, err := range map[string]error{
		"pointers": pointers, "strings": texts, "nothing": nothing, "negative": negative, "huge": huge, "larger than Memory": large,
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	s, err := tutti.NewSlice[int](pool, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, bounds := range [][2]int{{-1, 2}, {3, 2}, {0, 11}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Slice%v did not panic", bounds)
				}
			}()
			s.Slice(bounds[0], bounds[1])
		}()
	}
	var zero tutti.Slice[int]
	if _, err := zero.Data(); !errors.Is(err, tutti.ErrFreed) {
		t.Errorf("the zero value: %v", err)
	}
	other := open(t, tutti.Config{Workers: 1})
	if _, err := AddOne.Call(t.Context(), other, tutti.View[int64]{}); err == nil || !strings.Contains(err.Error(), tutti.ErrFreed.Error()) {
		t.Errorf("a zero view: %v", err)
	}
}

// While the pool is drained its slices are there: whoever waits for the last
// results reads them out of the slices.
func TestSliceWhileDraining(t *testing.T) {
	t.Parallel()
	pool, g := open(t, tutti.Config{Workers: 1}), newGate(t)
	s, err := tutti.NewSlice[int64](pool, 8)
	if err != nil {
		t.Fatal(err)
	}
	busy, err := Meet.Go(t.Context(), pool, g.visit(0))
	if err != nil {
		t.Fatal(err)
	}
	guest := g.await(1)[0]
	drained := make(chan error)
	go func() { drained <- pool.Drain(t.Context()) }()
	for err := error(nil); !errors.Is(err, tutti.ErrClosed); { // until it is being drained
		_, err = tutti.NewSlice[int64](pool, 1)
	}
	if data, err := s.Data(); len(data) != 8 || err != nil {
		t.Errorf("%d elements, %v", len(data), err)
	}
	if err := s.Free(); err != nil {
		t.Error(err)
	}
	guest.letGo()
	if _, err := busy.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}
