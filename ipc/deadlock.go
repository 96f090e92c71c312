package ipc

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Policy says what is done about a deadlock.
type Policy uint8

// What may be done about a deadlock.
const (
	// AbortYoungest ends the wait of the goroutine that has held what it holds for
	// the shortest time: it gets a *DeadlockError, and should give back what it holds.
	AbortYoungest Policy = iota
	// ReportOnly does nothing but call Options.Report.
	ReportOnly
	// KillProcess kills the process of the youngest with SIGKILL: in a pool its task
	// is then run again. A process that finds that it is the one itself ends that wait,
	// as AbortYoungest does, but for a pool's worker, which kills itself; and so is done
	// with a wait in a pool's master.
	KillProcess
)

// DeadlockError says that goroutines waited for each other in a circle, which none of
// them could leave. It wraps ErrDeadlock.
type DeadlockError struct {
	// Cycle is the circle: each party waits for what the next one holds or could give,
	// and the last one for what the first one does. Where any of several could have
	// helped, one is shown: none of them can go on.
	Cycle []Party
	// Ended is the index in Cycle of the one whose wait is ended; -1: none is.
	Ended int
}

// Party is one goroutine in a deadlock.
type Party struct {
	Process string // the program's name
	PID     int
	// Goroutine is its number, as printed stacks have it.
	Goroutine string

	// Holds is what the one before it waits for, such as `mutex "a"`; HeldAt is the
	// line that took it, as far as it is known, and HeldSince the time. It may also be
	// ahead of the one before it in a line: then Ahead is set, and the two say where and
	// since when it waits there. Or Holds is a channel that it serves: then Role is
	// "sender" or "receiver", and they say where and when it declared that.
	Holds     string
	HeldAt    string
	HeldSince time.Time
	Ahead     bool
	Role      string

	// Waits is what it waits for, such as `mutex "b"`, `a message of channel "c"` or
	// `room in channel "c"`.
	Waits        string
	WaitsAt      string
	WaitingSince time.Time
}

// Unwrap returns ErrDeadlock.
func (e *DeadlockError) Unwrap() error { return ErrDeadlock }

// Error draws the circle, a party after the other.
func (e *DeadlockError) Error() string { return e.draw(time.Now()) }

func (e *DeadlockError) draw(now time.Time) string {
	var b strings.Builder
	b.WriteString(ErrDeadlock.Error() + ":")
	if len(e.Cycle) == 0 {
		b.WriteString(" it was broken up, and others of its circle have left it meanwhile")
	}
	for i := range e.Cycle {
		p := &e.Cycle[i]
		verb := "holds"
		switch {
		case p.Ahead:
			verb = "is ahead in the line for"
		case p.Role != "":
			verb = "is a " + p.Role + " of"
		}
		fmt.Fprintf(&b, "\n  %s %s %s%s\n    and waits for %s%s", p.who(), verb, p.Holds, when(p.HeldSince, now, p.HeldAt),
			p.Waits, when(p.WaitingSince, now, p.WaitsAt))
		if len(e.Cycle) > 1 {
			next := &e.Cycle[(i+1)%len(e.Cycle)]
			has := "has"
			if next.Role != "" {
				has = "could give"
			}
			fmt.Fprintf(&b, ", which %s %s", next.who(), has)
		}
	}
	if e.Ended >= 0 && e.Ended < len(e.Cycle) {
		fmt.Fprintf(&b, "\n  the wait of %s was ended", e.Cycle[e.Ended].who())
	}
	return b.String()
}

func (p *Party) who() string {
	return fmt.Sprintf("%s (process %d, goroutine %s)", p.Process, p.PID, p.Goroutine)
}

// goroutineName is how people get to see an agent; "" if it is none.
func goroutineName(agent uint64) string {
	if agent == 0 {
		return ""
	}
	return strconv.FormatUint(agent, 10)
}

// when says since when, and where in a program.
func when(since, now time.Time, at string) string {
	text := ""
	if !since.IsZero() {
		text = fmt.Sprintf(" since %v", now.Sub(since).Round(time.Millisecond))
	}
	if at != "" {
		text += " (" + at + ")"
	}
	return text
}
