package core

import (
	"cmp"
	"math"
	"slices"
)

// Rotation decides which commands run where more of them are started than there are job
// slots: each for a quantum in turn, which is round robin as textbooks have it, and the
// more urgent before the others.
//
//	waiting    a newcomer that Ask told of; it has a place in the line
//	running    it has a slot
//	suspended  it gave its slot away, and has a place in the line
//
//	waiting → running       there is a slot for it, and fewer than Most are started
//	running → suspended     its quantum is over and somebody as urgent is in the line: it
//	                        goes behind all who are; or somebody more urgent is and Preempt
//	                        is set: then it keeps its place before all who are as urgent
//	suspended → running     there is a slot for it
//	any → gone              Ended
//
// Whoever is more urgent is before the others in the line, however long these wait. Its
// user carries out what Step says, and is the only one to call it.
type Rotation struct {
	Slots   int  // that many run at once
	Most    int  // so many are started at most, the suspended ones too; at least Slots
	Quantum Span // 0: each keeps its slot for as long as nobody more urgent comes
	Preempt bool // who is more urgent takes a slot at once

	running []turn // since the longest time first
	line    []turn // the most urgent first, and of these who came first
}

// turn is a command in a Rotation.
type turn struct {
	id       uint64
	priority int64
	since    Time // it runs
	newcomer bool
}

// Move is what is to be done with a command.
type Move struct {
	Kind MoveKind
	ID   uint64
}

// MoveKind says what.
type MoveKind uint8

// The moves.
const (
	MoveStart MoveKind = iota // the newcomer may start
	MoveHold                  // suspend it
	MoveGoOn                  // resume it
)

// Ask tells of a command that wants to start. The higher its priority the more urgent
// it is.
func (r *Rotation) Ask(id uint64, priority int64) {
	r.queue(turn{id: id, priority: priority, newcomer: true}, false)
}

// Ended tells that a command has ended, or a newcomer does not want to start any more.
func (r *Rotation) Ended(id uint64) {
	gone := func(t turn) bool { return t.id == id }
	r.running = slices.DeleteFunc(r.running, gone)
	r.line = slices.DeleteFunc(r.line, gone)
}

// Step decides what is to be done now, in this order, and when to ask again if nothing
// happens before; 0: not before then.
func (r *Rotation) Step(now Time) (moves []Move, again Span) {
	for {
		next := slices.IndexFunc(r.line, func(t turn) bool { return !t.newcomer || r.started() < r.Most })
		if next < 0 {
			return moves, 0
		}
		if len(r.running) >= r.Slots {
			giver, keeps, wait := r.giver(now, r.line[next].priority)
			if giver < 0 {
				return moves, wait
			}
			t := r.line[next]
			moves = append(moves, r.hold(giver, keeps))
			next = slices.IndexFunc(r.line, func(o turn) bool { return o.id == t.id })
		}
		t := r.line[next]
		r.line = slices.Delete(r.line, next, next+1)
		kind := MoveGoOn
		if t.newcomer {
			kind = MoveStart
		}
		t.since, t.newcomer = now, false
		r.running = append(r.running, t)
		moves = append(moves, Move{kind, t.id})
	}
}

// Held reports whether a command is suspended.
func (r *Rotation) Held(id uint64) bool {
	return slices.ContainsFunc(r.line, func(t turn) bool { return t.id == id && !t.newcomer })
}

// started is how many commands run or are suspended.
func (r *Rotation) started() int {
	n := len(r.running)
	for _, t := range r.line {
		if !t.newcomer {
			n++
		}
	}
	return n
}

// giver finds who gives its slot to somebody of a priority, and whether it keeps its
// place before its equals; below 0 nobody does before wait has passed, 0: nor then.
func (r *Rotation) giver(now Time, priority int64) (i int, keeps bool, wait Span) {
	if i := r.least(); r.Preempt && i >= 0 && r.running[i].priority < priority {
		return i, true, 0
	}
	if r.Quantum <= 0 {
		return -1, false, 0
	}
	until := Time(math.MaxInt64)
	for i, t := range r.running {
		switch end := t.since.after(r.Quantum); {
		case t.priority > priority:
		case end <= now:
			return i, false, 0
		default:
			until = min(until, end)
		}
	}
	if until == math.MaxInt64 {
		return -1, false, 0
	}
	return -1, false, Span(until - now)
}

// least is the least urgent of those that run, and of these the one that has its slot for
// the shortest time; below 0 if nothing runs.
func (r *Rotation) least() int {
	found := -1
	for i, t := range r.running {
		if found < 0 || t.priority <= r.running[found].priority {
			found = i
		}
	}
	return found
}

// hold takes the slot of who runs.
func (r *Rotation) hold(i int, first bool) Move {
	t := r.running[i]
	r.running = slices.Delete(r.running, i, i+1)
	r.queue(t, first)
	return Move{MoveHold, t.id}
}

// queue gives a command its place in the line: behind all who are as urgent, or before.
func (r *Rotation) queue(t turn, first bool) {
	at, _ := slices.BinarySearchFunc(r.line, t, func(other, t turn) int {
		c := cmp.Compare(t.priority, other.priority)
		if c == 0 && !first {
			return -1
		}
		return c
	})
	r.line = slices.Insert(r.line, at, t)
}
