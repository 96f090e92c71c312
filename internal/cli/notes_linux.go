package cli

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tutti-run/tutti/internal/journal"
)

// notes are what a run writes in the journal. A nil one writes nothing. Those of earlier
// runs are read, and that of a new run is begun, while its workers start; whoever needs
// them waits for that.
type notes struct {
	identity journal.Identity
	past     chan []journal.PastJob // of the same template, in earlier runs: once
	stdin    *tee
	begun    chan struct{}     // closed when the journal has begun, or cannot; then these hold:
	out      *journal.Recorder // nil: it cannot be written
	run      int               // its number
}

// kept reports whether there is a journal. It waits until one has begun.
func (n *notes) kept() bool {
	if n == nil {
		return false
	}
	<-n.begun
	return n.out != nil
}

// syncWithin has within called for each sync of the journal, see journal.Recorder.
func (n *notes) syncWithin(within func(sync func())) {
	if n.kept() {
		n.out.SyncWithin(within)
	}
}

// nestedVariable is in the environment of commands, so of runs within runs.
const nestedVariable = "PARALLEL_PID"

// journaled reports whether the run has a journal: not one within another's job, which
// may be one of thousands, and which the other's journal knows as that job.
func (p *plan) journaled() bool {
	return !p.NoJournal && !p.RetryFailed && (os.Getenv(nestedVariable) == "" || p.before != nil)
}

// refuseToForget refuses what would have the rest of an earlier run, or a part of it,
// be something else than its journal says.
func (p *plan) refuseToForget() error {
	switch {
	case p.before == nil:
		return nil
	case p.NoJournal || p.RetryFailed:
		return errors.New("what is left of a run, or failed, stands in its journal: leave out --no-journal and --retry-failed")
	case p.DryRun:
		return fmt.Errorf("there is no dry run of a part of a run; tutti show %d tells what failed and what is left", p.before.ID)
	}
	return nil
}

// begin begins the run's journal, or goes on with it.
func (r *mapRun) begin(shop *workshop) error {
	p := r.plan
	if !p.journaled() {
		shop.stdin.keep(nil)
		return nil
	}
	if p.before.resumes() {
		return r.goOn(shop)
	}
	err := r.beginNew(shop)
	if err != nil && p.before != nil {
		return err // without its identity nobody can tell which jobs are meant
	}
	if err != nil {
		r.noJournal(shop, err)
	} else if p.before != nil {
		shop.part = p.before.part(r.notes.identity)
	}
	return nil
}

// noJournal says why a run has no journal, where somebody can do something about it: it
// runs all the same.
func (r *mapRun) noJournal(shop *workshop, err error) {
	r.screen.say("%v; the run goes on without (--no-journal leaves it out)", err)
	shop.stdin.keep(nil)
}

// beginNew begins the journal of a new run: what needs the file system's changes, beside
// what follows.
func (r *mapRun) beginNew(shop *workshop) error {
	p := r.plan
	folder, err := journal.RunsFolder(os.Getenv)
	if err != nil {
		return err
	}
	about := journal.Run{
		Program: p.program, Words: p.called.words, Args: p.called.args, Env: p.chosen(), Begin: r.screen.begin, PID: os.Getpid(),
		Stdin: p.stdinKept(), RerunOf: p.before.number(), OnlyFailed: p.before.onlyFailed(),
		Template: p.template(),
	}
	if shop.command != nil {
		about.Executable = shop.command.Executable()
	}
	if about.Folder, err = os.Getwd(); err != nil {
		return err
	}
	n := &notes{identity: journal.NewIdentity(about.Folder, about.Env), stdin: shop.stdin, begun: make(chan struct{}), past: make(chan []journal.PastJob, 1)}
	runs := journal.RunsIn(folder)
	r.notes, r.delivery.notes = n, n
	all := shop.kept.copies["-"]
	go func() {
		defer close(n.begun)
		n.past <- runs.Past(about.Template) // before there is one more run with it
		if err := n.begin(runs, about, all); err != nil {
			r.noJournal(shop, err)
		}
	}()
	return nil
}

// begin begins the journal. all is standard input, where that was read to be counted.
func (n *notes) begin(runs *journal.Runs, about journal.Run, all *os.File) error {
	out, id, stdin, err := runs.Begin(about)
	if err != nil {
		return err
	}
	n.stdin.keep(stdin)
	if all != nil && stdin != nil {
		if _, err := io.Copy(stdin, io.NewSectionReader(all, 0, math.MaxInt64)); err != nil {
			return fmt.Errorf("keep the inputs: %w", err)
		}
	}
	n.out, n.run = out, id
	if id%cleanEvery == 0 {
		go func() { _ = runs.Clean(journal.DefaultBounds, time.Now()) }() // what stays now goes another time
	}
	return nil
}

