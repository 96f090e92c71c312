package waitfor

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// mutex is held by holder, or free if that is Nobody.
func mutex(holder Agent) ResourceState {
	r := ResourceState{Units: 1}
	if holder != Nobody {
		r.Holds = []Hold{{Agent: holder}}
	}
	return r
}

// rwlock is held by readers.
func rwlock(readers ...Agent) ResourceState { return semaphore(math.MaxInt64, readers...) }

// channel is one direction of a channel: nothing there, and who can change that.
func channel(givers ...Agent) ResourceState { return ResourceState{Givers: givers} }

// semaphore has units held, one each.
func semaphore(units int64, holders ...Agent) ResourceState {
	r := ResourceState{Units: units}
	for _, a := range holders {
		r.Holds = append(r.Holds, Hold{Agent: a})
	}
	return r
}

func all(waits ...Wait) AgentState      { return AgentState{Waits: waits} }
func any1(waits ...Wait) AgentState     { return AgentState{Waits: waits, Any: true} }
func on(r Resource) Wait                { return Wait{Resource: r} }
func some(r Resource, units int64) Wait { return Wait{Resource: r, Units: units} }
func excl(r Resource, place int64) Wait { return Wait{Resource: r, Exclusive: true, Place: place} }
func at(r Resource, place int64) Wait   { return Wait{Resource: r, Place: place} }

var runs AgentState

