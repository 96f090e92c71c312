package sched

import "math/rand/v2"

// TwoChoices draws two living workers and lets a task wait at the one that has
// fewer tasks, waiting and running. Each worker serves its own queue alone. Two
// are enough: the longest queue is some log log n above the mean, where one drawn
// blindly gives log n, and submitters that look at once do not choose alike.
//
// Cost: a look at two workers for each task, however many there are. Known failure:
// lengths are counted and not times; what was placed stays. A worker that becomes
// slow is drawn as often, loses the comparison, and so gets about its proportional
// share of what comes from then on; what it has it keeps. Order in shared memory:
// by class of priority. Source: Mitzenmacher, The Power of Two Choices in
// Randomized Load Balancing, IEEE TPDS 12(10), 2001.
type TwoChoices struct{}

// Name returns "two-choices".
func (*TwoChoices) Name() string { return "two-choices" }

// Place returns the less loaded of two, or the worker that the task asks for.
func (*TwoChoices) Place(v View, t Task, rnd *rand.Rand) Slot {
	if w, ok := asked(v, t); ok {
		return w
	}
	return lessOfTwo(v, rnd)
}

// lessOfTwo returns the less loaded of two different workers drawn at random.
func lessOfTwo(v View, rnd *rand.Rand) Slot {
	n := v.Workers()
	a := next(v, Slot(rnd.IntN(n)))
	b := next(v, a+Slot(rnd.IntN(max(1, n-1)))) // another one, if another lives
	if busy(v, b) < busy(v, a) {
		return b
	}
	return a
}

// Look visits the own queue and no other.
func (*TwoChoices) Look(_ View, w Slot, look int, _ *rand.Rand) (Take, bool) {
	return Take{From: w, Max: batchMax}, look == 0
}

// Rank orders by priority alone.
func (*TwoChoices) Rank(t Task) int64 { return -int64(t.Priority) }
