package tutti_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/tutti-run/tutti"
)

var nth atomic.Int64

// Nth returns how many of its kind began in the worker before it.
var Nth = tutti.NewFunc("test.nth", func(context.Context, int) (int, error) { return int(nth.Add(1)) - 1, nil })

// In order, tasks start as they were given, however many are waiting and although
// the table has been gone round many times.
func TestInOrder(t *testing.T) {
	t.Parallel()
	for _, window := range []int{2, 7, 100} {
		pool := open(t, tutti.Config{Workers: 1, InOrder: true, Tasks: 512})
		n := 0
		for c, err := range Nth.MapCompleted(t.Context(), pool, count(5_000), tutti.Window(window)) {
			if err != nil || c.Value != c.Index {
				t.Fatalf("window %d: task %d began as number %d (%v)", window, c.Index, c.Value, err)
			}
			n++
		}
		if n != 5_000 {
			t.Errorf("window %d: %d tasks", window, n)
		}
	}
}

// With several workers and one of them held up, everything runs once all the same.
func TestInOrderAcrossWorkers(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 3, InOrder: true, Tasks: 512})
	seen := make([]bool, 20_000)
	for c, err := range Echo.MapCompleted(t.Context(), pool, count(len(seen)), tutti.Window(50)) {
		if err != nil || c.Value != c.Index || seen[c.Index] {
			t.Fatalf("%v, %v", c, err)
		}
		seen[c.Index] = true
	}
}
