package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tutti-run/tutti/internal/command"
)

// workshop makes jobs of inputs.
type workshop struct {
	*plan
	templates
	names  []string // of the columns
	reader *command.Reader
	total  int64                             // jobs; 0: not known
	part   func(j *job, command string) bool // what has a part in this run; nil: everything
	done   func(j *job, command string) bool // what earlier runs did; nil: nothing
	kept   keeper
	stdin  *tee
	keep   *keeping // --results, --files; nil: none
	sizes  *sizes   // of the files that inputs name; nil: nobody wants to know
}

// newWorkshop opens the inputs and reads the command, which may use the names
// that the inputs begin with.
func newWorkshop(p *plan) (*workshop, error) {
	w := &workshop{plan: p, stdin: &tee{from: os.Stdin}, kept: keeper{stdin: os.Stdin, copies: map[string]*os.File{}}}
	if !p.piped() {
		if err := w.open(false); err != nil {
			return nil, err
		}
		w.names = w.reader.Names()
	}
	var err error
	if w.templates, err = p.templates(w.names); err != nil {
		return nil, err
	}
	return w, nil
}

// open opens the inputs; again, so that they can be read once more.
func (w *workshop) open(again bool) error {
	spec, err := w.inputSpec()
	if err != nil {
		return err
	}
	spec.Stdin = w.stdin
	if again {
		spec = w.kept.rereadable(spec)
	}
	w.reader, err = command.Open(spec)
	return err
}

// columns is how many values a record has, where that is plain; else 0.
func (w *workshop) columns() int {
	switch {
	case w.piped():
		return 0
	case len(w.names) > 0:
		return len(w.names)
	case w.HasColumns():
		return 0
	}
	return max(1, len(w.sources)+len(w.ArgFiles))
}

// count finds out how many jobs there are, by reading all inputs where it must.
func (w *workshop) count(must bool) error {
	spec, err := w.inputSpec()
	if err != nil || w.piped() {
		return err
	}
	if w.TotalJobs > 0 { // a person knows
		w.total = w.TotalJobs
		return nil
	}
	if n, ok := spec.Count(); ok {
		w.total = n
		return nil
	}
	if !must {
		return nil
	}
	if err := w.reader.Close(); err != nil {
		return err
	}
	for range 2 { // once to count, and once more for the jobs
		if err := w.open(true); err != nil {
			return err
		}
		if w.total > 0 {
			return nil
		}
		for _, err := range w.reader.Jobs(w.templates.command.Fitter(int(w.MaxChars))) {
			if err != nil {
				return err
			}
			w.total++
		}
		if err := w.reader.Close(); err != nil {
			return err
		}
	}
	return nil
}

// jobs gives the jobs of all inputs.
func (w *workshop) jobs(yield func(*job) bool) {
	defer w.reader.Close()
	made := w.made
	if w.before.resumes() { // there may be a million to pass over, and nobody to wait for
		made = abreast(w.inputs, w.shape)
	}
	var passed *job // done before, and not handed on yet
	for m := range made {
		j := m.job
		w.settle(&m)
		if passed != nil && (!j.follows(passed) || passed.span == spanMost) {
			if !yield(passed) {
				return
			}
			passed = nil
		}
		switch {
		case passed != nil:
			j.span = passed.span + 1
			passed = j
		case j.skip && !j.absent:
			passed = j
		case !yield(j):
			return
		}
	}
	if passed != nil {
		yield(passed)
	}
}

// made are the jobs of all inputs, with these.
func (w *workshop) made(yield func(made) bool) {
	for in := range w.inputs {
		if !yield(w.shape(in)) {
			return
		}
	}
}

// material is what a job is made of, or why there is none.
type material struct {
	command.Job
	fault error
}

// made is a job with what it was made of.
type made struct {
	in  command.Job
	job *job
}

// inputs reads what jobs are made of.
func (w *workshop) inputs(yield func(material) bool) {
	for in, err := range w.reader.Jobs(w.templates.command.Fitter(int(w.MaxChars))) {
		in.Total = w.total
		if !yield(material{in, err}) {
			return
		}
	}
}

// spanMost bounds the jobs that go as one.
const spanMost = 1023

// follows reports whether j is to be skipped as before is, and comes next.
func (j *job) follows(before *job) bool {
	return j.skip && !j.absent && j.seq == before.seq+1
}

