package tutti_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tutti-run/tutti"
)

// Linger ends with its context.
var Linger = tutti.NewFunc("test.linger", func(ctx context.Context, _ int) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
})

// fill has a task leave no descriptor free until it ends.
func fill(ctx context.Context) error {
	for {
		if _, err := Linger.Go(ctx, tutti.FromContext(ctx), 0, tutti.NoWait()); errors.Is(err, tutti.ErrFull) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func spinForever() {
	for n := 0; ; n++ {
	}
}

// Dive is a task that calls itself, each time with a time limit, until it is at the
// bottom, where it does what How says.
type Dive struct {
	Depth int
	How   string
}

var dive *tutti.Func[Dive, string]

func init() {
	dive = tutti.NewFunc("test.dive", func(ctx context.Context, d Dive) (string, error) {
		if d.How == "spin" && d.Depth == 0 {
			spinForever()
		}
		if d.Depth == 0 {
			return "there", nil
		}
		if info, _ := tutti.Info(ctx); info.Worker == 0 {
			return "", errors.New("it is no task")
		}
		limit := time.Hour
		if d.Depth == 1 && d.How == "spin" {
			limit = 30 * time.Millisecond
		}
		below, err := dive.Call(ctx, tutti.FromContext(ctx), Dive{d.Depth - 1, d.How}, tutti.Timeout(limit))
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Sprint("late below ", d.Depth), nil
		}
		return below, err
	})
}

var DiveFull = tutti.NewFunc("test.divefull", func(ctx context.Context, d Dive) (string, error) {
	if err := fill(ctx); err != nil {
		return "", err
	}
	return dive.Call(ctx, tutti.FromContext(ctx), d)
})

// In a full pool calls have limits of their own to any depth.
func TestDeepCallsInAFullPool(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 1, Tasks: 64, Grace: 20 * time.Millisecond, MaxRestarts: 100, Stderr: new(lines)})
	for range 2 {
		for _, c := range []struct {
			dive Dive
			want string
		}{{Dive{100, ""}, "there"}, {Dive{1, "spin"}, "late below 1"}, {Dive{20, "spin"}, "late below 1"}, {Dive{200, "spin"}, "late below 1"}, {Dive{1000, ""}, "there"}} {
			if got, err := DiveFull.Call(t.Context(), pool, c.dive); got != c.want || err != nil {
				t.Errorf("%+v: %q, %v", c.dive, got, err)
			}
		}
	}
}

// rally is where the calls of a crowd wait until all are there.
var rally = struct {
	sync.Mutex
	here int
	all  chan struct{}
}{all: make(chan struct{})}

const crowdSize, crowdSpins = 200, 137

// JoinCrowd waits until all others have come, and then one of them never returns.
var JoinCrowd = tutti.NewFunc("test.joincrowd", func(ctx context.Context, n int) (int, error) {
	if info, _ := tutti.Info(ctx); info.Worker == 0 {
		return 0, errors.New("it is no task")
	}
	rally.Lock()
	if n != crowdSpins { // it comes only once
		rally.here++
	}
	if rally.here == crowdSize-1 {
		close(rally.all)
		rally.here++
	}
	rally.Unlock()
	<-rally.all
	if n == crowdSpins {
		spinForever()
	}
	return n, nil
})

// CrowdFull has a crowd of calls run in place at the same time, and returns which fail.
var CrowdFull = tutti.NewFunc("test.crowdfull", func(ctx context.Context, _ int) (late []int, err error) {
	if err := fill(ctx); err != nil {
		return nil, err
	}
	var errs [crowdSize]error
	var crowd sync.WaitGroup
	for i := range crowdSize {
		crowd.Go(func() {
			limit := time.Hour
			if i == crowdSpins {
				limit = 200 * time.Millisecond
			}
			n, err := JoinCrowd.Call(ctx, tutti.FromContext(ctx), i, tutti.Timeout(limit))
			if errs[i] = err; err == nil && n != i {
				errs[i] = fmt.Errorf("%d in place of %d", n, i)
			}
		})
	}
	crowd.Wait()
	for i, err := range errs {
		if errors.Is(err, context.DeadlineExceeded) {
			late = append(late, i)
		} else if err != nil {
			return nil, err
		}
	}
	return late, nil
})

// Of many calls that run in place at once exactly the one that never returns fails.
func TestManyCallsInAFullPool(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 1, Tasks: 64, Grace: 20 * time.Millisecond, MaxRestarts: 100, Stderr: new(lines)})
	late, err := CrowdFull.Call(t.Context(), pool, 0)
	if want := []int{crowdSpins}; !slices.Equal(late, want) || err != nil {
		t.Errorf("late are %v, want %v; %v", late, want, err)
	}
}

// Laden is what Sink takes: it needs room in the pool's memory.
type Laden struct {
	How, Load string
}

var Sink = tutti.NewFunc("test.sink", func(_ context.Context, l Laden) (string, error) {
	if l.How == "spin" {
		spinForever()
	}
	return l.How, nil
})

var SinkAll = tutti.NewFunc("test.sinkall", func(ctx context.Context, _ int) (told []string, err error) {
	for out, err := range Sink.Map(ctx, tutti.FromContext(ctx), func(yield func(Laden) bool) {
		for _, how := range []string{"a", "spin", "b", "spin"} {
			if !yield(Laden{how, strings.Repeat("x", 1<<20)}) {
				return
			}
		}
	}, tutti.Timeout(50*time.Millisecond)) {
		if errors.Is(err, context.DeadlineExceeded) {
			out, err = "late", nil
		}
		if err != nil {
			return told, err
		}
		told = append(told, out)
	}
	return told, nil
})

// The items of a Map that run in place for want of memory are killed when their
// time is up, and fail in their places.
func TestItemsWithoutMemoryAreKilled(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 1, Memory: 8 << 20, Grace: 20 * time.Millisecond, MaxRestarts: 100, Stderr: new(lines)})
	for n := 1 << 20; n >= 1<<16; n /= 2 {
		for {
			if _, err := tutti.NewSlice[byte](pool, n); err != nil {
				break
			}
		}
	}
	told, err := SinkAll.Call(t.Context(), pool, 0)
	if got := strings.Join(told, " "); got != "a late b late" || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}
