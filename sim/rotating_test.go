package sim

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// Taking turns, as a run shows it: who is suspended when, and what a switch costs.
func TestRotating(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		machine  Rotating
		commands []Command
		ends     []Time // of each command
		held     int
		late     int
	}{
		{"one after the other", Rotating{CPUs: 1}, []Command{{Length: 5}, {Length: 3, Priority: 9}}, []Time{8, 3}, 0, 0},
		{"in turn", Rotating{CPUs: 1, Quantum: 2}, []Command{{Length: 5}, {Length: 3}}, []Time{8, 7}, 3, 0},
		{"a switch costs", Rotating{CPUs: 1, Quantum: 2, Switch: 1}, []Command{{Length: 3}, {Length: 2}}, []Time{6, 4}, 1, 0},
		{"nobody waits, nobody is suspended", Rotating{CPUs: 2, Quantum: 2}, []Command{{Length: 5}, {Length: 3}}, []Time{5, 3}, 0, 0},
		{"the urgent one at once", Rotating{CPUs: 1, Preempt: true}, []Command{{Length: 5}, {At: 2, Length: 3, Priority: 1}}, []Time{8, 5}, 1, 0},
		{"the urgent one waits", Rotating{CPUs: 1}, []Command{{Length: 5}, {At: 2, Length: 3, Priority: 1, Deadline: 7}}, []Time{5, 8}, 0, 1},
		{"an end at the same moment comes first", Rotating{CPUs: 1, Preempt: true}, []Command{{Length: 5}, {At: 5, Length: 3, Priority: 1}}, []Time{5, 8}, 0, 0},
		{"no more than Most are begun", Rotating{CPUs: 1, Most: 2, Quantum: 1}, []Command{{Length: 2}, {Length: 2}, {Length: 1}}, []Time{3, 5, 4}, 2, 0},
		{"no length", Rotating{CPUs: 1, Quantum: 1}, []Command{{}, {}}, []Time{0, 0}, 0, 0},
		{"nothing", Rotating{CPUs: 1}, nil, nil, 0, 0},
	} {
		ends := make([]Time, len(c.commands))
		c.machine.Ended = func(i int, at Time) { ends[i] = at }
		r, err := c.machine.Run(c.commands)
		if err != nil || !slices.Equal(ends, c.ends) || r.Held != c.held || r.Late != c.late {
			t.Errorf("%s: ends %v, %d held, %d late, %v; want %v, %d, %d", c.name, ends, r.Held, r.Late, err, c.ends, c.held, c.late)
		}
		if len(ends) > 0 && r.Makespan != Span(slices.Max(ends)) {
			t.Errorf("%s: ended after %d of %v", c.name, r.Makespan, ends)
		}
		if again, err := c.machine.Run(c.commands); again != r || err != nil {
			t.Errorf("%s: two runs differ: %+v and %+v, %v", c.name, r, again, err)
		}
	}
}

func TestImpossibleRotating(t *testing.T) {
	t.Parallel()
	for says, c := range map[string]struct {
		machine  Rotating
		commands []Command
	}{
		"0 CPUs":           {},
		"as many are":      {machine: Rotating{CPUs: 3, Most: 2}},
		"a quantum of -1":  {machine: Rotating{CPUs: 1, Quantum: -1}},
		"below 0":          {Rotating{CPUs: 1}, []Command{{Length: -1}}},
		"before the one":   {Rotating{CPUs: 1}, []Command{{At: 5}, {At: 4}}},
		"more than 73 yea": {Rotating{CPUs: 1}, []Command{{Length: 1 << 60}, {Length: 1 << 60}, {Length: 1 << 60}}},
	} {
		if _, err := c.machine.Run(c.commands); err == nil || !strings.Contains(err.Error(), says) || !strings.HasPrefix(err.Error(), "sim: ") {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

// Round robin with a small quantum is near processor sharing, under which the mean
// response is C/(1−ρ) whatever the lengths (Kleinrock, Time-Shared Systems, J. ACM
// 14(2), 1967); first come, first served depends on them (Pollaczek and Khinchine). The
// formulas get the load that was drawn, and a run of this length still strays.
func TestTakingTurnsSharesTheCPU(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("hundreds of thousands of turns, and nothing in them is concurrent")
	}
	const n, every, short, long = 40_000, 2000, 100, 5000 // one in ten is long
	var commands []Command
	var total, squares float64
	next := poisson(2, n, every, constant)
	lengths := source(2, 10)
	for task, ok := next(); ok; task, ok = next() {
		length := Span(short)
		if lengths.IntN(10) == 0 {
			length = long
		}
		commands = append(commands, Command{At: task.At, Length: length})
		total += float64(length)
		squares += float64(length) * float64(length)
	}
	rho := total / float64(commands[n-1].At)
	mean := total / n
	for _, c := range []struct {
		name    string
		quantum Span
		want    float64
	}{
		{"in turn", 20, mean / (1 - rho)},
		{"one after the other", 0, mean + rho*squares/total/2/(1-rho)},
	} {
		r, err := Rotating{CPUs: 1, Quantum: c.quantum}.Run(commands)
		if got := r.Response / n; err != nil || math.Abs(got-c.want) > 0.03*c.want {
			t.Errorf("%s at a load of %.3f: a mean response of %.0f, theory says %.0f (%v)", c.name, rho, got, c.want, err)
		}
	}
}
