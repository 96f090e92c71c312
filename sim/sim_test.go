package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tutti-run/tutti/sched"
)

// named makes policies of package sched.
func named(t testing.TB, name string) func() sched.Policy {
	t.Helper()
	return func() sched.Policy {
		p, err := sched.New(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}

func simulate(t testing.TB, c Config, next func() (Task, bool)) Result {
	t.Helper()
	r, err := Run(c, next)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// usual are costs like those of a machine of today.
var usual = Costs{Submit: 30, Wake: 5_000, Dispatch: 30, StealNear: 100, StealFar: 400, Notice: Millisecond, Start: 2 * Millisecond}

// poisson gives n tasks of the given lengths, whose arrivals are a Poisson process.
func poisson(seed uint64, n int, every float64, length func(*rand.Rand) float64) func() (Task, bool) {
	rnd := source(seed, 99)
	at := 0.0
	return func() (Task, bool) {
		if n--; n < 0 {
			return Task{}, false
		}
		at += rnd.ExpFloat64() * every
		return Task{At: Time(at), Length: Span(length(rnd))}, true
	}
}

const meanLength = 1e6 // ns

func exponential(rnd *rand.Rand) float64 { return rnd.ExpFloat64() * meanLength }
func constant(*rand.Rand) float64        { return meanLength }

// erlangC is the mean wait in M/M/c, in lengths, at a load of rho for each server.
func erlangC(c int, rho float64) float64 {
	a := rho * float64(c)
	term, sum := 1.0, 0.0
	for k := range c {
		sum += term
		term *= a / float64(k+1)
	}
	queued := term / (1 - rho)
	return queued / (sum + queued) / (float64(c) * (1 - rho))
}

// Mean waiting times are those of queueing theory to within 2 %: whatever the order
// in which a work-conserving policy serves tasks that it knows nothing of. The
// formulas are given the rates that chance drew and not those it was asked for:
// where workers are many a load of one part in a hundred more is a wait of ten more.
func TestWaitingTimesOfTheory(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("millions of tasks, which the race detector makes long, and nothing in them is concurrent")
	}
	for _, c := range []struct {
		name    string
		servers int
		rho     float64
		length  func(*rand.Rand) float64
		want    func(rho float64) float64 // in mean lengths
	}{
		{"M/M/1", 1, 0.5, exponential, func(rho float64) float64 { return rho / (1 - rho) }},
		{"M/M/1 busy", 1, 0.7, exponential, func(rho float64) float64 { return rho / (1 - rho) }},
		{"M/M/2", 2, 0.7, exponential, func(rho float64) float64 { return erlangC(2, rho) }},
		{"M/M/4", 4, 0.6, exponential, func(rho float64) float64 { return erlangC(4, rho) }},
		{"M/M/8", 8, 0.7, exponential, func(rho float64) float64 { return erlangC(8, rho) }},
		{"M/D/1", 1, 0.5, constant, func(rho float64) float64 { return rho / (2 * (1 - rho)) }},
		{"M/D/1 busy", 1, 0.7, constant, func(rho float64) float64 { return rho / (2 * (1 - rho)) }},
	} {
		for _, policy := range []string{"aged-priority", "work-stealing"} {
			t.Run(c.name+"/"+policy, func(t *testing.T) {
				t.Parallel()
				const n = 400_000
				next := poisson(1, n, meanLength/(c.rho*float64(c.servers)), c.length)
				var total Span
				var last Time
				r := simulate(t, Config{CPUs: Grid(1, 1, c.servers, 1), Policy: named(t, policy)}, func() (Task, bool) {
					task, ok := next()
					total, last = total+task.Length, max(last, task.At)
					return task, ok
				})
				rho := float64(total) / (float64(last) * float64(c.servers))
				got, want := r.MeanWait()/(float64(total)/n), c.want(rho)
				if math.Abs(got-want) > 0.02*want || math.Abs(rho-c.rho) > 0.01 {
					t.Errorf("waited %.4f lengths at a load of %.3f, theory says %.4f", got, rho, want)
				}
				if u := r.Utilisation(); math.Abs(u-rho) > 0.001 {
					t.Errorf("used %.4f of the time, theory says %.4f", u, rho)
				}
			})
		}
	}
}

// Graham's bound: no policy that leaves no worker idle while a task waits takes
// longer than total/m + (1−1/m) × longest.
func TestGrahamsBound(t *testing.T) {
	t.Parallel()
	for _, policy := range []string{"work-stealing", "work-stealing-one", "work-stealing-last", "locality",
		"longest-first", "shortest-first", "aged-priority", "earliest-deadline"} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(200) {
				rnd := source(seed, 1)
				m := 1 + rnd.IntN(12)
				var tasks []Task
				var total, longest Span
				for range 1 + rnd.IntN(60) {
					length := Span(math.Pow(rnd.Float64(), -0.8) * 1000) // heavy-tailed
					tasks = append(tasks, Task{Length: length, Expected: length, Locality: rnd.Uint64N(4), Submitter: sched.Slot(rnd.IntN(m + 1))})
					total, longest = total+length, max(longest, length)
				}
				r := simulate(t, Config{CPUs: Grid(1, 1, m, 1), Policy: named(t, policy), Seed: seed}, Slice(tasks))
				bound := float64(total)/float64(m) + (1-1/float64(m))*float64(longest)
				if float64(r.Makespan) > bound+1 || r.Makespan < max(longest, total/Span(m)) {
					t.Fatalf("seed %d: %d tasks on %d workers took %d, the bounds are %d and %.0f",
						seed, len(tasks), m, r.Makespan, max(longest, total/Span(m)), bound)
				}
			}
		})
	}
}

