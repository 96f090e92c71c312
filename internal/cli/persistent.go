package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tutti-run/tutti/internal/command"
)

// programsMax bounds the programs of --persistent that run at once: the master has
// four descriptors for each.
const programsMax = 200

// readPersistent settles what is different where a program runs on from input to input.
func (p *plan) readPersistent() error {
	if p.Persistent == "" {
		return nil
	}
	if p.Replace != "" && len(p.words) == 0 {
		p.words = []string{p.Replace}
	} else if len(p.words) == 0 {
		p.words = []string{"{}"}
	}
	switch {
	case p.jobsFile != "":
		return errors.New("-j FILE: with --persistent the number of programs does not change while the run goes on; say a number")
	case p.jobs > programsMax && p.Jobs == "0":
		p.jobs = programsMax
	case p.jobs > programsMax:
		return fmt.Errorf("-j %s: %d programs of --persistent, and at most %d can run at once; say a smaller number", p.Jobs, p.jobs, programsMax)
	case p.timeout.Percent > 0:
		return errors.New("--timeout N%: with --persistent the first answers take as long as the program takes to start, so there is no telling what is usual; say a time, as in --timeout 30")
	case p.TemplateOptions().MayNeedSlot(strings.Join(p.words, " ")):
		return fmt.Errorf("--persistent: the line %q has the job slot in it, which nobody knows before a program is free; the program sees it as $PARALLEL_JOBSLOT", strings.Join(p.words, " "))
	case p.WorkDir == ownFolder || strings.Contains(p.WorkDir, "{"):
		return fmt.Errorf("--wd %s: a program of --persistent runs on from job to job, in one folder; name that", p.WorkDir)
	}
	return nil
}

// programOf is the program of --persistent, ready to be started.
func (p *plan) programOf() (command.Rendered, error) {
	shell, err := command.ParseWith(nil, command.Options{Env: command.EnvFor(p.shell)})
	if err != nil {
		return command.Rendered{}, err
	}
	return shell.Render(command.Job{Seq: 1, Args: []string{p.Persistent}})
}

// flushText is what a program does not do that reads its input and answers nothing.
const flushText = "a program has to write each answer out at once: python3 -u, sed -u, grep --line-buffered, or fflush() in awk do"

// surplusText says what a program answered too much.
func surplusText(answers, open int, proven bool) string {
	what := "wrote to standard output before it had read its first input"
	switch {
	case open == 0:
		what = "answered although nothing was asked"
	case answers > open:
		what = fmt.Sprintf("answered %d times where %d was asked", answers, open)
	case proven:
		what = "answered before it had read an input"
	}
	return "the program " + what + "; it has to give one answer for each input, and write nothing else to standard output"
}

// deathText says how a program ended that owes an answer.
func deathText(r *result, halfway, closed bool) string {
	how := fmt.Sprintf("exit status %d", r.Exit)
	switch {
	case r.OOM:
		how = "killed, as memory ran out"
	case r.Fault != "":
		return "the program: " + r.Fault
	case r.Signal != 0:
		how = fmt.Sprintf("killed by signal %d", r.Signal)
	}
	switch {
	case halfway:
		return "the program ended in the middle of its answer (" + how + ")"
	case closed:
		return "the program closed its standard output and owed an answer"
	}
	return "the program ended before it answered (" + how + ")"
}
