package sim

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Periodic work against what is known of it. Times are in ticks.
const tick = 1000 // ns

// periodic is a task that comes again: it needs length in each period, at whose end
// its deadline is.
type periodic struct{ length, period, offset int }

// schedule are all comings of a set before the end, as commands whose urgency
// priority says.
func schedule(set []periodic, end int, priority func(p periodic, deadline int) int64) (commands []Command, of []int) {
	type coming struct {
		Command
		of int
	}
	var all []coming
	for i, p := range set {
		for at := p.offset; at < end; at += p.period {
			all = append(all, coming{Command{At: Time(at * tick), Length: Span(p.length * tick), Priority: priority(p, at+p.period), Deadline: Time((at + p.period) * tick)}, i})
		}
	}
	slices.SortStableFunc(all, func(a, b coming) int { return cmp.Compare(a.At, b.At) })
	for _, c := range all {
		commands, of = append(commands, c.Command), append(of, c.of)
	}
	return commands, of
}

func earliestDeadline(_ periodic, deadline int) int64 { return -int64(deadline) }
func rateMonotonic(p periodic, _ int) int64           { return -int64(p.period) }

func preemptive(t *testing.T, cpus int, commands []Command, ended func(int, Time)) RotatingResult {
	t.Helper()
	r, err := Rotating{CPUs: cpus, Preempt: true, Ended: ended}.Run(commands)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// repeats is a common multiple of all periods that drawSet draws.
const repeats = 120

// drawSet draws tasks of different periods, the shortest first, whose utilisation is
// not above a bound and not far below it.
func drawSet(rnd *rand.Rand, bound func(n int) float64) []periodic {
	periods := []int{8, 10, 12, 15, 20, 24, 30, 40, 60, 120}
	rnd.Shuffle(len(periods), func(i, j int) { periods[i], periods[j] = periods[j], periods[i] })
	n := 2 + rnd.IntN(5)
	slices.Sort(periods[:n])
	left := bound(n)
	set := make([]periodic, n)
	for _, i := range rnd.Perm(n) {
		p := periods[i]
		length := min(int(left*float64(p)+1e-9), 1+rnd.IntN(p))
		set[i] = periodic{length: length, period: p}
		left -= float64(length) / float64(p)
	}
	return slices.DeleteFunc(set, func(p periodic) bool { return p.length == 0 })
}

func utilisation(set []periodic) (u float64) {
	for _, p := range set {
		u += float64(p.length) / float64(p.period)
	}
	return u
}

// On one CPU with preemption the earliest deadline first meets all deadlines if the
// utilisation is 1 or less, whenever the tasks first come, and only then (Liu and
// Layland, Scheduling Algorithms for Multiprogramming in a Hard-Real-Time Environment,
// J. ACM 20(1), 1973, theorem 7).
func TestEarliestDeadlineMeetsAllUpToFullUse(t *testing.T) {
	t.Parallel()
	full := 0
	for seed := range uint64(300) {
		rnd := source(seed, 6)
		set := drawSet(rnd, func(int) float64 { return 1 })
		if utilisation(set) > 0.99 {
			full++
		}
		for i := range set {
			set[i].offset = rnd.IntN(set[i].period)
		}
		commands, _ := schedule(set, 2*repeats, earliestDeadline)
		if r := preemptive(t, 1, commands, nil); r.Late > 0 {
			t.Fatalf("seed %d: %d late of %+v, which use %.3f", seed, r.Late, set, utilisation(set))
		}
		for i := range set { // all at once, and too much of them
			set[i].offset = 0
		}
		set = append(set, periodic{length: int(math.Round((1-utilisation(set))*repeats)) + 1, period: repeats})
		commands, _ = schedule(set, repeats, earliestDeadline)
		if r := preemptive(t, 1, commands, nil); r.Late == 0 {
			t.Fatalf("seed %d: nothing late of %+v, which use %.3f", seed, set, utilisation(set))
		}
	}
	if full < 100 {
		t.Errorf("%d sets use the CPU fully: too few to show anything", full)
	}
}

// Shorter periods first meet all deadlines where the utilisation of n tasks is not
// above n(2^(1/n)−1) (Liu and Layland, theorem 5). Above it they may and may not: where
// all come at once, the first response of each is the least R = C + Σ ⌈R/Tj⌉·Cj over
// those more urgent, and a deadline is missed exactly where one of these is above the
// period (Joseph and Pandya, Finding Response Times in a Real-Time System, The Computer
// Journal 29(5), 1986).
func TestRateMonotonic(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rnd := source(seed, 7)
		set := drawSet(rnd, func(n int) float64 { return float64(n) * (math.Pow(2, 1/float64(n)) - 1) })
		for i := range set {
			set[i].offset = rnd.IntN(set[i].period)
		}
		commands, _ := schedule(set, 2*repeats, rateMonotonic)
		if r := preemptive(t, 1, commands, nil); r.Late > 0 {
			t.Fatalf("seed %d: %d late of %+v, which use %.3f", seed, r.Late, set, utilisation(set))
		}
	}
	misses := 0
	for seed := range uint64(300) {
		set := drawSet(source(seed, 8), func(int) float64 { return 1 })
		commands, of := schedule(set, repeats, rateMonotonic)
		first := make([]int, len(set))
		r := preemptive(t, 1, commands, func(command int, at Time) {
			if i := of[command]; first[i] == 0 {
				first[i] = int(at / tick)
			}
		})
		late := false
		for i, p := range set {
			want := responseTime(set[:i], p)
			late = late || want > p.period
			if want <= p.period && first[i] != want {
				t.Fatalf("seed %d: task %d of %+v takes %d ticks, theory says %d", seed, i, set, first[i], want)
			}
		}
		if late {
			misses++
		}
		if late != (r.Late > 0) {
			t.Fatalf("seed %d: %d late of %+v; theory says that some are: %v", seed, r.Late, set, late)
		}
	}
	if misses < 30 || misses > 270 {
		t.Errorf("%d of 300 sets miss a deadline: too few or too many to show both", misses)
	}
}

