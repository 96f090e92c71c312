package sched

import "math/rand/v2"

// RoundRobin deals tasks to the workers in turn, and each worker serves its
// own queue alone.
//
// Cost: none beyond a counter. Known failure: it does not know how long a task
// takes, so a worker that was dealt the long ones keeps others waiting while its
// neighbours idle. One that becomes slow is dealt no less than before, as nobody
// looks at how far it has come, and falls ever further behind. It is the measure
// for the policies that look first. Order in shared memory: by class of priority.
// Source: the oldest of all; see Kleinrock, Queueing Systems, volume 2, 1976.
type RoundRobin struct{ last Slot }

// NewRoundRobin returns the policy for one process.
func NewRoundRobin() *RoundRobin { return &RoundRobin{} }

// Name returns "round-robin".
func (*RoundRobin) Name() string { return "round-robin" }

// Place returns the next living worker in turn, or the one that the task asks for.
func (p *RoundRobin) Place(v View, t Task, _ *rand.Rand) Slot {
	if w, ok := asked(v, t); ok {
		return w
	}
	p.last = next(v, p.last)
	return p.last
}

// Look visits the own queue and no other.
func (*RoundRobin) Look(_ View, w Slot, look int, _ *rand.Rand) (Take, bool) {
	return Take{From: w, Max: batchMax}, look == 0
}

// Rank orders by priority alone.
func (*RoundRobin) Rank(t Task) int64 { return -int64(t.Priority) }
