package waitfor

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// checkCycle compares Cycle with all chains of a small picture.
func checkCycle(t *testing.T, p *Picture, stuck []Agent) {
	t.Helper()
	got := Cycle(p, stuck)
	if len(stuck) == 0 {
		if got != nil || len(Reasons(p, nil, nil)) > 0 {
			t.Errorf("%+v: nobody is stuck, and the cycle is %v", *p, got)
		}
		return
	}
	if len(got) == 0 {
		t.Errorf("%+v: %v are stuck, and there is no cycle", *p, stuck)
		return
	}
	checkReasons(t, p, stuck, got)
	for i, s := range got {
		next := got[(i+1)%len(got)].Agent
		if s.By == Nobody && len(got) == 1 && s.Tie == Never {
			next = Nobody
		}
		if s.By != next || s.Agent < got[0].Agent || !slices.Contains(stepsFrom(p, stuck, s.Agent, len(got) == 1), s) {
			t.Errorf("%+v: cycle %v: step %d is wrong", *p, got, i)
		}
	}
	for _, a := range stuck {
		n := shortest(p, stuck, a)
		if n > 0 && (n < len(got) || n == len(got) && a < got[0].Agent) {
			t.Errorf("%+v: cycle %v, but from %d there is one of %d steps", *p, got, a, n)
		}
	}
}

// checkReasons has all go on but the reasons of a cycle: these are stuck still.
func checkReasons(t *testing.T, p *Picture, stuck []Agent, cycle []Step) {
	t.Helper()
	reasons := Reasons(p, stuck, cycle)
	others := *p
	others.Agents = slices.Clone(p.Agents)
	for a := range others.Agents {
		if !slices.Contains(reasons, Agent(a)) {
			others.Agents[a].Waits = nil
		}
	}
	if left := Deadlocked(&others); !slices.Equal(left, reasons) {
		t.Errorf("%+v: cycle %v rests on %v, and without the others %v are stuck", *p, cycle, reasons, left)
	}
	for _, s := range cycle {
		if !slices.Contains(reasons, s.Agent) {
			t.Errorf("%+v: cycle %v rests on %v", *p, cycle, reasons)
		}
	}
}

// stepsFrom lists what keeps a from going on; with alone only what would if all
// others were gone.
func stepsFrom(p *Picture, stuck []Agent, a Agent, alone bool) (steps []Step) {
	keeps := func(b Agent) bool { return slices.Contains(stuck, b) && (!alone || b == a) }
	hopeless := 0
	for _, w := range p.Agents[a].Waits {
		res := &p.Resources[w.Resource]
		need, free, given := w.units(res.Units), res.Units, res.Open
		for _, h := range res.Holds {
			if keeps(h.Agent) {
				free -= h.units(res.Units)
			}
		}
		for _, g := range res.Givers {
			given = given || !keeps(g)
		}
		if !given && need > free {
			hopeless++
			for _, h := range res.Holds {
				if keeps(h.Agent) {
					steps = append(steps, Step{a, w.Resource, h.Agent, Holds})
				}
			}
			for _, g := range res.Givers {
				steps = append(steps, Step{a, w.Resource, g, Gives})
			}
			if need > res.Units && len(res.Givers) == 0 {
				steps = append(steps, Step{a, w.Resource, Nobody, Never})
			}
		}
		for _, b := range stuck {
			for _, o := range p.Agents[b].Waits {
				if !alone && b != a && o.Resource == w.Resource && o.Place > 0 && o.Place < w.Place {
					steps = append(steps, Step{a, w.Resource, b, Ahead})
				}
			}
		}
	}
	if alone && p.Agents[a].Any && hopeless < len(p.Agents[a].Waits) {
		return nil
	}
	return steps
}

