//go:build linux

package tutti_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/sched"
	"github.com/tutti-run/tutti/sim"
)

// Express is a policy of this program's own: worker 1 is kept free for tasks that
// are expected to be short, and the others deal with the rest.
var Express = tutti.RegisterPolicy("express", func() sched.Policy { return &express{} })

type express struct{ last int }

func (*express) Name() string { return "express" }

func (p *express) Place(v sched.View, t sched.Task, _ *rand.Rand) sched.Slot {
	if t.Priority == badTask {
		panic(errBadTask) // so that a test sees what comes of it
	}
	if others := v.Workers() - 1; others > 0 && (t.Expected == 0 || t.Expected > int64(time.Millisecond)) {
		p.last = p.last%others + 1
		return sched.Slot(p.last + 1)
	}
	return 1
}

// Look sends a worker to its own queue, and all but worker 1 to the others'.
func (*express) Look(v sched.View, w sched.Slot, look int, _ *rand.Rand) (sched.Take, bool) {
	if look == 0 || w == 1 {
		return sched.Take{From: w, Max: 1}, look == 0
	}
	return sched.Take{From: sched.Slot(look), Max: 1}, look <= v.Workers()
}

func (*express) Rank(t sched.Task) int64 { return -int64(t.Priority) }

func ExampleRegisterPolicy() {
	ctx := context.Background()
	pool, err := tutti.Open(ctx, tutti.Config{Workers: 2, Policy: Express})
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	quick := tutti.PerTask(func(word string) tutti.Hints {
		return tutti.Hints{Expected: time.Duration(len(word)) * 100 * time.Microsecond}
	})
	for text, err := range Upper.Map(ctx, pool, slices.Values([]string{"short", "interminable"}), quick) {
		fmt.Println(text, err)
	}
	// Output:
	// SHORT <nil>
	// INTERMINABLE <nil>
}

// The same policy on a machine that nobody has: 16 CPUs, and a queue of long tasks
// that short ones come between.
func ExampleRegisterPolicy_simulated() {
	var tasks []sim.Task
	for i := range sim.Time(2000) {
		at := i * sim.Time(sim.Millisecond)
		tasks = append(tasks, sim.Task{At: at, Length: 15 * sim.Millisecond, Expected: 15 * sim.Millisecond})
		if i%10 == 0 { // and its result is wanted soon
			tasks = append(tasks, sim.Task{At: at, Length: sim.Millisecond, Expected: sim.Millisecond, Deadline: at + sim.Time(2*sim.Millisecond)})
		}
	}
	for _, policy := range []func() sched.Policy{
		func() sched.Policy { return &express{} },
		func() sched.Policy { return sched.NewRoundRobin() },
	} {
		r, err := sim.Run(sim.Config{CPUs: sim.Grid(1, 1, 16, 1), Policy: policy}, sim.Slice(tasks))
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s: %d done, %d of 200 too late\n", policy().Name(), r.Done, r.Late)
	}
	// Output:
	// express: 2200 done, 0 of 200 too late
	// round-robin: 2200 done, 195 of 200 too late
}