// The bound of longest first: 4/3 − 1/3m of the best time, which is known here since
// the tasks are made by cutting m equal spans. Graham's worst case reaches it.
func TestBoundOfLongestFirst(t *testing.T) {
	t.Parallel()
	lpt := func(m int, tasks []Task, seed uint64) Span {
		return simulate(t, Config{CPUs: Grid(1, 1, m, 1), Policy: named(t, "longest-first"), Seed: seed}, Slice(tasks)).Makespan
	}
	for seed := range uint64(400) {
		rnd := source(seed, 2)
		m := 1 + rnd.IntN(10)
		const best = 1_000_000
		var tasks []Task
		for range m {
			cuts := []int64{0, best}
			for range rnd.IntN(6) {
				cuts = append(cuts, rnd.Int64N(best))
			}
			slices.Sort(cuts)
			for i := range cuts[1:] {
				length := Span(cuts[i+1] - cuts[i])
				tasks = append(tasks, Task{Length: length, Expected: length})
			}
		}
		rnd.Shuffle(len(tasks), func(i, j int) { tasks[i], tasks[j] = tasks[j], tasks[i] })
		if got, bound := lpt(m, tasks, seed), best*(4.0/3-1/(3*float64(m))); float64(got) > bound+1 {
			t.Fatalf("seed %d: %d tasks on %d workers took %d, the bound is %.0f", seed, len(tasks), m, got, bound)
		}
	}
	for m := 2; m <= 8; m++ { // two of each length 2m−1 … m+1, three of m: the best is 3m
		var tasks []Task
		for length := 2*m - 1; length >= m; length-- {
			for range map[bool]int{true: 3, false: 2}[length == m] {
				tasks = append(tasks, Task{Length: Span(length), Expected: Span(length)})
			}
		}
		if got := lpt(m, tasks, 0); got != Span(4*m-1) {
			t.Errorf("the worst case of %d workers took %d, not %d", m, got, 4*m-1)
		}
	}
}

// Workers that die at once again and again end the pool, as the restart rule says.
func TestTheSimulatedPoolGivesUp(t *testing.T) {
	t.Parallel()
	c := Config{CPUs: Grid(1, 1, 2, 1), Policy: named(t, ""), Costs: usual}
	for i := range 100 {
		c.Faults.Deaths = append(c.Faults.Deaths, Death{sched.Slot(1 + i%2), Time(i) * 100_000_000})
	}
	r := simulate(t, c, Slice([]Task{{}, {At: Time(Hour)}}))
	if !r.GaveUp || r.Done != 1 || r.Left != 0 {
		t.Errorf("%+v", r)
	}
}

// A process that comes too late takes no slot, and its slot is tried again later each
// time until the pool bears no more.
func TestLateProcessesTakeNoSlot(t *testing.T) {
	t.Parallel()
	c := Config{CPUs: Grid(1, 1, 1, 1), Policy: named(t, ""), Costs: usual, Faults: Faults{Deaths: []Death{{1, 0}}}}
	c.Costs.Start, c.Restart = 11*Second, Intensity{Max: 40, Period: Hour} // a death at start weighs 4
	attached := 0
	c.Observe = func(e Event) {
		if e.Kind == Attach {
			attached++
		}
	}
	r := simulate(t, c, Slice([]Task{{At: Time(Second)}}))
	if !r.GaveUp || r.Done != 0 || r.Left != 1 || attached < 8 {
		t.Errorf("%+v, %d came", r, attached)
	}
}

