package engine

import "math/bits"

// Several tasks at once in one worker, for tasks that wait for I/O. One
// goroutine takes tasks, and each runs in a goroutine of its own on a lane. A
// task that must not share its worker (it runs at most once, or is suspected of
// having killed one) is begun when all lanes are free and keeps them all.

// loopLanes takes tasks as lanes become free, until the worker is to leave.
func (w *Worker) loopLanes() {
	w.free = make(chan int, w.lanes)
	for lane := range w.lanes {
		w.free <- lane
	}
	for {
		lane := <-w.free
		leaf, batch := w.next(1)
		if batch == 0 {
			w.free <- lane
			break
		}
		w.hasTaken()
		w.start(lane, uint32(leaf<<6+bits.TrailingZeros64(batch)))
		w.block.batchBits.Store(0)
		w.flush(false)
	}
	for range w.lanes {
		<-w.free
	}
	w.flush(true)
	close(w.left)
}

// start runs a task on a lane, which it gives back.
func (w *Worker) start(lane int, index uint32) {
	for {
		word := Word(w.m.words[index].Load())
		if word.state() != Queued || w.seen != 0 && !word.same(w.seen) || w.m.misled(w.slot, index) {
			w.free <- lane
			return
		}
		if w.mustBeAlone(index, word) {
			if w.startAlone(lane, index, word) {
				return
			}
			if w.leaving() {
				w.free <- lane
				return
			}
			continue // the word changed between look and claim: look again
		}
		running, ok, held := w.beginShared(index, word)
		switch {
		case ok:
			at(PointBegun)
			w.m.begun(index)
			go w.runLane(lane, index, running, w.newCaller(taskID(index, running), &w.inside, false), make(chan struct{}))
			return
		case held:
			w.putBack(index)
			w.hold()
			w.free <- lane
			return
		}
	}
}

// startAlone runs a task when all lanes are free, and keeps them until it has ended. It
// reports whether it ran it. For the assigner those that it keeps wait: its own until the
// task has begun, so that the worker is a waiting one when the tasks on all others are,
// and the others until it has ended, so that it is one when this task waits.
func (w *Worker) startAlone(lane int, index uint32, word Word) bool {
	w.waitBegins()
	for range w.lanes - 1 {
		<-w.free
		w.waitBegins()
		defer w.waitEnds()
	}
	running, ok := w.beginAlone(index, word)
	w.waitEnds()
	if ok {
		at(PointBegun)
		w.m.begun(index)
		done := make(chan struct{})
		go w.runLane(lane, index, running, w.newCaller(taskID(index, running), &w.inside, true), done)
		<-done
	}
	for l := range w.lanes {
		if l != lane {
			w.free <- l
		}
	}
	return ok
}

// beginAlone claims a task that is to run alone when nothing runs any more, on no lane
// and in no call of a goroutine that is no task's.
func (w *Worker) beginAlone(index uint32, word Word) (running Word, ok bool) {
	e := &w.inside
	admit := func() bool {
		if !e.state.Isolate() {
			return false
		}
		if running, ok = w.m.claim(index, w.slot, word); !ok {
			e.state.Rejoin()
		}
		return true
	}
	if e.await(func() bool { return false }, admit) {
		return running, ok // the usual case
	}
	e.await(func() bool { return !w.leaving() && word.same(Word(w.m.words[index].Load())) }, admit)
	return running, ok
}

// beginShared claims a task that shares its worker; held, when it must wait for one
// that runs alone in a call of another, or is to.
func (w *Worker) beginShared(index uint32, word Word) (running Word, ok, held bool) {
	e := &w.inside
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.state.Begin() {
		return 0, false, true
	}
	if running, ok = w.m.claim(index, w.slot, word); !ok {
		e.state.Leave()
	}
	return running, ok, false
}

// putBack has another worker begin a task that was taken, if one can.
func (w *Worker) putBack(index uint32) {
	queue, _ := w.sub.place(&Spec{}, now())
	w.sub.hint(queue, w.m.descs[index].class(), int(index>>6), 1<<(index&63))
}

// hold waits until a task may begin. Meanwhile the lanes that are free wait for
// others, as far as the assigner is concerned: it is to count on none of them.
func (w *Worker) hold() {
	for range 1 + len(w.free) {
		w.waitBegins()
		defer w.waitEnds()
	}
	w.inside.await(func() bool { return !w.leaving() }, func() bool {
		ok := w.inside.state.Begin()
		if ok {
			w.inside.state.Leave()
		}
		return ok
	})
}

// runLane runs a begun task and gives its lane back, also when the task ends
// the goroutine by runtime.Goexit.
func (w *Worker) runLane(lane int, index uint32, running Word, c *Caller, done chan struct{}) {
	r := &Run{w: w, lane: lane}
	r.caller.Store(c)
	setLabels(c.label.raw)
	w.block.stats.running.Add(1)
	defer func() {
		r.Close()
		c.end(w)
		w.block.stats.until.Store(0)
		w.block.stats.running.Add(^uint32(0))
		close(done)
		w.free <- lane
	}()
	w.perform(r, index, running)
}
