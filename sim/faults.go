package sim

import (
	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/sched"
)

// What happens when a worker dies: internal/core decides, as in the engine.

// step tells a slot's supervisor what happened, and carries out what it says.
func (w *world) step(s sched.Slot, ev core.Event) {
	p := &w.slots[s]
	actions := p.core.Step(w.now, ev, w.rnd, w.actions[:0])
	for _, a := range actions {
		switch a.Kind {
		case core.RecoverPlain:
			w.judge(s, false)
		case core.SendKill: // it is dead already, and that becomes certain
			w.agenda.push(Event{At: w.now + Time(w.Costs.Notice), Kind: Gone, Worker: s, Epoch: a.Epoch, Task: -1})
		case core.RecoverAll:
			w.judge(s, true)
			w.sweep(s)
		case core.Spawn:
			start := w.Costs.Start
			if w.res.Events == 0 {
				start = 0 // the pool is open when the run begins
			}
			w.agenda.push(Event{At: w.now + Time(start), Kind: Attach, Worker: s, Epoch: a.Epoch, Task: -1})
		case core.ArmTimer:
			w.agenda.push(Event{At: a.At, Kind: Timer, Worker: s, Epoch: a.Epoch, Task: -1})
		case core.GiveUp:
			w.res.GaveUp = true
		}
	}
	w.actions = actions[:0]
}

// attach has a worker begin, if its process came in time, and draws when it will die.
func (w *world) attach(s sched.Slot, epoch uint32) {
	w.step(s, core.Event{Kind: core.Attached, Epoch: epoch})
	p := &w.slots[s]
	if p.core.State() != core.Ready || p.core.Epoch() != epoch {
		return
	}
	p.alive = true
	if rate := w.Faults.DeathsPerHour; rate > 0 {
		after := w.rnd.ExpFloat64() / rate * float64(Hour)
		w.agenda.push(Event{At: w.now + Time(min(after, 1<<60)), Kind: Die, Worker: s, Epoch: epoch, Task: -1})
	}
	if !p.waking {
		p.waking = true
		w.agenda.push(Event{At: w.now, Kind: Woken, Worker: s, Task: -1})
	}
}

// die ends a worker's process.
func (w *world) die(s sched.Slot) {
	p := &w.slots[s]
	p.alive = false
	if p.running != nil {
		w.over(s, core.CommandLost)
	}
	w.sleeping[s>>6] &^= 1 << (s & 63)
	w.res.Workers[s-1].Deaths++
	w.step(s, core.Event{Kind: core.LifelineLost, Epoch: p.core.Epoch(), Busy: p.running != nil})
}

// judge asks what becomes of the task that ran in a dead worker. It may run again at
// once; its end has to wait until the process is certainly gone.
func (w *world) judge(s sched.Slot, certain bool) {
	p := &w.slots[s]
	t := p.running
	if t == nil {
		return
	}
	verdict := core.Judge([]core.Running{{
		ID: t.number, Attempt: t.attempt, MaxAttempts: t.MaxAttempts, AtMostOnce: t.AtMostOnce,
		Alone: t.alone, Parent: -1, Returned: t.returned,
	}}, core.Crash, nil)[0]
	runs := verdict == core.Requeue || verdict == core.Retry || verdict == core.RequeueAlone
	if !runs || w.course.Stopped {
		if certain {
			p.running = nil
			w.follow(t, p.began, core.CommandLost)
		}
		return
	}
	switch verdict {
	case core.Requeue:
		t.returned++
	case core.Retry:
		t.attempt++
	}
	p.running = nil
	t.alone = t.alone || verdict.Alone()
	w.placeAnew(t)
}

// placeAnew puts a task where the master's policy says, which knows no more of it
// than the engine's recovery does.
func (w *world) placeAnew(t *task) {
	w.queueUp(t, &w.slots[sched.Master], sched.Task{Affinity: t.Affinity, Submitted: int64(w.now)})
}

// sweep places anew what waited at a worker that is certainly gone, and wakes
// everybody.
func (w *world) sweep(s sched.Slot) {
	p := &w.slots[s]
	waiting := append([]*task(nil), p.batch...)
	p.batch = p.batch[:0]
	for class := range p.queue {
		for p.queue[class].len() > 0 {
			waiting = p.queue[class].take(together, false, waiting)
		}
	}
	for _, t := range waiting {
		w.count(p, t, -1)
	}
	for _, t := range waiting {
		w.placeAnew(t)
	}
	for i := range w.slots[1:] {
		w.wake(sched.Slot(i+1), sched.Master)
	}
}
