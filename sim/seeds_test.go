package sim

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tutti-run/tutti/sched"
)

var (
	seedsWant = flag.Uint64("sim.seeds", 1000, "how many seeds TestSeeds runs, each twice")
	seedWant  = flag.Int64("sim.seed", -1, "the only seed that TestSeeds runs")
)

// Whatever goes wrong, each task ends exactly once: it is done, it failed, poison
// always, or a halt rule killed it or left it; a pool gives up only where deaths come too
// often, and a seed gives one trace. Every machine is another one; the policies come
// round in turn.
func TestSeeds(t *testing.T) {
	t.Parallel()
	from, to := uint64(0), *seedsWant
	if testing.Short() {
		to = min(to, 100)
	}
	if *seedWant >= 0 {
		from, to = uint64(*seedWant), uint64(*seedWant)+1
	}
	traces := map[uint64]uint64{}
	var gaveUp, halted, killed, retried uint64
	for seed := from; seed < to; seed++ {
		c, tasks := faulty(t, seed)
		r, err := runTwice(c, tasks)
		if err != nil {
			t.Fatalf("seed %d, policy %s: %v\nto repeat it: go test ./sim -run 'TestSeeds$' -sim.seed=%d", seed, c.Policy().Name(), err, seed)
		}
		if other, same := traces[r.Hash]; same {
			t.Errorf("seeds %d and %d give the same trace", other, seed)
		}
		traces[r.Hash] = seed
		if r.GaveUp {
			gaveUp++
		}
		if r.Halted {
			halted++
		}
		killed += uint64(r.Killed)
		if c.Tries > 1 {
			retried++
		}
	}
	if n := to - from; n >= 100 && (halted < n/20 || halted > n/2 || killed == 0 || retried < n/20) {
		t.Errorf("of %d runs %d halted, which killed %d tasks, and %d tried again what failed: too few to try it, or too many to try the rest", n, halted, killed, retried)
	}
	if n := to - from; n >= 100 && (gaveUp < n/50 || gaveUp > n/2) {
		t.Errorf("%d pools of %d gave up: too few or too many to try both", gaveUp, n)
	}
}

// faulty is a machine where much goes wrong, and tasks that see all of it.
func faulty(t testing.TB, seed uint64) (Config, []Task) {
	rnd := source(seed, 3)
	names := sched.Names(nil)
	cpus := Grid(1+rnd.IntN(2), 1+rnd.IntN(2), 1+rnd.IntN(3), 1+rnd.IntN(2))
	n := len(cpus)
	cpus[rnd.IntN(n)].Speed = 300
	c := Config{CPUs: cpus, Policy: named(t, names[seed%uint64(len(names))]), Seed: seed, Costs: usual, Restart: Intensity{Max: 1 << 20, Period: Minute}}
	if rnd.IntN(4) == 0 {
		c.Costs = Costs{} // all at one moment
	}
	late := rnd.IntN(16) == 0 // all processes but the first come too late
	if late {
		c.Costs.Start, c.Limits = 5*Millisecond, WorkerLimits{Attach: 4 * Millisecond, Leave: Second, Gone: Second}
	}
	if late || rnd.IntN(4) == 0 {
		c.Restart = Intensity{Max: 1 + rnd.IntN(8*n), Period: Minute}
	}
	c.Faults.DeathsPerHour = float64(rnd.IntN(3)) * 20_000
	for range rnd.IntN(4) {
		c.Faults.Deaths = append(c.Faults.Deaths, Death{sched.Slot(1 + rnd.IntN(n)), Time(rnd.Int64N(100_000_000))})
		from := Time(rnd.Int64N(100_000_000))
		c.Faults.Slow = append(c.Faults.Slow, Slow{sched.Slot(1 + rnd.IntN(n)), from, from + 50_000_000, 4})
	}
	tasks := troubled(rnd, n)
	fail(source(seed, 6), &c, tasks)
	return c, tasks
}

