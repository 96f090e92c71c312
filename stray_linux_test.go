package tutti_test

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"testing"

	"github.com/tutti-run/tutti"
)

// What a stray, a goroutine that is no task's, tells at the gate.
const (
	strayParent = iota
	strayWell
	strayIll
)

// Stray is a task that starts a goroutine of which nobody can tell whose it is, and
// does not wait for it. That goroutine calls others in its turn.
var Stray = tutti.NewFunc("test.stray", func(ctx context.Context, gate string) (int, error) {
	k := Kin{Path: "parent/"}
	defer k.leave()
	if err := k.meet(); err != nil {
		return 0, err
	}
	pool, plain := tutti.FromContext(ctx), make(chan error)
	go func() {
		ctx := context.Background()
		pprof.SetGoroutineLabels(ctx)
		_, err := Echo.Call(ctx, pool, 1)
		plain <- err
		told := strayWell
		if _, err := MeetKin.Call(ctx, pool, Kin{Path: "stray/", Once: true}, tutti.AtMostOnce()); err != nil {
			told = strayIll
		}
		_ = stand(ctx, Visit{gate, told})
	}()
	if err := <-plain; err != nil {
		return 0, err
	}
	return 1, stand(ctx, Visit{gate, strayParent})
})

// A goroutine that is no task's gets its calls run, in its wait if need be. But what
// runs at most once waits there until nothing else runs in a worker.
func TestCallsOfStraysRunAlone(t *testing.T) {
	t.Parallel()
	for _, lanes := range []int{1, 2, 8} {
		t.Run(fmt.Sprint(lanes), func(t *testing.T) {
			t.Parallel()
			pool, g := open(t, tutti.Config{Workers: 1, TasksPerWorker: lanes}), newGate(t)
			f, err := Stray.Go(t.Context(), pool, g.path)
			if err != nil {
				t.Fatal(err)
			}
			parent := g.await(1)[0]
			for waiting := 0; waiting == 0; {
				for _, n := range pool.Stats().Queued {
					waiting += n
				}
				select {
				case v := <-g.arrivals:
					t.Fatalf("the call was over before its turn: %+v", v.note)
				default:
				}
			}
			parent.letGo()
			if n, err := f.Wait(t.Context()); n != 1 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			stray := g.await(1)[0]
			if stray.note.N != strayWell {
				t.Errorf("%+v", stray.note)
			}
			stray.letGo()
		})
	}
}

// StrayFull is a task that leaves no room in its pool, and returns what a stray gets.
var StrayFull = tutti.NewFunc("test.strayfull", func(ctx context.Context, _ int) (string, error) {
	if err := fill(ctx); err != nil {
		return "", err
	}
	pool, told := tutti.FromContext(ctx), make(chan string)
	go func() {
		ctx := context.Background()
		pprof.SetGoroutineLabels(ctx)
		n, err := Echo.Call(ctx, pool, 3)
		_, once := Echo.Call(ctx, pool, 4, tutti.AtMostOnce())
		told <- fmt.Sprint(n, err, errors.Is(once, tutti.ErrFull))
	}()
	return <-told, nil
})

// In a full pool such a call is refused where it would share the worker.
func TestCallsOfStraysInAFullPool(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 1, Tasks: 64})
	if told, err := StrayFull.Call(t.Context(), pool, 0); told != "3 <nil> true" || err != nil {
		t.Errorf("%s, %v", told, err)
	}
}
