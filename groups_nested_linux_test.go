package tutti_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tutti-run/tutti"
)

// Relay is Fibonacci between two groups: each function hands its two parts to the other
// one, in one of the ways there are. One with a gate stands there first.
type Relay struct {
	N         int
	How, Gate string
}

// parts are what a relay consists of.
func (r Relay) parts() iter.Seq[Relay] {
	return slices.Values([]Relay{{N: r.N - 1, How: r.How}, {N: r.N - 2, How: r.How}})
}

// Here and There are of a group each.
var Here, There *tutti.Func[Relay, int]

// relayHow are the ways to make nested calls: each adds up the results of the parts.
var relayHow = map[string]func(context.Context, *tutti.Pool, *tutti.Func[Relay, int], Relay) (int, error){
	"call": func(ctx context.Context, p *tutti.Pool, to *tutti.Func[Relay, int], r Relay) (sum int, errs error) {
		for part := range r.parts() {
			n, err := to.Call(ctx, p, part)
			sum, errs = sum+n, errors.Join(errs, err)
		}
		return sum, errs
	},
	"go": func(ctx context.Context, p *tutti.Pool, to *tutti.Func[Relay, int], r Relay) (sum int, errs error) {
		var futures []*tutti.Future[int]
		for part := range r.parts() {
			f, err := to.Go(ctx, p, part)
			if err != nil {
				return 0, err
			}
			futures = append(futures, f)
		}
		for _, f := range futures {
			n, err := f.Wait(ctx)
			sum, errs = sum+n, errors.Join(errs, err)
		}
		return sum, errs
	},
	"map":       relayMap,
	"completed": relayCompleted,
	"goroutines": func(ctx context.Context, p *tutti.Pool, to *tutti.Func[Relay, int], r Relay) (int, error) {
		return inGoroutines(r.parts(), func(part Relay) (int, error) { return to.Call(ctx, p, part) })
	},
	"maps in goroutines": func(ctx context.Context, p *tutti.Pool, to *tutti.Func[Relay, int], r Relay) (int, error) {
		return inGoroutines(r.parts(), func(part Relay) (int, error) {
			return tutti.Reduce(ctx, p, to, slices.Values([]Relay{part}), 0, plus)
		})
	},
	"calls of the input": func(ctx context.Context, p *tutti.Pool, to *tutti.Func[Relay, int], r Relay) (int, error) {
		var first int
		var err error
		n, err2 := tutti.Reduce(ctx, p, to, func(yield func(Relay) bool) {
			parts := slices.Collect(r.parts())
			if first, err = to.Call(ctx, p, parts[0]); err == nil {
				yield(parts[1])
			}
		}, 0, plus)
		return first + n, errors.Join(err, err2)
	},
}

func plus(a, b int) int { return a + b }

func relayMap(ctx context.Context, p *tutti.Pool, to *tutti.Func[Relay, int], r Relay) (int, error) {
	return tutti.Reduce(ctx, p, to, r.parts(), 0, plus)
}

func relayCompleted(ctx context.Context, p *tutti.Pool, to *tutti.Func[Relay, int], r Relay) (sum int, err error) {
	for c, err := range to.MapCompleted(ctx, p, r.parts()) {
		if err != nil {
			return 0, err
		}
		sum += c.Value
	}
	return sum, nil
}

// inGoroutines adds up what goroutines return, one for each value.
func inGoroutines(in iter.Seq[Relay], call func(Relay) (int, error)) (sum int, errs error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for r := range in {
		all.Go(func() {
			n, err := call(r)
			mu.Lock()
			defer mu.Unlock()
			sum, errs = sum+n, errors.Join(errs, err)
		})
	}
	all.Wait()
	return sum, errs
}

func init() {
	relay := func(to **tutti.Func[Relay, int]) func(context.Context, Relay) (int, error) {
		return func(ctx context.Context, r Relay) (int, error) {
			if r.Gate != "" {
				if err := stand(ctx, Visit{r.Gate, r.N}); err != nil {
					return 0, err
				}
			}
			if r.N < 2 {
				return 1, nil
			}
			return relayHow[r.How](ctx, tutti.FromContext(ctx), *to, r)
		}
	}
	Here = tutti.NewFunc("test.here", relay(&There))
	There = tutti.NewFunc("test.there", relay(&Here))
}