// fail has some tasks fail in a part of all runs, and some of these try them again or
// halt.
func fail(rnd *rand.Rand, c *Config, tasks []Task) {
	if rnd.IntN(3) == 0 {
		return
	}
	for i := range tasks {
		if rnd.IntN(20) == 0 {
			tasks[i].Fails = 1 + rnd.IntN(3)
		}
	}
	if rnd.IntN(2) == 0 {
		c.Tries = 1 + rnd.IntN(4)
		c.Retry.First = Span(rnd.IntN(2)) * Millisecond
		c.Retry.Most = c.Retry.First * 3
	}
	if rnd.IntN(2) == 0 {
		c.Halt = Halt{When: HaltSoon + HaltWhen(rnd.IntN(2)), Why: HaltFail + HaltWhy(rnd.IntN(3)), Count: 1 + rnd.Int64N(40), Percent: rnd.IntN(2) == 0}
		c.Total = rnd.IntN(2) * len(tasks)
	}
}

// troubled are tasks for so many workers: of each kind some, and some poison.
func troubled(rnd *rand.Rand, workers int) []Task {
	var tasks []Task
	at := Time(0)
	for i := range 100 + rnd.IntN(200) {
		at += Time(rnd.Int64N(300_000)) * Time(rnd.IntN(2)) // many come at one moment
		length := Span(rnd.Int64N(2_000_000))
		task := Task{
			At: at, Length: length, Expected: length * Span(rnd.IntN(2)), Deadline: at + Time(rnd.Int64N(4_000_000)),
			Submitter: sched.Slot(rnd.IntN(workers+1) * rnd.IntN(2)), Affinity: sched.Slot(rnd.IntN(workers+1) * rnd.IntN(2)),
			Priority: rnd.IntN(5) - 2, Locality: rnd.Uint64N(5), MaxAttempts: 1 + rnd.IntN(200),
			AtMostOnce: i%17 == 0, Poison: i%100 == 50,
		}
		if task.Poison {
			task.MaxAttempts = 1 + rnd.IntN(4)
		}
		tasks = append(tasks, task)
	}
	return tasks
}

// runTwice runs a machine twice and says what is wrong with what came of it.
func runTwice(c Config, tasks []Task) (Result, error) {
	given := 0
	next := Slice(tasks)
	ends := make([]ends, len(tasks))
	c.Ended = func(a Attempt) { ends[a.Task].add(a) }
	r, err := Run(c, func() (Task, bool) {
		t, ok := next()
		if ok {
			given++
		}
		return t, ok
	})
	if err != nil {
		return r, err
	}
	c.Ended = nil
	again, err := Run(c, Slice(tasks))
	if err != nil || r.Hash != again.Hash || r.Events != again.Events || r.Makespan != again.Makespan {
		return r, fmt.Errorf("two runs differ: hashes %x and %x, %d and %d events, error %v", r.Hash, again.Hash, r.Events, again.Events, err)
	}
	return r, errors.Join(consistent(c, r, tasks, given), exact(c, r, tasks, ends))
}

// ends counts the attempts of a task, by their ends.
type ends struct {
	done, failed, died, killed int
	last                       Attempt
}

func (e *ends) add(a Attempt) {
	switch {
	case a.Died:
		e.died++
	case a.Failed:
		e.failed++
	case a.Killed:
		e.killed++
	default:
		e.done++
	}
	e.last = a
}