// responseTime is the longest response of a task among those more urgent; above its
// period no further than needed to know that.
func responseTime(urgent []periodic, p periodic) int {
	for r := p.length; ; {
		next := p.length
		for _, u := range urgent {
			next += (r + u.period - 1) / u.period * u.length
		}
		if next == r || next > p.period {
			return next
		}
		r = next
	}
}

// Dhall's example: on m CPUs, m short tasks and a long one whose period is a little
// longer. Both rules let the short ones go first, on all CPUs, and the long one comes
// too late, though hardly more than one CPU of the m is used (Dhall and Liu, On a
// Real-Time Scheduling Problem, Operations Research 26(1), 1978). It needs no
// preemption, so the policy earliest-deadline misses it too. A CPU for the long one
// alone meets all.
func TestDhallsExample(t *testing.T) {
	t.Parallel()
	const period, short = 10_000, 2
	for _, m := range []int{2, 4, 16, 64} {
		var set []periodic
		for range m {
			set = append(set, periodic{length: short, period: period})
		}
		long := periodic{length: period, period: period + 1}
		set = append(set, long)
		if u := utilisation(set) / float64(m); u > 1.02/float64(m) {
			t.Fatalf("%d CPUs are used to %.3f", m, u)
		}
		for name, rule := range map[string]func(periodic, int) int64{"earliest deadline": earliestDeadline, "rate monotonic": rateMonotonic} {
			commands, _ := schedule(set, period, rule)
			if r := preemptive(t, m, commands, nil); r.Late != 1 {
				t.Errorf("%s on %d CPUs: %d late, want the long one", name, m, r.Late)
			}
		}
		commands, _ := schedule(set, period, earliestDeadline)
		if r := simulate(t, Config{CPUs: Grid(1, 1, m, 1), Policy: named(t, "earliest-deadline")}, Slice(asTasks(commands))); r.Late != 1 {
			t.Errorf("policy earliest-deadline on %d CPUs: %d late, want the long one", m, r.Late)
		}
		for cpus, part := range map[int][]periodic{1: {long}, m - 1: set[:m]} {
			commands, _ := schedule(part, 2*period, earliestDeadline)
			if r := preemptive(t, cpus, commands, nil); r.Late != 0 {
				t.Errorf("%d late on %d of %d CPUs", r.Late, cpus, m)
			}
		}
	}
}

