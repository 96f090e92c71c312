package tutti_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tutti-run/tutti"
)

func TestCloseEndsCallsUnderWay(t *testing.T) {
	t.Parallel()
	pool, g := open(t, tutti.Config{Workers: 2}), newGate(t)
	ended := make(chan error)
	for i := range 3 { // the third waits for a worker
		go func() { _, err := Meet.Call(t.Context(), pool, g.visit(i)); ended <- err }()
	}
	f, err := Meet.Go(t.Context(), pool, g.visit(3))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		var last error
		for _, err := range Meet.Map(t.Context(), pool, func(yield func(Visit) bool) {
			for yield(g.visit(4)) {
			}
		}) {
			last = err
		}
		ended <- last
	}()
	guests := g.await(2)
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
	for range 4 {
		if err := <-ended; !errors.Is(err, tutti.ErrClosed) {
			t.Errorf("a call ended with %v", err)
		}
	}
	for _, guest := range guests {
		guest.gone()
	}
	for range 2 {
		if _, err := f.Wait(t.Context()); !errors.Is(err, tutti.ErrClosed) {
			t.Errorf("the future: %v", err)
		}
	}
	f.Cancel()
	if err := pool.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

func TestUseAfterClose(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{})
	s, err := tutti.NewSlice[int](pool, 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	_, callErr := Echo.Call(t.Context(), pool, 1)
	_, goErr := Echo.Go(t.Context(), pool, 1)
	var mapErr, completedErr error
	for _, err := range Echo.Map(t.Context(), pool, count(3)) {
		mapErr = err
	}
	for done, err := range Echo.MapCompleted(t.Context(), pool, count(3)) {
		if completedErr = err; done.Index != -1 {
			t.Errorf("index %d", done.Index)
		}
	}
	_, reduceErr := tutti.Reduce(t.Context(), pool, Echo, count(3), 0, func(a, n int) int { return a + n })
	_, sliceErr := tutti.NewSlice[int](pool, 10)
	for what, err := range map[string]error{
		"Call": callErr, "Go": goErr, "Map": mapErr, "MapCompleted": completedErr, "Reduce": reduceErr,
		"ForEach": Echo.ForEach(t.Context(), pool, count(3)), "NewSlice": sliceErr,
	} {
		if !errors.Is(err, tutti.ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, dataErr := s.Data()
	_, viewErr := s.Slice(1, 2).Data()
	for what, err := range map[string]error{"Data": dataErr, "View.Data": viewErr, "Free": s.Free()} {
		if !errors.Is(err, tutti.ErrFreed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := pool.Drain(t.Context()); err != nil {
		t.Errorf("Drain: %v", err)
	}
	if st := pool.Stats(); len(st.Workers) != 0 || pool.Workers() != 2 {
		t.Errorf("figures %+v of %d workers", st, pool.Workers())
	}
}

// Calls that are on their way while the pool closes end with ErrClosed or with
// their true result, whatever they have in shared memory.
func TestCloseInTheMiddleOfManyCalls(t *testing.T) {
	t.Parallel()
	for round := range 10 {
		pool := open(t, tutti.Config{Tasks: 64})
		var wg sync.WaitGroup
		var begun sync.WaitGroup
		for i := range 8 {
			begun.Add(1)
			wg.Go(func() {
				first := sync.OnceFunc(begun.Done)
				text := strings.Repeat("x", 1<<(2*i))
				for {
					if err := several(t, pool, i, text); err != nil {
						if !errors.Is(err, tutti.ErrClosed) {
							t.Errorf("round %d: %v", round, err)
						}
						first()
						return
					}
					first()
				}
			})
		}
		begun.Wait()
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	}
}

// several makes one of the kinds of call, and complains of a wrong result.
func several(t *testing.T, pool *tutti.Pool, kind int, text string) error {
	check := func(got string, err error) error {
		if err == nil && got != text {
			t.Errorf("%d bytes were sent, %d came, beginning with %.10q", len(text), len(got), got)
		}
		return err
	}
	switch kind % 3 {
	case 0:
		return check(idString.Call(context.Background(), pool, text))
	case 1:
		f, err := idString.Go(context.Background(), pool, text)
		if err != nil {
			return err
		}
		return check(f.Wait(context.Background()))
	}
	for got, err := range idString.Map(context.Background(), pool, func(yield func(string) bool) {
		for range 20 {
			if !yield(text) {
				return
			}
		}
	}) {
		if check(got, err) != nil {
			return err
		}
	}
	return nil
}

func TestDrain(t *testing.T) {
	t.Parallel()
	pool, g := open(t, tutti.Config{}), newGate(t)
	call, drained := make(chan error), make(chan error)
	go func() { _, err := Meet.Call(t.Context(), pool, g.visit(1)); call <- err }()
	f, err := Meet.Go(t.Context(), pool, g.visit(2))
	if err != nil {
		t.Fatal(err)
	}
	guests := g.await(2)
	go func() { drained <- pool.Drain(t.Context()) }()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for err = context.Canceled; errors.Is(err, context.Canceled); { // new calls fail from the start
		_, err = Echo.Call(over, pool, 1)
	}
	if !errors.Is(err, tutti.ErrClosed) {
		t.Errorf("a new call: %v", err)
	}
	guests[0].letGo()
	guests[1].letGo()
	if err := <-call; err != nil {
		t.Errorf("the call: %v", err)
	}
	select {
	case err := <-drained:
		t.Errorf("drained (%v) before the future was waited for", err)
	default:
	}
	if n, err := f.Wait(t.Context()); n != 2 || err != nil {
		t.Errorf("the future: %d, %v", n, err)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func TestDrainLosesPatience(t *testing.T) {
	t.Parallel()
	pool, g := open(t, tutti.Config{}), newGate(t)
	call := make(chan error)
	go func() { _, err := Meet.Call(t.Context(), pool, g.visit(1)); call <- err }()
	guest := g.await(1)[0]
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := pool.Drain(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("drained with %v", err)
	}
	if err := <-call; !errors.Is(err, tutti.ErrClosed) {
		t.Errorf("the call: %v", err)
	}
	guest.gone()
}

// What does not honour its context is killed when its time is over.
func TestCloseKillsTheStubborn(t *testing.T) {
	t.Parallel()
	pool, g := open(t, tutti.Config{Grace: 10 * time.Millisecond, Stderr: new(lines)}), newGate(t)
	ended := make(chan error)
	go func() { _, err := Stubborn.Call(t.Context(), pool, g.visit(1)); ended <- err }()
	guest := g.await(1)[0]
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
	guest.gone()
	if err := <-ended; !errors.Is(err, tutti.ErrClosed) {
		t.Errorf("the call: %v", err)
	}
	if _, err := os.Stat("/proc/" + itoa(guest.note.PID)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the worker is still there: %v", err)
	}
}

func TestThePoolEndsWithOpensContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	pool, err := tutti.Open(ctx, tutti.Config{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	g, ended := newGate(t), make(chan error)
	go func() { _, err := Meet.Call(t.Context(), pool, g.visit(1)); ended <- err }()
	guest := g.await(1)[0]
	cancel()
	if err := <-ended; !errors.Is(err, tutti.ErrClosed) {
		t.Errorf("the call: %v", err)
	}
	guest.gone()
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
}

func TestATaskCannotCloseItsPool(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 1})
	if text, err := CloseMine.Call(t.Context(), pool, 0); err != nil || !strings.Contains(text, "cannot close") {
		t.Errorf("%q, %v", text, err)
	}
	if n, err := Echo.Call(t.Context(), pool, 4); n != 4 || err != nil {
		t.Errorf("afterwards: %d, %v", n, err)
	}
}

var CloseMine = tutti.NewFunc("test.closemine", func(ctx context.Context, _ int) (string, error) {
	return tutti.FromContext(ctx).Close().Error(), nil
})

// Drain waits for the tasks of futures, and not for who asks for their results; those
// can be had afterwards.
func TestDrainWithFutures(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 2})
	ctx, cancel := context.WithCancel(t.Context())
	dropped, err := Echo.Go(ctx, pool, 1)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	kept, err := Echo.Go(t.Context(), pool, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v, err := kept.Wait(t.Context()); v != 2 || err != nil {
		t.Errorf("a result that was there when the pool was drained: %d, %v", v, err)
	}
	if _, err := dropped.Wait(t.Context()); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("a call that was cancelled: %v", err)
	}
	if err := pool.Drain(t.Context()); err != nil {
		t.Errorf("drained twice: %v", err)
	}
}

// A pool that is closed with a future open is unmapped, and the future says so.
func TestCloseWithFutures(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 1})
	f, err := Echo.Go(t.Context(), pool, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if v, err := f.Wait(t.Context()); err == nil && v != 1 || err != nil && !errors.Is(err, tutti.ErrClosed) {
			t.Errorf("%d, %v", v, err)
		}
	}
	if err := pool.Drain(t.Context()); err != nil {
		t.Errorf("drained when it was closed: %v", err)
	}
}

// A Map that was left while its input blocks does not hold up Drain.
func TestDrainWithBlockedInput(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 1})
	release := make(chan bool)
	defer close(release)
	for range Echo.Map(t.Context(), pool, func(yield func(int) bool) {
		if yield(1) {
			<-release
		}
	}) {
		break
	}
	if err := pool.Drain(t.Context()); err != nil {
		t.Error(err)
	}
}
