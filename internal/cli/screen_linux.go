package cli

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// screen is what a person at a terminal sees beside the commands' own output: a
// progress line while the run goes on, and a summary at its end. Where standard
// error is no terminal there is neither. ended and known may be called from any
// goroutine, the rest from the one that prints.
type screen struct {
	person bool // standard error is a terminal
	line   bool // and a progress line is drawn on it
	begin  time.Time
	jobs   atomic.Int64 // ended
	failed atomic.Int64
	total  atomic.Int64 // -1 while unknown
	named  int          // failed jobs that were named
	shown  bool         // the line stands on the screen
}

func newScreen(ungroup bool) *screen {
	s := &screen{begin: time.Now(), person: term.IsTerminal(int(os.Stderr.Fd()))}
	// What commands write themselves would run through the line.
	s.line = s.person && !ungroup
	s.total.Store(-1)
	return s
}

// progressEvery is how often the line is drawn: often enough to look alive.
const progressEvery = 200 * time.Millisecond

// ticks gives the times at which the line is to be drawn.
func (s *screen) ticks() (<-chan time.Time, func()) {
	if !s.line {
		return nil, func() {}
	}
	t := time.NewTicker(progressEvery)
	return t.C, t.Stop
}

// draw draws the line as it is now.
func (s *screen) draw() {
	width, _, err := term.GetSize(int(os.Stderr.Fd()))
	if err != nil {
		width = 80
	}
	line := progressLine(s.jobs.Load(), s.failed.Load(), s.total.Load(), time.Since(s.begin), width)
	_, _ = os.Stderr.WriteString(clearLine + line)
	s.shown = true
}

// clearLine goes to the begin of the line and empties it.
const clearLine = "\r\x1b[2K"

// barWidth is the width of the bar in characters, where there is room for it.
const barWidth = 24

// progressLine is the line that is drawn, at most width-1 characters: a full line
// would move the cursor to the next. total is below 0 while it is not known.
func progressLine(jobs, failed, total int64, elapsed time.Duration, width int) string {
	var b strings.Builder
	if total > 0 {
		done := int(min(jobs, total) * barWidth / total)
		if width > 3*barWidth {
			fmt.Fprintf(&b, "[%s%s] ", strings.Repeat("=", done), strings.Repeat(" ", barWidth-done))
		}
		fmt.Fprintf(&b, "%d/%d jobs", jobs, total)
	} else {
		fmt.Fprintf(&b, "%d jobs", jobs)
	}
	if failed > 0 {
		fmt.Fprintf(&b, ", %d failed", failed)
	}
	fmt.Fprintf(&b, ", %s", span(elapsed))
	if total > jobs && jobs > 0 {
		left := time.Duration(float64(elapsed) / float64(jobs) * float64(total-jobs))
		fmt.Fprintf(&b, ", about %s left", span(left))
	}
	line := b.String() // ASCII: a byte is a character
	return line[:min(len(line), max(width-1, 0))]
}

// clear makes room for output; the next tick draws the line again.
func (s *screen) clear() {
	if s.shown {
		_, _ = os.Stderr.WriteString(clearLine)
		s.shown = false
	}
}

// say complains without running into the line.
func (s *screen) say(format string, args ...any) {
	s.clear()
	complain(format, args...)
}

// namedMax bounds the failed jobs that a person is told of one by one.
const namedMax = 10

// how says in words how a command failed.
func how(r *result) string {
	if r.Signal != 0 {
		return fmt.Sprintf("killed by signal %d (%v)", r.Signal, syscall.Signal(r.Signal))
	}
	return fmt.Sprintf("exit status %d", r.Exit)
}

// explain says what a job's own output does not: that it was ended, lost, or left
// something behind.
func (s *screen) explain(f *finished) {
	r := &f.Result
	switch {
	case r.How == timedOut:
		s.say("job %d was ended at its --timeout: %s", f.Seq, f.Key)
	case r.Fault != "":
		s.say("job %d: %s: %s", f.Seq, r.Fault, f.Key)
	case s.person && !r.ok() && s.named < namedMax:
		s.named++
		s.say("job %d failed, %s: %s", f.Seq, how(r), f.Key)
	}
	if len(r.Strays) > 0 {
		var names []string
		for _, p := range r.Strays {
			names = append(names, fmt.Sprintf("%s (%d)", p.Comm, p.PID))
		}
		s.say("job %d left running: %s; --strays kill would end them", f.Seq, strings.Join(names, ", "))
	}
}

// summary tells a person how the run went; signal is what ended it early, or 0.
func (s *screen) summary(signal int, cpuNs int64, cpus int) {
	s.clear()
	if !s.person {
		return
	}
	if signal != 0 {
		s.say("%s: what ran was ended and the rest not started", unix.SignalName(syscall.Signal(signal)))
	}
	_, _ = os.Stderr.WriteString(summaryLine(s.jobs.Load(), s.failed.Load(), time.Since(s.begin), cpuNs, cpus) + "\n")
}

func summaryLine(jobs, failed int64, elapsed time.Duration, cpuNs int64, cpus int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d jobs in %s", jobs, span(elapsed))
	if jobs == 1 {
		b.Reset()
		fmt.Fprintf(&b, "1 job in %s", span(elapsed))
	}
	if failed > 0 {
		fmt.Fprintf(&b, ", %d failed", failed)
	}
	fmt.Fprintf(&b, ", %.2f of %d CPUs busy", float64(cpuNs)/float64(max(elapsed, 1)), cpus)
	return b.String()
}

// span writes a duration as people say it.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
