package sched

import (
	"math"
	"math/rand/v2"
)

// central is what the policies have in common that order all tasks: one queue for
// all, the master's, from which each worker takes the task of lowest rank. So
// nothing is passed over but by what two workers do in the same instant. Only
// tasks that ask for a worker wait at that one, and it sees to them first. A worker
// that becomes slow comes for a task less often, and so does its proportional share;
// what it has begun stays with it.
type central struct{}

// Place returns the queue of all, or that of the worker that the task asks for.
func (central) Place(v View, t Task, _ *rand.Rand) Slot {
	if w, ok := asked(v, t); ok {
		return w
	}
	return Master
}

// Look visits the own queue, that of all, and then those of the others, where
// tasks wait that asked for them.
func (central) Look(v View, w Slot, look int, _ *rand.Rand) (Take, bool) {
	from, ok := centralAt(v, w, look)
	return Take{From: from, Max: 1, Ranked: true}, ok
}

func centralAt(v View, w Slot, look int) (Slot, bool) {
	switch {
	case look == 0:
		return w, true
	case look == 1:
		return Master, true
	case look > v.Workers():
		return Master, false
	case Slot(look-1) < w:
		return Slot(look - 1), true
	}
	return Slot(look), true
}

// The rank of a task under the policies that go by priority first and then by a
// length of time: the priority in the upper bits, the length below.
const (
	lengthBits = 56 // 2.2 years of ns
	lengthMax  = 1<<lengthBits - 1
	levelMax   = math.MaxInt64>>lengthBits - 1
)

func levelled(priority int, length int64) int64 {
	return int64(-min(max(priority, -levelMax), levelMax))<<lengthBits + min(max(length, 0), lengthMax)
}
