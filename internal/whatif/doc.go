// Package whatif answers what a workload would come to on a machine, under a policy:
// it runs package sim and sums up what that tells of each task. Pure.
//
// A study is a workload, a machine and what goes wrong; each of its runs takes a
// policy and a number of CPUs. A run is a function of the study and these two, so runs
// may be made in any order and at once.
package whatif

import (
	"fmt"
	"math/rand/v2"

	"github.com/tutti-run/tutti/internal/workload"
	"github.com/tutti-run/tutti/sched"
	"github.com/tutti-run/tutti/sim"
)

// Study is what is asked.
type Study struct {
	Work    *workload.Workload
	Machine Machine
	Seed    uint64
	Faults  sim.Faults
	// Poison is the part of the tasks that kill their worker each time, from 0 to 1.
	Poison float64
	// Stragglers is the part of the tasks that take StragglersBy times as long as
	// anybody expected.
	Stragglers, StragglersBy float64
	// Fails is the part of the attempts that come to their ends in vain, from 0 to 1,
	// beside the jobs of the workload that failed, which always do. A task that fails is
	// run up to Tries times in all (0 is 1), after the waits of Retry.
	Fails float64
	Tries int
	Retry sim.RetryDelay
	// Halt ends a run before its work is done.
	Halt sim.Halt
	// Unknown hides from the policies how long tasks take.
	Unknown bool
	// Due sets deadlines: a task is late when it ends more than Due times its expected
	// length after its submission. 0 sets none.
	Due float64
	// AMP has the master assign all tasks, where in SMP each worker looks.
	AMP bool
	// Coherence moves the cache lines that the engine's steps share.
	Coherence bool
	// Attempts is how often a task may be tried; 0 is 3.
	Attempts int
}

// Check says what is impossible.
func (s *Study) Check() error {
	part := func(v float64) bool { return v >= 0 && v <= 1 }
	switch {
	case !part(s.Poison) || !part(s.Stragglers):
		return fmt.Errorf("a part of %v of the tasks that are poison, and of %v that straggle: 0 to 1 are possible", s.Poison, s.Stragglers)
	case !part(s.Fails):
		return fmt.Errorf("a part of %v of the attempts that fail: 0 to 1 are possible", s.Fails)
	case s.Tries < 0 || s.Tries > TriesMost:
		return fmt.Errorf("tasks that fail are run %d times: in a simulation 1 to %d are possible", s.Tries, TriesMost)
	case s.Stragglers > 0 && !(s.StragglersBy >= 1 && s.StragglersBy <= slowMost):
		return fmt.Errorf("stragglers that take %v times as long: 1 to %g are possible", s.StragglersBy, float64(slowMost))
	case !(s.Due >= 0 && s.Due <= slowMost):
		return fmt.Errorf("tasks that are due after %v times their length: 0 to %g are possible, and 0 for never", s.Due, float64(slowMost))
	case s.Attempts < 0:
		return fmt.Errorf("%d attempts: 1 or more are possible", s.Attempts)
	}
	return s.Machine.check()
}

// TriesMost bounds how often a task is run: one that always fails would have no end.
const TriesMost = 1000

// slowMost bounds factors, so that no time overflows.
const slowMost = 1e6

// streamTasks is the stream of chance that the tasks' own faults come from: package
// sim uses those up to 1<<32, one a process.
const streamTasks = 1 << 33

// total is how many tasks the workload is.
func (s *Study) total() (n int) {
	for _, j := range s.Work.Jobs {
		n += j.CPUs
	}
	return n
}

// tasks gives the tasks of the workload: a job on several CPUs is one for each.
func (s *Study) tasks() func() (sim.Task, bool) {
	chance := rand.New(rand.NewPCG(s.Seed, streamTasks))
	jobs := s.Work.Jobs
	left := 0 // of the first job
	if len(jobs) > 0 {
		left = jobs[0].CPUs
	}
	return func() (sim.Task, bool) {
		for left == 0 && len(jobs) > 1 {
			jobs = jobs[1:]
			left = jobs[0].CPUs
		}
		if left == 0 {
			return sim.Task{}, false
		}
		left--
		return s.task(&jobs[0], chance), true
	}
}

func (s *Study) task(j *workload.Job, chance *rand.Rand) sim.Task {
	t := sim.Task{At: j.At, Length: j.Length, Expected: j.Expected, Memory: j.Memory, MaxAttempts: s.Attempts}
	expected := j.Expected
	if expected == 0 {
		expected = j.Length
	}
	if s.Due > 0 {
		t.Deadline = j.At + sim.Time(min(s.Due*float64(expected), float64(workload.LengthMax))) + 1 // 0 would be none
	}
	if s.Unknown {
		t.Expected = 0
	}
	if s.Stragglers > 0 && chance.Float64() < s.Stragglers {
		t.Length = sim.Span(min(float64(t.Length)*s.StragglersBy, float64(workload.LengthMax)))
	}
	t.Poison = s.Poison > 0 && chance.Float64() < s.Poison
	tries := max(1, s.Tries)
	for t.Fails < tries && (j.Failed || s.Fails > 0 && chance.Float64() < s.Fails) {
		t.Fails++
	}
	return t
}

// Faulty reports whether anything is to go wrong.
func (s *Study) Faulty() bool {
	f := &s.Faults
	return f.DeathsPerHour > 0 || len(f.Deaths) > 0 || len(f.Slow) > 0 || s.Poison > 0 || s.Stragglers > 0 || s.Fails > 0
}

// sound is the study without faults, but for the jobs of the workload that failed.
func (s *Study) sound() *Study {
	without := *s
	without.Faults, without.Poison, without.Stragglers, without.Fails = sim.Faults{}, 0, 0, 0
	return &without
}

// config is what one run is made with.
func (s *Study) config(policy string, cpus int) (sim.Config, error) {
	if _, err := sched.New(policy, nil); err != nil {
		return sim.Config{}, err
	}
	machine, err := s.Machine.first(cpus)
	if err != nil {
		return sim.Config{}, err
	}
	costs := s.Machine.Costs.Costs
	if s.Work.Commands {
		costs.Dispatch += s.Machine.Costs.Process
	}
	var lines *sim.Coherence
	if s.Coherence {
		lines = &sim.Coherence{Transfer: s.Machine.Costs.Transfer}
	}
	if s.AMP {
		costs.Assign = s.Machine.Costs.Assignment
	}
	return sim.Config{
		CPUs: machine, Seed: s.Seed, Costs: costs, Faults: s.Faults, Coherence: lines, SharedCore: s.Machine.SharedCore,
		Tries: s.Tries, Retry: s.Retry, Halt: s.Halt, Total: s.total(),
		Policy: func() sched.Policy {
			p, _ := sched.New(policy, nil) // it was made once above
			return p
		},
	}, nil
}
