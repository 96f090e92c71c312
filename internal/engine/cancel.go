package engine

import "github.com/tutti-run/tutti/shm"

// Cancellation inside a worker. A task that never asks whether it is to end
// costs nothing: only those that asked are in the active table, and one
// goroutine, asleep on the control futex, tells them.

// cancelAsked reports whether the task is asked to end, and whether a time limit
// is the reason: itself, or one that waits for it, which cannot return before it
// has when both are on one stack.
func (w *Worker) cancelAsked(id TaskID) (asked, timedOut bool) {
	for range w.m.inUse() { // damaged parents cannot keep a worker busy
		i := id.index()
		if int(i) >= w.m.inUse() {
			return true, false
		}
		word := Word(w.m.words[i].Load())
		if word.gen() != id.gen() || word.state() != Running {
			return true, false // it has ended: whoever still asks is late
		}
		if word.has(flagCancel) {
			return true, word.has(flagTimedOut)
		}
		if id = TaskID(w.m.descs[i].parent.Load()); id == 0 {
			return false, false
		}
	}
	return false, false
}

// onCancel has f called once when the task is asked to end, at once if it
// already is.
func (w *Worker) onCancel(id TaskID, f func(timedOut bool)) {
	w.activeMu.Lock()
	w.active[id] = f
	w.activeMu.Unlock()
	w.tellCancelled() // the flag may have come before the entry
}

// Forget takes back an OnCancel.
func (r *Run) Forget(id TaskID) {
	r.w.activeMu.Lock()
	delete(r.w.active, id)
	r.w.activeMu.Unlock()
}

// tellCancelled calls what was registered for tasks that are asked to end.
func (w *Worker) tellCancelled() {
	type call struct {
		f        func(bool)
		timedOut bool
	}
	var calls []call
	w.activeMu.Lock()
	for id, f := range w.active {
		if asked, timedOut := w.cancelAsked(id); asked {
			calls = append(calls, call{f, timedOut})
			delete(w.active, id)
		}
	}
	w.activeMu.Unlock()
	for _, c := range calls {
		c.f(c.timedOut)
	}
}

// control serves what others ask of this worker, asleep in between.
func (w *Worker) control() {
	for {
		bell := w.block.control.Load()
		w.tellCancelled()
		if w.leaving() {
			w.block.park.Add(1)
			shm.Wake(addr(&w.block.park), 1)
		}
		shm.Wait(addr(&w.block.control), bell, 0)
	}
}
