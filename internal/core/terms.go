package core

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// TermStep is one step of ending a command: send Signal to its tree, then wait
// at most Wait for it to be empty.
type TermStep struct {
	Signal int // Linux's number, the same on amd64 and arm64
	Wait   Span
}

// DefaultTermSeq is GNU parallel's: TERM, TERM, TERM, KILL.
const DefaultTermSeq = "TERM,200,TERM,100,TERM,50,KILL,25"

// maxTermSteps bounds a sequence; nobody means more.
const maxTermSteps = 64

// maxTermWait bounds one wait of a sequence.
const maxTermWait = Day

// signals are Linux's names for the signals that a sequence may send, by number.
var signals = [...]string{
	1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 5: "TRAP", 6: "ABRT", 7: "BUS", 8: "FPE", 9: "KILL", 10: "USR1",
	11: "SEGV", 12: "USR2", 13: "PIPE", 14: "ALRM", 15: "TERM", 16: "STKFLT", 17: "CHLD", 18: "CONT", 19: "STOP", 20: "TSTP",
	21: "TTIN", 22: "TTOU", 23: "URG", 24: "XCPU", 25: "XFSZ", 26: "VTALRM", 27: "PROF", 28: "WINCH", 29: "IO", 30: "PWR", 31: "SYS",
}

// ParseTermSeq reads the value of --termseq: signals, each by name (with or
// without SIG) or number, and after each the milliseconds to wait before the
// next. The last wait may be left out.
func ParseTermSeq(s string) ([]TermStep, error) {
	bad := func(why string) ([]TermStep, error) {
		return nil, fmt.Errorf("--termseq %q: %s; say signals and milliseconds in turn, as in %s", s, why, DefaultTermSeq)
	}
	parts := strings.Split(s, ",")
	if len(parts) > 2*maxTermSteps {
		return bad(fmt.Sprintf("more than %d steps", maxTermSteps))
	}
	var steps []TermStep
	for i := 0; i < len(parts); i += 2 {
		signal, ok := parseSignal(parts[i])
		if !ok {
			return bad(fmt.Sprintf("%q is no signal", parts[i]))
		}
		var wait Span
		if i+1 < len(parts) {
			wait, ok = parseDecimal(parts[i+1], Millisecond)
			if !ok || wait > maxTermWait {
				return bad(fmt.Sprintf("%q is not a number of milliseconds up to a day", parts[i+1]))
			}
		}
		steps = append(steps, TermStep{Signal: signal, Wait: wait})
	}
	return steps, nil
}

// parseSignal reads a signal's name or number.
func parseSignal(s string) (number int, ok bool) {
	if digits(s) {
		n, err := strconv.Atoi(s)
		return n, err == nil && n > 0 && n < len(signals)
	}
	name := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	for n, known := range signals {
		if n > 0 && name == known {
			return n, true
		}
	}
	return 0, false
}

