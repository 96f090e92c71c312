package tutti_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tutti-run/tutti"
	"math"
	"runtime"
)

func TestCallEndsWithItsContext(t *testing.T) {
	t.Parallel()
	pool, g := open(t, tutti.Config{}), newGate(t)
	for _, wait := range []func(context.Context) error{
		func(ctx context.Context) error { _, err := Meet.Call(ctx, pool, g.visit(1)); return err },
		func(ctx context.Context) error {
			f, err := Meet.Go(ctx, pool, g.visit(2))
			if err != nil {
				return err
			}
			_, err = f.Wait(context.Background())
			return err
		},
		func(ctx context.Context) error {
			return Meet.ForEach(ctx, pool, func(yield func(Visit) bool) { yield(g.visit(3)) })
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- wait(ctx) }()
		guest := g.await(1)[0]
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("visit %d ended with %v", guest.note.N, err)
		}
		guest.gone() // the function's own context has ended
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Meet.Call(ctx, pool, g.visit(4)); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	if crashes := deathsOf(pool); crashes != 0 {
		t.Errorf("%d workers were killed", crashes)
	}
}

func deathsOf(pool *tutti.Pool) (n uint64) {
	for _, w := range pool.Stats().Workers {
		n += w.Restarts
	}
	return n
}

func TestTimeoutEndsTheContext(t *testing.T) {
	t.Parallel()
	pool, g := open(t, tutti.Config{}), newGate(t)
	_, err := Meet.Call(t.Context(), pool, g.visit(1), tutti.Timeout(20*time.Millisecond))
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	g.await(1)[0].gone()
	if n, err := Meet.Call(t.Context(), pool, Visit{}, tutti.Timeout(time.Hour)); err == nil {
		t.Errorf("a visit to nowhere: %d", n)
	}
	if n := deathsOf(pool); n != 0 {
		t.Errorf("%d workers were killed", n)
	}
	for d, want := range map[time.Duration]string{0: "none", time.Hour: "soon"} {
		if got, err := Deadline.Call(t.Context(), pool, 0, tutti.Timeout(d)); got != want || err != nil {
			t.Errorf("Timeout(%v): the deadline is %s, error %v", d, got, err)
		}
	}
}

var Deadline = tutti.NewFunc("test.deadline", func(ctx context.Context, _ int) (string, error) {
	at, ok := ctx.Deadline()
	switch left := time.Until(at); {
	case !ok:
		return "none", ctx.Err()
	case left > 0 && left <= time.Hour:
		return "soon", ctx.Err()
	}
	return at.String(), ctx.Err()
})

// Spin never returns; N 0 does at once.
var Spin = tutti.NewFunc("test.spin", func(_ context.Context, n int) (int, error) {
	//lint:ignore SA5002 that it never ends is the point
	for n > 0 {
	}
	return n, nil
})