func TestDeadlocked(t *testing.T) {
	t.Parallel()
	type agents = []AgentState
	type resources = []ResourceState
	for _, c := range []struct {
		name  string
		p     Picture
		stuck []Agent
		cycle []Step
	}{
		{"nobody", Picture{}, nil, nil},
		{"all run", Picture{agents{runs, runs}, resources{mutex(0)}}, nil, nil},
		{"held by one that runs", Picture{agents{runs, all(on(0))}, resources{mutex(0)}}, nil, nil},
		{"free", Picture{agents{all(on(0))}, resources{mutex(Nobody)}}, nil, nil},
		{"itself", Picture{agents{all(on(0))}, resources{mutex(0)}}, []Agent{0}, []Step{{0, 0, 0, Holds}}},
		{"two", Picture{agents{all(on(1)), all(on(0))}, resources{mutex(0), mutex(1)}},
			[]Agent{0, 1}, []Step{{0, 1, 1, Holds}, {1, 0, 0, Holds}}},
		{"two, and one behind", Picture{agents{all(on(0)), all(on(1)), all(on(0))}, resources{mutex(1), mutex(2)}},
			[]Agent{0, 1, 2}, []Step{{1, 1, 2, Holds}, {2, 0, 1, Holds}}},
		{"three, the other way round", Picture{agents{all(on(2)), all(on(0)), all(on(1))}, resources{mutex(0), mutex(1), mutex(2)}},
			[]Agent{0, 1, 2}, []Step{{0, 2, 2, Holds}, {2, 1, 1, Holds}, {1, 0, 0, Holds}}},
		{"the shorter of two", Picture{agents{all(on(1)), all(on(2)), all(on(0)), all(on(4)), all(on(3))},
			resources{mutex(0), mutex(1), mutex(2), mutex(3), mutex(4)}},
			[]Agent{0, 1, 2, 3, 4}, []Step{{3, 4, 4, Holds}, {4, 3, 3, Holds}}},
		{"any, one can be", Picture{agents{any1(on(0), on(1)), all(on(2)), runs}, resources{mutex(1), mutex(2), mutex(0)}}, nil, nil},
		{"any, none can be", Picture{agents{any1(on(0), on(1)), all(on(2)), all(on(2))}, resources{mutex(1), mutex(2), mutex(0)}},
			[]Agent{0, 1, 2}, []Step{{0, 0, 1, Holds}, {1, 2, 0, Holds}}},
		{"all, one cannot be", Picture{agents{all(on(0), on(1)), all(on(2)), runs}, resources{mutex(1), mutex(2), mutex(0)}},
			[]Agent{0, 1}, []Step{{0, 0, 1, Holds}, {1, 2, 0, Holds}}},
		{"semaphore, another runs", Picture{agents{all(on(0)), all(on(0)), runs}, resources{semaphore(3, 0, 1, 2)}}, nil, nil},
		{"semaphore, all want more", Picture{agents{all(some(0, 2)), all(some(0, 2)), all(some(0, 2))}, resources{semaphore(3, 0, 1, 2)}},
			[]Agent{0, 1, 2}, []Step{{0, 0, 1, Holds}, {1, 0, 0, Holds}}},
		{"semaphore, more than there is", Picture{agents{all(some(0, 4))}, resources{semaphore(3)}},
			[]Agent{0}, []Step{{0, 0, Nobody, Never}}},
		{"semaphore, one holds too much to ask", Picture{agents{all(some(0, 3)), runs}, resources{semaphore(3, 0, 1)}},
			[]Agent{0}, []Step{{0, 0, 0, Holds}}},
		{"semaphore, others can post", Picture{agents{all(on(0)), runs}, resources{{Units: 1, Holds: []Hold{{Agent: 0}}, Givers: []Agent{1}}}}, nil, nil},
		{"a sum is too much", Picture{agents{all(some(0, 2), some(0, 2))}, resources{semaphore(3)}}, []Agent{0}, []Step{{0, 0, Nobody, Never}}},
		{"a sum overflows", Picture{agents{all(some(0, math.MaxInt64), some(0, 2))}, resources{semaphore(3)}}, []Agent{0}, []Step{{0, 0, Nobody, Never}}},
		{"the lesser is enough", Picture{agents{any1(some(0, 5), some(0, 2))}, resources{semaphore(3)}}, nil, nil},
		{"both readers want to write", Picture{agents{all(excl(0, 0)), all(excl(0, 0))}, resources{rwlock(0, 1)}},
			[]Agent{0, 1}, []Step{{0, 0, 0, Holds}}},
		{"a reader reads on", Picture{agents{all(on(0)), runs}, resources{rwlock(1)}}, nil, nil},
		{"a writer waits for a reader that waits", Picture{agents{all(excl(0, 1)), all(on(1)), runs}, resources{rwlock(1), mutex(2)}}, nil, nil},
		{"a reader behind a writer", Picture{agents{all(at(0, 2)), all(excl(0, 1)), all(on(1))}, resources{rwlock(2), mutex(0)}},
			[]Agent{0, 1, 2}, []Step{{0, 0, 1, Ahead}, {1, 0, 2, Holds}, {2, 1, 0, Holds}}},
		{"a reader not behind a writer", Picture{agents{all(at(0, 1)), all(excl(0, 2)), all(on(1))}, resources{rwlock(2), mutex(0)}}, nil, nil},
		{"a reader in no line", Picture{agents{all(on(0)), all(excl(0, 1)), all(on(1))}, resources{rwlock(2), mutex(0)}}, nil, nil},
		{"a small request behind a large one", Picture{agents{all(at(0, 2)), all(Wait{Resource: 0, Units: 3, Place: 1}), all(on(1))}, resources{semaphore(3, 2), mutex(0)}},
			[]Agent{0, 1, 2}, []Step{{0, 0, 1, Ahead}, {1, 0, 2, Holds}, {2, 1, 0, Holds}}},
		{"the one ahead has another way", Picture{agents{all(at(0, 2)), any1(Wait{Resource: 0, Units: 3, Place: 1}, on(2)), all(on(1))},
			resources{semaphore(3, 2), mutex(0), mutex(Nobody)}}, nil, nil},
		{"twice in a line, once ahead", Picture{agents{all(at(0, 3), at(0, 1)), all(excl(0, 2))}, resources{semaphore(3, 0)}}, nil, nil},
		{"a receive, the sender runs", Picture{agents{all(on(0)), runs}, resources{channel(1)}}, nil, nil},
		{"a receive, the sender waits for it", Picture{agents{all(on(0)), all(on(1))}, resources{channel(1), mutex(0)}},
			[]Agent{0, 1}, []Step{{0, 0, 1, Gives}, {1, 1, 0, Holds}}},
		{"a receive, another sends", Picture{agents{all(on(0)), all(on(1)), runs}, resources{channel(1, 2), mutex(0)}}, nil, nil},
		{"a receive, strangers send", Picture{agents{all(on(0)), all(on(1))}, resources{{Open: true, Givers: []Agent{1}}, mutex(0)}}, nil, nil},
		{"a receive from nobody", Picture{agents{all(on(0))}, resources{channel()}}, []Agent{0}, []Step{{0, 0, Nobody, Never}}},
		{"a receive from itself", Picture{agents{all(on(0))}, resources{channel(0)}}, []Agent{0}, []Step{{0, 0, 0, Gives}}},
		{"a select from nobody", Picture{agents{any1(on(1), on(0))}, resources{channel(), channel()}}, []Agent{0}, []Step{{0, 1, Nobody, Never}}},
		{"both send, both are full", Picture{agents{all(on(0)), all(on(1))}, resources{channel(1), channel(0)}},
			[]Agent{0, 1}, []Step{{0, 0, 1, Gives}, {1, 1, 0, Gives}}},
		{"a wait that is out of range", Picture{agents{all(on(7), on(-1)), any1(on(1), on(7))}, resources{mutex(0), mutex(1)}}, nil, nil},
		{"a holder that is out of range", Picture{agents{all(on(0))}, resources{mutex(5)}}, nil, nil},
		{"a giver that is out of range", Picture{agents{all(on(0))}, resources{channel(-4)}}, nil, nil},
		{"torn: two owners", Picture{agents{all(on(0)), all(on(0))}, resources{semaphore(1, 0, 1)}}, nil, nil},
		{"torn: two writers", Picture{agents{all(on(0)), all(on(0))}, resources{{Units: math.MaxInt64, Holds: []Hold{{Agent: 0, Exclusive: true}, {Agent: 1, Exclusive: true}}}}}, nil, nil},
		{"torn: less than none", Picture{agents{all(on(0)), all(on(0))}, resources{{Units: -3, Holds: []Hold{{Agent: 0}}}, {Units: math.MinInt64}}}, nil, nil},
	} {
		stuck := Deadlocked(&c.p)
		if !slices.Equal(stuck, c.stuck) {
			t.Errorf("%s: stuck are %v, want %v", c.name, stuck, c.stuck)
		}
		if got := Cycle(&c.p, stuck); !slices.Equal(got, c.cycle) {
			t.Errorf("%s: cycle %v, want %v", c.name, got, c.cycle)
		}
	}
}

