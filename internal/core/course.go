package core

// Course decides what follows from the ends of a run's jobs: whether one is tried
// again, and whether the run goes on. A real run and a simulated one ask it alike.
type Course struct {
	Halt    HaltState
	Tries   int64 // how often in all a job is tried while it fails
	RetryOn RetryOn
	Total   int64 // jobs of the run; -1 while unknown
	Stopped bool  // nothing is started any more, second attempts included
}

// Ended judges the end of attempt number attempt (from 1) of a job. status is its exit
// status as HaltState.Ended takes it. Attempts that were ended with the run are not told:
// their jobs count as if they had never been among the inputs. If the job is not to be
// run again this was its end, which the halt rule has counted.
func (c *Course) Ended(attempt int64, e AttemptEnd, status int) (again bool, d Decision) {
	if !c.Stopped && TryAgain(attempt, c.Tries, c.RetryOn, e) {
		return true, Continue
	}
	d = c.Halt.Ended(status, c.Total)
	c.Stopped = c.Stopped || d != Continue
	return false, d
}
