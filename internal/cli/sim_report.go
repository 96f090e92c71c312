package cli

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/whatif"
	"github.com/tutti-run/tutti/sim"
)

// simReport is what --json prints. Times are seconds.
type simReport struct {
	Work     string       `json:"work"`
	Jobs     int          `json:"jobs"`
	Seconds  float64      `json:"work_s"` // on one CPU of full speed
	Bad      int          `json:"bad_lines"`
	NoLength int          `json:"jobs_of_unknown_length"`
	Machine  string       `json:"machine"`
	Seed     uint64       `json:"seed"`
	Runs     []whatif.Run `json:"runs"`
	Laws     []whatif.Law `json:"laws,omitempty"`
	Notes    []string     `json:"notes,omitempty"`
}

func (q *simulation) report(runs []whatif.Run, laws []whatif.Law) simReport {
	r := simReport{
		Work: q.Work.Name, Jobs: len(q.Work.Jobs), Bad: q.Work.Bad, NoLength: q.Work.NoLength,
		Machine: q.Machine.Name, Seed: q.Seed, Runs: runs, Laws: laws, Notes: q.notes(runs),
	}
	for _, j := range q.Work.Jobs {
		r.Seconds += float64(j.Length) * float64(j.CPUs) / float64(sim.Second)
	}
	return r
}

// notes are what a reader has to know beside the figures.
func (q *simulation) notes(runs []whatif.Run) []string {
	notes := append([]string(nil), q.Work.Notes...)
	if n := q.Work.Bad; n > 0 {
		notes = append(notes, plural(n, "broken line")+" passed over")
	}
	if n := q.Work.NoLength; n > 0 {
		notes = append(notes, plural(n, "job")+" left out, of which nobody knows how long they ran or when they were submitted")
	}
	wide := 0
	for _, j := range q.Work.Jobs {
		if j.CPUs > 1 {
			wide++
		}
	}
	if wide > 0 {
		notes = append(notes, plural(wide, "job")+" used several CPUs: each is simulated as so many tasks, which need not run at once")
	}
	failed := 0
	for _, j := range q.Work.Jobs {
		if j.Failed {
			failed++
		}
	}
	if failed > 0 {
		notes = append(notes, plural(failed, "job")+" recorded as failed, and simulated as such")
	}
	for _, r := range runs {
		if r.GaveUp {
			notes = append(notes, fmt.Sprintf("%s on %s: too many workers died, so the pool gave up with %s to do", r.Policy, plural(r.CPUs, "CPU"), plural(r.Left, "task")))
		}
	}
	return notes
}

// simText is what people read.
func simText(q *simulation, runs []whatif.Run, laws []whatif.Law) string {
	var b strings.Builder
	r := q.report(runs, laws)
	fmt.Fprintf(&b, "Work: %s; %s, %s in all.\nMachine: %s. Seed %d.\n", r.Work, plural(r.Jobs, "job"), spanText(r.Seconds), r.Machine, r.Seed)
	for _, t := range simTables(q, runs) {
		b.WriteString("\n")
		table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
		for _, row := range append([][]string{t.head}, t.rows...) {
			fmt.Fprintln(table, strings.Join(row, "\t")+"\t")
		}
		_ = table.Flush() // a strings.Builder takes all
	}
	if lines := append(simLaws(laws), r.Notes...); len(lines) > 0 {
		b.WriteString("\n")
		for _, line := range lines {
			b.WriteString(capital(line) + ".\n")
		}
	}
	return b.String()
}

// simTable is a table of figures as words.
type simTable struct {
	title string
	head  []string
	rows  [][]string
}

