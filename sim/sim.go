// Package sim is the machine in virtual time: any number of CPUs, on which the
// same policies (package sched) and the same control code (internal/core) decide as
// in the runtime. It is a small loop around them: it takes the earliest event, asks
// them what follows, and turns that into later events.
//
// A run is a function of its configuration and its tasks: no clock is read, chance
// comes from the seed, and events of one moment are taken in the order in which
// they were made. So the same seed gives the same trace, whose hash says so.
//
// What is simulated is what the engine does: a task is placed in a queue by its
// submitter's policy, a sleeping worker is woken for it, looks where its policy
// says, takes a batch, and begins one after the other; what it has taken and not
// begun can be taken from it. A worker that dies is noticed, judged, and started
// again as internal/core says, which also says when a task that failed is tried
// again, and when the run halts. Each step has a cost (see Costs). Not simulated:
// what tasks do to each other's caches, and tasks that submit tasks. Commands, which
// can be suspended, have a machine of their own, see [Rotating].
package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/tutti-run/tutti/sched"
)

// Task is a task to come. Its zero value is one that is there at the start and
// takes no time.
type Task struct {
	At       Time // when it is submitted, at the earliest
	Length   Span // how long it takes on a CPU of full speed
	Expected Span // what its submitter believes; 0 unknown
	Deadline Time // 0 for none

	Submitter sched.Slot
	Affinity  sched.Slot
	Priority  int
	Locality  uint64

	MaxAttempts int  // 0 is 3
	AtMostOnce  bool // a crash is the end of it
	Poison      bool // it kills its worker when it would have ended
	Fails       int  // so many attempts that come to their ends have failed, the first ones

	Memory int64 // bytes that it needs while it runs
}

// Costs are what the engine's own steps take.
type Costs struct {
	Submit    Span // of a submitter, for each task
	Wake      Span // until a sleeping worker looks
	Dispatch  Span // of a worker, for each task
	Assign    Span // of the master, for each look in the place of a worker (AMP); 0: workers look themselves
	StealNear Span // to take from a worker that shares a cache
	StealFar  Span // to take from another
	Notice    Span // from a death until it is certain
	Start     Span // from the start of a process until it attaches
}

// Faults are what goes wrong.
type Faults struct {
	DeathsPerHour float64 // of each worker, at random
	Deaths        []Death // at given times
	Slow          []Slow
}

// Death kills the process that a worker slot has at a time, if one is attached.
type Death struct {
	Worker sched.Slot
	At     Time
}

// Slow makes tasks that a worker begins in a span of time take longer.
type Slow struct {
	Worker   sched.Slot
	From, To Time
	Factor   float64 // above 1
}

// Config is a machine and what runs it.
type Config struct {
	CPUs    []CPU               // one worker each
	Policy  func() sched.Policy // makes one; each process has its own
	Seed    uint64
	Costs   Costs
	Faults  Faults
	Restart Intensity     // zero is the default of so many workers
	Limits  WorkerLimits  // zero is the default
	Tries   int           // how often in all a task is run while it fails; 0 is 1
	Retry   RetryDelay    // how long it waits in between
	Halt    Halt          // zero is never
	Total   int           // tasks of the run, of which Halt may count a part; 0: known when all are submitted
	Observe func(Event)   // is told of each event; nil for nobody
	Ended   func(Attempt) // is told of each attempt that ended; nil for nobody

	// SharedCore is how many times as long a task takes that a worker begins while
	// another runs on the same core: threads of a core share its units. 0 is 1, no
	// longer. What begins or ends on the core later is not looked at.
	SharedCore float64

	Coherence *Coherence // what cache lines take to move; nil: they are not looked at
}

// Attempt is one run of a task in one worker, when it has ended.
type Attempt struct {
	Task      int // counted from 0 in the order of submission
	Number    int // of the attempt, counted from 1
	Worker    sched.Slot
	Submitted Time // the task
	Began     Time // what it cost to find and to begin it included
	Ended     Time
	Length    Span // the task's
	Stolen    bool // it had been taken from another worker
	Died      bool // its worker did, and the task may be tried again
	Failed    bool // it came to its end in vain, and the task may be tried again
	Killed    bool // with the run, which a halt rule ended
}

