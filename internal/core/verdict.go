package core

// Running describes one task that was running in a worker when it died.
type Running struct {
	// ID is the caller's name for the task; it is not looked at.
	ID int
	// Attempt counts from 1; at MaxAttempts a charged death is final.
	Attempt, MaxAttempts int
	// AtMostOnce: the task must never run again once it has begun.
	AtMostOnce bool
	// Alone: an earlier verdict said Alone, and so the engine ran it without
	// other tasks (its own descendants apart).
	Alone bool
	// CancelAsked: the task was being cancelled. TimedOut: it was past its
	// deadline. Either way it is to end.
	CancelAsked, TimedOut bool
	// Parent is the index in the same slice of the task that submitted this one
	// and waits for it, or -1. An index that is out of range counts as -1.
	Parent int
	// Returned is how many of the task's verdicts were Requeue.
	Returned int
}

// ending reports whether the task was to end, whatever happened.
func (r Running) ending() bool { return r.CancelAsked || r.TimedOut }

// DeathCause says why a worker with tasks in it died.
type DeathCause uint8

// The causes.
const (
	// Crash: it died of itself, or of something that was not our doing (the OOM
	// killer, a signal from elsewhere, os.Exit in a task).
	Crash DeathCause = iota
	// KilledForTask: we sent SIGQUIT or SIGKILL to end one of its tasks (that
	// task has CancelAsked or TimedOut set, or ended just before it died).
	KilledForTask
)

// Verdict is what becomes of a task whose worker died. Zero is none.
type Verdict uint8

// The verdicts. The first three let the task run again, the next three are its
// end, Drop is the end of something that nobody waits for any more. A descendant
// of another task in the dead worker never runs again itself: Retry or a failure
// is what its parent, begun again, is to find when it makes it anew.
const (
	// Requeue: run again, same attempt; count one more in Returned.
	Requeue Verdict = iota + 1
	// RequeueAlone: a suspect; run again, same attempt, but alone.
	RequeueAlone
	// Retry: charged; run again as the next attempt, alone.
	Retry
	// FailCrash: failed, because its worker died.
	FailCrash
	// FailCancelled: failed, because it was cancelled.
	FailCancelled
	// FailTimeout: failed, because its time was up.
	FailTimeout
	// Drop: a descendant of another task in the dead worker: cancel and free it,
	// its parent will make it anew.
	Drop
	numVerdicts
)

var verdictNames = [numVerdicts]string{
	"none", "requeue", "requeue-alone", "retry", "fail-crash", "fail-cancelled", "fail-timeout", "drop",
}

// String returns the verdict's name as traces and logs write it.
func (v Verdict) String() string { return verdictNames[v] }

// Alone reports whether the task must from now on run without others in its
// worker: a suspect, because only a death alone tells who is guilty; a task that
// killed its worker, because its neighbours are not to pay again. It stays so
// until the task ends.
func (v Verdict) Alone() bool { return v == RequeueAlone || v == Retry }

// MaxReturns is how often a task goes back to the queue unpunished because its
// worker was killed for another task. It bounds a parent that makes ever new hanging
// children.
const MaxReturns = 16

