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

// A hint of an earlier task leads a worker to one that its group does not take: neither
// its loop, nor a lane, nor a wait runs that, and the assigner hears of it.
func TestStaleHintsLeadNobodyAstray(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(w *Worker){
		"loop": func(w *Worker) { w.runOne(&Run{w: w}, 0) },
		"lane": func(w *Worker) {
			w.free = make(chan int, 1)
			w.start(0, 0)
			<-w.free
		},
		"wait": func(w *Worker) { w.runGiven(&wait{w: w}, 0, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newHeapMemoryOf(t, Geometry{Slots: 3, Tasks: 64, Spans: 64, Assigned: true}, 0)
			m.slot[1].lanes, m.slot[2].lanes = 1, 1
			m.slot[1].group, m.slot[2].group = 0, 1
			m.takers[0] = 1 << 0
			policy := sched.NewWorkStealing()
			w := newWorker(m, 2, policy, policy, []Handler{double})
			w.top.label = newLabel(0)
			m.orders[0].fn.Store(0)
			queued := Word(m.words[0].Load()).withState(Queued)
			m.words[0].Store(uint64(queued))
			run(w)
			if now := Word(m.words[0].Load()); now != queued {
				t.Errorf("%v became %v", queued, now)
			}
			cursor := 0
			if _, set := m.inbox().take(&cursor, 64, false); set != 1 {
				t.Errorf("the assigner hears of %#x", set)
			}
		})
	}
}
