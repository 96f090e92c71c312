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

// Whatever goes wrong, each task ends or fails exactly once, poison fails, a pool gives
// up only where deaths come too often, and a seed gives one trace. Every machine is
// another one; the policies come round in turn.
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
	gaveUp := uint64(0)
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
	return c, troubled(rnd, n)
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
	var wrong error
	c.Observe = func(e Event) {
		if e.Kind == End && tasks[e.Task].Poison {
			wrong = fmt.Errorf("task %d is poison and ended at %d", e.Task, e.At)
		}
	}
	next := Slice(tasks)
	r, err := Run(c, func() (Task, bool) {
		t, ok := next()
		if ok {
			given++
		}
		return t, ok
	})
	if err != nil || wrong != nil {
		return r, errors.Join(err, wrong)
	}
	c.Observe = nil
	again, err := Run(c, Slice(tasks))
	if err != nil || r.Hash != again.Hash || r.Events != again.Events || r.Makespan != again.Makespan {
		return r, fmt.Errorf("two runs differ: hashes %x and %x, %d and %d events, error %v", r.Hash, again.Hash, r.Events, again.Events, err)
	}
	return r, consistent(c, r, tasks, given)
}

// consistent says what of a result cannot be, where so many tasks have been asked for.
func consistent(c Config, r Result, tasks []Task, given int) error {
	var ran, deaths int
	var busy Span
	for _, w := range r.Workers {
		ran, deaths, busy = ran+w.Ran, deaths+w.Deaths, busy+w.Busy
	}
	ended := r.Done + r.Failed + r.Left
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
	case r.Failed > deaths:
		return fmt.Errorf("%d tasks failed of %d deaths", r.Failed, deaths)
	case r.GaveUp && c.Restart.Max == 1<<20:
		return fmt.Errorf("the pool gave up after %d deaths", deaths)
	case r.GaveUp && ended != given && ended != given-1: // one was asked for and its time had not come
		return fmt.Errorf("%d done, %d failed and %d left are not the %d that were submitted", r.Done, r.Failed, r.Left, given)
	case !r.GaveUp && (ended != len(tasks) || r.Left != 0):
		return fmt.Errorf("%d done and %d failed are not the %d tasks; %d left", r.Done, r.Failed, len(tasks), r.Left)
	case !r.GaveUp && r.Failed < poison:
		return fmt.Errorf("%d tasks failed, and %d are poison", r.Failed, poison)
	case r.Lost > busy || busy > Span(len(c.CPUs))*2*max(r.Makespan, Second):
		return fmt.Errorf("%d ns lost and %d busy, of %d on each of %d CPUs", r.Lost, busy, r.Makespan, len(c.CPUs))
	case !r.GaveUp && r.Failed == poison && busy-r.Lost < least:
		return fmt.Errorf("the tasks took %d ns, and are %d long", busy-r.Lost, least)
	}
	return nil
}
