package cli

import (
	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/progress"
)

// course is how a run goes on as commands end: core.Course decides, and what it has no
// use for is kept beside it. It does no I/O and is used by one goroutine.
type course struct {
	core.Course

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
	again, halt := c.Ended(attempt, r.end(), r.status())
	if again {
		return verdict{again: true}
	}
	c.jobs++
	return verdict{deliver: true, halt: halt}
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
	return c.Halt.ExitCode()
}
