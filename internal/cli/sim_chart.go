package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/tutti-run/tutti/internal/chart"
	"github.com/tutti-run/tutti/internal/usl"
	"github.com/tutti-run/tutti/internal/whatif"
)

const (
	// ganttPoints is as many points as a picture of processors is wide.
	ganttPoints = 2000
	// ganttRows is as many processors as are drawn.
	ganttRows = 64
	// ganttsMost is of how many policies a page has such a picture.
	ganttsMost = 4
)

// drawSim draws into the file name, as its ending says. A picture alone is the curve
// where several numbers of CPUs were tried and no run was cut short, else the policies side by side where there
// are several, else the processors.
func drawSim(name string, q *simulation, runs []whatif.Run, laws []whatif.Law) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("--chart: %w", err)
	}
	defer func() {
		if end := f.Close(); err == nil {
			err = end
		}
	}()
	if filepath.Ext(name) == ".html" {
		return q.page(f, runs, laws)
	}
	switch {
	case len(q.cpus) > 1 && whatif.Whole(runs):
		return chart.SVG(f, speedupChart(q, runs, laws))
	case len(q.policies) > 1:
		return chart.SVG(f, makespanChart(q, q.largest(runs)))
	}
	gantt, err := q.ganttChart(&q.largest(runs)[0])
	if err != nil {
		return err
	}
	return chart.SVG(f, gantt)
}

// page writes all as a page.
func (q *simulation) page(w io.Writer, runs []whatif.Run, laws []whatif.Law) error {
	r := q.report(runs, laws)
	p := chart.Page{
		Title: "Simulated: " + clipped(r.Work),
		Lead:  fmt.Sprintf("%s, %s in all, in virtual time. Machine: %s. Seed %d.", capital(plural(r.Jobs, "job")), spanText(r.Seconds), r.Machine, r.Seed),
	}
	if len(q.cpus) > 1 && whatif.Whole(runs) {
		p.Parts = append(p.Parts, chart.Part{Chart: speedupChart(q, runs, laws), Text: simLaws(laws)})
	}
	last := q.largest(runs)
	if len(q.policies) > 1 {
		p.Parts = append(p.Parts, chart.Part{Chart: makespanChart(q, last)}, chart.Part{Chart: waitChart(q, last)})
	}
	for i := range last[:min(len(last), ganttsMost)] {
		gantt, err := q.ganttChart(&last[i])
		if err != nil {
			return err
		}
		p.Parts = append(p.Parts, chart.Part{Chart: gantt})
	}
	for _, t := range simTables(q, runs) {
		p.Parts = append(p.Parts, chart.Part{Title: t.title, Table: &chart.Table{Head: t.head, Rows: t.rows}})
	}
	if len(r.Notes) > 0 {
		part := chart.Part{Title: "Notes"}
		for _, n := range r.Notes {
			part.Text = append(part.Text, capital(n)+".")
		}
		p.Parts = append(p.Parts, part)
	}
	return chart.HTML(w, p)
}

// largest are the runs on the most CPUs, one for each policy.
func (q *simulation) largest(runs []whatif.Run) (last []whatif.Run) {
	for _, r := range runs {
		if r.CPUs == q.cpus[len(q.cpus)-1] {
			last = append(last, r)
		}
	}
	return last
}

// speedupChart is the curve of each policy, with the laws' where there is one policy.
func speedupChart(q *simulation, runs []whatif.Run, laws []whatif.Law) chart.Chart {
	fewest := q.cpus[0]
	lines := chart.Lines{
		Title: "Speed-up", Note: clipped(q.Work.Name),
		X: chart.Axis{Label: "CPUs", Whole: true}, Y: chart.Axis{Label: fmt.Sprintf("speed-up (times %s)", plural(fewest, "CPU"))},
	}
	for _, policy := range q.policies {
		s := chart.Series{Name: policy, Points: true, Curve: len(q.policies) > 1}
		for _, r := range runs {
			if r.Policy == policy {
				s.X, s.Y = append(s.X, float64(r.CPUs)), append(s.Y, r.Speedup)
			}
		}
		lines.Series = append(lines.Series, s)
	}
	curve := func(name string, at func(n float64) float64) {
		s := chart.Series{Name: name, Curve: true}
		low, high := float64(fewest), float64(q.cpus[len(q.cpus)-1])
		for i := range curvePoints + 1 {
			n := low + (high-low)*float64(i)/curvePoints
			s.X, s.Y = append(s.X, n), append(s.Y, at(n))
		}
		lines.Series = append(lines.Series, s)
	}
	if len(q.policies) == 1 && len(laws) == 1 {
		first := float64(runs[0].Done) / runs[0].Makespan
		at := func(m usl.Model) func(n float64) float64 {
			return func(n float64) float64 { return m.At(n) / first }
		}
		curve("Amdahl's law", at(laws[0].Amdahl))
		curve("Universal Scalability Law", at(laws[0].Universal))
	}
	curve("linear", func(n float64) float64 { return n / float64(fewest) })
	return lines
}