// simTables are the figures, a part to a table so that each fits a terminal. What can
// only be nought is left out.
func simTables(q *simulation, runs []whatif.Run) []simTable {
	times := simTable{title: "Time", head: []string{"policy", "CPUs", "makespan", "at least", "busy", "steals", "balance"}}
	waits := simTable{title: "Waiting", head: []string{"policy", "CPUs", "wait: mean", "p50", "p95", "p99", "slowdown: mean", "p50", "p95", "p99", "fairness"}}
	costs := simTable{title: "Failures", head: []string{"policy", "CPUs", "deaths", "failed", "left", "lost", "without faults", "cost"}}
	whole := whatif.Whole(runs)
	if len(q.cpus) > 1 && whole {
		times.head = append(times.head, "speed-up")
	}
	if q.Due > 0 {
		times.head = append(times.head, "late")
	}
	memory := runs[0].Memory > 0
	if memory {
		times.head = append(times.head, "memory")
	}
	for _, r := range runs {
		who := []string{r.Policy, strconv.Itoa(r.CPUs)}
		row := append(who, spanText(r.Makespan), boundText(&r), percentText(r.Utilisation), strconv.Itoa(r.Steals), fmt.Sprintf("%.3f", r.Balance))
		if len(q.cpus) > 1 && whole {
			row = append(row, fmt.Sprintf("%.2f", r.Speedup))
		}
		if q.Due > 0 {
			row = append(row, strconv.Itoa(r.Late))
		}
		if memory {
			row = append(row, fmt.Sprintf("%.4g MiB", float64(r.Memory)/(1<<20)))
		}
		times.rows = append(times.rows, row)
		waits.rows = append(waits.rows, []string{
			r.Policy, strconv.Itoa(r.CPUs), spanText(r.Wait.Mean), spanText(r.Wait.P50), spanText(r.Wait.P95), spanText(r.Wait.P99),
			factorText(r.Slowdown.Mean), factorText(r.Slowdown.P50), factorText(r.Slowdown.P95), factorText(r.Slowdown.P99), fmt.Sprintf("%.3f", r.Fairness),
		})
		costs.rows = append(costs.rows, []string{
			r.Policy, strconv.Itoa(r.CPUs), strconv.Itoa(r.Deaths), strconv.Itoa(r.Failed), strconv.Itoa(r.Left),
			spanText(r.Lost), spanText(r.Sound), costText(&r),
		})
	}
	tables := []simTable{times, waits}
	if q.Halt != (core.Halt{}) {
		tables = append(tables, haltTable(runs, q.Poison > 0))
	}
	if q.Faulty() {
		tables = append(tables, costs)
	}
	if q.Coherence {
		tables = append(tables, linesTable(runs))
	}
	return tables
}

// haltTable is what became of the tasks under a halt rule.
func haltTable(runs []whatif.Run, poison bool) simTable {
	t := simTable{title: "Halts", head: []string{"policy", "CPUs", "halted at", "done", "failed"}}
	if poison {
		t.head = append(t.head, "of these poison")
	}
	t.head = append(t.head, "killed", "not begun", "to be tried again")
	for _, r := range runs {
		at := "-"
		if r.Halted {
			at = spanText(r.HaltedAt)
		}
		row := []string{r.Policy, strconv.Itoa(r.CPUs), at, strconv.Itoa(r.Done), strconv.Itoa(r.Failed)}
		if poison {
			row = append(row, strconv.Itoa(r.Poisoned))
		}
		t.rows = append(t.rows, append(row, strconv.Itoa(r.Killed), strconv.Itoa(r.NotBegun), strconv.Itoa(r.Left-r.NotBegun)))
	}
	return t
}

// boundText is the least that a run could have taken; one that was cut short has none.
func boundText(r *whatif.Run) string {
	if r.Cut() {
		return "-"
	}
	return spanText(r.Bound)
}

// linesTable is what the cache lines did.
func linesTable(runs []whatif.Run) simTable {
	t := simTable{title: "Cache lines", head: []string{"policy", "CPUs", "found M", "E", "S", "I", "from memory", "core", "cache", "node", "far", "invalidated", "written back", "moving", "waiting"}}
	for _, r := range runs {
		l := r.Lines
		row := []string{r.Policy, strconv.Itoa(r.CPUs)}
		for _, n := range append(append([]int{l.Modified, l.Exclusive, l.Shared, l.Invalid}, l.Transfers[:]...), l.Invalidations, l.WriteBacks) {
			row = append(row, strconv.Itoa(n))
		}
		t.rows = append(t.rows, append(row, spanText(l.Seconds), spanText(l.Waited)))
	}
	return t
}

