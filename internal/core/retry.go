package core

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// MaxTries is what --retries 0, which GNU parallel calls infinite, means.
const MaxTries = 1 << 31

// TriesImplied is how often in all a command is tried where --retry-on says what is
// tried again and nobody says how often.
const TriesImplied = 3

// ParseRetries reads the value of --retries: how often in all a command is tried
// while it fails. 0 means MaxTries.
func ParseRetries(s string) (tries int64, err error) {
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case !digits(s) || err != nil || n > MaxTries:
		return 0, fmt.Errorf("--retries %q: must be a whole number from 0 to %d: how often in all a failing job is tried; 0 tries without end", s, MaxTries)
	case n == 0:
		return MaxTries, nil
	}
	return n, nil
}

// CommandEnd says how one attempt of a command ended.
type CommandEnd uint8

// The ends of an attempt.
const (
	// CommandOK: exit status 0.
	CommandOK CommandEnd = iota
	// CommandFailed: another exit status, death by a signal, or no start at all.
	CommandFailed
	// CommandTimedOut: ended by its timeout.
	CommandTimedOut
	// CommandLost: the worker that ran it died; what it did is unknown.
	CommandLost
	// CommandStopped: ended because the run is ending (halt rule, Ctrl-C).
	CommandStopped
)

// AttemptEnd is how one attempt of a command ended, as far as a rule may ask.
type AttemptEnd struct {
	End    CommandEnd
	Exit   int  // as a shell shows it: 128 + signal where a signal killed it; below 1: none
	Signal int  // that killed it; 0: none
	OOM    bool // killed as memory ran out, or ended to free memory
}

// RetryOn says which failures are tried again. The zero RetryOn says all.
type RetryOn struct {
	some                bool // not all: only what follows
	exits               [maxExit + 1]bool
	signals             [maxSignal + 1]bool
	timeout, oom, death bool
}

const (
	maxExit   = 255
	maxSignal = 64 // of Linux, the real-time ones included
)

// ParseRetryOn reads the value of --retry-on: exit codes and ranges of them, signals,
// and timeout, oom and lost, with commas between.
func ParseRetryOn(s string) (RetryOn, error) {
	on := RetryOn{some: true}
	for part := range strings.SplitSeq(s, ",") {
		if why := on.add(part); why != "" {
			return RetryOn{}, fmt.Errorf("--retry-on %q: %s; say exit codes from 1 to %d as in 75 or 1-5, signals as in SIGKILL or SIG9, timeout, oom (memory ran out) or lost (its worker died), with commas between", s, why, maxExit)
		}
	}
	return on, nil
}

// add reads one of the ends, and says why it cannot.
func (on *RetryOn) add(part string) (why string) {
	switch strings.ToLower(part) {
	case "timeout":
		on.timeout = true
		return ""
	case "oom":
		on.oom = true
		return ""
	case "lost":
		on.death = true
		return ""
	}
	if from, to, ranged := strings.Cut(part, "-"); digits(from) && (!ranged || digits(to)) {
		first, err := strconv.Atoi(from)
		last := first
		if ranged && err == nil {
			last, err = strconv.Atoi(to)
		}
		switch {
		case err != nil || first < 1 || last > maxExit:
			return fmt.Sprintf("%q is not among the exit codes of a failure", part)
		case last < first:
			return fmt.Sprintf("%q ends before it begins", part)
		}
		for code := first; code <= last; code++ {
			on.exits[code] = true
		}
		return ""
	}
	if number, ok := strings.CutPrefix(strings.ToUpper(part), "SIG"); ok && digits(number) {
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > maxSignal {
			return fmt.Sprintf("%q is no signal: their numbers are 1 to %d", part, maxSignal)
		}
		on.signals[n] = true
		return ""
	}
	n, ok := parseSignal(part)
	if !ok {
		return fmt.Sprintf("%q is none of them", part)
	}
	on.signals[n] = true
	return ""
}