// relayGroups are two groups of a function each.
func relayGroups(first, second int) []tutti.Group {
	return []tutti.Group{
		{Name: "here", Count: first},
		{Name: "there", Count: second, Takes: []string{"test.there"}},
	}
}

// Nothing hangs when all lanes of two groups are in tasks that call functions of the
// other group, which call back, however they do that. Each result comes once.
func TestGroupsCallEachOtherInEveryWay(t *testing.T) {
	t.Parallel()
	for how := range relayHow {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			for _, policy := range []string{"", "round-robin", "shortest-first"} {
				for _, lanes := range []int{1, 4} {
					for _, count := range []int{1, 2} {
						relays(t, fmt.Sprintf("%q, %d tasks at once, groups of %d", policy, lanes, count), how,
							tutti.Config{Groups: relayGroups(count, count), Policy: policy, TasksPerWorker: lanes})
					}
				}
			}
		})
	}
}

// relays has all lanes of a pool of two groups stand at a gate, and then go on at once,
// while as many tasks wait behind them.
func relays(t *testing.T, what, how string, c tutti.Config) {
	t.Helper()
	pool, g := open(t, c), newGate(t)
	defer pool.Close()
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("it hangs"))
	defer cancel()
	var futures []*tutti.Future[int]
	start := func(gate string) {
		for _, f := range []*tutti.Func[Relay, int]{Here, There} {
			for range c.TasksPerWorker * c.Groups[0].Count {
				future, err := f.Go(ctx, pool, Relay{6, how, gate})
				if err != nil {
					t.Fatal(err)
				}
				futures = append(futures, future)
			}
		}
	}
	var guests []*guest
	if c.Policy != "round-robin" || c.Groups[0].Count == 1 { // it may deal two tasks to one lane
		start(g.path)
		guests = g.await(len(futures))
	}
	start("")
	for _, guest := range guests {
		guest.letGo()
	}
	for _, f := range futures {
		if got, err := f.Wait(ctx); err != nil || got != 13 {
			t.Errorf("%s: %d, %v", what, got, err)
			return
		}
	}
}

// Tasks that run at most once wait for all lanes of their workers while the tasks on the
// other lanes wait for each other's groups: these go on, and then those begin.
func TestGroupsCallEachOtherBesideAtMostOnce(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Groups: relayGroups(1, 1), TasksPerWorker: 2})
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("it hangs"))
	defer cancel()
	for round := range 5 {
		g := newGate(t)
		var futures []*tutti.Future[int]
		start := func(r Relay, opts ...tutti.Option) {
			for _, f := range []*tutti.Func[Relay, int]{Here, There} {
				future, err := f.Go(ctx, pool, r, opts...)
				if err != nil {
					t.Fatal(err)
				}
				futures = append(futures, future)
			}
		}
		start(Relay{4, "call", g.path})
		guests := g.await(2)
		start(Relay{4, "map", ""}, tutti.AtMostOnce())
		for _, guest := range guests {
			guest.letGo()
		}
		for i, f := range futures {
			if n, err := f.Wait(ctx); err != nil || n != 5 {
				t.Fatalf("round %d: call %d: %d, %v", round, i, n, err)
			}
		}
	}
}

// What a worker was assigned ahead does not run on the stack of its task that waits for
// another group, as long as another worker may run it.
func TestNothingElseRunsInAWait(t *testing.T) {
	t.Parallel()
	pool, g := open(t, tutti.Config{Groups: relayGroups(2, 1)}), newGate(t)
	submit := func(f *tutti.Func[Relay, int], n int, how string) *tutti.Future[int] {
		future, err := f.Go(t.Context(), pool, Relay{n, how, g.path})
		if err != nil {
			t.Fatal(err)
		}
		return future
	}
	other := submit(There, 0, "")
	busy := g.await(1)[0] // the other group
	futures := []*tutti.Future[int]{other, submit(Here, 2, "call")}
	parent := g.await(1)[0]
	futures = append(futures, submit(Here, 0, ""))
	beside := g.await(1)[0]
	for range 8 {
		futures = append(futures, submit(Here, 0, ""))
	}
	parent.letGo() // it calls the other group, and waits
	beside.letGo()
	for range 8 {
		guest := g.await(1)[0]
		if guest.note.Worker == parent.note.Worker {
			t.Errorf("a task runs in worker %d, whose task waits", guest.note.Worker)
		}
		guest.letGo()
	}
	busy.letGo()
	for i, f := range futures {
		if _, err := f.Wait(t.Context()); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
}
