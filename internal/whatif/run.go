package whatif

import (
	"fmt"
	"math"
	"slices"

	"github.com/tutti-run/tutti/sched"
	"github.com/tutti-run/tutti/sim"
)

// Run is what one run came to. Times are seconds.
type Run struct {
	Policy string `json:"policy"`
	CPUs   int    `json:"cpus"`

	Makespan float64 `json:"makespan_s"` // until the last task ended
	// Bound is the least that any policy could take on this machine if nothing cost
	// anything and nothing went wrong: see bound. 0 where the run was cut short.
	Bound       float64 `json:"lower_bound_s"`
	Utilisation float64 `json:"utilisation"` // part of the CPUs' time
	Speedup     float64 `json:"speedup"`     // against the same policy on the fewest CPUs; 0 where there is one number

	Wait     Spread  `json:"wait_s"`   // from a task's submission to its start
	Slowdown Spread  `json:"slowdown"` // from its submission to its end, in its lengths
	Steals   int     `json:"steals"`   // looks that took from another worker
	Fairness float64 `json:"fairness"` // Jain's index of the slowdowns: 1 is alike for all
	Balance  float64 `json:"balance"`  // Jain's index of how long each worker was busy
	Late     int     `json:"late"`     // ended after their deadlines
	Memory   int64   `json:"memory_bytes"`

	Done     int  `json:"done"`
	Failed   int  `json:"failed"`    // their attempts were used up, or nothing was tried again any more
	Poisoned int  `json:"poisoned"`  // of these: killed their workers
	Killed   int  `json:"killed"`    // when the run halted
	Left     int  `json:"left"`      // none of these, as the pool gave up or the run halted
	NotBegun int  `json:"not_begun"` // of these: the others were to be tried again, or ran when the pool gave up
	GaveUp   bool `json:"gave_up"`
	Deaths   int  `json:"deaths"`
	// HaltedAt is when the halt rule was met.
	Halted   bool    `json:"halted"`
	HaltedAt float64 `json:"halted_at_s"`
	// Lost is the time in attempts that came to nothing; Sound is how long the run would have
	// taken if nothing had gone wrong, 0 where nothing was to.
	Lost  float64 `json:"lost_s"`
	Sound float64 `json:"makespan_without_faults_s"`

	Lines *Lines `json:"cache_lines,omitempty"` // where they were looked at

	Events int    `json:"events"`
	Trace  string `json:"trace"` // hash of all events
}

// Lines is what the cache lines did that the engine's steps share, by MESI.
type Lines struct {
	Modified      int     `json:"found_modified"` // accesses that found the line so in their own cache
	Exclusive     int     `json:"found_exclusive"`
	Shared        int     `json:"found_shared"`
	Invalid       int     `json:"found_invalid"` // misses
	Transfers     [5]int  `json:"transfers"`     // by distance: memory, core, cache, node, far
	Invalidations int     `json:"invalidations"`
	WriteBacks    int     `json:"write_backs"`
	Seconds       float64 `json:"moving_s"`  // of all accesses
	Waited        float64 `json:"waiting_s"` // of these: for a line that another had fetched
}

func newLines(t *sim.Traffic) *Lines {
	return &Lines{
		Modified: t.Found[sim.Modified], Exclusive: t.Found[sim.Exclusive], Shared: t.Found[sim.Shared], Invalid: t.Found[sim.Invalid],
		Transfers: t.Transfers, Invalidations: t.Invalidations, WriteBacks: t.WriteBacks,
		Seconds: float64(t.Cost) / second, Waited: float64(t.Waited) / second,
	}
}

// Spread is how values spread. It is 0 where there are none.
type Spread struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	Most float64 `json:"max"`
}

// spread sums up values, which it sorts: the percentiles are by nearest rank.
func spread(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	slices.Sort(values)
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	at := func(p float64) float64 { return values[int(math.Ceil(p*float64(len(values))))-1] }
	return Spread{sum / float64(len(values)), at(0.5), at(0.95), at(0.99), values[len(values)-1]}
}

// jain is the fairness index of R. Jain, D. Chiu and W. Hawe, A Quantitative Measure of
// Fairness, DEC-TR-301, 1984: (Σx)²/(nΣx²), 1 where all are equal and 1/n where one
// has everything. It is 1 where there is nothing to share.
func jain(values []float64) float64 {
	sum, squares := 0.0, 0.0
	for _, v := range values {
		sum += v
		squares += v * v
	}
	if squares == 0 {
		return 1
	}
	return sum * sum / (float64(len(values)) * squares)
}