// policyNames are the names of the runs' policies.
func policyNames(runs []whatif.Run) (names []string) {
	for _, r := range runs {
		names = append(names, r.Policy)
	}
	return names
}

// bars is a series of a figure of each run.
func bars(name string, runs []whatif.Run, of func(r *whatif.Run) float64) chart.BarSeries {
	s := chart.BarSeries{Name: name}
	for i := range runs {
		s.Values = append(s.Values, of(&runs[i]))
	}
	return s
}

// makespanChart compares how long the policies take with the least possible. Runs that
// were cut short did each another part of the work, so only their ends are shown.
func makespanChart(q *simulation, runs []whatif.Run) chart.Chart {
	b := chart.Bars{
		Title: fmt.Sprintf("Makespan on %s", plural(runs[0].CPUs, "CPU")), Note: clipped(q.Work.Name),
		X: "policy", Y: chart.Axis{Label: "makespan (s)"}, Groups: policyNames(runs),
	}
	makespan := func(r *whatif.Run) float64 { return r.Makespan }
	if !whatif.Whole(runs) {
		b.Title = fmt.Sprintf("Makespan, or until the run halted, on %s", plural(runs[0].CPUs, "CPU"))
		b.Series = []chart.BarSeries{bars("makespan", runs, makespan)}
		return b
	}
	b.Series = []chart.BarSeries{
		bars("makespan", runs, makespan),
		bars("lower bound", runs, func(r *whatif.Run) float64 { return r.Bound }),
	}
	if q.Faulty() {
		b.Series = append(b.Series, bars("without faults", runs, func(r *whatif.Run) float64 { return r.Sound }))
	}
	return b
}

// waitChart compares how long tasks wait.
func waitChart(q *simulation, runs []whatif.Run) chart.Chart {
	return chart.Bars{
		Title: fmt.Sprintf("Waiting on %s", plural(runs[0].CPUs, "CPU")), Note: clipped(q.Work.Name),
		X: "policy", Y: chart.Axis{Label: "wait (s)"}, Groups: policyNames(runs),
		Series: []chart.BarSeries{
			bars("mean", runs, func(r *whatif.Run) float64 { return r.Wait.Mean }),
			bars("p50", runs, func(r *whatif.Run) float64 { return r.Wait.P50 }),
			bars("p95", runs, func(r *whatif.Run) float64 { return r.Wait.P95 }),
			bars("p99", runs, func(r *whatif.Run) float64 { return r.Wait.P99 }),
		},
	}
}

// ganttChart is what the processors did in a run.
func (q *simulation) ganttChart(r *whatif.Run) (chart.Chart, error) {
	rows, err := q.Gantt(r.Policy, r.CPUs, ganttRows, ganttPoints, r.Makespan)
	if err != nil {
		return nil, err
	}
	g := chart.Gantt{
		Title: fmt.Sprintf("Processors under %s", r.Policy),
		Note:  fmt.Sprintf("%s busy.", percentText(r.Utilisation)),
		X:     chart.Axis{Label: "time (s)"}, Kinds: []string{"task", "stolen task", "attempt in which the worker died"},
	}
	if r.Failed > r.Poisoned || q.Fails > 0 || r.Halted {
		g.Kinds = append(g.Kinds, "attempt that failed", "attempt killed by --halt")
	}
	for i := range r.CPUs {
		row := chart.Row{Name: fmt.Sprintf("CPU %d", i+1)}
		if i < len(rows) {
			for _, s := range rows[i] {
				row.Spans = append(row.Spans, chart.Span{From: s.From, To: s.To, Kind: s.Kind})
			}
		}
		g.Rows = append(g.Rows, row)
	}
	return g, nil
}
