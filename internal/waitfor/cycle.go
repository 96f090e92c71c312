package waitfor

import (
	"cmp"
	"slices"
)

// Tie says how one agent keeps another from going on.
type Tie uint8

// The ties.
const (
	// Holds: it has units that the other wants.
	Holds Tie = iota + 1
	// Ahead: it waits at a better place of the resource's line.
	Ahead
	// Gives: it could give what the other awaits, but waits itself.
	Gives
	// Never: there is not so much of the resource, and nobody gives any.
	Never
)

// String returns the tie in words that fit between By and Resource.
func (t Tie) String() string {
	switch t {
	case Holds:
		return "holds"
	case Ahead:
		return "is ahead in the line of"
	case Gives:
		return "would give"
	case Never:
		return "can ever give"
	}
	return "unknown"
}

// Step says that Agent waits for Resource because of what By is to it. By is
// Nobody where the tie is Never.
type Step struct {
	Agent    Agent
	Resource Resource
	By       Agent
	Tie      Tie
}

// Cycle returns why the agents that Deadlocked found are stuck: a shortest closed
// chain, in which each step's By is the next step's Agent and the last one's By
// is the first one's Agent, the smallest of the chain. Of equally short ones it
// is one with the smallest first agent, and always the same.
//
// An agent that waits for what can never be had, or for what it holds itself, is
// a chain of one step. Where one agent of several would be enough to let another
// go on, the chain shows one of them; all of them are stuck.
//
// There always is one: follow from any stuck agent what it cannot get, and either
// nobody has it to give, or a stuck agent has. It takes O(stuck × picture) at
// worst: one breadth-first search from each agent, no longer than the shortest
// chain found so far. The result is nil if stuck is empty.
func Cycle(p *Picture, stuck []Agent) []Step {
	s := newSearch(p, stuck)
	for _, a := range stuck {
		if step, ok := s.alone(a); ok {
			return []Step{step}
		}
	}
	var best []Step
	most := len(stuck)
	for _, a := range stuck {
		if most < 2 {
			break
		}
		if found := s.from(a, most); found != nil {
			best, most = found, len(found)-1
		}
	}
	return best
}

// Reasons returns, in ascending order, on whom it rests that the agents of a cycle are
// stuck: themselves, the stuck ones that hold or could give what they wait for, or are
// ahead of them in a line, those that keep these, and so on. Who acts on a picture that
// may be torn needs it to be true of them alone. With requests of the AND kind for
// mutexes the cycle would be enough; where any of several holders or givers could help,
// the cycle shows one of them. It takes O(picture).
func Reasons(p *Picture, stuck []Agent, cycle []Step) []Agent {
	s := newSearch(p, stuck)
	s.round++
	for _, step := range cycle {
		s.reach(Nobody, Step{By: step.Agent})
	}
	for i := 0; i < len(s.queue); i++ {
		for _, q := range s.own.of(int(s.queue[i])) {
			s.follow(Nobody, q)
		}
	}
	slices.Sort(s.queue)
	return s.queue
}

// search looks for closed chains among stuck agents. A mark equal to round
// belongs to the search at hand, so that none must be wiped.
type search struct {
	p       *Picture
	pool    []pool          // what is left when all others have gone
	own     groups[request] // by agent
	lines   groups[request] // by resource: requests of stuck agents, by place
	tied    groups[tied]    // by resource: stuck holders and givers
	round   int
	asked   []int // by resource: round in which tied was looked at
	lined   []int // by resource: round in which passed was set
	passed  []int // by resource: how much of its line was looked at
	reached []int // by agent
	depth   []int // by agent
	via     []Step
	queue   []Agent // each agent enters once a round
}

// tied is an agent that could let go of a resource.
type tied struct {
	share
	tie Tie
}

func newSearch(p *Picture, stuck []Agent) *search {
	is := make([]bool, len(p.Agents))
	for _, a := range stuck {
		is[a] = true
	}
	all, _ := requests(p)
	all = slices.DeleteFunc(all, func(q request) bool { return !is[q.agent] })
	var ties []tied
	for r := range p.Resources {
		for _, h := range p.Resources[r].Holds {
			if p.shows(h.Agent) && is[h.Agent] {
				ties = append(ties, tied{share{h.Agent, Resource(r), h.units(p.Resources[r].Units)}, Holds})
			}
		}
		for _, a := range p.Resources[r].Givers {
			if p.shows(a) && is[a] {
				ties = append(ties, tied{share{agent: a, resource: Resource(r)}, Gives})
			}
		}
	}
	agents, resources := len(p.Agents), len(p.Resources)
	return &search{
		p:       p,
		pool:    pools(p, is),
		own:     byAgent(p, all),
		lines:   byResource(p, all),
		tied:    groupBy(resources, ties, func(t tied) int { return int(t.resource) }),
		asked:   make([]int, resources),
		lined:   make([]int, resources),
		passed:  make([]int, resources),
		reached: make([]int, agents),
		depth:   make([]int, agents),
		via:     make([]Step, agents),
	}
}

