package sched

import (
	"math"
	"math/rand/v2"
)

// EarliestDeadline begins the task whose deadline comes first, among those that
// can still meet theirs: whose deadline, less the time that they are expected to
// take, has not passed. Next come tasks without a deadline, as they came, and last
// those that are late already, so that they take no other's time. A deadline ends
// nothing; that is what a time limit is for. Priorities are not looked at.
//
// Cost: one queue that all workers read, and up to two looks at every task there
// for each that is taken. A worker that becomes slow does its proportional share;
// what it may still end in time is judged by the expected time alone. Known
// failure: with several workers it may miss deadlines that another order would meet
// at a load just above one worker (Dhall and Liu, On a Real-Time Scheduling
// Problem, Operations Research 26(1), 1978); without expected times it notices too
// late what is late; a load that never ends keeps the late ones waiting. Order in
// shared memory: exact, but for what is submitted while a worker looks. Source: Liu
// and Layland, Scheduling Algorithms for Multiprogramming in a Hard-Real-Time
// Environment, J. ACM 20(1), 1973; least laxity: Mok, Fundamental Design Problems
// of Distributed Systems for the Hard-Real-Time Environment, MIT, 1983.
type EarliestDeadline struct{ central }

// Name returns "earliest-deadline".
func (*EarliestDeadline) Name() string { return "earliest-deadline" }

// Look visits the queues of central for tasks that can still meet their deadlines,
// and then again for the others.
func (*EarliestDeadline) Look(v View, w Slot, look int, _ *rand.Rand) (Take, bool) {
	inTime := Take{Max: 1, Ranked: true, Least: v.Now()}
	if n := v.Workers() + 1; look >= n {
		look, inTime.Least = look-n, 0
	}
	from, ok := centralAt(v, w, look)
	inTime.From = from
	return inTime, ok
}

// Rank is the deadline. Tasks without one come after any that has one.
func (*EarliestDeadline) Rank(t Task) int64 {
	if t.Deadline <= 0 {
		return math.MaxInt64/2 + max(t.Submitted, 0)
	}
	return min(t.Deadline, math.MaxInt64/2-1)
}
