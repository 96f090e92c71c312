package engine

import (
	"testing"

	"github.com/tutti-run/tutti/sched"
)

// What the loop of a worker is given while it looks for work is not run on the stack of
// a wait, however many goroutines of its tasks wait.
func TestWaitsLeaveToTheLoopWhatItIsGiven(t *testing.T) {
	t.Parallel()
	m := newHeapMemoryOf(t, Geometry{Slots: 2, Tasks: 64, Spans: 64, Assigned: true}, 0)
	m.slot[1].lanes = 2
	policy := sched.NewWorkStealing()
	w := newWorker(m, 1, policy, policy, []Handler{double})
	w.waitBegins()
	w.waitBegins()
	w.lookBegins()
	m.box(1).add(0, 1)
	if _, set := w.takeForWait(&wait{w: w}); set != 0 {
		t.Error("a wait took what the loop was given, which looks for it")
	}
	w.lookEnds()
	if _, set := w.takeForWait(&wait{w: w}); set != 1 {
		t.Error("a wait did not take what its worker was given though it waits")
	}
}