// prepare makes a job of an input, and decides whether it is to be run.
func (w *workshop) prepare(in command.Job) *job {
	m := w.shape(material{in, nil})
	w.settle(&m)
	return m.job
}

// shape makes a job of an input. It may be called from several goroutines.
func (w *workshop) shape(from material) made {
	in := from.Job
	if from.fault != nil {
		return made{in, &job{attempt: 1, fault: from.fault}}
	}
	j := &job{seq: in.Seq, attempt: 1, args: in.Args}
	if w.line != nil {
		j.fault = w.lineOf(j, in)
	} else {
		j.rendered, j.fault = w.templates.command.Render(in)
	}
	if errors.Is(j.fault, command.ErrSkip) {
		return made{in, &job{seq: in.Seq, skip: true, absent: true}}
	}
	for _, x := range []struct {
		from *command.Text
		to   *string
	}{{w.tag, &j.tag}, {w.dir, &j.dir}, {w.results, &j.results}} {
		if x.from == nil || j.fault != nil {
			continue
		}
		*x.to, j.fault = x.from.Expand(in, 0)
	}
	if j.fault == nil && w.dir != nil {
		j.dir, j.fault = w.folder(j)
	}
	if j.fault == nil {
		j.fixtures, j.fault = fill(w.templates.files, in)
	}
	if j.fault == nil && w.urgency != nil {
		j.priority, j.fault = urgencyOf(w.urgency, in)
	}
	j.mark = w.markOf(j)
	return made{in, j}
}

// settle decides whether a job is to be run.
func (w *workshop) settle(m *made) {
	j := m.job
	switch {
	case j.fault != nil || j.skip:
	case w.part != nil && !w.known(j, w.part):
		j.skip, j.absent = true, true
	case w.done != nil:
		j.skip = w.known(j, w.done)
	case w.keep != nil && w.Resume:
		j.skip = w.keep.done(m.in, j.results)
	}
	if w.sizes != nil && !j.skip && j.fault == nil {
		j.size = w.sizes.of(j)
	}
}

// lineOf makes j's line for the program, and what the job is known by: a command for
// bash that has the program answer that line alone.
func (w *workshop) lineOf(j *job, in command.Job) (err error) {
	if j.line, err = w.line.Expand(in, 0); err != nil {
		return err
	}
	j.rendered = command.Rendered{Display: w.Persistent + " <<< " + command.Quote(j.line)}
	if flaw := framing(w.Framing).flaw(j.line); flaw != "" {
		return fmt.Errorf("job %d: %s", j.seq, flaw)
	}
	return nil
}

// known reports whether an earlier run had the job, as which tells. Which slot it had
// then is chance: any is as good.
func (w *workshop) known(j *job, which func(j *job, command string) bool) bool {
	if !command.SlotOpen(j.rendered.Display) {
		return which(j, j.rendered.Display)
	}
	for slot := 1; slot <= max(w.plan.jobs, slotsTried); slot++ {
		if which(j, j.rendered.Text(slot)) {
			return true
		}
	}
	return false
}

// slotsTried is how many slots an earlier run is thought to have had at least.
const slotsTried = 256

// quoted prints the commands quoted, for --shellquote.
func (w *workshop) quoted(to io.Writer) error {
	for in, err := range w.reader.Jobs(w.templates.command.Fitter(int(w.MaxChars))) {
		if err != nil {
			return err
		}
		in.Total = w.total
		r, err := w.templates.command.Render(in)
		if errors.Is(err, command.ErrSkip) {
			continue
		}
		if err != nil {
			return err
		}
		text := r.Text(0)
		for range w.ShellQuote {
			text = command.Quote(text)
		}
		if _, err := io.WriteString(to, text+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// callOf is what a worker is told of a job.
func (p *plan) callOf(j *job) call {
	r := &j.rendered
	c := call{
		Ticket: j.ticket, Seq: j.seq, Argv: r.Argv, Path: r.Path, Shell: r.Shell, Mark: j.mark, Dir: j.dir,
		TimeoutNs: int64(p.timeout.After), Input: j.input, Slot: j.slot, Env: j.env,
	}
	if p.kept() { // as it was written
		c.Mark = mark{}
	}
	if j.slot > 0 {
		c.Dir = command.FillSlot(j.dir, j.slot)
	}
	if command.SlotOpen(r.Display) {
		c.Display = r.Display
	}
	return c
}
