package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/tutti-run/tutti/internal/history"
	"github.com/tutti-run/tutti/internal/journal"
	"github.com/tutti-run/tutti/internal/progress"
)

// digest is what show tells of the jobs of a run together: which stood out, and how good
// the guesses were.
type digest struct {
	jobs    int
	slowest []journal.Job
	biggest []journal.Job
	guesses history.Score
}

// standOut is how many of the slowest and of the biggest are named.
const standOut = 5

// digestOf reads a run's jobs. Of one that ran more than once each run counts.
func digestOf(runs *journal.Runs, id int) (*digest, error) {
	d := new(digest)
	_, err := runs.Read(id, func(j journal.Job) {
		if j.How == "skipped" { // it never ran
			return
		}
		d.jobs++
		d.slowest = outstanding(d.slowest, j, func(j *journal.Job) int64 { return int64(j.Runtime) })
		if j.Memory > 0 {
			d.biggest = outstanding(d.biggest, j, func(j *journal.Job) int64 { return j.Memory })
		}
		if j.Guess >= 0 && j.OK() {
			d.guesses.Add(j.Guess.Seconds(), j.Runtime.Seconds())
		}
	})
	return d, err
}

// outstanding is a list of the jobs of which by is greatest, with one more looked at.
func outstanding(list []journal.Job, j journal.Job, by func(*journal.Job) int64) []journal.Job {
	if len(list) == standOut && by(&list[standOut-1]) >= by(&j) {
		return list
	}
	at, _ := slices.BinarySearchFunc(list, by(&j), func(o journal.Job, n int64) int { return cmp.Or(cmp.Compare(n, by(&o)), -1) })
	list = slices.Insert(list, at, j)
	return list[:min(len(list), standOut)]
}

// print tells people.
func (d *digest) print(w io.Writer) {
	if d.jobs < 2 {
		return
	}
	fmt.Fprintln(w, "slowest:")
	for _, j := range d.slowest {
		fmt.Fprintf(w, "  job %d, %s: %s\n", j.Seq, progress.Span(j.Runtime), clipped(j.Command))
	}
	if len(d.biggest) == 0 {
		return
	}
	fmt.Fprintln(w, "biggest:")
	for _, j := range d.biggest {
		fmt.Fprintf(w, "  job %d, %s: %s\n", j.Seq, progress.Size(j.Memory), clipped(j.Command))
	}
}

// guessed says how good the guesses were; "" where there were none.
func (d *digest) guessed() string {
	r, ok := d.guesses.Report()
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s: half to within %.0f%%, nine of ten to within %.0f%%; together %s",
		plural(r.Tasks, "job"), 100*r.Median, 100*r.Most, offBy(r.Total))
}

// offBy says how far a guess was off that was so many times what came.
func offBy(ratio float64) string {
	switch percent := 100 * (ratio - 1); {
	case percent >= 0.5:
		return fmt.Sprintf("%.0f%% too much", percent)
	case percent <= -0.5:
		return fmt.Sprintf("%.0f%% too little", -percent)
	}
	return "right"
}

// foretold says what was said of the run's end, and what came; "" where nothing was.
func foretold(rec *journal.Record) string {
	if len(rec.Ends) == 0 {
		return ""
	}
	g := rec.Ends[len(rec.Ends)-1].Guess
	if g == nil || g.Left == 0 { // nothing was left to guess
		return ""
	}
	span := func(s float64) string { return progress.Span(seconds(s)) }
	return fmt.Sprintf("%s ± %s, and it took %s", span(g.Left), span(g.Within), span(g.Took))
}

// seqs are the numbers of jobs.
func seqs(jobs []journal.Job) (all []int64) {
	for _, j := range jobs {
		all = append(all, j.Seq)
	}
	return all
}

// showFacts are what show --json tells of a run beside what runs --json does.
type showFacts struct {
	runFacts
	Slowest []int64         `json:"slowest,omitempty"` // numbers of jobs
	Biggest []int64         `json:"biggest,omitempty"`
	Guesses *history.Report `json:"guesses,omitempty"`
}

func (d *digest) facts(of runFacts) showFacts {
	f := showFacts{runFacts: of, Slowest: seqs(d.slowest), Biggest: seqs(d.biggest)}
	if r, ok := d.guesses.Report(); ok {
		f.Guesses = &r
	}
	return f
}
