package tutti_test

import (
	"testing"
	"time"

	"github.com/tutti-run/tutti"
)

// A worker that has become slow gets less: of two workers one is let go on once whenever
// the other has ended four tasks, as if its CPU were four times as slow, and the quick one
// always finds its next task, though the slow one was given as many at first. Round-robin
// would have half of all wait at the slow one; there it is the submitter who sees, as it
// sleeps, that a worker does so too while tasks wait, and places these anew.
func TestSlowWorkersGetLess(t *testing.T) {
	t.Parallel()
	const rounds, quicker = 12, 4
	for _, c := range eachPolicy() {
		window := 64 // more than a worker takes at once: what it took and has not begun is taken from it
		switch c.Policy {
		case "round-robin", "least-loaded", "least-work", "two-choices":
			window = 4 // what is placed stays, so it must be placed as time goes by
		}
		t.Run(c.Policy+" "+string(c.Arch), func(t *testing.T) {
			t.Parallel()
			pool, g := open(t, c), newGate(t)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for _, err := range Meet.MapCompleted(t.Context(), pool, func(yield func(Visit) bool) {
					for i := range 2*window + rounds*(quicker+1) {
						if !yield(g.visit(i)) {
							return
						}
					}
				}, tutti.Window(window)) {
					if err != nil {
						t.Error(err)
					}
				}
			}()
			both := g.await(2)
			slow, quick := both[0], both[1]
			if slow.note.Worker == quick.note.Worker {
				t.Fatalf("two tasks run in worker %d", slow.note.Worker)
			}
			ran := map[int]int{}
			next := func(now *guest) *guest {
				now.letGo()
				ran[now.note.Worker]++
				select {
				case v := <-g.arrivals:
					if v.note.Worker != now.note.Worker {
						t.Fatalf("task %d begins in worker %d, where one is held", v.note.N, v.note.Worker)
					}
					return v
				case <-time.After(20 * time.Second):
					t.Fatalf("worker %d finds nothing to do, when the workers have ended %v", now.note.Worker, ran)
					return nil
				}
			}
			for range rounds {
				for range quicker {
					quick = next(quick)
				}
				slow = next(slow)
			}
			if ran[slow.note.Worker] != rounds || ran[quick.note.Worker] != rounds*quicker {
				t.Errorf("the workers ended %v", ran)
			}
			slow.letGo()
			quick.letGo()
			for {
				select {
				case v := <-g.arrivals:
					v.letGo()
				case <-ended:
					return
				}
			}
		})
	}
}