func TestALoopThatNeverReturnsIsStopped(t *testing.T) {
	t.Parallel()
	for name, lanes := range map[string]int{"one lane": 1, "three lanes": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stderr := new(lines)
			pool := open(t, tutti.Config{Workers: 2, TasksPerWorker: lanes, Grace: 10 * time.Millisecond, Stderr: stderr})
			g := newGate(t)
			beside, err := Meet.Go(t.Context(), pool, g.visit(7))
			if err != nil {
				t.Fatal(err)
			}
			guest := g.await(1)[0]
			_, err = Spin.Call(t.Context(), pool, 1, tutti.Timeout(10*time.Millisecond))
			task, ok := errors.AsType[*tutti.TaskError](err)
			if !errors.Is(err, context.DeadlineExceeded) || !ok || task.Worker < 1 {
				t.Errorf("ended with %v", err)
			}
			if crash, ok := errors.AsType[*tutti.CrashError](err); !ok || !strings.Contains(crash.Trace, "SIGQUIT") {
				t.Errorf("no trace that shows where it hung: %+v", crash)
			}
			ctx, cancel := context.WithCancel(t.Context())
			spin, err := Spin.Go(ctx, pool, 1)
			if err != nil {
				t.Fatal(err)
			}
			for running := 0; running < 2; { // both are in the workers' hands
				running = 0
				for _, w := range pool.Stats().Workers {
					running += w.Running
				}
			}
			cancel()
			if _, err := spin.Wait(t.Context()); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled, it ended with %v", err)
			}
			guest.letGo()
			for range lanes * 2 { // where the neighbour shared the worker it is begun again
				select {
				case again := <-g.arrivals:
					again.letGo()
				default:
				}
			}
			if err := letAllGo(g, beside); err != nil {
				t.Error(err)
			}
			if n, err := Spin.Call(t.Context(), pool, 0); n != 0 || err != nil {
				t.Errorf("afterwards: %d, %v", n, err)
			}
			all := start(t, pool, g, 2*lanes) // when all places are filled both workers are back
			for _, guest := range g.await(2 * lanes) {
				guest.letGo()
			}
			finish(t, all)
			if n := deathsOf(pool); n != 2 {
				t.Errorf("%d workers were replaced, want 2", n)
			}
			if err := pool.Close(); err != nil || stderr.String() != "" {
				t.Errorf("the traces are the errors' and not for everybody: %v\n%s", err, stderr)
			}
		})
	}
}

// letAllGo waits for a visit that may be made more than once.
func letAllGo(g *gate, f *tutti.Future[int]) error {
	ended := make(chan error, 1)
	go func() { _, err := f.Wait(context.Background()); ended <- err }()
	for {
		select {
		case guest := <-g.arrivals:
			guest.letGo()
		case err := <-ended:
			return err
		}
	}
}

// A Map that is left early gives everything back: a thousand in a row find room
// in a table of 64.
func TestLeavingALoopGivesItsTasksBack(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Tasks: 64})
	for i := range 1_000 {
		for n, err := range Echo.Map(t.Context(), pool, count(1<<40)) {
			if n != 0 || err != nil {
				t.Fatalf("round %d: %d, %v", i, n, err)
			}
			break
		}
		for done, err := range Echo.MapCompleted(t.Context(), pool, count(1<<40)) {
			if done.Index != done.Value || err != nil {
				t.Fatalf("round %d: %v, %v", i, done, err)
			}
			break
		}
	}
	full := 0
	for i := range 64 {
		if _, err := Echo.Call(t.Context(), pool, i, tutti.NoWait()); errors.Is(err, tutti.ErrFull) {
			full++
		} else if err != nil {
			t.Error(err)
		}
	}
	if full == 64 {
		t.Error("nothing was given back")
	}
}

func TestLeavingALoopCancelsWhatRuns(t *testing.T) {
	t.Parallel()
	pool, g := open(t, tutti.Config{Workers: 2}), newGate(t)
	visits := func(yield func(Visit) bool) {
		for i := 0; yield(g.visit(i)); i++ {
		}
	}
	for done, err := range Meet.MapCompleted(t.Context(), pool, visitsFirstFree(g, visits)) {
		if err != nil {
			t.Errorf("%v, %v", done, err)
		}
		break
	}
	for _, guest := range g.await(1) {
		guest.gone()
	}
	if n, err := Echo.Call(t.Context(), pool, 5); n != 5 || err != nil {
		t.Errorf("afterwards: %d, %v", n, err)
	}
	if n := deathsOf(pool); n != 0 {
		t.Errorf("%d workers were killed", n)
	}
}

// visitsFirstFree lets the first task that arrives go on.
func visitsFirstFree(g *gate, visits func(func(Visit) bool)) func(func(Visit) bool) {
	return func(yield func(Visit) bool) {
		go func() { g.await(1)[0].letGo() }()
		visits(yield)
	}
}

