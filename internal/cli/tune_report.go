package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/tutti-run/tutti/internal/chart"
	"github.com/tutti-run/tutti/internal/tune"
)

// tuneText is a report as people read it: the answer first.
func tuneText(r *tune.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", tuneAnswer(r))
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	head, rows := tuneTable(r)
	for _, row := range append([][]string{head}, rows...) {
		fmt.Fprintln(table, strings.Join(row, "\t")+"\t")
	}
	_ = table.Flush() // a strings.Builder takes all
	b.WriteString("\n")
	for _, line := range append(tuneLimits(r), tuneLaw(r)...) {
		b.WriteString(line + "\n")
	}
	for _, note := range r.Notes {
		b.WriteString("Note: " + note + ".\n")
	}
	return b.String()
}

// tuneAnswer is the best number in a sentence.
func tuneAnswer(r *tune.Report) string {
	best := r.Levels[0]
	for _, l := range r.Levels {
		if l.Workers == r.Best.Workers {
			best = l
		}
	}
	text := fmt.Sprintf("Best: %s, -j %d, with %s commands a second", plural(best.Workers, "worker"), best.Workers, significant(best.Throughput))
	if best.Speedup > 0 {
		text += fmt.Sprintf(", %.2f times as many as one worker", best.Speedup)
	}
	if r.Best.Confidence < 0 {
		return text + ". One round tells nothing of how sure this is."
	}
	return text + fmt.Sprintf(". Confidence %.0f %%, of %s.", 100*r.Best.Confidence, plural(r.Rounds, "round"))
}

// tuneTable is the levels as words.
func tuneTable(r *tune.Report) (head []string, rows [][]string) {
	head = []string{"workers", "commands/s", "lowest", "highest", "speed-up", "efficiency", "CPUs busy", "CPU s/command"}
	for _, l := range r.Levels {
		speedup, efficiency := "-", "-"
		if l.Speedup > 0 {
			speedup, efficiency = fmt.Sprintf("%.2f", l.Speedup), fmt.Sprintf("%.0f %%", 100*l.Efficiency)
		}
		rows = append(rows, []string{
			fmt.Sprint(l.Workers), significant(l.Throughput), significant(l.Low), significant(l.High), speedup, efficiency,
			fmt.Sprintf("%.2f", l.CPUs), fmt.Sprintf("%.3g", l.CPUSeconds),
		})
	}
	return head, rows
}

// tuneLimits says what limits, a line each.
func tuneLimits(r *tune.Report) (lines []string) {
	for _, l := range r.Limits {
		lines = append(lines, fmt.Sprintf("Limit: %s. %s.", l.What, capital(l.Why)))
	}
	return lines
}

// tuneLaw says what the law makes of it, a line each.
func tuneLaw(r *tune.Report) (lines []string) {
	if r.Law == nil {
		return []string{capital(r.NoLaw) + ". What more CPUs would bring is not known."}
	}
	percent := func(v tune.Value) string {
		return fmt.Sprintf("%.3g %% (%.3g to %.3g)", 100*v.Value, 100*v.Low, 100*v.High)
	}
	lines = append(lines, fmt.Sprintf("Law: serial part %s, coherency part %s; it explains %.1f %% of what was measured.", percent(r.Law.Alpha), percent(r.Law.Beta), 100*r.Law.RSquared))
	if p := r.Law.Peak; p.Value > 0 {
		high := "no end"
		if p.High > 0 {
			high = fmt.Sprintf("%.3g", p.High)
		}
		lines = append(lines, fmt.Sprintf("By the law throughput falls beyond %.3g workers (%.3g to %s).", p.Value, p.Low, high))
	}
	var more []string
	for _, m := range r.More {
		more = append(more, fmt.Sprintf("%.3g times with %d (%.3g to %.3g)", m.Speedup.Value, m.CPUs, m.Speedup.Low, m.Speedup.High))
	}
	return append(lines, fmt.Sprintf("More CPUs, each with a worker, would do by the law, against one: %s. This machine has %d: that is an extrapolation.", strings.Join(more, ", "), r.CPUs))
}

// drawTune draws a report into the file name, as its ending says.
func drawTune(name, command string, r *tune.Report) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("--chart: %w", err)
	}
	defer func() {
		if end := f.Close(); err == nil {
			err = end
		}
	}()
	if filepath.Ext(name) == ".svg" {
		return chart.SVG(f, tuneChart(command, r))
	}
	return tunePage(f, command, r)
}

// tunePage writes the report as a page.
func tunePage(w io.Writer, command string, r *tune.Report) error {
	head, rows := tuneTable(r)
	return chart.HTML(w, chart.Page{
		Title: "How " + clipped(command) + " scales", Lead: tuneAnswer(r),
		Parts: []chart.Part{
			{Chart: tuneChart(command, r)},
			{Title: "What limits it", Text: tuneLimits(r)},
			{Title: "What more CPUs would bring", Text: tuneLaw(r)},
			{Title: "Measured", Text: r.Notes, Table: &chart.Table{Head: head, Rows: rows}},
		},
	})
}

// tuneChart is the curve of what was measured, and the law's. Without one worker there
// is no speed-up, and the scale is commands a second.
func tuneChart(command string, r *tune.Report) chart.Chart {
	one, label := 1.0, "commands/s"
	if first := r.Levels[0]; first.Speedup > 0 {
		one, label = first.Throughput, "speed-up (times one worker)"
	}
	measured := chart.Series{Name: "measured", Points: true}
	for _, l := range r.Levels {
		measured.X = append(measured.X, float64(l.Workers))
		measured.Y = append(measured.Y, l.Throughput/one)
		measured.Low = append(measured.Low, l.Low/one)
		measured.High = append(measured.High, l.High/one)
	}
	lines := chart.Lines{
		Title: clipped(command), Note: fmt.Sprintf("Median of %s; bars from the lowest to the highest.", plural(r.Rounds, "round")),
		X: chart.Axis{Label: "workers", Whole: true}, Y: chart.Axis{Label: label}, Series: []chart.Series{measured},
		Marks: []chart.Mark{{X: float64(r.CPUs), Name: plural(r.CPUs, "CPU")}},
	}
	if r.Law == nil {
		return lines
	}
	end := float64(max(r.Levels[len(r.Levels)-1].Workers, 2*r.CPUs))
	law := chart.Series{Name: "Universal Scalability Law", Curve: true}
	linear := chart.Series{Name: "linear", Curve: true}
	for i := range curvePoints + 1 {
		n := 1 + (end-1)*float64(i)/curvePoints
		law.X, law.Y = append(law.X, n), append(law.Y, r.Law.Model.At(n)/one)
		linear.X, linear.Y = append(linear.X, n), append(linear.Y, n*r.Law.Model.Gamma/one)
	}
	lines.Series = append(lines.Series, law, linear)
	return lines
}

// curvePoints is as many as look like a curve.
const curvePoints = 100

// significant is a rate with as many digits as mean something.
func significant(x float64) string {
	if x >= 1000 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.3g", x)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