// Two threads of a core take longer at once than each alone, from when the second
// begins, and threads of different cores do not.
func TestThreadsShareTheirCore(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cpus   []CPU
		shared float64
		want   Span
	}{
		{Grid(1, 1, 1, 2), 1.5, 300}, // one thread 100 alone and then 150, the other 150 twice
		{Grid(1, 1, 1, 2), 0, 200},
		{Grid(1, 1, 2, 1), 1.5, 200},
	} {
		r := simulate(t, Config{CPUs: c.cpus, Policy: named(t, "aged-priority"), SharedCore: c.shared}, Slice([]Task{{Length: 100}, {Length: 100}, {Length: 100}, {Length: 100}}))
		if r.Makespan != c.want {
			t.Errorf("%+v: %d, want %d", c, r.Makespan, c.want)
		}
	}
}

// A policy that places tasks where no worker looks is found out.
type lost struct{ sched.RoundRobin }

func (*lost) Place(sched.View, sched.Task, *rand.Rand) sched.Slot { return sched.Master }

func TestLostTasksAreFound(t *testing.T) {
	t.Parallel()
	for _, deaths := range []float64{0, 1000} {
		c := Config{CPUs: Grid(1, 1, 2, 1), Policy: func() sched.Policy { return &lost{} }, Restart: Intensity{Max: 1 << 30, Period: 1}}
		c.Faults.DeathsPerHour = deaths
		if _, err := Run(c, Slice([]Task{{Length: 1}})); err == nil || !strings.Contains(err.Error(), "must look at every queue") {
			t.Errorf("%v deaths: %v", deaths, err)
		}
	}
}

// Workers that all come too late, in a pool that bears it for ever, end the run.
func TestNoWorkerLives(t *testing.T) {
	t.Parallel()
	c := Config{CPUs: Grid(1, 1, 1, 1), Policy: named(t, ""), Costs: usual, Restart: Intensity{Max: 1 << 30, Period: 1}}
	c.Costs.Start, c.Faults.Deaths = 11*Second, []Death{{1, 0}}
	if _, err := Run(c, Slice([]Task{{At: 1}})); err == nil || !strings.Contains(err.Error(), "no worker lives") {
		t.Error(err)
	}
}

func TestImpossible(t *testing.T) {
	t.Parallel()
	good := Config{CPUs: Grid(1, 1, 2, 1), Policy: named(t, "")}
	for says, edit := range map[string]func(*Config){
		"no CPU":         func(c *Config) { c.CPUs = nil },
		"has speed 0":    func(c *Config) { c.CPUs = []CPU{{}} },
		"no policy":      func(c *Config) { c.Policy = nil },
		"returned nil":   func(c *Config) { c.Policy = func() sched.Policy { return nil } },
		"below 0":        func(c *Config) { c.Costs.Wake = -1 },
		"deaths an hour": func(c *Config) { c.Faults.DeathsPerHour = -1 },
		"of worker 3":    func(c *Config) { c.Faults.Deaths = []Death{{3, 0}} },
		"worker 1 slow":  func(c *Config) { c.Faults.Slow = []Slow{{1, 5, 4, 2}} },
		"shared core":    func(c *Config) { c.SharedCore = 0.5 },
		"are run -1":     func(c *Config) { c.Tries = -1 },
		"wait from 2 to": func(c *Config) { c.Retry = RetryDelay{First: 2, Most: 1} },
		"the halt rule":  func(c *Config) { c.Halt = Halt{When: HaltNow} },
		"at most 65536":  func(c *Config) { c.CPUs = make([]CPU, CPUsMax+1) },
	} {
		c := good
		edit(&c)
		if _, err := Run(c, Slice(nil)); err == nil || !strings.Contains(err.Error(), says) || !strings.HasPrefix(err.Error(), "sim: ") {
			t.Errorf("%v, want %q", err, says)
		}
	}
	for says, tasks := range map[string][]Task{
		"task 1 has a time below 0": {{}, {Length: -1}},
		"above 36 years":            {{Length: 1 << 61}},
		"takes more than 73 years":  {{Length: 1 << 60}, {Length: 1 << 60}, {Length: 1 << 60}, {Length: 1 << 60}, {Length: 1 << 60}, {}},
		"before the one":            {{At: 5}, {At: 4}},
		"names workers 3 and 0":     {{Submitter: 3}},
		"-1 attempts":               {{MaxAttempts: -1}},
		"fails -1 times":            {{Fails: -1}},
		"-1 bytes of memory":        {{Memory: -1}},
		"bytes of memory: 0 to":     {{Memory: 1 << 62}},
	} {
		if _, err := Run(good, Slice(tasks)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	if r := simulate(t, good, Slice(nil)); r.Makespan != 0 || r.Done != 0 || r.MeanWait() != 0 {
		t.Errorf("nothing to do: %+v", r)
	}
}

// The agenda against a sorted list.
func TestAgendaAgainstReference(t *testing.T) {
	t.Parallel()
	rnd := source(1, 4)
	var a agenda
	var ref []Event
	for range 20_000 {
		if rnd.IntN(2) == 0 {
			e := Event{At: Time(rnd.IntN(50)), Task: rnd.Int()}
			e.seq = a.seq
			a.push(e)
			at, _ := slices.BinarySearchFunc(ref, e, func(x, y Event) int {
				if x.before(&y) {
					return -1
				}
				return 1
			})
			ref = slices.Insert(ref, at, e)
			continue
		}
		e, ok := a.pop()
		if ok != (len(ref) > 0) || ok && e != ref[0] {
			t.Fatalf("%+v, %v", e, ok)
		}
		if ok {
			ref = ref[1:]
		}
	}
}

// What a look gets of a queue: in order or by rank, half of what lies together, and
// no more than asked for.
func TestQueueTakes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		there, most int
		half        bool
		want        int
	}{{0, 5, false, 0}, {3, 5, false, 3}, {9, 5, false, 5}, {9, 5, true, 5}, {9, 8, true, 5}, {1, 8, true, 1}, {200, 500, false, 64}, {200, 500, true, 32}, {3, 0, false, 1}} {
		var q queue
		for i := range c.there {
			q.add(&task{number: i})
		}
		taken := q.take(c.most, c.half, nil)
		if len(taken) != c.want || q.len() != c.there-c.want {
			t.Errorf("%+v: took %d and left %d", c, len(taken), q.len())
		}
		for i, got := range taken {
			if got.number != i {
				t.Errorf("%+v: the %d. taken is %d", c, i, got.number)
			}
		}
	}
	rnd := source(1, 5)
	var q queue
	var ref []*task
	for n := range 5_000 {
		if n < 50 || rnd.IntN(2) == 0 { // the first lie in order when ranks are asked for
			task := &task{number: n, rank: rnd.Int64N(40), Task: Task{Expected: Span(rnd.IntN(20))}}
			q.add(task)
			ref = append(ref, task)
			continue
		}
		least := rnd.Int64N(2) * rnd.Int64N(40)
		best := -1
		for i, r := range ref {
			if (least == 0 || r.rank-int64(r.Expected) >= least) && (best < 0 || r.before(ref[best])) {
				best = i
			}
		}
		got := q.takeLowest(least)
		if (got != nil) != (best >= 0) || got != nil && got != ref[best] {
			t.Fatalf("took %+v, want the %d. of %d", got, best, len(ref))
		}
		if got != nil {
			ref = slices.Delete(ref, best, best+1)
		}
	}
}

