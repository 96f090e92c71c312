package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tutti-run/tutti/internal/journal"
	"github.com/tutti-run/tutti/internal/options"
)

// earlier is a run of which another does the rest, or a part again.
type earlier struct {
	*journal.Record
	runs   *journal.Runs
	held   *journal.Held // its journal, where its rest is run
	rerun  bool          // all of it again, or what failed: as a new run; else what is left of it
	failed bool          // what failed: with rerun that alone, else that too
	only   *journal.Done // what is run at all; nil: everything
	did    *journal.Done // of tasks, in its place: what is not, since it succeeded
}

// earlierKey finds it in a command's context.
type earlierKey struct{}

// resumes reports whether there is one, and its rest is to be run.
func (e *earlier) resumes() bool { return e != nil && !e.rerun }

// number is that of the run that is run again; 0: none.
func (e *earlier) number() int {
	if e == nil || !e.rerun {
		return 0
	}
	return e.ID
}

// newResume makes the command resume.
func newResume() *cobra.Command {
	var failed bool
	cmd := &cobra.Command{
		Use:                   "resume [--failed] [RUN] [-- OPTION...]",
		DisableFlagsInUseLine: true,
		Short:                 "Go on with a run that was cut off, killed or stopped",
		Long: `Go on with a run, or with the newest: run those of its jobs that have not ended.
A job is known by its command, its folder and the variables of --env, so inputs may
have been added, removed or put into another order since. Jobs that failed stay as
they are, unless --failed; but tasks of tutti run that failed, and what waited for
them, are run again. Inputs that came through standard input were kept. Options of
tutti map, or tutti run, behind -- are added to those that the run had.`,
		Example: `  tutti resume
  tutti resume 42 --failed
  tutti resume 42 -- -j1 --progress`,
		Args:              oneRun,
		ValidArgsFunction: completeRuns,
		RunE: func(cmd *cobra.Command, args []string) error {
			return goBack(cmd, args, earlier{failed: failed})
		},
	}
	cmd.Flags().BoolVar(&failed, "failed", false, "run again those that failed, too")
	return cmd
}

// newRerun makes the command rerun.
func newRerun() *cobra.Command {
	var failed bool
	cmd := &cobra.Command{
		Use:                   "rerun [--failed] [RUN] [-- OPTION...]",
		DisableFlagsInUseLine: true,
		Short:                 "Run an earlier run again, or the jobs of it that failed",
		Long: `Run an earlier run again as a new run: the same command line in the same folder.
With --failed only the jobs that failed; of tutti run the tasks that did not succeed,
so that what was mended meanwhile is among them. Options of tutti map, or tutti run,
behind -- are added to those that the run had.`,
		Example: `  tutti rerun 42
  tutti rerun 42 --failed`,
		Args:              oneRun,
		ValidArgsFunction: completeRuns,
		RunE: func(cmd *cobra.Command, args []string) error {
			return goBack(cmd, args, earlier{rerun: true, failed: failed})
		},
	}
	cmd.Flags().BoolVar(&failed, "failed", false, "only those that failed")
	return cmd
}

// goBack goes back to an earlier run.
func goBack(caller *cobra.Command, args []string, e earlier) (err error) {
	args, more := splitAtDash(caller, args)
	if e.runs, e.Record, err = findRun(args, e.read); err != nil {
		return err
	}
	if more, err = options.Expand(more, noSources); err != nil {
		return withCode(err, exitMapUsage)
	}
	more, words := cutAtDash(more)
	if len(words) > 0 {
		return withCode(fmt.Errorf("%q is no option; command and inputs are the run's own", words[0]), exitMapUsage)
	}
	// They stand behind the run's own options, and so count more.
	own, _ := cutAtDash(e.Args)
	e.Args = slices.Insert(slices.Clone(e.Args), len(own), more...)
	if err := e.settle(); err != nil {
		return withCode(err, exitMapUsage)
	}
	cmd := newMap(e.Program)
	if e.Program == runProgram {
		cmd = newRun()
	}
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(e.Args)
	if err := cmd.ExecuteContext(context.WithValue(withLine(caller.Context(), line{e.Words, e.Args}), earlierKey{}, &e)); err != nil {
		return withCode(err, exitMapUsage)
	}
	return nil
}

