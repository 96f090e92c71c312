package core

import "testing"

// Jobs are tried again until the run halts; what fails then has failed.
func TestCourse(t *testing.T) {
	t.Parallel()
	type end struct {
		attempt int64
		end     CommandEnd
		status  int
		again   bool
		then    Decision
	}
	for _, c := range []struct {
		name   string
		course Course
		ends   []end
		failed int64
	}{
		{"again and again, then no more", Course{Tries: 3, Total: -1}, []end{
			{1, CommandFailed, 1, true, Continue}, {2, CommandLost, -1, true, Continue}, {3, CommandFailed, 1, false, Continue}, {1, CommandOK, 0, false, Continue},
		}, 1},
		{"an end in vain does not meet the rule", Course{Tries: 2, Total: -1, Halt: HaltState{Halt: Halt{HaltNow, HaltFail, 1, false}}}, []end{
			{1, CommandFailed, 1, true, Continue}, {2, CommandFailed, 1, false, Now}, {1, CommandFailed, 1, false, Now},
		}, 2},
		{"nothing again once it halts", Course{Tries: 5, Total: 4, Halt: HaltState{Halt: Halt{HaltSoon, HaltDone, 50, true}}}, []end{
			{1, CommandOK, 0, false, Continue}, {1, CommandFailed, 1, true, Continue}, {1, CommandOK, 0, false, Soon}, {2, CommandFailed, 1, false, Soon},
		}, 1},
		{"nothing again once it is stopped", Course{Tries: 5, Total: -1, Stopped: true}, []end{
			{1, CommandFailed, 1, false, Continue},
		}, 1},
	} {
		for i, e := range c.ends {
			again, then := c.course.Ended(e.attempt, AttemptEnd{End: e.end, Exit: e.status}, e.status)
			if again != e.again || then != e.then || then != Continue && !c.course.Stopped {
				t.Errorf("%s: end %d: again %v, then %d; want %v, %d", c.name, i, again, then, e.again, e.then)
			}
		}
		if got := c.course.Halt.Failed(); got != c.failed {
			t.Errorf("%s: %d failed, want %d", c.name, got, c.failed)
		}
	}
}