// WorkerResult is what one worker did.
type WorkerResult struct {
	Ran    int  // tasks that it did
	Busy   Span // in tasks and for them, lost attempts included
	Steals int  // looks that took something from another worker
	Deaths int
}

// Result is what a run came to.
type Result struct {
	Makespan  Span // until the last task ended
	Submitted int  // Done, Failed, Killed and Left
	Done      int
	Failed    int // their attempts were used up, or nothing was tried again any more
	Poisoned  int // of these: poison
	Killed    int // when the run halted
	Left      int // none of these: the pool gave up or the run halted
	Unbegun   int // of these: no attempt was made; the others were to be tried again, or ran when the pool gave up
	GaveUp    bool
	Halted    bool
	HaltedAt  Time

	Wait     float64 // sum over tasks in ns, from submission to the start of the last attempt
	WaitMost Span
	Response float64 // sum over tasks in ns, from submission to the end
	Late     int     // ended after their deadlines
	Lost     Span    // work of attempts that died, failed or were killed
	Memory   int64   // the most that tasks under way needed at once, in bytes
	Workers  []WorkerResult
	Traffic  Traffic // with Coherence
	Events   int
	Hash     uint64 // of all events
}

// MeanWait is how long a task waited on average, in nanoseconds.
func (r *Result) MeanWait() float64 { return r.Wait / float64(max(1, r.Done+r.Failed)) }

// Utilisation is the share of the workers' time that was spent busy.
func (r *Result) Utilisation() float64 {
	busy := 0.0
	for _, w := range r.Workers {
		busy += float64(w.Busy)
	}
	return busy / (float64(max(1, r.Makespan)) * float64(max(1, len(r.Workers))))
}

// Run simulates the tasks that next gives, ordered by At, until all have ended, the
// run halts or the pool gives up. An error says what of the configuration or of a task is
// impossible, or that tasks wait where no worker looks.
func Run(c Config, next func() (Task, bool)) (Result, error) {
	if err := c.check(); err != nil {
		return Result{}, fmt.Errorf("sim: %w", err)
	}
	w, err := newWorld(&c, next)
	if err != nil {
		return Result{}, fmt.Errorf("sim: %w", err)
	}
	if err := w.run(); err != nil {
		return Result{}, fmt.Errorf("sim: %w", err)
	}
	if w.caches != nil {
		w.res.Traffic = w.caches.traffic
	}
	return w.res, nil
}

// longest bounds all times, so that they can be added up.
const longest = Span(1) << 60

// memoryMost bounds the memory of a task, 64 TiB, so that CPUsMax of them add up.
const memoryMost = int64(1) << 46

// CPUsMax bounds a machine.
const CPUsMax = 1 << 16

