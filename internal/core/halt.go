package core

import (
	"fmt"
	"strconv"
	"strings"
)

// HaltWhen says how a run ends once its halt rule is met.
type HaltWhen uint8

// The ways.
const (
	HaltNever HaltWhen = iota // all jobs run
	HaltSoon                  // start no more jobs, let the running ones end
	HaltNow                   // start no more jobs, end the running ones
)

// HaltWhy says which jobs a halt rule counts.
type HaltWhy uint8

// The jobs counted.
const (
	HaltFail    HaltWhy = iota // those that failed
	HaltSuccess                // those that succeeded
	HaltDone                   // all that ended
)

// Halt is a rule as GNU parallel's --halt knows it. The zero value never halts.
type Halt struct {
	When HaltWhen
	Why  HaltWhy
	// Count is how many jobs meet the rule, or with Percent how many in a hundred
	// of all the run's jobs; at least 1.
	Count   int64
	Percent bool
}

var (
	haltWhens = [...]string{HaltNever: "never", HaltSoon: "soon", HaltNow: "now"}
	haltWhys  = [...]string{HaltFail: "fail", HaltSuccess: "success", HaltDone: "done"}
)

// haltShorts are the older spellings that GNU parallel still takes.
var haltShorts = map[string]string{
	"0": "never", "1": "soon,fail=1", "2": "now,fail=1", "-1": "soon,success=1", "-2": "now,success=1",
}

// String returns the rule as ParseHalt reads it.
func (h Halt) String() string {
	if h.When == HaltNever {
		return "never"
	}
	percent := ""
	if h.Percent {
		percent = "%"
	}
	return fmt.Sprintf("%s,%s=%d%s", haltWhens[h.When], haltWhys[h.Why], h.Count, percent)
}

// ParseHalt reads the value of --halt: "never", or "now" or "soon", a comma,
// "fail", "success" or "done", and "=N" or "=N%"; also 0, 1, 2, -1, -2 and N% as
// GNU parallel reads them.
func ParseHalt(s string) (Halt, error) {
	long := s
	if l, ok := haltShorts[s]; ok {
		long = l
	} else if strings.HasSuffix(s, "%") && digits(s[:len(s)-1]) {
		long = "soon,fail=" + s
	}
	if long == "never" {
		return Halt{}, nil
	}
	bad := func(why string) (Halt, error) {
		return Halt{}, fmt.Errorf("--halt %q: %s; say never, or for example now,fail=1, soon,fail=10%% or now,success=1", s, why)
	}
	when, rest, ok := strings.Cut(long, ",")
	var h Halt
	switch when {
	case "soon":
		h.When = HaltSoon
	case "now":
		h.When = HaltNow
	case "never":
		return bad("never stands alone")
	default:
		return bad("must begin with never, soon or now")
	}
	why, count, hasCount := strings.Cut(rest, "=")
	switch why {
	case "fail":
		h.Why = HaltFail
	case "success":
		h.Why = HaltSuccess
	case "done":
		h.Why = HaltDone
	default:
		ok = false
	}
	if !ok {
		return bad(when + " must be followed by ,fail=, ,success= or ,done=")
	}
	number, percent := strings.CutSuffix(count, "%")
	h.Percent = percent
	var err error
	if h.Count, err = strconv.ParseInt(number, 10, 64); !hasCount || !digits(number) || err != nil {
		return bad(when + "," + why + " must be followed by = and a whole number or a percentage")
	}
	if h.Count < 1 {
		return bad("the number must be at least 1")
	}
	if h.Percent && h.Count > 100 {
		return bad("a percentage is at most 100")
	}
	return h, nil
}

// digits reports whether s is one or more of 0 to 9.
func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// Decision is what a run does after a job has ended.
type Decision uint8

// The decisions.
const (
	Continue Decision = iota // go on
	Soon                     // start no more jobs
	Now                      // start no more jobs, end those that run
)

