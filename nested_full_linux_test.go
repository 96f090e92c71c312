package tutti_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

// In a full pool calls have limits of their own to any depth that the reserve
// allows; deeper ones run all the same, and give back what there is.
func TestDeepCallsInAFullPool(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 1, Tasks: 64, Grace: 20 * time.Millisecond, MaxRestarts: 100, Stderr: new(lines)})
	for range 2 {
		for _, c := range []struct {
			dive Dive
			want string
		}{{Dive{100, ""}, "there"}, {Dive{1, "spin"}, "late below 1"}, {Dive{20, "spin"}, "late below 1"}, {Dive{60, "spin"}, "late below 1"}} {
			if got, err := DiveFull.Call(t.Context(), pool, c.dive); got != c.want || err != nil {
				t.Errorf("%+v: %q, %v", c.dive, got, err)
			}
		}
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