// costText is by how much failures made a run longer.
func costText(r *whatif.Run) string {
	if r.GaveUp || r.Cut() || r.Sound == 0 {
		return "-"
	}
	return fmt.Sprintf("%+.1f %%", 100*(r.Makespan/r.Sound-1))
}

// simLaws says how each policy scales.
func simLaws(laws []whatif.Law) (lines []string) {
	for _, l := range laws {
		line := fmt.Sprintf("%s: by Amdahl's law %.3g %% of the work is serial; by the Universal Scalability Law %.3g %% is, and the coherency part %.3g %%",
			l.Policy, 100*l.Serial, 100*l.Alpha, 100*l.Beta)
		if l.Peak > 0 {
			line += fmt.Sprintf(", so that throughput falls beyond %.3g CPUs", l.Peak)
		}
		lines = append(lines, line)
	}
	return lines
}

// spanText is a number of seconds as a table has it.
func spanText(s float64) string {
	switch {
	case s == 0:
		return "0"
	case s < 1e-6:
		return fmt.Sprintf("%.0fns", s*1e9)
	case s < 1e-3:
		return fmt.Sprintf("%.3gµs", s*1e6)
	case s < 1:
		return fmt.Sprintf("%.3gms", s*1e3)
	case s < 600:
		return fmt.Sprintf("%.4gs", s)
	case s < 2*3600:
		return fmt.Sprintf("%.1fmin", s/60)
	case s < 48*3600:
		return fmt.Sprintf("%.1fh", s/3600)
	}
	return fmt.Sprintf("%.1fd", s/86400)
}

func percentText(part float64) string { return fmt.Sprintf("%.1f %%", 100*part) }

func factorText(x float64) string {
	if x >= 1000 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.3g", x)
}

// simCSV writes the figures as CSV, a line a run. Times are seconds.
func simCSV(w io.Writer, runs []whatif.Run) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{ // Error tells below
		"policy", "cpus", "makespan_s", "lower_bound_s", "utilisation", "speedup",
		"wait_mean_s", "wait_p50_s", "wait_p95_s", "wait_p99_s", "wait_max_s",
		"slowdown_mean", "slowdown_p50", "slowdown_p95", "slowdown_p99", "slowdown_max",
		"steals", "fairness", "balance", "late", "memory_bytes",
		"done", "failed", "poisoned", "killed", "left", "not_begun", "gave_up", "halted", "halted_at_s", "deaths", "lost_s", "makespan_without_faults_s", "events", "trace",
	})
	for _, r := range runs {
		row := []string{r.Policy, strconv.Itoa(r.CPUs)}
		reals := func(values ...float64) {
			for _, v := range values {
				row = append(row, strconv.FormatFloat(v, 'g', -1, 64))
			}
		}
		wholes := func(values ...int) {
			for _, v := range values {
				row = append(row, strconv.Itoa(v))
			}
		}
		reals(r.Makespan, r.Bound, r.Utilisation, r.Speedup, r.Wait.Mean, r.Wait.P50, r.Wait.P95, r.Wait.P99, r.Wait.Most,
			r.Slowdown.Mean, r.Slowdown.P50, r.Slowdown.P95, r.Slowdown.P99, r.Slowdown.Most)
		wholes(r.Steals)
		reals(r.Fairness, r.Balance)
		wholes(r.Late, int(r.Memory), r.Done, r.Failed, r.Poisoned, r.Killed, r.Left, r.NotBegun)
		row = append(row, strconv.FormatBool(r.GaveUp), strconv.FormatBool(r.Halted))
		reals(r.HaltedAt)
		wholes(r.Deaths)
		reals(r.Lost, r.Sound)
		wholes(r.Events)
		_ = out.Write(append(row, r.Trace))
	}
	out.Flush()
	return out.Error()
}