// has reports whether a failure is one of those. What a shell ran for a command may
// have died of a signal: then the shell's exit code is 128 + signal, and whether
// there is a shell between is chance.
func (on *RetryOn) has(e AttemptEnd) bool {
	switch {
	case !on.some:
		return true
	case e.OOM && on.oom:
		return true
	case e.End == CommandTimedOut:
		return on.timeout
	case e.End == CommandLost:
		return on.death
	case e.Signal > 0 && e.Signal <= maxSignal && on.signals[e.Signal]:
		return true
	case e.Exit < 1 || e.Exit > maxExit:
		return false
	}
	shown := e.Exit - 128
	return on.exits[e.Exit] || shown > 0 && shown <= maxSignal && on.signals[shown]
}

// TryAgain reports whether a command is to be run once more after attempt number
// attempt (from 1) ended so. tries is how often in all it may be run: 1 without
// --retries and --retry-on, and then never again whatever happened, since a command
// may have done its work before it failed. The caller starts the next attempt only
// when the process tree of this one is empty.
func TryAgain(attempt, tries int64, on RetryOn, e AttemptEnd) bool {
	switch e.End {
	case CommandOK, CommandStopped:
		return false
	}
	return attempt < tries && on.has(e)
}

// RetryDelay is how long a command waits before it is tried again: First after the
// first attempt, then twice as long each time, Most at most.
type RetryDelay struct {
	First, Most Span
}

// retryMost is the longest wait where nobody says another.
const retryMost = 5 * Minute

// ParseRetryDelay reads the values of --retry-delay and --retry-max-delay; "" is one
// that was not given.
func ParseRetryDelay(first, most string) (d RetryDelay, err error) {
	if first == "" {
		if most != "" {
			return d, fmt.Errorf("--retry-max-delay %s bounds waits that --retry-delay begins; add --retry-delay, as in --retry-delay 1s", most)
		}
		return d, nil
	}
	if d.First, err = parseSpan("--retry-delay", first); err != nil {
		return d, err
	}
	d.Most = max(retryMost, d.First)
	if most == "" {
		return d, nil
	}
	if d.Most, err = parseSpan("--retry-max-delay", most); err == nil && d.Most < d.First {
		err = fmt.Errorf("--retry-max-delay %s is shorter than --retry-delay %s, which waits begin with; say a longer one, or leave it out", most, first)
	}
	return d, err
}

// After is how long to wait after attempt number attempt (from 1): between half and
// all of what is due, so that what failed together does not come again together.
func (d RetryDelay) After(attempt int64, rnd *rand.Rand) Span {
	return doubled(d.First, d.Most, attempt-1, rnd)
}

// doubled is first doubled so many times, most at most, and of that between half and
// all.
func doubled(first, most Span, times int64, rnd *rand.Rand) Span {
	full := first
	for ; times > 0 && full > 0 && full < most; times-- {
		full *= 2
	}
	full = min(full, most)
	return full - Span(rnd.Int64N(int64(full/2)+1))
}

// Waits holds what waits for its time. The zero Waits holds nothing. It is for some
// thousands: each is put in its place among all.
type Waits[T any] struct {
	sorted []waiting[T] // the next first; of one time, in the order of Add
}

type waiting[T any] struct {
	at Time
	it T
}

// Add has it wait until at.
func (w *Waits[T]) Add(at Time, it T) {
	w.sorted = append(w.sorted, waiting[T]{})
	i := len(w.sorted) - 1
	for ; i > 0 && w.sorted[i-1].at > at; i-- {
		w.sorted[i] = w.sorted[i-1]
	}
	w.sorted[i] = waiting[T]{at, it}
}

// Take gives what has waited until now, the longest due first; false where nothing
// is due.
func (w *Waits[T]) Take(now Time) (it T, ok bool) {
	if len(w.sorted) == 0 || w.sorted[0].at > now {
		return it, false
	}
	it = w.sorted[0].it
	w.sorted[0] = waiting[T]{} // it is not to be kept by the slice
	w.sorted = w.sorted[1:]
	return it, true
}

// Next is when the next one is due; false where nothing waits.
func (w *Waits[T]) Next() (Time, bool) {
	if len(w.sorted) == 0 {
		return 0, false
	}
	return w.sorted[0].at, true
}

// Len is how many wait.
func (w *Waits[T]) Len() int { return len(w.sorted) }
