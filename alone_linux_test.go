package tutti_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tutti-run/tutti"
)

// Kin is a task of a family: it calls others, and watches who else runs in its
// process.
type Kin struct {
	Path  string // from the top of its family
	Once  bool
	Depth int    // of those below it
	How   string // it calls them
	Twin  bool   // every other generation is of another function
	Blind bool   // its calls are made with a context that is no task's
}

// call is the context that k makes its calls with.
func (k Kin) call(ctx context.Context) context.Context {
	if k.Blind {
		return context.Background()
	}
	return ctx
}

// of is the function of a task of a family.
func (k Kin) of() *tutti.Func[Kin, int] {
	if k.Twin && k.Depth%2 == 1 {
		return MeetTwin
	}
	return MeetKin
}

// company is what runs in this process, by path. A task that waits for its calls
// does not run.
var company = struct {
	sync.Mutex
	running, alone map[string]bool
	calls          atomic.Int64
}{running: map[string]bool{}, alone: map[string]bool{}}

// meet notes that a task runs, and returns whom it must not meet.
func (k Kin) meet() error {
	company.Lock()
	defer company.Unlock()
	company.running[k.Path] = true
	if k.Once {
		company.alone[k.Path] = true
	}
	for other := range company.alone {
		if k.Twin && !company.running[other] {
			continue // a worker that waits for another group may be given what only it can run
		}
		if !strings.HasPrefix(k.Path, other) {
			return fmt.Errorf("%s runs beside %s, which is to run alone", k.Path, other)
		}
	}
	for other := range company.running {
		if k.Once && !strings.HasPrefix(other, k.Path) {
			return fmt.Errorf("%s, which is to run alone, runs beside %s", k.Path, other)
		}
	}
	return nil
}

// wait notes that a task does not run until it meets others again.
func (k Kin) wait() {
	company.Lock()
	delete(company.running, k.Path)
	company.Unlock()
}

func (k Kin) leave() {
	k.wait()
	company.Lock()
	delete(company.alone, k.Path)
	company.Unlock()
}

// run is what a task does itself.
func (k Kin) run() error {
	for range 30 {
		if err := k.meet(); err != nil {
			return err
		}
		runtime.Gosched()
	}
	return nil
}

// child is the i-th task that k calls, and how. No two have one path, even if k is begun anew.
func (k Kin) child(i int) (Kin, []tutti.Option) {
	c := k
	c.Path = fmt.Sprint(k.Path, i, ".", os.Getpid(), ".", company.calls.Add(1), "/")
	c.Once, c.Depth = i%2 == 0, k.Depth-1
	if c.Once {
		return c, []tutti.Option{tutti.AtMostOnce()}
	}
	return c, []tutti.Option{tutti.Retries(100)}
}

var (
	MeetKin, MeetTwin *tutti.Func[Kin, int]
	MeetFamily        *tutti.Func[int, int] // the same, with an input that needs no memory
)

func init() { // a function that calls itself cannot be its own initial value
	meet := func(ctx context.Context, k Kin) (n int, err error) {
		defer k.leave()
		if err := k.run(); err != nil || k.Depth == 0 {
			return 1, err
		}
		k.wait()
		n, err = kinCalls[k.How](ctx, k)
		return n + 1, errors.Join(err, k.run())
	}
	MeetKin, MeetTwin = tutti.NewFunc("test.meetkin", meet), tutti.NewFunc("test.meettwin", meet)
	MeetFamily = tutti.NewFunc("test.meetfamily", func(ctx context.Context, n int) (int, error) {
		how := slices.Sorted(maps.Keys(kinCalls))
		return meet(ctx, Kin{Path: fmt.Sprint("f", n, "/"), Depth: 2, How: how[n/2%len(how)], Blind: n%2 == 1})
	})
}

const kinChildren = 3

var kinCalls = map[string]func(context.Context, Kin) (int, error){
	"call": func(ctx context.Context, k Kin) (sum int, err error) {
		for i := range kinChildren {
			c, opts := k.child(i)
			n, e := c.of().Call(k.call(ctx), tutti.FromContext(ctx), c, opts...)
			sum, err = sum+n, errors.Join(err, e)
		}
		return sum, err
	},
	"go": func(ctx context.Context, k Kin) (sum int, err error) {
		var all []*tutti.Future[int]
		for i := range kinChildren {
			c, opts := k.child(i)
			f, err := c.of().Go(k.call(ctx), tutti.FromContext(ctx), c, opts...)
			if err != nil {
				return 0, err
			}
			all = append(all, f)
		}
		for _, f := range all {
			n, e := f.Wait(k.call(ctx))
			sum, err = sum+n, errors.Join(err, e)
		}
		return sum, err
	},
	"crowd": kinCrowd,
	"labels": func(ctx context.Context, k Kin) (n int, err error) {
		pprof.Do(ctx, pprof.Labels("kin", k.Path), func(ctx context.Context) { n, err = kinCrowd(ctx, k) })
		return n, err
	},
	"map": func(ctx context.Context, k Kin) (int, error) {
		c, opts := k.child(0)
		return tutti.Reduce(k.call(ctx), tutti.FromContext(ctx), c.of(), func(yield func(Kin) bool) {
			for i := range kinChildren {
				each := c
				each.Path += fmt.Sprint(i, "/")
				if !yield(each) {
					return
				}
			}
		}, 0, func(a, n int) int { return a + n }, opts...)
	},
}