// cleanEvery is how many runs share the cost of looking for old journals.
const cleanEvery = 16

// goOn goes on with the journal of an earlier run.
func (r *mapRun) goOn(shop *workshop) error {
	b := r.plan.before
	// A task that failed is not done: others wait for it.
	out, done, err := b.held.Resume(journal.Options{RetryFailed: b.failed || r.plan.graph})
	if err != nil {
		return err
	}
	shop.stdin.keep(nil)
	n := &notes{identity: journal.NewIdentity(b.Folder, b.Env), stdin: shop.stdin, begun: make(chan struct{}), out: out, run: b.ID, past: make(chan []journal.PastJob, 1)}
	close(n.begun)
	go func() { n.past <- b.runs.Past(b.Template) }()
	r.notes, r.delivery.notes = n, n
	shop.part = b.part(n.identity)
	logged := shop.done // by the job log, where the run itself was called with --resume
	shop.done = func(j *job, command string) bool {
		return done.Had(n.identity.Key(j.seq, j.dir, command)) || logged != nil && logged(j, command)
	}
	return nil
}

// chosen are the variables that are part of what a job is, as they are now: those that
// --env names.
func (p *plan) chosen() (env []string) {
	for _, name := range p.Env {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	slices.Sort(env)
	return slices.Compact(env)
}

// stdinKept says what becomes of standard input: see journal.Run.
func (p *plan) stdinKept() string {
	switch {
	case p.Pipe:
		return journal.StdinData
	case !p.readsStdin():
		return journal.StdinNone
	}
	if path, err := os.Readlink("/proc/self/fd/0"); err == nil && isPlainFile("-") && filepath.IsAbs(path) {
		at, err := os.Stdin.Seek(0, io.SeekCurrent)
		same, statErr := sameFile(path, os.Stdin)
		if err == nil && at == 0 && statErr == nil && same {
			return path
		}
	}
	return journal.StdinKept
}

// sameFile reports whether path still names what is open.
func sameFile(path string, f *os.File) (bool, error) {
	open, err := f.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(open, named), err
}

// job is a finished job as it is noted.
func (n *notes) job(f *finished) journal.Job {
	return journal.Job{
		Entry: f.entry(), Key: n.identity.Key(f.Seq, f.Dir, f.Key), Attempt: f.Attempt,
		CPU: time.Duration(f.Result.CPU), How: f.Result.How.word(),
		Memory: f.Result.Memory, Size: f.Size, Guess: time.Duration(f.Guess),
	}
}

// jobs notes jobs that have ended. That it cannot is said at once, as a long run leaves
// time to make room.
func (n *notes) jobs(ended []journal.Job, say func(string, ...any)) {
	n.out.Jobs(ended...)
	n.tell(n.out.Fault(), say)
}

// tell says why the journal is not whole, if it is not.
func (n *notes) tell(fault error, say func(string, ...any)) {
	if fault != nil {
		say("%v; the run does its work all the same, but what is not noted tutti resume %d would run again: for later runs make room there, or set XDG_STATE_HOME to a folder with more", fault, n.run)
	}
}

// total notes how many jobs there are.
func (n *notes) total(jobs int64) {
	if n.kept() {
		n.out.Total(jobs)
	}
}

// number is that of the run; 0: none.
func (n *notes) number() int {
	if !n.kept() {
		return 0
	}
	return n.run
}

// close notes the end of the run, which leaves with err. That the journal is not whole
// is said, and is no reason to call a run failed that did all its work.
func (n *notes) close(err error, why string, f *foresight, say func(string, ...any)) error {
	if !n.kept() {
		return err
	}
	code := 0
	if exit, ok := errors.AsType[*exitError](err); ok {
		code = exit.code
	}
	end := journal.RunEnd{End: time.Now(), Code: code, Why: why}
	if why == "" { // what was ended early says nothing of a guess
		end.Guess = f.held(end.End)
	}
	lost := n.stdin.end() // before its file is closed
	n.tell(n.out.Close(end), say)
	if lost != nil {
		say("the inputs are not kept whole: %v; run %d cannot be resumed as it was", lost, n.run)
	}
	return err
}

// word is how a command ended in a word, "" for by itself.
func (h howEnded) word() string {
	return [...]string{"", "timeout", "stopped", "not started", "lost", "evicted", "skipped"}[h]
}
