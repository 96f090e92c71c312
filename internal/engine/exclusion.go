package engine

import (
	"context"
	"sync"
	"time"

	"github.com/tutti-run/tutti/internal/core"
)

// Tasks that run alone.
//
// A task that runs at most once, and one that is suspected of having killed its
// worker, shares its worker process with no other that runs. From the queue it is
// begun when all lanes are free (lanes.go). In the call of another task, on the
// stack that waits for it or in place, it is begun under the worker's exclusion
// (core.Exclusion), which lies in the memory of the process and goes with it.
//
//	a task              shares           until
//	of the queue        from its begin   it waits for others, or ends
//	in another's call   from its begin   it waits for others, or ends
//	that goes on        from then on     it waits again, or ends
//	that runs alone     with nobody      it ends
//
// What runs in the calls of a task that runs alone has an exclusion of its own: it is
// below that task, and nothing else runs. A worker of one lane has no neighbours
// in the queue: there a task of the queue needs no share, and pays nothing. Its
// goroutines may all the same wait for several calls at once, and those share.
//
// Who does not get in leaves the task QUEUED, so that any other worker may begin it,
// and comes again. Looking and claiming are one step under the exclusion's lock: a
// lane and several calls may try to begin the same task.
//
// Who the caller is a call's context says, or else its goroutine (whose.go). What is
// called by one that no task has started, or that is known for no task's any more, has
// nobody who waits for it here and might therefore be counted out. It may share; but what is
// to run alone begins from the queue, when the lanes of this worker or of another are
// all free, and in a full pool not at all.
//
// No wait closes a circle. What goes on or shares waits only for one that runs alone,
// which began later than the task that goes on, or than that in whose call another is
// to share; that one waits only for those below it, which begin later still. What is
// to run alone waits for those that run, and these for nobody.

// exclusion is what tasks of this process share, or have alone.
type exclusion struct {
	mu      sync.Mutex
	state   core.Exclusion
	changed chan struct{} // closed at the next change; nil when nobody waits for it
}

// change does something that may let others in, and tells those that wait.
func (e *exclusion) change(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
	e.tellLocked()
}

func (e *exclusion) tellLocked() {
	if e.changed != nil {
		close(e.changed)
		e.changed = nil
	}
}

// await waits until admit, called under the lock, holds. It looks from time to time
// whether that is still asked for; false when it is not.
func (e *exclusion) await(asked, admit func() bool) bool {
	for {
		e.mu.Lock()
		ok := admit()
		if !ok && e.changed == nil {
			e.changed = make(chan struct{})
		}
		changed := e.changed
		e.mu.Unlock()
		switch {
		case ok:
			return true
		case !asked():
			return false
		}
		select {
		case <-changed:
		case <-time.After(napMax):
		}
	}
}

// Caller is a begun task of this process as what runs in its calls sees it. nil is one
// that is no task of this process.
type Caller struct {
	id    TaskID     // 0: all tasks of a worker's only lane, one after another
	in    *exclusion // that it shares or has alone; nil: it has no neighbours
	below *exclusion // of what runs in its calls
	alone bool
	label *label // that its goroutines have

	// With in.mu. A task counts as waiting while any of its goroutines does: nobody
	// can tell whether another one runs or waits for that one.
	waits  int
	shares bool
}

// pause is called when a goroutine of c begins to wait for others.
func (c *Caller) pause() {
	if c == nil || c.in == nil || c.alone {
		return
	}
	c.in.change(func() {
		c.waits++
		c.leaveLocked()
	})
}

func (c *Caller) leaveLocked() {
	if c.shares {
		c.shares = false
		c.in.state.Leave()
	}
}

// resume waits until that goroutine may go on. Who is asked to end need not wait for it.
func (c *Caller) resume(w *Worker) {
	if c == nil || c.in == nil || c.alone {
		return
	}
	never := func() bool { return false }
	if c.in.await(never, c.goOnLocked) {
		return // the usual case
	}
	w.waitBegins()
	defer w.waitEnds()
	asked := func() bool { toEnd, _ := w.cancelAsked(c.id); return !toEnd }
	if !c.in.await(asked, c.goOnLocked) {
		c.in.change(func() { c.waits-- })
	}
}

func (c *Caller) goOnLocked() bool {
	if !c.in.state.Share() {
		return false
	}
	c.shares = true
	if c.waits--; c.waits > 0 {
		c.leaveLocked()
	}
	return true
}