func kinCrowd(ctx context.Context, k Kin) (int, error) {
	var sum atomic.Int64
	var errs [kinChildren]error
	var crowd sync.WaitGroup
	for i := range kinChildren {
		crowd.Go(func() {
			c, opts := k.child(i)
			n, err := c.of().Call(k.call(ctx), tutti.FromContext(ctx), c, opts...)
			sum.Add(int64(n))
			errs[i] = err
		})
	}
	crowd.Wait()
	return int(sum.Load()), errors.Join(errs[:]...)
}

// kinFamily is how many tasks a family of depth 2 has.
const kinFamily = 1 + kinChildren + kinChildren*kinChildren

// families starts n families like k and returns what ends when all have.
func families(t *testing.T, pool *tutti.Pool, n int, k Kin) (all []*tutti.Future[int]) {
	t.Helper()
	k.Depth = 2
	for i := range n {
		k.Path = fmt.Sprint(k.How, i, k.Blind, "/")
		f, err := k.of().Go(t.Context(), pool, k, tutti.Retries(100))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

func whole(t *testing.T, all []*tutti.Future[int]) {
	t.Helper()
	for _, f := range all {
		if n, err := f.Wait(t.Context()); n != kinFamily || err != nil {
			t.Errorf("%d tasks, %v", n, err)
		}
	}
}

// Calls that run at most once run beside nothing else in their process, but for
// those that wait for them and those that they call, however many callers there are,
// in however many goroutines they call, and whatever their context says of the caller;
// and none waits for ever.
func TestNestedAtMostOnceRunsAlone(t *testing.T) {
	t.Parallel()
	for _, lanes := range []int{1, 2, 8} {
		for how := range kinCalls {
			for _, workers := range []int{1, 2} {
				t.Run(fmt.Sprint(lanes, " ", how, " ", workers), func(t *testing.T) {
					t.Parallel()
					pool := open(t, tutti.Config{Workers: workers, TasksPerWorker: lanes})
					whole(t, families(t, pool, 2*lanes+2, Kin{How: how, Blind: true}))
					mixed := families(t, pool, lanes+1, Kin{How: how, Blind: true})
					whole(t, append(mixed, families(t, pool, lanes+1, Kin{How: how})...))
				})
			}
		}
	}
}

// The same where workers take what the master gives them, and the calls of one group
// run in the other.
func TestAtMostOnceRunsAloneInGroups(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Groups: []tutti.Group{
		{Name: "rest", Count: 1}, {Name: "twin", Count: 1, Takes: []string{"test.meettwin"}},
	}})
	for _, how := range []string{"call", "go"} {
		whole(t, families(t, pool, 4, Kin{How: how, Twin: true}))
		whole(t, families(t, pool, 4, Kin{How: how, Twin: true, Blind: true}))
	}
}

// The same where no call finds room in the pool's memory, and so all run in place.
func TestAtMostOnceInPlaceRunsAlone(t *testing.T) {
	t.Parallel()
	for _, lanes := range []int{1, 2, 8} {
		t.Run(fmt.Sprint(lanes), func(t *testing.T) {
			t.Parallel()
			pool := open(t, tutti.Config{Workers: 1, TasksPerWorker: lanes, Memory: 8 << 20})
			for _, err := tutti.NewSlice[byte](pool, 1<<20); err == nil; {
				_, err = tutti.NewSlice[byte](pool, 1<<20)
			}
			var all []*tutti.Future[int]
			for i := range 4 * len(kinCalls) {
				f, err := MeetFamily.Go(t.Context(), pool, i)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, f)
			}
			whole(t, all)
		})
	}
}

// The same when workers die: what they ran at most once is an error, and nothing
// else is lost or waits for ever.
func TestAtMostOnceRunsAloneBesideKills(t *testing.T) {
	t.Parallel()
	for _, lanes := range []int{1, 3} {
		t.Run(fmt.Sprint(lanes), func(t *testing.T) {
			t.Parallel()
			pool := open(t, tutti.Config{Workers: 2, TasksPerWorker: lanes, MaxRestarts: 1000, Stderr: new(lines)})
			for round := range 6 {
				all := families(t, pool, 2*lanes, Kin{How: []string{"call", "crowd"}[round%2], Blind: round%4 > 1})
				kill(t, pool, round%2)
				for _, f := range all {
					if _, err := f.Wait(t.Context()); err != nil && strings.Contains(err.Error(), "alone") {
						t.Errorf("round %d: %v", round, err)
					}
				}
			}
			if n, err := Echo.Call(t.Context(), pool, 7, tutti.AtMostOnce()); n != 7 || err != nil {
				t.Errorf("afterwards: %d, %v", n, err)
			}
		})
	}
}