// parseDecimal reads digits, perhaps with a point among, before or after them, as
// that many units; false where it is something else or does not fit.
func parseDecimal(s string, unit Span) (Span, bool) {
	whole, fraction, _ := strings.Cut(s, ".")
	if !digits(whole + fraction) {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	ns := math.Round(f * float64(unit))
	if err != nil || ns >= math.MaxInt64 {
		return 0, false
	}
	return Span(ns), true
}

// maxTimeout bounds a timeout, so that it can be added to a Time.
const maxTimeout = 36500 * Day

// ParseTimeout reads a length of time, such as the value of --timeout: seconds as
// in 10 or 1.5, or numbers with s, m, h or d, as in 2m or 1h30m; they add up, and a
// number without a unit at the end is seconds; 200ms is milliseconds. Zero means no timeout.
func ParseTimeout(s string) (Span, error) { return parseSpan("timeout", s) }

// leastQuantum is the least time for which a command runs before others have their turn:
// to suspend one takes about a millisecond.
const leastQuantum = 10 * Millisecond

// ParseQuantum reads how long a command runs before others have their turn, such as the
// value of --quantum.
func ParseQuantum(s string) (Span, error) {
	q, err := parseSpan("--quantum", s)
	if err == nil && q < leastQuantum {
		err = fmt.Errorf("--quantum %q: to suspend a command and go on with another takes a millisecond or two; say 10ms or more", s)
	}
	return q, err
}

// ParseFor reads the value of --for: how long something is measured.
func ParseFor(s string) (Span, error) { return parseSpan("--for", s) }

// parseSpan reads the length of time that is the value of an option.
func parseSpan(option, s string) (Span, error) {
	bad := func(why string) (Span, error) {
		return 0, fmt.Errorf("%s %q: %s; say seconds as in 10 or 1.5, or use ms, s, m, h and d as in 200ms, 2m or 1h30m", option, s, why)
	}
	if strings.HasSuffix(s, "%") {
		return bad("a percentage is no length of time")
	}
	var sum Span
	for rest := s; ; {
		end := strings.IndexAny(rest, "smhdSMHD")
		unit, number := Second, rest
		if end >= 0 {
			unit, number = timeUnit(rest[end]), rest[:end]
		}
		if end >= 0 && strings.HasPrefix(strings.ToLower(rest[end:]), "ms") {
			unit, end = Millisecond, end+1
		}
		part, ok := parseDecimal(number, unit)
		if !ok {
			return bad(fmt.Sprintf("%q is no number of that unit", number))
		}
		// Two of at most maxTimeout fit into a Span: no overflow.
		if part > maxTimeout || sum+part > maxTimeout {
			return bad(fmt.Sprintf("longer than %dd", maxTimeout/Day))
		}
		sum += part
		if end < 0 || end == len(rest)-1 {
			return sum, nil
		}
		rest = rest[end+1:]
	}
}

// timeUnit returns the span of a unit's letter.
func timeUnit(letter byte) Span {
	switch letter {
	case 'm', 'M':
		return Minute
	case 'h', 'H':
		return Hour
	case 'd', 'D':
		return Day
	}
	return Second
}

// spanText writes a length of time for people, as ParseTimeout reads it.
func spanText(s Span) string {
	seconds := math.Round(float64(s)/float64(Millisecond)) / 1000
	return strconv.FormatFloat(seconds, 'f', -1, 64) + "s"
}

// Timeout says after what time a job is ended. The zero value says never.
type Timeout struct {
	After Span // a fixed time
	// Percent, where it is not 0, is how many hundredths of the median run time of
	// the jobs that succeeded; After is 0 then.
	Percent float64
}

// percentFloor is the least that a percentage comes to. The run time of a job that
// takes milliseconds varies by much more than its median tells, and three times
// such a median would end jobs that are well.
const percentFloor = Second

// maxPercent bounds a percentage; nobody means more.
const maxPercent = 1e9

// ParseTimeoutRule reads the value of --timeout: what ParseTimeout reads, or a
// percentage of the median run time of the jobs that succeeded, as in 300%.
func ParseTimeoutRule(s string) (Timeout, error) {
	number, percent := strings.CutSuffix(s, "%")
	if !percent {
		after, err := parseSpan("--timeout", s)
		return Timeout{After: after}, err
	}
	whole, fraction, point := strings.Cut(number, ".")
	f, err := strconv.ParseFloat(number, 64)
	if !digits(whole) || point && !digits(fraction) || err != nil || f == 0 || f > maxPercent {
		return Timeout{}, fmt.Errorf("--timeout %q: not a percentage of the median run time of the jobs that succeeded; say one above 100, as in 300%%", s)
	}
	return Timeout{Percent: f}, nil
}

// Limit returns how long a job may run by what is known now; false while there is
// no limit. A percentage applies to all running jobs, also to those that began
// before the median was what it is, and not before one job has succeeded. It is
// at least a second.
func (t Timeout) Limit(median *Median) (after Span, ok bool) {
	if t.Percent == 0 {
		return t.After, t.After > 0
	}
	if median.Count() == 0 {
		return 0, false
	}
	ns := float64(median.Value()) * (t.Percent / 100)
	if ns >= float64(maxTimeout) {
		return maxTimeout, true
	}
	return max(Span(math.Round(ns)), percentFloor), true
}
