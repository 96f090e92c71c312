package sched

import "math/rand/v2"

// batchMax bounds what a worker takes at once: half of a queue word of 64.
// What it took and has not begun can still be taken by others (see engine).
const batchMax = 32

// WorkStealing lets a task wait where it was submitted and lets idle workers
// come for it: first to their own queue, then to the master's, then to the
// other workers', nearest first among random ones. It takes half of what lies
// together, so that one visit serves for many tasks and still leaves work for
// the next visitor.
//
// Cost: one look at each queue before a worker goes to sleep. Known failure:
// tasks whose data is warm in one worker's cache leave it when another is idle.
// Source: Blumofe and Leiserson, Scheduling Multithreaded Computations by Work
// Stealing, J. ACM 46(5), 1999.
type WorkStealing struct{ start int }

// NewWorkStealing returns the policy for one process.
func NewWorkStealing() *WorkStealing { return &WorkStealing{} }

// Name returns "work-stealing".
func (*WorkStealing) Name() string { return "work-stealing" }

// Place returns the submitter's own queue, or the queue of the worker that the
// task asks for.
func (*WorkStealing) Place(v View, t Task, _ *rand.Rand) Slot {
	if t.Affinity > Master && int(t.Affinity) <= v.Workers() {
		return t.Affinity
	}
	return t.Submitter
}

// Look visits the own queue, the master's, and then every other worker's once,
// beginning at a random one.
func (p *WorkStealing) Look(v View, w Slot, look int, rnd *rand.Rand) (Take, bool) {
	n := v.Workers()
	switch {
	case look == 0:
		return Take{From: w, Max: batchMax, Half: n > 1}, true
	case look == 1:
		return Take{From: Master, Max: batchMax, Half: n > 1}, true
	case look > n:
		return Take{}, false
	}
	if look == 2 {
		p.start = rnd.IntN(n)
	}
	// n-1 victims: the slots 1..n without w, counted from the random start.
	victim := Slot((p.start+look-2)%(n-1)) + 1
	if victim >= w {
		victim++
	}
	return Take{From: victim, Max: batchMax, Half: true}, true
}

// Rank orders by priority alone.
func (*WorkStealing) Rank(t Task) int64 { return -int64(t.Priority) }
