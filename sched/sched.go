// Package sched decides where work goes: pure rules that answer three
// questions and do nothing else, so that the same few lines run in every
// worker process, in an assigning master and in a simulator.
//
//   - Where does a new task wait?                        [Policy.Place]
//   - Where does an idle worker look, how many does it take? [Policy.Look]
//   - In what order is a queue emptied?                  [Policy.Rank]
//
// A policy reads a [View], never a clock, and draws chance only from the
// source that it is given. It imports nothing that could act.
package sched

import "math/rand/v2"

// Slot numbers a process of the pool and the queue that belongs to it.
// Slot 0 is the master, which runs no tasks; its queue holds what it submits.
// Slots 1 to View.Workers() are the workers.
type Slot int

// Master is the slot of the process that opened the pool.
const Master Slot = 0

// Task is what a policy may know of a task.
type Task struct {
	Submitter Slot   // the process that submits it
	Priority  int    // higher leaves earlier; 0 is normal
	Affinity  Slot   // the worker it should run on; Master when any will do
	Submitted int64  // when, in ns on the pool's clock
	Deadline  int64  // ns on the pool's clock; 0 for none
	Expected  int64  // expected run time in ns; 0 when unknown
	Locality  uint64 // names the data that it works on; 0 for none
}

// View is what a policy may see of the pool. Figures may be a moment old:
// a policy that acts on a stale one costs time and never correctness.
type View interface {
	Workers() int           // worker slots, living or being restarted
	Now() int64             // ns on the pool's clock
	Len(q Slot) int         // tasks waiting in a queue
	Work(q Slot) int64      // expected ns of these and of the rest of what its worker runs; 0 when unknown
	Running(w Slot) int     // tasks that a worker runs now
	Up(w Slot) bool         // the worker lives and takes tasks
	Speed(w Slot) int       // of the worker's CPU; the fastest has FullSpeed, also where unknown
	Distance(a, b Slot) int // 0 same CPU, 1 same core, 2 same cache, 3 same NUMA node, 4 far; 0 where unknown
}

// FullSpeed is the speed of the fastest CPU of a machine.
const FullSpeed = 1024

// Take says which queue to look at and the most tasks to take from it.
// The engine may take fewer.
type Take struct {
	From Slot
	Max  int
	Half bool // leave at least half of what lies together there to others

	// Ranked asks for the one task there whose rank is lowest, by itself; without
	// it tasks leave as they lie. Finding it costs a look at every task there.
	Ranked bool
	// Least, with Ranked: tasks whose rank less their expected time lies below it
	// are passed over. 0 passes over none.
	Least int64
}

// Policy decides where work goes. One value serves one process, which calls
// it from one goroutine at a time; it may keep state, such as a cursor.
//
// Every queue that Place may name must be among those at which some living worker
// looks, or what waits there waits for ever.
type Policy interface {
	// Name is the policy's name as it is written in options and reports.
	Name() string
	// Place returns the queue in which a new task is to wait.
	Place(v View, t Task, rnd *rand.Rand) Slot
	// Look returns the look-th place where idle worker w should look, counted
	// from 0; false when there is no further one. A worker asks for at most
	// LooksMax of them, and anew for each class of rank that is in use.
	Look(v View, w Slot, look int, rnd *rand.Rand) (Take, bool)
	// Rank orders the tasks of one queue: a lower rank leaves earlier. Shared
	// queues keep ranks in [Classes] classes, and lower classes leave first; in its
	// class a task may be passed by others, unless Take.Ranked asks for the lowest.
	Rank(t Task) int64
}

// Lots is implemented by a Policy whose Place and Rank give the same for tasks that
// one process submits one after another with the same options. They are then asked
// once for up to 32 of them, which wait together; that makes short tasks several
// times faster. Their ranks are not kept, so such a policy must not ask for
// Take.Ranked.
type Lots interface{ Lots() bool }

// InLots reports whether a policy says so of itself.
func InLots(p Policy) bool {
	l, ok := p.(Lots)
	return ok && l.Lots()
}

// LooksMax is how many looks an idle worker of a pool of so many workers asks for.
func LooksMax(workers int) int { return 4 * (workers + 1) }

// Classes is how many classes of rank a shared queue tells apart.
const Classes = 3

// Class maps a rank to a shared queue's class: 0 leaves first. Negative ranks
// go before the normal ones at 0, positive ranks after them.
func Class(rank int64) int {
	switch {
	case rank < 0:
		return 0
	case rank == 0:
		return 1
	default:
		return 2
	}
}

// asked returns the worker that a task asks for.
func asked(v View, t Task) (Slot, bool) {
	return t.Affinity, t.Affinity > Master && int(t.Affinity) <= v.Workers()
}

// next returns the living worker that follows w in turn; where none lives, the
// one that follows, since it is being restarted.
func next(v View, w Slot) Slot {
	n := v.Workers()
	for range n {
		if w = w%Slot(n) + 1; v.Up(w) {
			return w
		}
	}
	return w%Slot(n) + 1
}