// end is called when c has ended.
func (c *Caller) end(w *Worker) {
	w.labels.take(c)
	c.in.change(func() {
		if c.alone {
			c.in.state.Rejoin()
		}
		c.leaveLocked()
		c.waits++ // for good: goroutines that it left behind do not share
	})
}

// Caller is the task of that name as its calls are to know it; nil when r runs
// another one by now.
func (r *Run) Caller(id TaskID) *Caller {
	if c := r.caller.Load(); c != nil && (c.id == 0 || c.id == id) {
		return c
	}
	return nil
}

// mustBeAlone reports whether a task, of which word was seen, must not share its
// worker.
func (w *Worker) mustBeAlone(index uint32, word Word) bool {
	return word.has(flagAlone) || w.m.descs[index].cautions.Load()&cautionAlone != 0
}

// wait is one goroutine's wait for others: it helps them meanwhile.
type wait struct {
	w     *Worker
	c     *Caller
	wants bool  // it has said that it wants to run a task alone
	shy   int64 // until then it takes nothing that the assigner gives: it was refused
	next  int64 // then it hints again what it may wait for
}

// waits begins a wait of c; end ends it.
func (w *Worker) waits(c *Caller) *wait {
	c.pause()
	return &wait{w: w, c: c}
}

func (h *wait) end() {
	h.unwant()
	h.c.resume(h.w)
}

func (h *wait) unwant() {
	if h.wants {
		e := h.below()
		e.mu.Lock()
		h.wantLocked(false)
		e.mu.Unlock()
	}
}

func (h *wait) wantLocked(want bool) {
	if h.wants == want {
		return
	}
	e := h.below()
	if h.wants = want; want {
		e.state.Want()
	} else {
		e.state.Unwant()
		e.tellLocked()
	}
}

// below is what those share that run in this wait.
func (h *wait) below() *exclusion {
	if h.c == nil {
		return &h.w.inside
	}
	return h.c.below
}

// admitLocked lets a task begin in this wait: alone, or as one of those that share. If
// it may not and want is set, its turn is to come.
func (h *wait) admitLocked(alone, want bool) (ok bool) {
	e := &h.below().state
	switch {
	case alone && h.c == nil:
		return false // nor must it hold up those that run: it waits for the lanes
	case alone:
		ok = e.Isolate()
	default:
		ok = e.Share()
	}
	if ok || want {
		h.wantLocked(alone && !ok)
	}
	return ok
}

// caller is a task that was admitted, for its own calls.
func (h *wait) caller(id TaskID, alone bool) *Caller {
	return h.w.newCaller(id, h.below(), alone)
}

// newCaller is a task that was admitted to an exclusion.
func (w *Worker) newCaller(id TaskID, in *exclusion, alone bool) *Caller {
	c := &Caller{id: id, in: in, below: in, alone: alone, shares: !alone}
	if alone {
		c.below = new(exclusion)
	}
	w.labels.give(c)
	return c
}

// begin claims a waiting task to be run in this wait. refused says that it waits
// on, since it or another must be alone; want, that its turn is to come.
func (h *wait) begin(index uint32, seen Word, want bool) (word Word, c *Caller, ok, refused bool) {
	m, e := h.w.m, h.below()
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		now := Word(m.words[index].Load())
		if now.state() != Queued || !now.same(seen) {
			return 0, nil, false, false
		}
		alone := h.w.mustBeAlone(index, now)
		if !h.admitLocked(alone, want) {
			return 0, nil, false, true
		}
		if word, ok = m.claim(index, h.w.slot, now); ok {
			return word, h.caller(taskID(index, word), alone), true, false
		}
		if alone {
			e.state.Rejoin()
		} else {
			e.state.Leave()
		}
	}
}

// enter has a call in place wait until it may run; false when its task is asked to
// end first.
func (h *wait) enter(ctx context.Context, parent, id TaskID, alone bool) (c *Caller, ok bool) {
	h.w.waitBegins()
	defer h.w.waitEnds()
	asked := func() bool {
		if ctx.Err() != nil {
			return false
		}
		if parent == 0 { // nothing asks it to end but ctx
			return true
		}
		toEnd, _ := h.w.cancelAsked(parent)
		return !toEnd
	}
	if ok = h.below().await(asked, func() bool { return h.admitLocked(alone, true) }); !ok {
		return nil, false
	}
	return h.caller(id, alone), true
}
