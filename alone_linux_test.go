package tutti_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
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
	Load  string // takes room in the pool's memory
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
	c := Kin{fmt.Sprint(k.Path, i, ".", os.Getpid(), ".", company.calls.Add(1), "/"), i%2 == 0, k.Depth - 1, k.How, k.Load}
	if c.Once {
		return c, []tutti.Option{tutti.AtMostOnce()}
	}
	return c, []tutti.Option{tutti.Retries(100)}
}

var MeetKin *tutti.Func[Kin, int]

func init() { // a function that calls itself cannot be its own initial value
	MeetKin = tutti.NewFunc("test.meetkin", func(ctx context.Context, k Kin) (n int, err error) {
		defer k.leave()
		if err := k.run(); err != nil || k.Depth == 0 {
			return 1, err
		}
		k.wait()
		n, err = kinCalls[k.How](ctx, k)
		return n + 1, errors.Join(err, k.run())
	})
}

const kinChildren = 3

var kinCalls = map[string]func(context.Context, Kin) (int, error){
	"call": func(ctx context.Context, k Kin) (sum int, err error) {
		for i := range kinChildren {
			c, opts := k.child(i)
			n, e := MeetKin.Call(ctx, tutti.FromContext(ctx), c, opts...)
			sum, err = sum+n, errors.Join(err, e)
		}
		return sum, err
	},
	"go": func(ctx context.Context, k Kin) (sum int, err error) {
		var all []*tutti.Future[int]
		for i := range kinChildren {
			c, opts := k.child(i)
			f, err := MeetKin.Go(ctx, tutti.FromContext(ctx), c, opts...)
			if err != nil {
				return 0, err
			}
			all = append(all, f)
		}
		for _, f := range all {
			n, e := f.Wait(ctx)
			sum, err = sum+n, errors.Join(err, e)
		}
		return sum, err
	},
	"crowd": func(ctx context.Context, k Kin) (int, error) {
		var sum atomic.Int64
		var errs [kinChildren]error
		var crowd sync.WaitGroup
		for i := range kinChildren {
			crowd.Go(func() {
				c, opts := k.child(i)
				n, err := MeetKin.Call(ctx, tutti.FromContext(ctx), c, opts...)
				sum.Add(int64(n))
				errs[i] = err
			})
		}
		crowd.Wait()
		return int(sum.Load()), errors.Join(errs[:]...)
	},
	"map": func(ctx context.Context, k Kin) (int, error) {
		c, opts := k.child(0)
		return tutti.Reduce(ctx, tutti.FromContext(ctx), MeetKin, func(yield func(Kin) bool) {
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

// families starts n families and returns what ends when all have.
func families(t *testing.T, pool *tutti.Pool, n, depth int, how, load string) (all []*tutti.Future[int]) {
	t.Helper()
	for i := range n {
		f, err := MeetKin.Go(t.Context(), pool, Kin{Path: fmt.Sprint("f", i, "/"), Depth: depth, How: how, Load: load}, tutti.Retries(100))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

// Calls that run at most once run beside nothing else in their process, but for
// those that wait for them and those that they call, however many callers there are
// and in however many goroutines they call; and none waits for ever.
func TestNestedAtMostOnceRunsAlone(t *testing.T) {
	t.Parallel()
	for _, lanes := range []int{1, 2, 8} {
		for how := range kinCalls {
			t.Run(fmt.Sprint(lanes, " ", how), func(t *testing.T) {
				t.Parallel()
				pool := open(t, tutti.Config{Workers: 1 + lanes%2, TasksPerWorker: lanes})
				for _, f := range families(t, pool, 2*lanes+2, 2, how, "") {
					if n, err := f.Wait(t.Context()); n != 1+kinChildren+kinChildren*kinChildren || err != nil {
						t.Errorf("%d tasks, %v", n, err)
					}
				}
			})
		}
	}
}