// asTasks are the same for workers, who end what they begin. A tick begins when all
// that comes in it is there: it comes a nanosecond before, which is how long nonPreemptive
// takes to wake a worker.
func asTasks(commands []Command) []Task {
	var tasks []Task
	for _, c := range commands {
		tasks = append(tasks, Task{At: max(0, c.At-1), Length: c.Length, Expected: c.Length, Deadline: c.Deadline})
	}
	return tasks
}

func nonPreemptive(t *testing.T, commands []Command) Result {
	t.Helper()
	return simulate(t, Config{CPUs: Grid(1, 1, 1, 1), Policy: named(t, "earliest-deadline"), Costs: Costs{Wake: 1}}, Slice(asTasks(commands)))
}

// Without preemption, on one CPU, the earliest deadline first meets all deadlines of
// tasks that come again after their periods at the earliest, whenever they come, exactly
// if the utilisation is 1 or less and for each task i and each L between the shortest
// period and its own: L ≥ Ci + Σ ⌊(L−1)/Tj⌋·Cj over those of shorter period (Jeffay,
// Stanat and Martel, On Non-Preemptive Scheduling of Periodic and Sporadic Tasks, IEEE
// Real-Time Systems Symposium, 1991). Where that fails, task i comes first and the
// others a tick later.
func TestEarliestDeadlineWithoutPreemption(t *testing.T) {
	t.Parallel()
	meets, misses := 0, 0
	for seed := range uint64(600) {
		rnd := source(seed, 9)
		set := drawSet(rnd, func(int) float64 { return 0.5 + rnd.Float64()/2 })
		blocker := blocksTooLong(set)
		if blocker < 0 {
			meets++
			if r := nonPreemptive(t, sporadic(rnd, set)); r.Late > 0 {
				t.Fatalf("seed %d: %d late of %+v, which meet Jeffay's condition", seed, r.Late, set)
			}
			continue
		}
		misses++
		set = set[:blocker+1]
		for i := range set {
			set[i].offset = 2
		}
		set[blocker].offset = 1
		commands, _ := schedule(set, set[blocker].period, earliestDeadline)
		if r := nonPreemptive(t, commands); r.Late == 0 {
			t.Fatalf("seed %d: nothing late of %+v, which break Jeffay's condition", seed, set)
		}
	}
	if min(meets, misses) < 100 {
		t.Errorf("%d sets meet the condition and %d break it: too few to show both", meets, misses)
	}
}

// blocksTooLong returns the first task that breaks Jeffay's second condition; below 0
// none does. Of a set whose utilisation is 1 or less.
func blocksTooLong(set []periodic) int {
	for i, p := range set {
		for l := set[0].period + 1; l < p.period; l++ {
			demand := p.length
			for _, q := range set[:i] {
				demand += (l - 1) / q.period * q.length
			}
			if demand > l {
				return i
			}
		}
	}
	return -1
}

// sporadic are comings of a set that are a period or somewhat more apart.
func sporadic(rnd *rand.Rand, set []periodic) (commands []Command) {
	for _, p := range set {
		late := rnd.IntN(2)
		for at := 1 + rnd.IntN(p.period); at < 4*repeats; at += p.period + late*rnd.IntN(4) {
			commands = append(commands, Command{At: Time(at * tick), Length: Span(p.length * tick), Deadline: Time((at + p.period) * tick)})
		}
	}
	slices.SortStableFunc(commands, func(a, b Command) int { return cmp.Compare(a.At, b.At) })
	return commands
}