func TestParentsCancellationReachesChildren(t *testing.T) {
	t.Parallel()
	for workers := 1; workers <= 2; workers++ {
		pool, g := open(t, tutti.Config{Workers: workers, Grace: time.Minute}), newGate(t)
		for _, how := range []string{"call", "go", "map", "derived"} {
			_, err := Parent.Call(t.Context(), pool, Family{g.path, how}, tutti.Timeout(20*time.Millisecond))
			if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
				t.Errorf("%d workers, %s: ended with %v", workers, how, err)
			}
			select { // it may have been too early for a child
			case guest := <-g.arrivals:
				guest.gone()
			default:
			}
		}
		if n := deathsOf(pool); n != 0 {
			t.Errorf("%d workers were killed", n)
		}
	}
}

// Family says how a parent is to run its child, which stands at a gate.
type Family struct{ Gate, How string }

var Parent = tutti.NewFunc("test.parent", func(ctx context.Context, f Family) (int, error) {
	pool, v := tutti.FromContext(ctx), Visit{Gate: f.Gate}
	switch f.How {
	case "go":
		child, err := Meet.Go(ctx, pool, v)
		if err != nil {
			return 0, err
		}
		return child.Wait(ctx)
	case "map":
		return 0, Meet.ForEach(ctx, pool, func(yield func(Visit) bool) { yield(v) })
	case "derived":
		derived, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Millisecond)
		defer cancel()
		return Meet.Call(derived, pool, v)
	}
	return Meet.Call(ctx, pool, v)
})

// Size returns the length of its input.
var Size = tutti.NewFunc("test.size", func(_ context.Context, b []byte) (int, error) { return len(b), nil })

// NoWait fails where there is a descriptor, and no memory for the input.
func TestNoWaitForMemory(t *testing.T) {
	t.Parallel()
	pool, g := open(t, tutti.Config{Workers: 1, Memory: 8 << 20}), newGate(t)
	busy, err := Meet.Go(t.Context(), pool, g.visit(0))
	if err != nil {
		t.Fatal(err)
	}
	guests := g.await(1)
	input := make([]byte, 3<<19) // of 2 MiB that inputs may take
	first, err := Size.Go(t.Context(), pool, input)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Size.Call(t.Context(), pool, input, tutti.NoWait()); !errors.Is(err, tutti.ErrFull) {
		t.Errorf("where it would have to wait: %v", err)
	}
	guests[0].letGo()
	if _, err := busy.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if n, err := first.Wait(t.Context()); n != len(input) || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := Size.Call(t.Context(), pool, input, tutti.NoWait()); n != len(input) || err != nil {
		t.Errorf("where there is room: %d, %v", n, err)
	}
}

// A call whose context has ended is not begun.
func TestCallAfterItsContext(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 1})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Echo.Call(over, pool, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Call: %v", err)
	}
	if _, err := Echo.Go(over, pool, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Go: %v", err)
	}
	if n := pool.Stats().Workers[0].Run; n != 0 {
		t.Errorf("%d tasks were run", n)
	}
}

// A call can be cancelled while the pool is drained.
func TestCancelWhileDraining(t *testing.T) {
	t.Parallel()
	pool, g := open(t, tutti.Config{Workers: 1}), newGate(t)
	f, err := Meet.Go(t.Context(), pool, g.visit(0))
	if err != nil {
		t.Fatal(err)
	}
	guest := g.await(1)[0]
	drained := make(chan error)
	go func() { drained <- pool.Drain(t.Context()) }()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for { // until the pool takes no more
		if _, err := Echo.Call(over, pool, 1); errors.Is(err, tutti.ErrClosed) {
			break
		}
	}
	f.Cancel()
	guest.gone()
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if _, err := f.Wait(t.Context()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A time limit beyond all times is none.
func TestEndlessTimeout(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 1})
	if v, err := Echo.Call(t.Context(), pool, 3, tutti.Timeout(math.MaxInt64)); v != 3 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
}

// A Map whose input ends its goroutine ends with an error.
func TestMapInputGoexit(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 1})
	n := 0
	var last error
	for _, err := range Echo.Map(t.Context(), pool, func(yield func(int) bool) {
		yield(1)
		runtime.Goexit()
	}) {
		n++
		last = err
	}
	if n != 2 || last == nil || !strings.Contains(last.Error(), "Goexit") {
		t.Errorf("%d results, the last with %v", n, last)
	}
}
