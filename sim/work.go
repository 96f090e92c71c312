package sim

import (
	"math"
	"slices"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/sched"
)

// What a worker does: the engine's loop.

// work has a worker begin its next task, or sleep when there is none. A cost that
// came before is added to the first.
func (w *world) work(s sched.Slot, cost Span) {
	p := &w.slots[s]
	if w.course.Stopped {
		return // for good: nothing is begun any more
	}
	if len(p.batch) == 0 {
		steal, ok := w.find(s)
		if !ok {
			w.sleeping[s>>6] |= 1 << (s & 63)
			w.touchSleepers(s, s, true)
			p.owes = 0 // it sleeps, and has the time
			return
		}
		cost += steal
		cost += w.assigned()
	}
	t := p.batch[0]
	p.batch = slices.Delete(p.batch, 0, 1) // keeps its memory, which [1:] gives away bit by bit
	w.count(p, t, -1)
	p.running, p.began = t, w.now
	w.running++
	if !t.begun {
		t.begun = true
		w.begun++
	}
	w.memory += t.Memory
	w.res.Memory = max(w.res.Memory, w.memory)
	w.idle = 0
	w.touch(s, p.lines.batch, true)
	w.touch(s, t.lines.word, true)
	w.touch(s, t.lines.descriptor, false)
	cost += w.Costs.Dispatch + p.pays() + w.lasts(s, t)
	kind := End
	if t.Poison {
		kind = Die
	}
	w.agenda.push(Event{At: w.now + Time(cost), Kind: kind, Worker: s, Epoch: p.core.Epoch(), Task: t.number})
}

// assigned is how long a worker waits until the master, who serves one after another,
// has looked in its place.
func (w *world) assigned() Span {
	if w.Costs.Assign == 0 {
		return 0
	}
	w.assigner = max(w.assigner, w.now) + Time(w.Costs.Assign)
	return Span(w.assigner - w.now)
}

// shared reports whether another thread of a worker's core runs a task.
func (w *world) shared(s sched.Slot) bool {
	if w.SharedCore <= 1 {
		return false
	}
	for _, thread := range w.threads[w.CPUs[s-1].Core] {
		if thread != s && w.slots[thread].running != nil && w.slots[thread].alive {
			return true
		}
	}
	return false
}

// lasts is how long a task takes in a worker that begins it now.
func (w *world) lasts(s sched.Slot, t *task) Span {
	ns := float64(t.Length)
	if speed := w.CPUs[s-1].Speed; speed != fullSpeed {
		ns *= fullSpeed / float64(speed)
	}
	if w.shared(s) {
		ns *= w.SharedCore
	}
	for _, slow := range w.Faults.Slow {
		if slow.Worker == s && w.now >= slow.From && w.now < slow.To {
			ns *= slow.Factor
		}
	}
	return Span(math.Round(min(ns, float64(longest))))
}

// find asks the policy where to look until something is found, the lower classes
// in all places first, and returns what it cost to get it.
func (w *world) find(s sched.Slot) (cost Span, ok bool) {
	p := &w.slots[s]
	for class := range sched.Classes {
		if w.waiting[class] == 0 && w.caches == nil {
			continue // all looks would be in vain; with many workers they are most of the work, and lines feel them
		}
		for look := range sched.LooksMax(len(w.CPUs)) {
			take, more := p.looking.Look(w, s, look, p.rnd)
			if !more {
				break
			}
			if take.From < 0 || int(take.From) >= len(w.slots) || !w.takeFrom(p, s, take, class) {
				continue
			}
			if take.From != s && take.From != sched.Master {
				w.res.Workers[s-1].Steals++
				cost = w.Costs.StealFar
				if w.Distance(s, take.From) <= sharedCache {
					cost = w.Costs.StealNear
				}
			}
			if from := &w.slots[take.From]; from.queue[class].len() > 0 || len(p.batch) > 1 {
				w.wakeAny(s)
			}
			return cost, true
		}
	}
	return 0, false
}

// takeFrom takes a batch from a queue or, where that is empty, the last task of
// the batch that its worker has taken and not begun.
func (w *world) takeFrom(p *process, s sched.Slot, take sched.Take, class int) bool {
	from := &w.slots[take.From]
	q := &from.queue[class]
	w.touch(s, from.lines.queue[class], false)
	w.taken = w.taken[:0]
	if take.Ranked {
		if t := q.takeLowest(take.Least); t != nil {
			w.taken = append(w.taken, t)
		}
	} else {
		w.taken = q.take(take.Max, take.Half, w.taken)
	}
	if len(w.taken) > 0 {
		w.touch(s, from.lines.queue[class], true)
	} else if take.From != s {
		w.touch(s, from.lines.batch, false)
		if n := len(from.batch); n > 0 && from.class == class {
			w.touch(s, from.lines.batch, true)
			w.taken = append(w.taken, from.batch[n-1])
			from.batch = from.batch[:n-1]
		}
	}
	stolen := take.From != s && take.From != sched.Master
	for _, t := range w.taken {
		w.count(from, t, -1)
		w.count(p, t, 1)
		t.stolen = stolen
	}
	if len(w.taken) > 0 {
		w.touch(s, p.lines.batch, true)
	}
	p.batch, p.class = append(p.batch[:0], w.taken...), class
	return len(w.taken) > 0
}

// end ends the attempt that a worker is at, which goes on.
func (w *world) end(s sched.Slot) {
	p := &w.slots[s]
	t := p.running
	how := core.CommandOK
	if t.failed < t.Fails {
		t.failed++
		how = core.CommandFailed
	}
	w.over(s, how)
	p.running = nil
	w.touch(s, t.lines.descriptor, true)
	w.touch(s, t.lines.word, true)
	w.collect(t)
	w.follow(t, p.began, how)
	w.work(s, 0)
}

// over notes that what a worker ran runs no more.
func (w *world) over(s sched.Slot, how core.CommandEnd) {
	p := &w.slots[s]
	t := p.running
	w.running--
	w.memory -= t.Memory
	r, took := &w.res.Workers[s-1], Span(w.now-p.began)
	r.Busy += took
	if how == core.CommandOK {
		r.Ran++
	} else {
		w.res.Lost += took
	}
	if w.Ended != nil {
		w.Ended(Attempt{
			Task: t.number, Number: t.attempt, Worker: s, Submitted: t.submitted, Began: p.began, Ended: w.now, Length: t.Length, Stolen: t.stolen,
			Died: how == core.CommandLost, Failed: how == core.CommandFailed, Killed: how == core.CommandStopped,
		})
	}
}

// ended notes the end of a task whose last attempt began at a time.
func (w *world) ended(t *task, began Time) {
	wait := Span(began - t.submitted)
	w.res.Wait += float64(wait)
	w.res.WaitMost = max(w.res.WaitMost, wait)
	w.res.Response += float64(w.now - t.submitted)
	w.res.Makespan = Span(w.now)
	if t.Deadline > 0 && w.now > t.Deadline {
		w.res.Late++
	}
	w.open--
	w.spare = append(w.spare, t)
}