// Judge appends to out one verdict for each task that was running in a worker
// that died of cause, in the order of tasks. The rules, first match wins:
//
//  1. A descendant of another task here ends: if it was past its time, may run
//     only once, or was cancelled and we killed for it, as that says. After a
//     crash of one family the innermost, when only one ran, is charged as by
//     rule 5. All others go with their parents: Drop.
//  2. A task that was to end anyway ends, as what it was asked for.
//  3. A task that may run only once has failed.
//  4. After our kill all others go back unpunished, MaxReturns times, and so does
//     after a crash one whose descendant was charged. Then one
//     whose own descendant was the reason fails, and any other runs alone, where
//     nobody can be the reason but itself.
//  5. After a crash a task that was alone (its descendants apart) is charged:
//     Retry or, attempts used up, FailCrash. Of several none is guilty: each is
//     tried alone.
//
// An attempt is charged by rules 1 and 5 alone and only when no other task could
// have been the cause, its parents apart, which did nothing but wait for it; so
// an innocent is never charged. Every task ends within a
// bounded number of deaths: rule 5 makes it alone once and then counts attempts,
// rule 4 counts returns, provided that the engine honours Alone.
func Judge(tasks []Running, cause DeathCause, out []Verdict) []Verdict {
	tops := Topmost(tasks)
	alone := true // only one task here is no descendant of another
	for i := range tasks {
		if tops[i] != tops[0] {
			alone = false
			break
		}
	}
	broken := make([]bool, len(tasks)) // by top: a task of its tree was to end
	for i, t := range tasks {
		broken[tops[i]] = broken[tops[i]] || t.ending()
	}
	inner := -1 // the descendant that a crash is charged to
	if cause == Crash && alone {
		inner = innermost(tasks, tops)
	}
	for i, t := range tasks {
		v := judgeBelow(t, cause, i == inner)
		if tops[i] == i {
			v = judgeTop(t, cause, alone, broken[i], inner >= 0)
		}
		out = append(out, v)
	}
	return out
}

// innermost is the one descendant that has none of its own here and was not to
// end; -1 when there is none or are several.
func innermost(tasks []Running, tops []int) int {
	parent := make([]bool, len(tasks))
	for i, t := range tasks {
		if tops[i] != i {
			parent[t.Parent] = true
		}
	}
	inner := -1
	for i := range tasks {
		if tops[i] == i || parent[i] {
			continue
		}
		if inner >= 0 {
			return -1
		}
		inner = i
	}
	if inner >= 0 && tasks[inner].CancelAsked {
		return -1
	}
	return inner
}

// judgeBelow judges a descendant of another task in the dead worker. charged: the
// crash is its own.
func judgeBelow(t Running, cause DeathCause, charged bool) Verdict {
	switch {
	case t.CancelAsked && cause == KilledForTask:
		return FailCancelled
	case t.TimedOut && !t.CancelAsked:
		return FailTimeout
	case t.AtMostOnce:
		return FailCrash
	case charged && t.Attempt < t.MaxAttempts:
		return Retry
	case charged:
		return FailCrash
	}
	return Drop
}

// judgeTop judges a task that is nobody's descendant in the dead worker. alone:
// no other such task was there; broken: it or a descendant was to end; charged: a
// crash is charged to a descendant.
func judgeTop(t Running, cause DeathCause, alone, broken, charged bool) Verdict {
	switch {
	case t.CancelAsked:
		return FailCancelled // also when timed out: its asker has gone
	case t.TimedOut:
		return FailTimeout
	case t.AtMostOnce:
		return FailCrash
	case (cause == KilledForTask || charged) && t.Returned < MaxReturns:
		return Requeue
	case cause == KilledForTask && (broken || t.Alone):
		return FailCrash
	case cause == KilledForTask || !alone:
		return RequeueAlone
	case t.Attempt < t.MaxAttempts:
		return Retry
	}
	return FailCrash
}

// Topmost returns for each task the index of its furthest ancestor in the
// slice: itself, if it has none. Where parents form a circle, which only damaged
// memory can show, one of it is taken as topmost, so that no tree is lost.
func Topmost(tasks []Running) []int {
	const unknown = -1
	tops := make([]int, len(tasks))
	for i := range tops {
		tops[i] = unknown
	}
	for i := range tasks {
		top, steps := i, 0
		for tops[top] == unknown && steps <= len(tasks) {
			p := tasks[top].Parent
			if p < 0 || p >= len(tasks) {
				tops[top] = top
				break
			}
			top, steps = p, steps+1
		}
		if tops[top] == unknown { // a circle
			tops[i] = i
			continue
		}
		top = tops[top]
		for j := i; tops[j] == unknown; j = tasks[j].Parent {
			tops[j] = top
		}
	}
	return tops
}