func (c *Config) check() error {
	switch k := c.Costs; {
	case len(c.CPUs) == 0:
		return errors.New("the machine has no CPU: one or more are needed")
	case len(c.CPUs) > CPUsMax:
		return fmt.Errorf("the machine has %d CPUs: at most %d are possible", len(c.CPUs), CPUsMax)
	case c.Policy == nil:
		return errors.New("there is no policy: Config.Policy is nil")
	case min(k.Submit, k.Wake, k.Dispatch, k.Assign, k.StealNear, k.StealFar, k.Notice, k.Start) < 0:
		return fmt.Errorf("a cost is below 0: %+v", k)
	case max(k.Submit, k.Wake, k.Dispatch, k.Assign, k.StealNear, k.StealFar, k.Notice, k.Start) > Hour:
		return fmt.Errorf("a cost is above an hour: %+v", k)
	case c.SharedCore != 0 && !(c.SharedCore >= 1 && c.SharedCore <= 1e6):
		return fmt.Errorf("tasks take %v times as long on a shared core: 1 to a million are possible", c.SharedCore)
	case c.Tries < 0 || c.Total < 0:
		return fmt.Errorf("tasks are run %d times, and there are %d: 0 or more are possible", c.Tries, c.Total)
	case c.Retry.First < 0 || c.Retry.Most < c.Retry.First || c.Retry.Most > longest:
		return fmt.Errorf("tasks wait from %d to %d ns before they are run again: the first is 0 or more, and the second not shorter", c.Retry.First, c.Retry.Most)
	case c.Halt != (Halt{}) && (c.Halt.Count < 1 || c.Halt.When > HaltNow || c.Halt.Why > HaltDone || c.Halt.Percent && c.Halt.Count > 100):
		return fmt.Errorf("the halt rule %+v: it counts 1 or more, and with Percent 100 at most", c.Halt)
	case !(c.Faults.DeathsPerHour >= 0):
		return fmt.Errorf("%v deaths an hour: 0 or more are possible", c.Faults.DeathsPerHour)
	}
	for i, cpu := range c.CPUs {
		if cpu.Speed < 1 || cpu.Speed > sched.FullSpeed {
			return fmt.Errorf("CPU %d has speed %d: 1 to %d are possible", i, cpu.Speed, sched.FullSpeed)
		}
	}
	if c.Coherence != nil {
		if err := c.Coherence.check(len(c.CPUs)); err != nil {
			return err
		}
	}
	known := func(s sched.Slot) bool { return s >= 1 && int(s) <= len(c.CPUs) }
	for _, d := range c.Faults.Deaths {
		if !known(d.Worker) || d.At < 0 {
			return fmt.Errorf("a death of worker %d at %d: the workers are 1 to %d, and time begins at 0", d.Worker, d.At, len(c.CPUs))
		}
	}
	for _, s := range c.Faults.Slow {
		if !known(s.Worker) {
			return fmt.Errorf("worker %d is to be slow: the workers are 1 to %d", s.Worker, len(c.CPUs))
		}
		if s.From < 0 || s.To < s.From || !(s.Factor >= 1) {
			return fmt.Errorf("worker %d slow by %v from %d to %d: a factor is 1 or more, and the end comes after the start",
				s.Worker, s.Factor, s.From, s.To)
		}
	}
	return nil
}

func (t *Task) check(n int, workers int, last Time) error {
	switch {
	case t.Length < 0 || t.Expected < 0 || t.Deadline < 0 || t.At < 0:
		return fmt.Errorf("task %d has a time below 0: %+v", n, *t)
	case max(Span(t.At), t.Length, t.Expected, Span(t.Deadline)) > longest:
		return fmt.Errorf("task %d has a time above %d years: are its times in ns? %+v", n, longest/(365*24*Hour), *t)
	case t.At < last:
		return fmt.Errorf("task %d is submitted at %d, before the one that was given before it, at %d", n, t.At, last)
	case t.Submitter < 0 || int(t.Submitter) > workers || t.Affinity < 0 || int(t.Affinity) > workers:
		return fmt.Errorf("task %d names workers %d and %d: they are 1 to %d, and 0 is the master or any", n, t.Submitter, t.Affinity, workers)
	case t.Memory < 0 || t.Memory > memoryMost:
		return fmt.Errorf("task %d needs %d bytes of memory: 0 to %d are possible", n, t.Memory, memoryMost)
	case t.MaxAttempts < 0:
		return fmt.Errorf("task %d has %d attempts: 1 or more are possible, and 0 for the default", n, t.MaxAttempts)
	case t.Fails < 0:
		return fmt.Errorf("task %d fails %d times: 0 or more are possible", n, t.Fails)
	}
	return nil
}

// Slice gives the tasks of a slice, for Run.
func Slice(tasks []Task) func() (Task, bool) {
	return func() (t Task, ok bool) {
		if len(tasks) > 0 {
			t, ok, tasks = tasks[0], true, tasks[1:]
		}
		return t, ok
	}
}

// source is the chance of one process.
func source(seed, process uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, process)) }