// exact says which task did not come to exactly one end, by what was told of its
// attempts and not by the result, which must say the same of all together.
func exact(c Config, r Result, tasks []Task, of []ends) error {
	tries := max(1, c.Tries)
	var done, failed, poisoned, killed, begun, open int
	for i, e := range of {
		t := &tasks[i]
		attempts := e.done + e.failed + e.died + e.killed
		if attempts > 0 {
			begun++
		}
		// It is not tried again if its attempts are used up, of either kind, or if the run
		// had halted.
		over := attempts >= tries && (e.last.Failed || t.AtMostOnce || attempts >= t.MaxAttempts) ||
			r.Halted && e.last.Ended >= r.HaltedAt
		switch {
		case e.done > 1 || e.killed > 1 || e.done > 0 && (e.killed > 0 || e.last.Died || e.last.Failed):
			return fmt.Errorf("task %d ended more than once: %+v", i, e)
		case t.Poison && e.done+e.failed > 0:
			return fmt.Errorf("task %d is poison and came to its end: %+v", i, e)
		case e.done > 0 && e.failed != t.Fails:
			return fmt.Errorf("task %d fails %d times and was done: %+v", i, t.Fails, e)
		case attempts > max(tries, t.MaxAttempts) || t.AtMostOnce && tries == 1 && attempts > 1:
			return fmt.Errorf("task %d was tried too often: %+v", i, e)
		case r.Halted && e.last.Began > r.HaltedAt:
			return fmt.Errorf("task %d began after the run had halted at %d: %+v", i, r.HaltedAt, e)
		case e.killed > 0 && (e.last.Ended != r.HaltedAt || c.Halt.When != HaltNow):
			return fmt.Errorf("task %d was killed, and not by a halt: %+v", i, e)
		}
		switch {
		case e.done > 0:
			done++
		case e.killed > 0:
			killed++
		case attempts > 0 && over:
			failed++
			if t.Poison {
				poisoned++
			}
		default:
			open++
		}
	}
	switch {
	case done != r.Done || killed != r.Killed:
		return fmt.Errorf("%d done and %d killed, and the result has %d and %d", done, killed, r.Done, r.Killed)
	case r.Submitted-begun != r.Unbegun && !(r.GaveUp && begun < r.Submitted-r.Unbegun): // of what ran when the pool gave up nothing is told
		return fmt.Errorf("%d of %d tasks were begun, and the result has %d that were not", begun, r.Submitted, r.Unbegun)
	case r.GaveUp && r.Failed <= failed && r.Poisoned <= poisoned: // some died whose death was not certain yet
	case failed != r.Failed || poisoned != r.Poisoned || open-(len(tasks)-r.Submitted) != r.Left:
		return fmt.Errorf("%d failed, %d of them poison, and %d are left; the result has %d, %d and %d", failed, poisoned, open, r.Failed, r.Poisoned, r.Left)
	}
	return nil
}

// consistent says what of a result cannot be, where so many tasks have been asked for.
func consistent(c Config, r Result, tasks []Task, given int) error {
	var ran, deaths int
	var busy Span
	for _, w := range r.Workers {
		ran, deaths, busy = ran+w.Ran, deaths+w.Deaths, busy+w.Busy
	}
	ended := r.Done + r.Failed + r.Killed + r.Left
	whole := !r.GaveUp && !r.Halted
	poison, least := 0, Span(0)
	for _, t := range tasks {
		if t.Poison {
			poison++
		} else {
			least += t.Length
		}
	}
	switch {
	case r.Done != ran:
		return fmt.Errorf("%d tasks are done, and the workers say %d", r.Done, ran)
	case ended != r.Submitted || r.Unbegun > r.Left:
		return fmt.Errorf("%d done, %d failed, %d killed and %d left, %d of them not begun, are not the %d that were submitted", r.Done, r.Failed, r.Killed, r.Left, r.Unbegun, r.Submitted)
	case whole && r.Killed > 0 || r.Halted && c.Halt.When == HaltNever:
		return fmt.Errorf("halted: %v, and %d killed, by the rule %s", r.Halted, r.Killed, c.Halt)
	case r.GaveUp && c.Restart.Max == 1<<20:
		return fmt.Errorf("the pool gave up after %d deaths", deaths)
	case !whole && ended != given && ended != given-1: // one was asked for and its time had not come
		return fmt.Errorf("%d were submitted, and %d asked for", ended, given)
	case whole && (ended != len(tasks) || r.Left != 0):
		return fmt.Errorf("%d done and %d failed are not the %d tasks; %d left", r.Done, r.Failed, len(tasks), r.Left)
	case whole && r.Poisoned != poison:
		return fmt.Errorf("%d poisoned tasks failed, and %d are poison", r.Poisoned, poison)
	case r.Lost > busy || busy > Span(len(c.CPUs))*2*max(r.Makespan, Second):
		return fmt.Errorf("%d ns lost and %d busy, of %d on each of %d CPUs", r.Lost, busy, r.Makespan, len(c.CPUs))
	case whole && r.Failed == poison && busy-r.Lost < least:
		return fmt.Errorf("the tasks took %d ns, and are %d long", busy-r.Lost, least)
	}
	return nil
}