// read reads the journal of the run, and holds it if that is to go on: once, as it may
// have a million jobs.
func (e *earlier) read(runs *journal.Runs, id int) (rec *journal.Record, err error) {
	if e.rerun {
		return wholeRun(runs, id)
	}
	if e.held, err = runs.Hold(id); errors.Is(err, journal.ErrInUse) {
		if rec, err = wholeRun(runs, id); err == nil {
			err = fmt.Errorf("run %d goes on: process %d has it; wait for its end, or end it", id, rec.PID)
		}
	}
	if err != nil {
		return nil, err
	}
	return e.held.Record, nil
}

// cutAtDash cuts a command line as expanded in its options and its words.
func cutAtDash(args []string) (options, words []string) {
	if at := slices.Index(args, "--"); at >= 0 {
		return args[:at], args[at+1:]
	}
	return args, nil
}

// noSources has nothing added to a command line: the run's own has it already.
var noSources = options.Sources{
	Getenv:   func(string) string { return "" },
	ReadFile: func(string) ([]byte, error) { return nil, os.ErrNotExist },
}

// splitAtDash splits words at a --.
func splitAtDash(cmd *cobra.Command, args []string) (before, behind []string) {
	if at := cmd.ArgsLenAtDash(); at >= 0 {
		return args[:at], args[at:]
	}
	return args, nil
}

// settle brings back what the run had around it. Whatever is missing is said before
// anything starts.
func (e *earlier) settle() error {
	if e.Stdin == journal.StdinData {
		return fmt.Errorf("the jobs of run %d read standard input, of which nothing is kept; give it again: %s", e.ID, lineOf(&e.Run))
	}
	if err := e.settleOnly(); err != nil {
		return err
	}
	if err := os.Chdir(e.Folder); err != nil {
		return fmt.Errorf("the folder of run %d cannot be entered, and nothing was started: %w", e.ID, err)
	}
	if e.Executable != "" {
		if _, err := os.Stat(e.Executable); err != nil {
			return fmt.Errorf("the program of run %d is gone, and nothing was started: %w", e.ID, err)
		}
	}
	for _, kv := range e.Env {
		name, value, _ := strings.Cut(kv, "=")
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return e.settleStdin()
}

// settleStdin has standard input be what it was.
func (e *earlier) settleStdin() error {
	path := e.Stdin
	switch path {
	case journal.StdinNone:
		return nil
	case journal.StdinKept:
		path = e.runs.StdinPath(e.ID)
		if e.Total < 0 {
			complain("run %d had read all this of its standard input when it was cut off; what would have come then is not known", e.ID)
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("the inputs of run %d, its standard input, are gone, and nothing was started: %w", e.ID, err)
	}
	os.Stdin = f
	return nil
}

// onlyFailed reports whether only what failed is run again.
func (e *earlier) onlyFailed() bool { return e != nil && e.rerun && e.failed }

// settleOnly finds out what is to be run where not everything is.
func (e *earlier) settleOnly() (err error) {
	of := e.ID
	switch {
	case e.resumes() && e.OnlyFailed: // it had run some of another's
		of = e.RerunOf
	case !e.onlyFailed():
		return nil
	}
	e.only, err = e.runs.Failed(of)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("run %d ran again what had failed in run %d, whose journal is gone", e.ID, of)
	}
	if err == nil && e.only.Len() == 0 {
		err = fmt.Errorf("no job of run %d failed", of)
	}
	if err == nil && e.Program == runProgram {
		e.did, err = e.runs.Succeeded(of)
	}
	return err
}

// unseen is how many of the jobs that failed were not among the inputs, once all of these
// were read.
func (e *earlier) unseen() int {
	if !e.onlyFailed() || e.did != nil {
		return 0
	}
	return e.only.Len()
}

// part tells which jobs have a part in this: those that had failed, if only what
// failed is run; nil: all. Of tasks it is those that did not succeed: one that was mended
// is none of those that failed, and what waits for it cannot do without it.
func (e *earlier) part(id journal.Identity) func(*job, string) bool {
	switch {
	case e.only == nil:
		return nil
	case e.did != nil:
		return func(j *job, command string) bool { return !e.did.Had(id.Key(j.seq, j.dir, command)) }
	}
	return func(j *job, command string) bool { return e.only.Had(id.Key(j.seq, j.dir, command)) }
}
