package cli

import (
	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/progress"
)

// course decides, as commands end, what follows: whether to run one again, whether
// what it wrote is delivered, whether the run is to end, and with which exit code.
// It does no I/O and is used by one goroutine.
type course struct {
	halt    core.HaltState
	tries   int64
	retryOn core.RetryOn
	total   int64 // jobs of the run; -1 while unknown
	stopped bool  // nothing is started any more

	jobs int64 // that ended for good
	cut  int64 // that were ended with the run
	cpu  int64 // ns that they used
}

// verdict is what follows from the end of a command.
type verdict struct {
	again   bool // run it once more
	deliver bool // print its output and note it in the job log
	halt    core.Decision
}

// ended judges the end of attempt number attempt (from 1) of a job.
func (c *course) ended(r *result, attempt int64) verdict {
	c.cpu += r.CPU
	if r.How == stopped {
		c.cut++
	}
	if r.How == notStarted || r.How == stopped {
		return verdict{} // as if it had never been among the inputs
	}
	if !c.stopped && core.TryAgain(attempt, c.tries, c.retryOn, r.end()) {
		return verdict{again: true}
	}
	c.jobs++
	v := verdict{deliver: true, halt: c.halt.Ended(r.status(), c.total)}
	c.stopped = c.stopped || v.halt != core.Continue
	return v
}

// reason is why a run ended before its inputs did.
type reason struct {
	signal int              // that asked for it
	cutBy  string           // what ended the jobs that ran; "" nothing with a name
	last   progress.Failure // the job that met the halt rule; its Seq 0: none
	fault  error            // of tutti's own: a full disk, wrong input, …
	pipe   bool             // the reader of our output has gone
}

// exitPipe is what a shell shows of a program that wrote to a closed pipe.
const exitPipe = 128 + 13

// exitCode is the exit code of the run.
func (c *course) exitCode(e reason) int {
	switch {
	case e.signal != 0:
		return 128 + e.signal
	case e.fault != nil:
		return exitMapUsage
	case e.pipe:
		return exitPipe
	}
	return c.halt.ExitCode()
}
