// Package progress draws what a run is doing, for a person at a terminal or
// reading a log.
//
// It is given the state of a run and gives back lines of text: it reads no clock,
// starts nothing and writes nowhere, except for Painter, which puts lines on a
// terminal and takes them away again. Everything that comes from outside, a
// command or a line of its output, passes through a filter (clean.go) that leaves
// nothing in it that could move the cursor, change a colour or fill more room than
// was counted.
//
// At a terminal: Line, Table or Bar, given to Painter.Draw a few times a second.
// In a log: Plain, whenever Pace.Due says so; or Zenity for --bar. At the end:
// Summary. On SIGUSR1: Running.
package progress

import (
	"fmt"
	"time"
)

// Job is one running job.
type Job struct {
	Seq     int64
	Command string
	Since   time.Time     // when it began
	PID     int           // 0: not known
	Last    string        // its last line of output, as it came
	CPU     time.Duration // CPU time that its processes have used; 0: not known
	Memory  int64         // bytes that they hold; 0: not known
}

// State is a run as it stands at Now.
type State struct {
	Begin, Now time.Time

	Done    int64 // ended in this run, failed ones included
	Failed  int64
	Skipped int64 // not run, since a job log says that they were done
	Unmet   int64 // not run, since what they wait for failed
	Running int64
	Waiting int64 // failed, and wait to be tried again
	Total   int64 // all of them, skipped ones included; below 0: not known yet

	Slots  int    // how many may run at once; 0: any number
	Jobs   []Job  // those that run, oldest first; may be fewer than Running
	Newest string // the argument of the job that began last, for Bar
	Reason string // why nothing is started although there is room; "" if not so
	Left   Estimate
}

// over is how many jobs have ended, or will not be run.
func (s *State) over() int64 { return s.Done + s.Skipped + s.Unmet }

// JobsLeft is how many jobs are not over; below 0 if that is not known.
func (s *State) JobsLeft() int64 {
	if s.Total < 0 {
		return -1
	}
	return max(s.Total-s.over(), 0)
}

// percent is how much of the run is over, rounded down: 100 is said only when
// nothing is left. Below 0 if the total is not known.
func (s *State) percent() int64 {
	switch {
	case s.Total < 0:
		return -1
	case s.JobsLeft() == 0:
		return 100
	}
	return min(s.over()*100/s.Total, 99)
}

// View is where and how something is shown.
type View struct {
	Width, Height int  // of the terminal, in characters; 0: 80 and 24
	Color         bool // colours may be used
	ASCII         bool // the terminal shows nothing but ASCII
}

// Where a size is not known, it is the oldest there is.
const (
	widthDefault  = 80
	heightDefault = 24
)

// columns is how many characters a line may have: one less than fit, since a full
// line moves the cursor to the next on some terminals.
func (v View) columns() int {
	if v.Width <= 0 {
		return widthDefault - 1
	}
	return v.Width - 1
}

// The escapes for colours. reset ends each of them.
const (
	red     = "\x1b[31m"
	faint   = "\x1b[2m"
	reverse = "\x1b[7m"
	reset   = "\x1b[0m"
)

// paint puts text in a colour where colours are allowed.
func (v View) paint(color, text string) string {
	if !v.Color || text == "" {
		return text
	}
	return color + text + reset
}

// mark stands for what was cut out of a text.
func (v View) mark() string {
	if v.ASCII {
		return "..."
	}
	return "…"
}

// jobs counts jobs in words.
func jobs(n int64) string {
	if n == 1 {
		return "1 job"
	}
	return fmt.Sprintf("%d jobs", n)
}

// Span writes a duration as people say it: "12 ms", "9.1 s", "3m20s".
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "0 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute-50*time.Millisecond: // what is not rounded up to a minute
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// age writes for how long a job runs: no more exactly than somebody cares to know,
// so that a table of many jobs does not flicker.
func age(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return Span(d)
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
}

// Size writes a number of bytes with two or three digits that matter.
func Size(n int64) string {
	const units = "KMGTPE"
	f, unit := float64(n), -1
	for f >= 999.5 && unit < len(units)-1 {
		f /= 1024
		unit++
	}
	switch {
	case unit < 0:
		return fmt.Sprintf("%d B", n)
	case f < 9.95:
		return fmt.Sprintf("%.1f %cB", f, units[unit])
	}
	return fmt.Sprintf("%.0f %cB", f, units[unit])
}
