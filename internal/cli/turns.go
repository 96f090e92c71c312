package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/core"
)

// startedPerSlot is how many commands are started for each job slot where they take
// turns and nobody says. Each keeps the memory that it has.
const startedPerSlot = 4

// rotates reports whether commands take turns, or the most urgent is first.
func (p *plan) rotates() bool { return p.Given("quantum") || p.Preempt || p.Given("priority") }

// suspends reports whether more commands are started than run.
func (p *plan) suspends() bool { return p.Given("quantum") || p.Preempt }

// slots is how many commands run at once.
func (p *plan) slots() int {
	if p.running > 0 {
		return p.running
	}
	return p.jobs
}

// readTurns reads how commands take turns.
func (p *plan) readTurns() (err error) {
	switch {
	case p.Given("started") && !p.suspends():
		return errors.New("--started says how many commands take turns, and here none do; say --quantum TIME, or --preempt and --priority")
	case p.Given("priority") && strings.TrimSpace(p.Priority) == "":
		return fmt.Errorf("--priority %q: no number; say how urgent each job is, as in --priority {2}", p.Priority)
	case p.Given("priority") && p.TemplateOptions().MayNeedSlot(p.Priority):
		return fmt.Errorf("--priority %q: how urgent a job is must be known before it has a slot; say it with inputs, or {#}", p.Priority)
	case p.Preempt && p.Priority == "":
		return errors.New("--preempt lets more urgent jobs go first, and all are as urgent; say how urgent each is with --priority, as in --priority {2}")
	case !p.rotates():
		return nil
	case p.jobsFile != "":
		return errors.New("-j FILE: where commands take turns, or some are more urgent, the number of job slots does not change while the run goes on; say a number")
	}
	if p.Given("quantum") {
		if p.quantum, err = core.ParseQuantum(p.Quantum); err != nil {
			return err
		}
	}
	if p.suspends() && p.timeout.Percent > 0 {
		return errors.New("--timeout N%: where commands are suspended there is no telling how long is usual; say a time, as in --timeout 30")
	}
	if p.Given("started") && (p.Started < int64(p.jobs) || p.Started > core.MaxJobs) {
		return fmt.Errorf("--started %d: there are %d job slots, and at most %d commands at once; say a number between, or a smaller -j", p.Started, p.jobs, core.MaxJobs)
	}
	return nil
}

// rotate makes room for the commands that are suspended, once it is known how many slots
// there are.
func (p *plan) rotate() error {
	p.running = p.slots()
	switch {
	case !p.rotates():
		return nil
	case p.shared:
		return errors.New("--quantum, --preempt and --priority: the job slots are shared with make, which knows nothing of turns; leave them out, or say --jobserver off")
	case !p.suspends():
		return nil
	case p.Started > 0:
		p.jobs = int(p.Started)
	default:
		p.jobs = min(p.jobs*startedPerSlot, core.MaxJobs)
	}
	return nil
}

// urgencyOf reads how urgent a job is.
func urgencyOf(t *command.Text, in command.Job) (int64, error) {
	text, err := t.Expand(in, 0)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("job %d: its --priority is %q, which is no whole number of up to 18 digits; say one, as in --priority {2}", in.Seq, text)
	}
	return n, nil
}
