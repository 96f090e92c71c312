package tutti_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tutti-run/tutti"
)

var FibHow = map[string]func(context.Context, *tutti.Pool, Fibonacci) (int, error){}

// Fibonacci is the n-th number and how its parts are to be found.
type Fibonacci struct {
	N   int
	How string
}

var Fib *tutti.Func[Fibonacci, int]

func init() { // a function that calls itself cannot be its own initial value
	Fib = tutti.NewFunc("test.fib", func(ctx context.Context, f Fibonacci) (int, error) {
		if f.N < 2 {
			return f.N, nil
		}
		return FibHow[f.How](ctx, tutti.FromContext(ctx), f)
	})
	FibHow["call"] = func(ctx context.Context, pool *tutti.Pool, f Fibonacci) (int, error) {
		a, err := Fib.Call(ctx, pool, Fibonacci{f.N - 1, f.How})
		b, err2 := Fib.Call(ctx, pool, Fibonacci{f.N - 2, f.How})
		return a + b, errors.Join(err, err2)
	}
	FibHow["limit"] = func(ctx context.Context, pool *tutti.Pool, f Fibonacci) (int, error) {
		a, err := Fib.Call(ctx, pool, Fibonacci{f.N - 1, f.How}, tutti.Timeout(time.Minute))
		b, err2 := Fib.Call(ctx, pool, Fibonacci{f.N - 2, f.How}, tutti.Timeout(time.Minute))
		return a + b, errors.Join(err, err2)
	}
	FibHow["go"] = func(ctx context.Context, pool *tutti.Pool, f Fibonacci) (int, error) {
		future, err := Fib.Go(ctx, pool, Fibonacci{f.N - 1, f.How})
		if err != nil {
			return 0, err
		}
		b, err2 := Fib.Call(ctx, pool, Fibonacci{f.N - 2, f.How})
		a, err := future.Wait(ctx)
		return a + b, errors.Join(err, err2)
	}
	FibHow["map"] = func(ctx context.Context, pool *tutti.Pool, f Fibonacci) (int, error) {
		return tutti.Reduce(ctx, pool, Fib, func(yield func(Fibonacci) bool) {
			_ = yield(Fibonacci{f.N - 1, f.How}) && yield(Fibonacci{f.N - 2, f.How})
		}, 0, func(a, n int) int { return a + n })
	}
}

func TestFibonacci(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]tutti.Config{
		"one worker": {Workers: 1, Tasks: 64}, "two workers": {Workers: 2, Tasks: 64},
		"five workers": {Workers: 5}, "lanes": {Workers: 2, TasksPerWorker: 3, Tasks: 64}, "round robin": {Policy: "round-robin"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := open(t, c)
			for how, n := range map[string]int{"call": 17, "go": 17, "map": 9, "limit": 12} {
				want := []int{9: 34, 12: 144, 17: 1597}[n]
				if got, err := Fib.Call(t.Context(), pool, Fibonacci{n, how}); got != want || err != nil {
					t.Errorf("%s: %d, %v", how, got, err)
				}
			}
		})
	}
}

// Children that a task has not waited for end when it returns.
func TestChildrenEndWithTheirParent(t *testing.T) {
	t.Parallel()
	pool, g := open(t, tutti.Config{Workers: 2}), newGate(t)
	for i := range 5 {
		parent, err := Leave.Go(t.Context(), pool, g.visit(i))
		if err != nil {
			t.Fatal(err)
		}
		both := g.await(2)
		if both[0].note.N == parentAtGate {
			slices.Reverse(both)
		}
		both[1].letGo()
		if n, err := parent.Wait(t.Context()); n != i || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		both[0].gone()
	}
	for i := range 200 { // and give their places back
		if n, err := LeaveMany.Call(t.Context(), pool, i); n != i || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	if n := deathsOf(pool); n != 0 {
		t.Errorf("%d workers were killed", n)
	}
}

// Leave stands at the gate beside its child, and returns without waiting for it.
var Leave = tutti.NewFunc("test.leave", func(ctx context.Context, v Visit) (int, error) {
	if _, err := Meet.Go(ctx, tutti.FromContext(ctx), v); err != nil {
		return 0, err
	}
	if err := stand(ctx, Visit{Gate: v.Gate, N: parentAtGate}); err != nil { // until the test has seen the child
		return 0, err
	}
	return v.N, nil
})

// parentAtGate is what a parent calls itself at the gate.
const parentAtGate = -1

var LeaveMany = tutti.NewFunc("test.leavemany", func(ctx context.Context, n int) (int, error) {
	for i := range 30 {
		if _, err := Echo.Go(ctx, tutti.FromContext(ctx), i); err != nil {
			return 0, err
		}
	}
	return n, nil
})

// A worker that is killed in the middle of a family costs an attempt, no result.
func TestFamiliesSurviveKills(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 2, Tasks: 128, MaxRestarts: 1000, Stderr: new(lines)})
	for i := range 10 {
		f, err := Fib.Go(t.Context(), pool, Fibonacci{15, "go"}, tutti.Retries(20))
		if err != nil {
			t.Fatal(err)
		}
		kill(t, pool, i%2)
		if n, err := f.Wait(t.Context()); n != 610 || err != nil {
			t.Errorf("round %d: %d, %v", i, n, err)
		}
	}
	for i := range 1_000 {
		if n, err := Echo.Call(t.Context(), pool, i); n != i || err != nil {
			t.Fatalf("afterwards: %d, %v", n, err)
		}
	}
}

func TestFromContextElsewhere(t *testing.T) {
	t.Parallel()
	if pool := tutti.FromContext(t.Context()); pool != nil {
		t.Errorf("a pool: %v", pool)
	}
	if info, ok := tutti.Info(t.Context()); ok {
		t.Errorf("a task: %v", info)
	}
}