// alone reports whether an agent is stuck whatever the others do.
func (s *search) alone(a Agent) (Step, bool) {
	reqs := s.own.of(int(a))
	if s.p.Agents[a].Any {
		for _, q := range reqs { // all of them must be so
			if _, ok := s.hopeless(q); !ok {
				return Step{}, false
			}
		}
	}
	for _, q := range reqs {
		if step, ok := s.hopeless(q); ok {
			return step, true
		}
	}
	return Step{}, false
}

// hopeless reports whether a request fails for what there is, or for what the
// agent itself holds.
func (s *search) hopeless(q request) (Step, bool) {
	if s.pool[q.resource].has(q.need) {
		return Step{}, false
	}
	left := s.p.Resources[q.resource].Units
	if q.need > left && !s.gives(q.resource) {
		return Step{q.agent, q.resource, Nobody, Never}, true
	}
	tie := Gives // the only one who gives it waits for it
	for _, t := range s.tied.of(int(q.resource)) {
		switch {
		case t.tie == Holds && t.agent == q.agent:
			left -= t.units
			tie = Holds
		case t.tie == Gives && t.agent != q.agent:
			return Step{}, false
		}
	}
	if q.need <= left {
		return Step{}, false
	}
	return Step{q.agent, q.resource, q.agent, tie}, true
}

// gives reports whether a stuck agent gives the resource.
func (s *search) gives(r Resource) bool {
	return slices.ContainsFunc(s.tied.of(int(r)), func(t tied) bool { return t.tie == Gives })
}

// from returns a shortest chain of at most most steps whose smallest agent is
// start, or nil.
func (s *search) from(start Agent, most int) []Step {
	s.round++
	s.queue = append(s.queue[:0], start)
	s.reached[start], s.depth[start] = s.round, 0
	for i := 0; i < len(s.queue); i++ {
		a := s.queue[i]
		if s.depth[a] >= most {
			return nil
		}
		for _, q := range s.own.of(int(a)) {
			if last, closed := s.follow(start, q); closed {
				return s.chain(start, last)
			}
		}
	}
	return nil
}

// follow reaches all that keep q from being granted, each once a round; closed
// if start is among them.
func (s *search) follow(start Agent, q request) (last Step, closed bool) {
	r := q.resource
	if !s.pool[r].has(q.need) && s.asked[r] != s.round {
		// What start itself asks for is asked again: others may wait there for start.
		if q.agent != start {
			s.asked[r] = s.round
		}
		for _, t := range s.tied.of(int(r)) {
			if step := (Step{q.agent, r, t.agent, t.tie}); s.reach(start, step) {
				return step, true
			}
		}
	}
	if s.lined[r] != s.round {
		s.lined[r], s.passed[r] = s.round, 0
	}
	for line := s.lines.of(int(r)); s.passed[r] < len(line) && line[s.passed[r]].place < q.place; s.passed[r]++ {
		ahead := line[s.passed[r]]
		if step := (Step{q.agent, r, ahead.agent, Ahead}); ahead.place > 0 && s.reach(start, step) {
			return step, true
		}
	}
	return Step{}, false
}

// reach enters the agent at the step's end, and reports whether it is start.
// Agents smaller than start had their own search.
func (s *search) reach(start Agent, step Step) bool {
	if step.By == start {
		return step.Agent != start // alone knows when it stands in its own way
	}
	if step.By > start && s.reached[step.By] != s.round {
		s.reached[step.By], s.depth[step.By] = s.round, s.depth[step.Agent]+1
		s.via[step.By] = step
		s.queue = append(s.queue, step.By)
	}
	return false
}

// chain returns the steps from start to last.
func (s *search) chain(start Agent, last Step) []Step {
	steps := []Step{last}
	for a := last.Agent; a != start; a = s.via[a].Agent {
		steps = append(steps, s.via[a])
	}
	slices.Reverse(steps)
	return steps
}

// Victim returns the youngest agent of the cycle whose abort breaks it: with its
// wait ended by an error, so that it gives back what it holds, another agent of
// the cycle can go on. Where no single abort does that, as when two must give
// back units for a third, or there is no other, it is the youngest of all; look
// again after it. Of equals it is the one with the greatest index, so that all
// who look at pictures with the same numbers choose alike. Nobody if the cycle is
// empty. It takes one reduction for each agent of the cycle at worst.
func Victim(p *Picture, cycle []Step, age func(Agent) Age) Agent {
	agents := make([]Agent, 0, len(cycle))
	for _, s := range cycle {
		agents = append(agents, s.Agent)
	}
	slices.SortFunc(agents, func(a, b Agent) int {
		return cmp.Or(cmp.Compare(age(b), age(a)), cmp.Compare(b, a))
	})
	for _, victim := range agents {
		gone := reduce(p, victim)
		if slices.ContainsFunc(agents, func(a Agent) bool { return a != victim && gone[a] }) {
			return victim
		}
	}
	if len(agents) == 0 {
		return Nobody
	}
	return agents[0]
}
