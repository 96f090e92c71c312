package cli

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/options"
)

// newSem makes the command sem. program is what messages call it.
func newSem(program string) *cobra.Command {
	o := new(options.Map)
	cmd := &cobra.Command{RunE: func(cmd *cobra.Command, args []string) error {
		code := exitUsage
		if program == semaphoreName {
			code = exitMapUsage
		} else if o.Given("timeout") { // that of a command is for those who say sem
			if !o.Given("semaphore-timeout") {
				o.SemaphoreTimeout = o.Timeout
			}
			o.Timeout = "0"
		}
		err := o.Check()
		if err == nil {
			err = semCommand(cmd, o, args)
		}
		if err != nil {
			return withCode(err, code)
		}
		return nil
	}}
	options.AttachSemaphore(cmd, o)
	_ = cmd.RegisterFlagCompletionFunc("space", func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return spaceNames(""), cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// errand is what one call of sem is about.
type errand struct {
	Charge charge
	ID     string
	Give   int64 // nanoseconds until it waits no longer; 0: never
	Anyway bool  // then it runs the command all the same
	Echo   int   // 1: print the command, 2: on standard error
	Wait   bool  // run nothing
	// Background says that who called goes on when the command may run.
	Background bool
}

// semCommand carries out what asks for a semaphore, with the options checked.
func semCommand(cmd *cobra.Command, o *options.Map, args []string) error {
	if err := o.CheckSemaphore(); err != nil {
		return err
	}
	machine, err := machineFor(o)
	if err != nil {
		return err
	}
	if answered, err := answer(cmd, o, machine, os.Stdout); answered || err != nil {
		return err
	}
	if !o.Given("jobs") {
		o.Jobs = "1"
	}
	p, err := newPlan(o, args, factsOfHere(o, machine))
	if err != nil {
		return err
	}
	if p.shell = startedBy(os.Getppid()); len(p.sources) > 0 {
		return fmt.Errorf("a semaphore runs one command and reads no inputs; leave %s and what follows out, or write tutti map", p.ArgSep)
	}
	e, err := newErrand(p)
	if err != nil {
		return err
	}
	if o.DryRun {
		_, err := fmt.Println(e.Charge.Display)
		return err
	}
	return e.run(o.Foreground)
}

// newErrand reads what a call of sem is about.
func newErrand(p *plan) (*errand, error) {
	e := &errand{Wait: p.Wait, ID: p.SemaphoreName}
	if e.Charge.Space = spaceNamed(p.Space); !p.Given("semaphore-name") {
		if e.ID = terminalOf(os.Stdin); e.ID == "" {
			e.ID = "not a tty" // as tty(1) says, and with it GNU sem
		}
	}
	if p.Given("semaphore-timeout") || p.SemaphoreTimeout != "" {
		text, gives := strings.CutPrefix(p.SemaphoreTimeout, "-")
		span, err := core.ParseTimeout(text)
		if err != nil {
			return nil, fmt.Errorf("--semaphore-%w; with a minus the command is not run", err)
		}
		e.Give, e.Anyway = int64(span), !gives
	}
	e.Charge.Needs = []need{{Name: semObject(e.ID), Most: int64(p.jobs)}}
	if e.Wait {
		if len(p.words) > 0 {
			return nil, errors.New("--wait runs no command; leave the command out, or --wait")
		}
		e.Charge.Needs[0].Most = 1
		return e, nil
	}
	if len(p.words) == 0 {
		return nil, errors.New("there is no command to run; say one, as in: tutti sem -j4 gzip file, or --wait")
	}
	return e, e.readCommand(p)
}

// readCommand reads what is to be run and how.
func (e *errand) readCommand(p *plan) error {
	spec := p.templateOptions(nil)
	spec.NoAppend = true
	t, err := command.ParseWith(p.words, spec)
	if err != nil {
		return err
	}
	r, err := t.Render(command.Job{Seq: 1, Total: 1})
	if err != nil {
		return err
	}
	r = r.WithSlot(1)
	e.Charge.Path, e.Charge.Argv = r.Exec()
	e.Charge.Display = r.Display
	e.Charge.Dir, e.Charge.Nice, e.Charge.Term, e.Charge.TimeoutNs, e.Charge.KillStrays = p.WorkDir, p.nice, p.term, int64(p.timeout.After), p.Strays == "kill"
	if e.Charge.Dir == "..." {
		return errors.New("--wd ...: a folder for each job is for tutti map; say which one")
	}
	if p.timeout.Percent > 0 {
		return errors.New("--timeout with a percentage is for tutti map, where there are other jobs to compare with; say seconds")
	}
	if len(p.ArgFiles) == 1 && p.ArgFiles[0] != "-" {
		if e.Charge.Stdin, err = filepath.Abs(p.ArgFiles[0]); err != nil {
			return err
		}
	}
	e.Charge.Output = printGroup
	switch {
	case p.Ungroup || p.Foreground && isTerminal(os.Stdin):
		e.Charge.Output = printDirect
	case p.LineBuffer:
		e.Charge.Output = printLines
	}
	switch {
	case p.Print > 0:
		e.Echo = 1
	case p.Verbose:
		e.Echo = 2
	}
	if p.TmpDir != "" {
		err = os.Setenv("TMPDIR", p.TmpDir)
	}
	return err
}

// objectNameMax is how long an object's name may be, with runningPrefix before it.
const objectNameMax = 63 - len(runningPrefix)

// semObject is the object of a semaphore. An --id may be anything.
func semObject(id string) string {
	name := semPrefix + id
	if id != "" && len(name) <= objectNameMax {
		return name
	}
	sum := fmt.Sprintf("#%x", sha256.Sum256([]byte(id)))[:25]
	return name[:min(len(name), objectNameMax-len(sum))] + sum
}

// echo says on standard output or error which command runs.
func (e *errand) echo() error {
	switch e.Echo {
	case 1:
		_, err := fmt.Println(e.Charge.Display)
		return err
	case 2:
		_, err := fmt.Fprintln(os.Stderr, e.Charge.Display)
		return err
	}
	return nil
}

// notYet is the error of who waited too long.
func (e *errand) notYet() error {
	return &exitError{1, fmt.Errorf("semaphore %q: as many commands as may run were still running when --timeout passed; the command was not run", e.ID)}
}