// TestDeadlockedMutexes: every picture of three agents and three mutexes.
func TestDeadlockedMutexes(t *testing.T) {
	t.Parallel()
	const n = 3
	for code := range 1 << (4 * n) {
		p := Picture{Agents: make([]AgentState, n), Resources: make([]ResourceState, n)}
		for i := range n {
			p.Resources[i] = mutex(Agent(code>>(2*i)&3) - 1)
			if r := Resource(code>>(2*n+2*i)&3) - 1; r >= 0 {
				p.Agents[i].Waits = []Wait{on(r)}
			}
		}
		stuck := Deadlocked(&p)
		if want := stuckInAllFutures(&p); !slices.Equal(stuck, want) {
			t.Errorf("%+v: stuck are %v, want %v", p, stuck, want)
		}
		checkCycle(t, &p, stuck)
	}
}

// TestDeadlockedRandom: small pictures of all kinds against all their futures.
func TestDeadlockedRandom(t *testing.T) {
	t.Parallel()
	found := 0
	for seed := range uint64(20000) {
		p := randomPicture(rand.New(rand.NewPCG(seed, 6)), 4, 3)
		stuck := Deadlocked(p)
		if want := stuckInAllFutures(p); !slices.Equal(stuck, want) {
			t.Fatalf("seed %d: %+v: stuck are %v, want %v", seed, *p, stuck, want)
		}
		if checkCycle(t, p, stuck); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		if stuck != nil {
			found++
		}
	}
	if found < 2000 || found > 18000 {
		t.Errorf("%d of 20000 pictures have a deadlock: the other kind is hardly tested", found)
	}
}

// TestDeadlockedLarge: larger pictures, with long lines, against the definition.
func TestDeadlockedLarge(t *testing.T) {
	t.Parallel()
	found := 0
	for seed := range uint64(3000) {
		p := randomPicture(rand.New(rand.NewPCG(seed, 5)), 40, 12)
		stuck := Deadlocked(p)
		if want := stuckByDefinition(p); !slices.Equal(stuck, want) {
			t.Fatalf("seed %d: stuck are %v, want %v", seed, stuck, want)
		}
		if checkCycle(t, p, stuck); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		if len(stuck) > 1 {
			found++
		}
	}
	if found < 300 {
		t.Errorf("only %d of 3000 pictures have a deadlock of several agents", found)
	}
}

