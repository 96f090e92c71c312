package sim

import (
	"slices"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/sched"
)

// What follows from the ends of tasks: core.Course decides, as in a run of commands.

// follow does what follows from the end of a task's attempt, which began at a time.
func (w *world) follow(t *task, began Time, how core.CommandEnd) {
	status := 0
	if how != core.CommandOK {
		status = 1
	}
	again, then := w.course.Ended(int64(t.attempt), core.AttemptEnd{End: how, Exit: status}, status)
	if again {
		w.again(t)
		return
	}
	if how == core.CommandOK {
		w.res.Done++
	} else {
		w.res.Failed++
		if t.Poison {
			w.res.Poisoned++
		}
	}
	w.ended(t, began)
	w.halt(then)
}

// again has a task run once more, after its delay.
func (w *world) again(t *task) {
	after := w.Retry.After(int64(t.attempt), w.rnd)
	t.attempt++
	if after == 0 {
		w.placeAnew(t)
		return
	}
	at := w.now + Time(after)
	w.retries.Add(at, t)
	w.agenda.push(Event{At: at, Kind: Again, Task: t.number})
}

// goOn places the task whose delay is over.
func (w *world) goOn() {
	w.idle = 0
	if t, ok := w.retries.Take(w.now); ok {
		w.placeAnew(t)
	}
}

// halt ends the run as far as a decision says. Soon: what has begun comes to its end.
// Now: what runs is killed. Either way nothing is begun or submitted any more.
func (w *world) halt(then core.Decision) {
	if then == core.Continue {
		return
	}
	if !w.res.Halted {
		w.res.Halted, w.res.HaltedAt = true, w.now
	}
	if then != core.Now {
		return
	}
	for i := range w.slots {
		p := &w.slots[i]
		if !p.alive || p.running == nil {
			continue // what a dead worker ran has died, and fails when that is certain
		}
		w.over(sched.Slot(i), core.CommandStopped)
		p.running = nil
		w.res.Killed++
		w.res.Makespan = Span(w.now)
		w.open--
	}
}

// drained reports whether the run has halted and nothing that it began is left.
func (w *world) drained() bool {
	return w.course.Stopped && w.running == 0 &&
		!slices.ContainsFunc(w.slots, func(p process) bool { return p.running != nil })
}

// allSubmitted notes that no task is to come, so that their number is known.
func (w *world) allSubmitted() { w.course.Total = int64(w.numbers) }
