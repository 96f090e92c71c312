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
		if word.state() != Queued || w.seen != 0 && !word.same(w.seen) {
			w.free <- lane
			return
		}
		exclusive := word.has(flagAlone) || w.m.descs[index].flags&(flagAtMostOnce|flagContained) == flagAtMostOnce
		if exclusive {
			for range w.lanes - 1 {
				<-w.free
			}
		}
		running, ok := w.m.begin(index, w.slot, word)
		if ok {
			at(PointBegun)
			w.m.begun(index)
			done := make(chan struct{})
			go w.runLane(lane, index, running, done)
			if exclusive {
				<-done
			}
		}
		if exclusive {
			for l := range w.lanes {
				if l != lane {
					w.free <- l
				}
			}
		}
		if ok {
			return
		}
		// The word changed between look and claim: look again.
	}
}

// runLane runs a begun task and gives its lane back, also when the task ends
// the goroutine by runtime.Goexit.
func (w *Worker) runLane(lane int, index uint32, running Word, done chan struct{}) {
	r := &Run{w: w, lane: lane}
	w.block.stats.running.Add(1)
	defer func() {
		r.Close()
		w.block.stats.until.Store(0)
		w.block.stats.running.Add(^uint32(0))
		close(done)
		w.free <- lane
	}()
	w.perform(r, index, running)
}