func randomPicture(rnd *rand.Rand, agents, resources int) *Picture {
	p := &Picture{Agents: make([]AgentState, 1+rnd.IntN(agents)), Resources: make([]ResourceState, 1+rnd.IntN(resources))}
	for r := range p.Resources {
		res := &p.Resources[r]
		res.Units = int64(rnd.IntN(4))
		res.Open = rnd.IntN(20) == 0
		for free := res.Units; free > 0 && rnd.IntN(5) > 0; {
			h := Hold{Agent: Agent(rnd.IntN(len(p.Agents))), Units: 1 + rnd.Int64N(free)}
			if rnd.IntN(4) == 0 && free == res.Units {
				h.Units, h.Exclusive = 0, true
			}
			res.Holds = append(res.Holds, h)
			free -= h.units(res.Units)
		}
		for rnd.IntN(3) == 0 || res.Units == 0 && rnd.IntN(2) == 0 {
			res.Givers = append(res.Givers, Agent(rnd.IntN(len(p.Agents))))
		}
	}
	for a := range p.Agents {
		s := &p.Agents[a]
		s.Any = rnd.IntN(3) == 0
		for rnd.IntN(3) > 0 && len(s.Waits) < len(p.Resources) {
			w := Wait{Resource: Resource(rnd.IntN(len(p.Resources))), Units: rnd.Int64N(4), Exclusive: rnd.IntN(4) == 0}
			if rnd.IntN(2) == 0 {
				w.Place = 1 + rnd.Int64N(3)
			}
			if !slices.ContainsFunc(s.Waits, func(o Wait) bool { return o.Resource == w.Resource }) {
				s.Waits = append(s.Waits, w)
			}
		}
	}
	return p
}

// stuckByDefinition lets one agent after the other go on until none can.
func stuckByDefinition(p *Picture) (stuck []Agent) {
	for a := range p.Agents {
		stuck = append(stuck, Agent(a))
	}
	for n := -1; n != len(stuck); {
		n = len(stuck)
		for _, a := range slices.Clone(stuck) {
			s := p.Agents[a]
			yes := 0
			for _, w := range s.Waits {
				if canHave(p, stuck, a, w) {
					yes++
				}
			}
			if yes == len(s.Waits) || s.Any && yes > 0 {
				stuck = slices.DeleteFunc(stuck, func(b Agent) bool { return a == b })
			}
		}
	}
	return stuck
}

// canHave reports whether a could be granted w if all but stuck had gone.
func canHave(p *Picture, stuck []Agent, a Agent, w Wait) bool {
	res := &p.Resources[w.Resource]
	free, given := res.Units, res.Open
	for _, h := range res.Holds {
		if slices.Contains(stuck, h.Agent) {
			free -= h.units(res.Units)
		}
	}
	for _, g := range res.Givers {
		given = given || !slices.Contains(stuck, g)
	}
	for _, b := range stuck {
		for _, o := range p.Agents[b].Waits {
			if b != a && o.Resource == w.Resource && o.Place > 0 && o.Place < w.Place {
				return false
			}
		}
	}
	return given || w.units(res.Units) <= free
}

// philosophers: each holds one fork and waits for the next.
func philosophers(n int) *Picture {
	p := &Picture{Agents: make([]AgentState, n), Resources: make([]ResourceState, n)}
	for i := range n {
		p.Agents[i] = all(on(Resource((i + 1) % n)))
		p.Resources[i] = mutex(Agent(i))
	}
	return p
}

// crowd: all hold a unit of ten semaphores, and all but one stand in line for
// more of each.
func crowd(n int) *Picture {
	p := &Picture{Agents: make([]AgentState, n), Resources: make([]ResourceState, 10)}
	for r := range p.Resources {
		p.Resources[r] = semaphore(int64(n))
		for a := range n {
			p.Resources[r].Holds = append(p.Resources[r].Holds, Hold{Agent: Agent(a)})
			if a > 0 {
				p.Agents[a].Waits = append(p.Agents[a].Waits, at(Resource(r), int64(a)))
			}
		}
	}
	return p
}

func BenchmarkDeadlocked(b *testing.B) {
	stuck, free, many := philosophers(1000), philosophers(1000), crowd(1000)
	free.Agents[500] = runs
	for _, c := range []struct {
		name string
		p    *Picture
		want int
	}{{"stuck", stuck, 1000}, {"free", free, 0}, {"crowd", many, 0}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if n := len(Deadlocked(c.p)); n != c.want {
					b.Fatalf("%d are stuck", n)
				}
			}
		})
	}
}
