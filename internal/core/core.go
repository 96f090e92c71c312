// Package core decides and never acts: every question of control (when a
// worker is replaced, what becomes of a dead worker's tasks, how a hanging task
// is ended, when a run halts) is a pure function of its arguments.
//
// A state machine here is a Step method: it is told what happened and at what
// time, and appends what is to be done. It does no I/O, starts no goroutine and
// reads no clock. The runtime carries the actions out; the simulator turns them
// into later events; both call the same Step. Nothing in this package may be
// called from several goroutines at once for the same receiver, and nothing
// blocks.
package core

import "math"

// Time is a moment in nanoseconds on a monotonic clock that the caller chooses.
// Only differences and order mean anything.
type Time int64

// Span is a length of time in nanoseconds.
type Span int64

// The usual spans, so that limits can be written as 5 * Second.
const (
	Millisecond Span = 1_000_000
	Second           = 1000 * Millisecond
	Minute           = 60 * Second
	Hour             = 60 * Minute
	Day              = 24 * Hour
)

// after returns t+s, or the end of time where that does not fit.
func (t Time) after(s Span) Time {
	if s > 0 && int64(t) > math.MaxInt64-int64(s) {
		return math.MaxInt64
	}
	return t + Time(s)
}

// deadline is the one timer that a state machine may have armed. A timer event
// that comes before it belongs to an earlier arming and means nothing, so no
// timer needs a name, a number or a disarming.
type deadline struct {
	at    Time
	armed bool
}

// reached reports whether a timer event at now is the awaited one, and if so
// disarms the deadline.
func (d *deadline) reached(now Time) bool {
	if !d.armed || now < d.at {
		return false
	}
	d.armed = false
	return true
}
