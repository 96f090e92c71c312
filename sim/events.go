package sim

import (
	"github.com/tutti-run/tutti/sched"
)

// EventKind is what happens at a moment.
type EventKind uint8

// The kinds of event.
const (
	Arrive EventKind = iota // tasks are submitted
	Woken                   // a sleeping worker looks
	End                     // a task ends, or kills its worker
	Die                     // a process dies
	Gone                    // its death is certain
	Attach                  // a started process takes its slot
	Timer                   // a time of the supervisor has come
	Again                   // a task that failed has waited
	numKinds
)

var kindNames = [numKinds]string{"arrive", "woken", "end", "die", "gone", "attach", "timer", "again"}

// String returns the kind's name as traces write it.
func (k EventKind) String() string { return kindNames[k] }

// Event is one event as it is handled.
type Event struct {
	At     Time
	Kind   EventKind
	Worker sched.Slot // 0: none
	Epoch  uint32     // of the worker's process that is meant
	Task   int        // End and Again: which, counted from 0 in the order of submission; else -1

	seq uint64 // of its making
}

func (e *Event) before(o *Event) bool { return e.At < o.At || e.At == o.At && e.seq < o.seq }

// agenda holds the events to come: a heap of four children a node, which is half
// as deep as one of two.
type agenda struct {
	heap []Event
	seq  uint64
}

func (a *agenda) push(e Event) {
	e.seq = a.seq
	a.seq++
	a.heap = append(a.heap, e)
	i := len(a.heap) - 1
	for i > 0 {
		up := (i - 1) / 4
		if !e.before(&a.heap[up]) {
			break
		}
		a.heap[i] = a.heap[up]
		i = up
	}
	a.heap[i] = e
}

func (a *agenda) pop() (e Event, ok bool) {
	n := len(a.heap) - 1
	if n < 0 {
		return e, false
	}
	e = a.heap[0]
	last := a.heap[n]
	a.heap = a.heap[:n]
	i := 0
	for first := 1; first < n; first = 4*i + 1 {
		least := first
		for c := first + 1; c < min(first+4, n); c++ {
			if a.heap[c].before(&a.heap[least]) {
				least = c
			}
		}
		if !a.heap[least].before(&last) {
			break
		}
		a.heap[i] = a.heap[least]
		i = least
	}
	if n > 0 {
		a.heap[i] = last
	}
	return e, true
}

// hash adds an event to the hash of a trace: FNV-1a over words.
func hash(h uint64, e *Event) uint64 {
	const prime = 0x100000001b3
	for _, v := range [...]uint64{uint64(e.At), uint64(e.Kind) | uint64(e.Worker)<<8, uint64(e.Epoch), uint64(e.Task)} {
		h = (h ^ v) * prime
		h ^= h >> 32
	}
	return h
}

// hashStart is the hash of the empty trace.
const hashStart = 0xcbf29ce484222325
