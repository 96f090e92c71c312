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

import (
	"fmt"
	"math/rand/v2"
)

// Slot numbers a process of the pool and the queue that belongs to it.
// Slot 0 is the master, which runs no tasks; its queue holds what it submits.
// Slots 1 to View.Workers() are the workers.
type Slot int

// Master is the slot of the process that opened the pool.
const Master Slot = 0

// Task is what a policy may know of a task.
type Task struct {
	Submitter Slot  // the process that submits it
	Priority  int   // higher leaves earlier; 0 is normal
	Affinity  Slot  // the worker it should run on; Master when any will do
	Deadline  int64 // ns on the pool's clock; 0 for none
	Expected  int64 // expected run time in ns; 0 when unknown
}

// View is what a policy may see of the pool. Figures may be a moment old:
// a policy that acts on a stale one costs time and never correctness.
type View interface {
	Workers() int           // worker slots, living or being restarted
	Len(q Slot) int         // tasks waiting in a queue
	Running(w Slot) int     // tasks that a worker runs now
	Up(w Slot) bool         // the worker lives and takes tasks
	Distance(a, b Slot) int // 0 same CPU … 4 other NUMA node; 0 where unknown
}

// Take says which queue to look at and the most tasks to take from it.
// The engine may take fewer.
type Take struct {
	From Slot
	Max  int
	Half bool // leave at least half of what lies together there to others
}

// Policy decides where work goes. One value serves one process, which calls
// it from one goroutine at a time; it may keep state, such as a cursor.
type Policy interface {
	// Name is the policy's name as it is written in options and reports.
	Name() string
	// Place returns the queue in which a new task is to wait.
	Place(v View, t Task, rnd *rand.Rand) Slot
	// Look returns the look-th place where idle worker w should look, counted
	// from 0; false when there is no further one.
	Look(v View, w Slot, look int, rnd *rand.Rand) (Take, bool)
	// Rank orders the tasks of one queue: a lower rank leaves earlier, equal
	// ranks leave as they came. Shared queues keep ranks in [Classes] classes,
	// so there a task may be passed by others of its own class.
	Rank(t Task) int64
}

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

// New returns the policy of a name, for one process.
func New(name string) (Policy, error) {
	switch name {
	case "", "work-stealing":
		return NewWorkStealing(), nil
	case "round-robin":
		return NewRoundRobin(), nil
	}
	return nil, fmt.Errorf("no policy is called %q; there are work-stealing and round-robin", name)
}
