package progress

import (
	"fmt"
	"strings"
)

// barWidth is the width of the bar in characters, where there is room for it.
const barWidth = 24

// barLine draws a bar of so many characters that is full at 100.
func barLine(percent int64, width int) string {
	full := int(percent) * width / 100
	return "[" + strings.Repeat("=", full) + strings.Repeat(" ", width-full) + "]"
}

// part is a piece of a line that has no room for all of them.
type part struct {
	text  string
	color string
	rank  int // the greatest goes first; 0 stays
}

// parts says how a run goes, most important things in the lowest ranks. How many
// jobs run is said where it matters, or always.
func (v View) parts(s State, always bool) []part {
	ended := s.over()
	p := part{text: jobs(ended)}
	if s.Total >= 0 {
		p.text = fmt.Sprintf("%d/%s", ended, jobs(max(s.Total, ended)))
	}
	list := []part{p}
	if s.Failed > 0 {
		list = append(list, part{text: fmt.Sprintf("%d failed", s.Failed), color: red, rank: 1})
	}
	if s.Unmet > 0 {
		list = append(list, part{text: fmt.Sprintf("%d skipped", s.Unmet), color: red, rank: 1})
	}
	if s.Skipped > 0 {
		list = append(list, part{text: fmt.Sprintf("%d done before", s.Skipped), rank: 5})
	}
	// Where no others wait, or nobody knows how many, all hangs on these.
	if left := s.JobsLeft(); always || s.Running > 0 && (left < 0 || s.Running == left) {
		list = append(list, part{text: fmt.Sprintf("%d running", s.Running), rank: 4})
	}
	if s.Waiting > 0 {
		list = append(list, part{text: fmt.Sprintf("%d to be tried again", s.Waiting), rank: 5})
	}
	list = append(list, part{text: Span(s.Now.Sub(s.Begin)), rank: 3})
	if s.Left.Known && s.JobsLeft() > 0 {
		list = append(list, part{text: s.Left.String() + " left", rank: 2})
	}
	if s.Reason != "" {
		list = append(list, part{text: v.clean(s.Reason, fromOutput), rank: 6})
	}
	return list
}

// join puts parts into a line of at most width cells; those of the greatest rank
// are left out first. width below 0 is any.
func (v View) join(list []part, width int) (line string, used int) {
	for width >= 0 {
		used = 0
		worst := 0
		for i, p := range list {
			used += cells(p.text) + len(", ")
			if p.rank > list[worst].rank {
				worst = i
			}
		}
		used -= len(", ")
		if used <= width || list[worst].rank == 0 {
			break
		}
		list = append(list[:worst:worst], list[worst+1:]...)
	}
	texts := make([]string, len(list))
	for i, p := range list {
		if width >= 0 {
			p.text = v.cut(p.text, width)
		}
		texts[i] = v.paint(p.color, p.text)
	}
	return strings.Join(texts, ", "), used
}

// Line is the state of a run in one line: a bar, how many jobs of how many ended,
// how many failed, for how long it runs and will run.
func (v View) Line(s State) string {
	width := v.columns()
	list := v.parts(s, false)
	line, used := v.join(list, width)
	if room := width - used - len("[] "); s.Total > 0 && room >= barWidth {
		line = barLine(s.percent(), barWidth) + " " + line
	}
	return line
}

// Columns that a table has where the terminal is at least so wide.
const usageColumns = 100

// Table is a screen of what runs: Line, and then each job with its number, since
// when it runs, and its command and last line of output. It fills at most half of
// the terminal, and never all of it, so that the jobs' output can still be read.
func (v View) Table(s State) []string {
	height := v.Height
	if height <= 0 {
		height = heightDefault
	}
	lines := []string{v.Line(s)}
	rows := min(max(height/2, 6), height-2) // the last row of a terminal scrolls
	shown := len(s.Jobs)
	if more := s.Running > int64(shown); shown > rows || more && shown == rows {
		shown = max(rows-1, 0)
	}
	if rows <= 0 {
		return lines
	}
	lines = append(lines, v.rows(s, s.Jobs[:shown])...)
	if more := max(s.Running, int64(len(s.Jobs))) - int64(shown); more > 0 && len(lines) <= rows {
		lines = append(lines, v.cut(fmt.Sprintf("  %s and %d more", v.mark(), more), v.columns()))
	}
	return lines
}

// rows draws jobs one below the other.
func (v View) rows(s State, list []Job) []string {
	seqs, since := make([]string, len(list)), make([]string, len(list))
	seqWidth, sinceWidth := 0, 0
	for i, j := range list {
		seqs[i], since[i] = fmt.Sprint(j.Seq), age(s.Now.Sub(j.Since))
		seqWidth, sinceWidth = max(seqWidth, len(seqs[i])), max(sinceWidth, len(since[i]))
	}
	heads := make([]string, len(list))
	for i, j := range list {
		heads[i] = fmt.Sprintf("  %*s  %*s  ", seqWidth, seqs[i], sinceWidth, since[i])
		if v.columns() >= usageColumns-1 {
			heads[i] += usage(s, j)
		}
	}
	if len(heads) == 0 {
		return nil
	}
	room := v.columns() - len(heads[0]) // they are all alike
	if room <= 0 {
		for i := range heads {
			heads[i] = v.cut(heads[i], v.columns())
		}
		return heads
	}
	for i, what := range v.whats(list, room) {
		heads[i] += what
	}
	return heads
}

// usage is what a job takes of the machine: CPUs as a percentage of one, and memory.
func usage(s State, j Job) string {
	cpu, memory := "", ""
	if age := s.Now.Sub(j.Since); j.CPU > 0 && age > 0 {
		cpu = fmt.Sprintf("%.0f%%", min(100*float64(j.CPU)/float64(age), 99999))
	}
	if j.Memory > 0 {
		memory = Size(j.Memory)
	}
	return fmt.Sprintf("%6s  %7s  ", cpu, memory)
}

// lastColumns is the least room in which a job's last line of output finds a place
// beside its command.
const lastColumns = 40

// whats says what jobs are and do, each in at most width cells: its command, and in
// a column beside it the last line that it wrote.
func (v View) whats(list []Job, width int) []string {
	const gap = 2
	texts, column := make([]string, len(list)), 0
	for i, j := range list {
		texts[i] = v.command(j.Command, width*2/5)
		column = max(column, cells(texts[i]))
	}
	for i, j := range list {
		last := ""
		if width >= lastColumns {
			last = v.output(j.Last, width-column-gap)
		}
		if last == "" {
			texts[i] = v.command(j.Command, width)
			continue
		}
		texts[i] += strings.Repeat(" ", column-cells(texts[i])+gap) + v.paint(faint, last)
	}
	return texts
}

// Running lists what runs now, one line a job, whole commands: for SIGUSR1.
func (v View) Running(s State) []string {
	v.Color = false
	head, _ := v.join(v.parts(s, true), -1)
	lines := []string{head}
	for _, j := range s.Jobs {
		pid := ""
		if j.PID > 0 {
			pid = fmt.Sprintf(" (pid %d)", j.PID)
		}
		lines = append(lines, fmt.Sprintf("job %d%s, since %s: %s", j.Seq, pid,
			age(s.Now.Sub(j.Since)), v.command(j.Command, -1)))
	}
	return lines
}
