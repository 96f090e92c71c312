package progress

import (
	"fmt"
	"strings"
	"time"
)

// Failure is a job that failed.
type Failure struct {
	Seq     int64
	How     string // "exit status 3", "killed by signal 9 (killed)", "timed out"
	Command string
}

// Outcome is a run at its end.
type Outcome struct {
	Done, Failed int64
	Skipped      int64   // not run, since a job log says that they were done
	Unmet        int64   // not run, since what they wait for failed
	Cut          int64   // that ran and were ended with the run
	Waiting      int64   // that failed, and were to be tried again when the run ended
	NotStarted   int64   // left over when the run ended early; below 0: not known how many
	Why          string  // what ended the run early: "SIGINT", "--halt now,fail=1"; "" nothing
	CutBy        string  // what ended those that were cut, where that has a name
	Last         Failure // the job that met a halt rule; its Seq 0: none
	Elapsed      time.Duration
	CPU          time.Duration // CPU time of all jobs
	CPUs         int           // 0: nothing is said of them
	Failures     []Failure     // the first ones; may be fewer than Failed
	Program      string        // as it was called: "tutti map", "parallel"
	JobLog       string        // where one was written
	Run          int           // its number in the journal; 0: none is kept
	Again        string        // the option that runs the failed ones again
}

// FailuresNamed is how many failed jobs Summary names at most.
const FailuresNamed = 10

// Summary tells how a run went: one line of figures, then the jobs that failed, and
// how to run those again. Commands are whole, within reason: somebody may want to copy
// them, and what would be lost in that, a newline, an escape, is shown as ^J, ^[.
func (v View) Summary(o Outcome) []string {
	lines := []string{v.figures(o)}
	named := o.Failures[:min(len(o.Failures), FailuresNamed)]
	for _, f := range named {
		lines = append(lines, fmt.Sprintf("  job %d, %s: %s", f.Seq, v.clean(f.How, fromOutput), v.command(f.Command, summaryWidth)))
	}
	if more := o.Failed - int64(len(named)); more > 0 && len(named) > 0 {
		lines = append(lines, fmt.Sprintf("  %s and %d more", v.mark(), more))
	}
	switch rest := o.rest(); {
	case rest != "":
		return append(lines, rest)
	case o.Failed == 0:
		return lines
	}
	again := fmt.Sprintf("to run the failed ones again: %s %s --joblog %s", o.Program, o.Again, Quote(o.JobLog))
	switch {
	case o.JobLog == "" && o.Run > 0:
		again = fmt.Sprintf("to run the failed ones again: tutti rerun %d --failed", o.Run)
	case o.JobLog == "":
		again = fmt.Sprintf("with a job log (--joblog FILE), %s would run only the failed ones again", o.Again)
	}
	return append(lines, again)
}

// summaryWidth bounds a command in a summary: ten of a megabyte each would bury it.
const summaryWidth = 1000

// rest says how to run what a run left over, if the journal knows; else "".
func (o *Outcome) rest() string {
	if o.Run == 0 || o.NotStarted == 0 && o.Cut == 0 {
		return ""
	}
	if o.Failed > 0 {
		return fmt.Sprintf("to run the rest: tutti resume %d (and the failed ones: --failed)", o.Run)
	}
	return fmt.Sprintf("to run the rest: tutti resume %d", o.Run)
}

// Early tells in one line why a run ended early, and what became of its jobs.
func (v View) Early(o Outcome) string {
	v.Color = false
	list := append([]string{jobs(o.Done) + " done"}, v.counts(o)...)
	line := o.Why + ": " + strings.Join(list, ", ")
	if o.Last.Seq > 0 {
		line += fmt.Sprintf("; job %d, %s: %s", o.Last.Seq, v.clean(o.Last.How, fromOutput), v.command(o.Last.Command, summaryWidth))
	}
	return line
}

func (v View) figures(o Outcome) string {
	list := append([]string{fmt.Sprintf("%s in %s", jobs(o.Done), Span(o.Elapsed))}, v.counts(o)...)
	if o.CPUs > 0 {
		list = append(list, fmt.Sprintf("%.2f of %d CPUs busy", float64(o.CPU)/float64(max(o.Elapsed, 1)), o.CPUs))
	}
	line := strings.Join(list, ", ")
	if o.Why != "" {
		line = o.Why + ": " + line
	}
	return line
}

// counts says how many jobs were not simply done.
func (v View) counts(o Outcome) (list []string) {
	if o.Failed > 0 {
		list = append(list, v.paint(red, fmt.Sprintf("%d failed", o.Failed)))
	}
	if o.Unmet > 0 {
		list = append(list, v.paint(red, fmt.Sprintf("%d skipped, since what they wait for failed", o.Unmet)))
	}
	switch {
	case o.Cut > 0 && o.CutBy == o.Why && o.Why != "":
		list = append(list, fmt.Sprintf("%d ended by it", o.Cut))
	case o.Cut > 0 && o.CutBy != "":
		list = append(list, fmt.Sprintf("%d ended by %s", o.Cut, o.CutBy))
	case o.Cut > 0:
		list = append(list, fmt.Sprintf("%d ended", o.Cut))
	}
	if o.Waiting > 0 {
		list = append(list, fmt.Sprintf("%d not tried again", o.Waiting))
	}
	if o.Skipped > 0 {
		list = append(list, fmt.Sprintf("%d done before", o.Skipped))
	}
	switch {
	case o.NotStarted > 0:
		list = append(list, fmt.Sprintf("%d not started", o.NotStarted))
	case o.NotStarted < 0:
		list = append(list, "an unknown number not started")
	}
	return list
}

// Quote writes a word so that a shell reads it as it is.
func Quote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-+=%@:,./", r)
	}
	switch {
	case word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0:
		return word
	case strings.IndexFunc(word, func(r rune) bool { return r < 0x20 || r == 0x7f }) < 0:
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	var b strings.Builder // $'' of bash: nothing in it moves a cursor
	for i := range len(word) {
		switch c := word[i]; {
		case c < 0x20 || c == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		case c == '\'' || c == '\\':
			b.WriteString(`\` + string(c))
		default:
			b.WriteByte(c)
		}
	}
	return "$'" + b.String() + "'"
}