// bound is the least makespan, in ns: no task ends before its submission and its length
// on the fastest CPU, and all CPUs together do no more than their speeds. Of tasks that
// are submitted over time that holds for each moment and what comes after it, which is
// how a fluid would flow.
type bound struct {
	capacity, fastest float64 // of all CPUs and of the fastest; 1 is full speed
	fluid, longest    float64
}

func newBound(cpus []sim.CPU) bound {
	var b bound
	for _, c := range cpus {
		speed := float64(c.Speed) / sched.FullSpeed
		b.capacity += speed
		b.fastest = max(b.fastest, speed)
	}
	return b
}

func (b *bound) add(t sim.Task) {
	at, length := float64(t.At), float64(t.Length)
	b.fluid = max(b.fluid, at) + length/b.capacity
	b.longest = max(b.longest, at+length/b.fastest)
}

func (b *bound) makespan() float64 { return max(b.fluid, b.longest) }

const second = float64(sim.Second)

// Run makes the run of a policy on so many CPUs.
func (s *Study) Run(policy string, cpus int) (Run, error) {
	c, err := s.config(policy, cpus)
	if err != nil {
		return Run{}, err
	}
	var waits, slowdowns []float64
	c.Ended = func(a sim.Attempt) {
		if a.Died || a.Killed || a.Failed && a.Number < s.Tries {
			return // the task has not come to its end
		}
		waits = append(waits, float64(a.Began-a.Submitted)/second)
		if a.Length > 0 {
			slowdowns = append(slowdowns, float64(a.Ended-a.Submitted)/float64(a.Length))
		}
	}
	least := newBound(c.CPUs)
	next := s.tasks()
	r, err := sim.Run(c, func() (sim.Task, bool) {
		t, ok := next()
		if ok {
			least.add(t)
		}
		return t, ok
	})
	if err != nil {
		return Run{}, err
	}
	run := Run{
		Policy: policy, CPUs: cpus, Makespan: float64(r.Makespan) / second, Bound: least.makespan() / second,
		Utilisation: r.Utilisation(), Fairness: jain(slowdowns), Wait: spread(waits), Slowdown: spread(slowdowns),
		Late: r.Late, Memory: r.Memory, Done: r.Done, Failed: r.Failed, Poisoned: r.Poisoned, Killed: r.Killed,
		Left: s.total() - r.Done - r.Failed - r.Killed, GaveUp: r.GaveUp, Halted: r.Halted, Lost: float64(r.Lost) / second,
		Events: r.Events, Trace: fmt.Sprintf("%016x", r.Hash),
	}
	run.NotBegun = run.Left - (r.Left - r.Unbegun) // what was not submitted was not begun
	if r.Halted {
		run.HaltedAt = float64(r.HaltedAt) / second
	}
	if run.Cut() {
		run.Bound = 0
	}
	if s.Coherence {
		run.Lines = newLines(&r.Traffic)
	}
	busy := make([]float64, len(r.Workers))
	for i, w := range r.Workers {
		run.Steals += w.Steals
		run.Deaths += w.Deaths
		busy[i] = float64(w.Busy)
	}
	run.Balance = jain(busy)
	return run, s.priced(&run)
}

// priced adds what failures cost: how long the run would have taken without.
func (s *Study) priced(run *Run) error {
	if !s.Faulty() {
		return nil
	}
	sound := s.sound()
	c, err := sound.config(run.Policy, run.CPUs)
	if err != nil {
		return err
	}
	r, err := sim.Run(c, sound.tasks())
	run.Sound = float64(r.Makespan) / second
	return err
}

// Cut reports whether the halt rule cut the run short, so that its times are those of a
// part of the work.
func (r *Run) Cut() bool { return r.Halted && r.Killed+r.Left > 0 }

// Whole reports whether no run was cut short, so that their times compare.
func Whole(runs []Run) bool {
	return !slices.ContainsFunc(runs, func(r Run) bool { return r.Cut() })
}

// SpeedUp fills in the speed-ups of runs, each against the one of the same policy on
// the fewest CPUs; but for policies of which there is one number of CPUs only, and where
// a run was cut short.
func SpeedUp(runs []Run) {
	if !Whole(runs) {
		return
	}
	fewest, most := map[string]Run{}, map[string]int{}
	for _, r := range runs {
		if f, seen := fewest[r.Policy]; !seen || r.CPUs < f.CPUs {
			fewest[r.Policy] = r
		}
		most[r.Policy] = max(most[r.Policy], r.CPUs)
	}
	for i := range runs {
		r := &runs[i]
		if f := fewest[r.Policy]; f.CPUs < most[r.Policy] && r.Makespan > 0 {
			r.Speedup = f.Makespan / r.Makespan
		}
	}
}
