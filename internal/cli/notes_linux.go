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

// notes are what a run writes in the journal. A nil one writes nothing.
type notes struct {
	out      *journal.Recorder
	run      int // its number
	identity journal.Identity
	stdin    *tee

	past []journal.PastJob // of the same template, in earlier runs
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

// begin begins the run's journal, or goes on with it. A new run whose journal cannot be
// written runs all the same: that is said, where somebody can do something about it.
func (r *mapRun) begin(shop *workshop) error {
	p := r.plan
	if !p.journaled() {
		shop.stdin.keep(nil)
		return nil
	}
	if p.before.resumes() {
		return r.goOn(shop)
	}
	n, err := r.newNotes(shop)
	if err != nil && p.before != nil {
		return err // without its identity nobody can tell which jobs are meant
	}
	if err != nil {
		r.screen.say("%v; the run goes on without (--no-journal leaves it out)", err)
		shop.stdin.keep(nil)
		return nil
	}
	r.notes, r.delivery.notes = n, n
	if p.before != nil {
		shop.part = p.before.part(n.identity)
	}
	return nil
}

func (r *mapRun) newNotes(shop *workshop) (*notes, error) {
	p := r.plan
	folder, err := journal.RunsFolder(os.Getenv)
	if err != nil {
		return nil, err
	}
	about := journal.Run{
		Program: p.program, Words: p.called.words, Args: p.called.args, Env: p.chosen(), Begin: r.screen.begin, PID: os.Getpid(),
		Executable: shop.command.Executable(), Stdin: p.stdinKept(), RerunOf: p.before.number(), OnlyFailed: p.before.onlyFailed(),
		Template: p.template(),
	}
	if about.Folder, err = os.Getwd(); err != nil {
		return nil, err
	}
	n := &notes{identity: journal.NewIdentity(about.Folder, about.Env), stdin: shop.stdin}
	runs := journal.RunsIn(folder)
	var stdin *os.File
	if n.out, n.run, stdin, err = runs.Begin(about); err != nil {
		return nil, err
	}
	n.past = runs.Past(about.Template)
	shop.stdin.keep(stdin)
	if all := shop.kept.copies["-"]; all != nil && stdin != nil { // it was read to be counted
		if _, err := io.Copy(stdin, io.NewSectionReader(all, 0, math.MaxInt64)); err != nil {
			return nil, fmt.Errorf("keep the inputs: %w", err)
		}
	}
	if n.run%cleanEvery == 0 {
		go func() { _ = runs.Clean(journal.DefaultBounds, time.Now()) }() // what stays now goes another time
	}
	return n, nil
}

// cleanEvery is how many runs share the cost of looking for old journals.
const cleanEvery = 16

// goOn goes on with the journal of an earlier run.
func (r *mapRun) goOn(shop *workshop) error {
	b := r.plan.before
	out, done, err := b.runs.Resume(b.ID, journal.Options{RetryFailed: b.failed})
	if errors.Is(err, journal.ErrInUse) {
		return fmt.Errorf("run %d goes on: process %d has it; wait for its end, or end it", b.ID, b.PID)
	}
	if err != nil {
		return err
	}
	shop.stdin.keep(nil)
	n := &notes{out: out, run: b.ID, identity: journal.NewIdentity(b.Folder, b.Env), past: b.runs.Past(b.Template), stdin: shop.stdin}
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

// total notes how many jobs there are.
func (n *notes) total(jobs int64) {
	if n != nil {
		n.out.Total(jobs)
	}
}

// number is that of the run; 0: none.
func (n *notes) number() int {
	if n == nil {
		return 0
	}
	return n.run
}

// close notes the end of the run, which leaves with err. That the journal is not whole
// is said, and is no reason to call a run failed that did all its work.
func (n *notes) close(err error, why string, f *foresight, say func(string, ...any)) error {
	if n == nil {
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
	if fault := n.out.Close(end); fault != nil {
		say("%v; run %d cannot be resumed as it was", fault, n.run)
	} else if fault := n.stdin.lost(); fault != nil {
		say("the inputs are not kept whole: %v; run %d cannot be resumed as it was", fault, n.run)
	}
	return err
}

// word is how a command ended in a word, "" for by itself.
func (h howEnded) word() string {
	return [...]string{"", "timeout", "stopped", "not started", "lost", "evicted"}[h]
}