// Nearer victims are stolen from first, and it pays.
func TestStealingNearPays(t *testing.T) {
	t.Parallel()
	tasks := make([]Task, 20_000)
	for i := range tasks {
		tasks[i] = Task{Length: 2_000, Submitter: sched.Slot(1 + 16*(i%4))}
	}
	run := func(cpus []CPU) Span {
		c := Config{CPUs: cpus, Policy: named(t, "work-stealing-one"), Costs: usual}
		c.Costs.StealFar = 20_000
		return simulate(t, c, Slice(tasks)).Makespan
	}
	near, blind := run(Grid(4, 1, 16, 1)), run(Grid(64, 1, 1, 1))
	if near >= blind {
		t.Errorf("with a near victim for each worker it took %d, without %d", near, blind)
	}
}

// BenchmarkEvents is the loop on as many CPUs as its name says.
func BenchmarkEvents(b *testing.B) {
	for _, n := range []int{1, 64, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			events, tasks := 0, 0
			for b.Loop() {
				r := simulate(b, Config{CPUs: Grid(1, 1, n, 1), Policy: named(b, ""), Costs: usual},
					poisson(1, 100_000, meanLength/(0.9*float64(n)), exponential))
				events, tasks = events+r.Events, tasks+r.Done
			}
			b.ReportMetric(float64(events)/b.Elapsed().Seconds()/1e6, "Mevents/s")
			b.ReportMetric(float64(tasks)/b.Elapsed().Seconds()/1e6, "Mtasks/s")
		})
	}
}

// A master who assigns is the ceiling: where tasks take 100 µs and he 2 µs for each, 50
// CPUs can be kept busy. Below that he costs little, above it nothing is gained.
func TestMasterIsTheCeiling(t *testing.T) {
	t.Parallel()
	const n, length, assign = 50_000, 100 * Microsecond, 2 * Microsecond
	tasks := make([]Task, n)
	for i := range tasks {
		tasks[i].Length = length
	}
	for _, cpus := range []int{2, 25, 50, 100, 200} {
		c := Config{CPUs: Grid(1, 1, cpus, 1), Policy: named(t, "earliest-deadline"), Costs: Costs{Assign: assign}}
		got := simulate(t, c, Slice(tasks)).Makespan
		want := max(n*length/Span(cpus), n*assign)
		if got < want || got > want+want/10 {
			t.Errorf("%d CPUs: %d ns, want %d and up to a tenth more", cpus, got, want)
		}
	}
}