// HaltState applies one Halt to a run. The zero value with Halt set is ready for
// use.
type HaltState struct {
	Halt   Halt
	ended  int64
	failed int64
	unmet  int64
	met    bool
	exit   int // once met
}

// maxFailedExit is the exit status for more than 100 failed jobs; what is above
// it means something else to a shell.
const maxFailedExit = 101

// ExitFailed returns the exit status of a run in which so many jobs failed: the
// number up to 100, else 101.
func ExitFailed(failed int64) int { return int(min(max(failed, 0), maxFailedExit)) }

// Ended notes that a job ended for good (no retry follows) with the given exit
// status, as a shell would show it: 0 is success, 128+N death by signal N; any
// other value that says failure, such as -1 for a job that was ended by its
// timeout, serves too. total is the number of jobs of the whole run, or -1 while
// it is unknown; a percentage is not judged before it is known. Once the rule is
// met the decision stays.
func (h *HaltState) Ended(status int, total int64) Decision {
	h.ended++
	if status != 0 {
		h.failed++
	}
	if !h.met && h.counts(status) && h.reached(total) {
		h.met = true
		h.exit = h.metExit(status, total)
	}
	switch {
	case !h.met:
		return Continue
	case h.Halt.When == HaltNow:
		return Now
	}
	return Soon
}

// counts reports whether a job with this status is of the kind that the rule
// counts.
func (h *HaltState) counts(status int) bool {
	switch {
	case h.Halt.When == HaltNever:
		return false
	case h.Halt.Why == HaltFail:
		return status != 0
	case h.Halt.Why == HaltSuccess:
		return status == 0
	}
	return true
}

// reached reports whether the jobs so far meet the rule.
func (h *HaltState) reached(total int64) bool {
	n := h.ended
	switch h.Halt.Why {
	case HaltFail:
		n = h.failed
	case HaltSuccess:
		n = h.ended - h.failed
	}
	if !h.Halt.Percent {
		return n >= h.Halt.Count
	}
	// As n/total >= Count/100, without its rounding.
	return total >= 0 && float64(n)*100 >= float64(total)*float64(h.Halt.Count)
}

// metExit is the exit status of a run that a job with this status halted.
func (h *HaltState) metExit(status int, total int64) int {
	switch {
	case h.Halt.Why == HaltSuccess:
		return 0
	case h.Halt.Percent:
		return percentOf(h.failed, total)
	case h.Halt.Count == 1:
		return status & 0xff // what exit(2) makes of it: -1 becomes 255
	}
	return ExitFailed(h.failed)
}

// Failed returns how many jobs failed so far.
func (h *HaltState) Failed() int64 { return h.failed }

// Unmet notes n jobs that are not run, since what they wait for failed. A rule does
// not count them; the exit status does.
func (h *HaltState) Unmet(n int64) { h.unmet += n }

// Halted reports whether the rule was met.
func (h *HaltState) Halted() bool { return h.met }

// ExitCode returns the exit status of the run, as GNU parallel's: the number of
// failed jobs up to 100, 101 for more; those that were not run since others failed
// are among them. If a success rule was met 0; if a fail or
// done rule was met what held at that moment, for =1 the exit status of the job
// that met it. With a percentage, met or not, the percentage of jobs that
// failed, rounded up. (GNU parallel also takes the job's exit status where a
// percentage happens to be exactly one job, against its manual; here it does
// not.)
func (h *HaltState) ExitCode() int {
	switch {
	case h.met:
		return h.exit
	case h.Halt.Percent:
		return percentOf(h.failed+h.unmet, h.ended+h.unmet)
	}
	return ExitFailed(h.failed + h.unmet)
}

// percentOf returns part in a hundred of whole, rounded up: any failure shows.
func percentOf(part, whole int64) int {
	if part <= 0 || whole <= 0 {
		return 0
	}
	p := float64(part) * 100 / float64(whole)
	n := int(p)
	if float64(n) < p {
		n++
	}
	return min(n, 100)
}
