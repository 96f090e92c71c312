package tutti_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/tutti-run/tutti"
)

// Bulk is how many strings of a MiB a task is to map over, and in which order it
// takes the results.
type Bulk struct {
	Strings   int
	Completed bool
}

// MapBulk maps over more input than the pool has memory for, and returns the
// places of the results in the order in which they came.
var MapBulk = tutti.NewFunc("test.mapbulk", func(ctx context.Context, b Bulk) ([]int, error) {
	pool := tutti.FromContext(ctx)
	in := func(yield func(string) bool) {
		for i := range b.Strings {
			if !yield(strings.Repeat("x", 1<<20+i)) {
				return
			}
		}
	}
	var places []int
	if b.Completed {
		for done, err := range Length.MapCompleted(ctx, pool, in) {
			if err != nil || done.Value != 1<<20+done.Index {
				return nil, fmt.Errorf("place %d: %d, %w", done.Index, done.Value, err)
			}
			places = append(places, done.Index)
		}
		return places, nil
	}
	for n, err := range Length.Map(ctx, pool, in) {
		if err != nil {
			return nil, fmt.Errorf("after %d: %w", len(places), err)
		}
		places = append(places, n-1<<20)
	}
	return places, nil
})

var Length = tutti.NewFunc("test.length", func(_ context.Context, s string) (int, error) { return len(s), nil })

// A nested Map whose inputs fill the memory goes on as its results are
// collected; every item has its result, in its place.
func TestNestedMapFillsMemory(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 2} {
		for _, completed := range []bool{false, true} {
			t.Run(fmt.Sprint(workers, completed), func(t *testing.T) {
				t.Parallel()
				pool := open(t, tutti.Config{Workers: workers, Memory: 8 << 20})
				places, err := MapBulk.Call(t.Context(), pool, Bulk{40, completed})
				if err != nil || len(places) != 40 {
					t.Fatalf("%d results, %v", len(places), err)
				}
				seen := make([]bool, len(places))
				for i, place := range places {
					if seen[place] || !completed && place != i {
						t.Errorf("result %d is that of place %d", i, place)
					}
					seen[place] = true
				}
			})
		}
	}
}

// Where others hold all the memory, the items of a nested Map run in place.
func TestNestedMapWithoutMemory(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 1, Memory: 8 << 20})
	for n := 1 << 20; n >= 1<<16; n /= 2 { // down to what no string of a MiB fits into
		for {
			if _, err := tutti.NewSlice[byte](pool, n); err != nil {
				break
			}
		}
	}
	for _, completed := range []bool{false, true} {
		if places, err := MapBulk.Call(t.Context(), pool, Bulk{5, completed}); err != nil || fmt.Sprint(places) != "[0 1 2 3 4]" {
			t.Errorf("%v, %v", places, err)
		}
	}
}