// shortest is the length of the shortest chain that begins and ends at a, or 0.
func shortest(p *Picture, stuck []Agent, a Agent) int {
	if len(stepsFrom(p, stuck, a, true)) > 0 {
		return 1
	}
	reached := []Agent{a}
	for n := 1; n <= len(stuck); n++ {
		var next []Agent
		for _, b := range reached {
			for _, s := range stepsFrom(p, stuck, b, false) {
				if s.By == a && b != a {
					return n
				}
				if s.By != Nobody && s.By != b {
					next = append(next, s.By)
				}
			}
		}
		reached = slices.Compact(slices.Sorted(slices.Values(next)))
	}
	return 0
}

func TestTieNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for tie := Tie(0); tie <= Never; tie++ {
		if seen[tie.String()] || tie.String() == "" {
			t.Errorf("tie %d has no name of its own", tie)
		}
		seen[tie.String()] = true
	}
}

func TestVictim(t *testing.T) {
	t.Parallel()
	two := Picture{[]AgentState{all(on(1)), all(on(0))}, []ResourceState{mutex(0), mutex(1)}}
	// 0 wants both units; 1 and 2 have one each, and want what 0 has.
	short := Picture{[]AgentState{all(some(0, 2)), all(on(1)), all(on(1))}, []ResourceState{semaphore(2, 1, 2), mutex(0)}}
	three := Picture{[]AgentState{all(some(0, 2)), all(some(0, 2)), all(some(0, 2))}, []ResourceState{semaphore(3, 0, 1, 2)}}
	lone := Picture{[]AgentState{all(on(0))}, []ResourceState{channel()}}
	for _, c := range []struct {
		name string
		p    *Picture
		ages []Age
		want Agent
	}{
		{"nobody", &Picture{}, nil, Nobody},
		{"the youngest", &two, []Age{7, 3}, 0},
		{"the other", &two, []Age{3, 7}, 1},
		{"of twins the last", &two, []Age{3, 3}, 1},
		{"only the elder helps", &short, []Age{0, 1, 2}, 0},
		{"no one helps", &three, []Age{1, 2, 3}, 1},
		{"alone", &lone, []Age{0}, 0},
	} {
		if got := Victim(c.p, Cycle(c.p, Deadlocked(c.p)), func(a Agent) Age { return c.ages[a] }); got != c.want {
			t.Errorf("%s: victim %d, want %d", c.name, got, c.want)
		}
	}
}

// TestVictimsEnd: a victim after the other, each going on without its wait, lets
// all go on; and no younger one would have done.
func TestVictimsEnd(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5000) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		p := randomPicture(rnd, 4, 3)
		ages := [4]Age{Age(rnd.IntN(4)), Age(rnd.IntN(4)), Age(rnd.IntN(4)), Age(rnd.IntN(4))}
		for stuck := Deadlocked(p); len(stuck) > 0; {
			cycle := Cycle(p, stuck)
			v := Victim(p, cycle, func(a Agent) Age { return ages[a] })
			for _, s := range cycle {
				if younger(s.Agent, v, ages) && len(without(p, s.Agent, cycle)) < len(cycle)-1 {
					t.Fatalf("seed %d: %v: victim %d, but the abort of %d is enough", seed, cycle, v, s.Agent)
				}
			}
			p.Agents[v] = runs
			left := Deadlocked(p)
			if len(left) >= len(stuck) {
				t.Fatalf("seed %d: %v were stuck, then %v", seed, stuck, left)
			}
			stuck = left
		}
	}
}

func younger(a, b Agent, ages [4]Age) bool {
	return ages[a] > ages[b] || ages[a] == ages[b] && a > b
}

// without returns the agents of the cycle that are stuck when a goes on.
func without(p *Picture, a Agent, cycle []Step) (left []Agent) {
	q := Picture{slices.Clone(p.Agents), p.Resources}
	q.Agents[a] = runs
	for _, b := range Deadlocked(&q) {
		if slices.ContainsFunc(cycle, func(s Step) bool { return s.Agent == b }) {
			left = append(left, b)
		}
	}
	return left
}

func BenchmarkCycle(b *testing.B) {
	p := philosophers(1000)
	stuck := Deadlocked(p)
	for b.Loop() {
		if n := len(Cycle(p, stuck)); n != 1000 {
			b.Fatalf("%d steps", n)
		}
	}
}
