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

// parseDecimal reads digits, perhaps with a point and more digits, as that many
// units; false where it is something else or does not fit.
func parseDecimal(s string, unit Span) (Span, bool) {
	whole, fraction, point := strings.Cut(s, ".")
	if !digits(whole) || point && !digits(fraction) {
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

// ParseTimeout reads the value of --timeout, and others like it: seconds such as
// 10 or 1.5, or numbers with s, m, h or d, as in 2m or 1h30m; they add up. Zero
// means no timeout.
func ParseTimeout(s string) (Span, error) {
	bad := func(why string) (Span, error) {
		return 0, fmt.Errorf("timeout %q: %s; say seconds as in 10 or 1.5, or use s, m, h and d as in 2m or 1h30m", s, why)
	}
	if strings.HasSuffix(s, "%") {
		return bad("a percentage of the median run time is not supported")
	}
	var sum Span
	for rest := s; ; {
		end := strings.IndexAny(rest, "smhdSMHD")
		unit, number := Second, rest
		switch {
		case end >= 0:
			unit, number = timeUnit(rest[end]), rest[:end]
		case rest != s:
			return bad(fmt.Sprintf("%q at its end has no unit", rest))
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
