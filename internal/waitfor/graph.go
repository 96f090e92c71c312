package waitfor

// Agent is somebody who can wait, such as a goroutine or a transaction: an index
// into Picture.Agents.
type Agent int

// Nobody stands where no agent is meant. Any other index that is out of range is
// an agent that the picture does not show.
const Nobody Agent = -1

// Resource is something that can be awaited: an index into Picture.Resources.
type Resource int

// Picture says who holds and who awaits what at one moment. The zero value is
// empty. What it does not show may happen: an index out of range, or more held
// than there is, never makes anyone deadlocked. So a torn picture errs that way;
// but lines, and the absence of holds, are believed, so take it in one piece, or
// look again before acting on what it says.
type Picture struct {
	Agents    []AgentState
	Resources []ResourceState
}

// AgentState says what an agent waits for. The zero value runs.
type AgentState struct {
	// Waits is empty if the agent runs: it may then give back and give what it can.
	Waits []Wait
	// Any: the first of Waits that can be granted is enough, as in a select.
	// Otherwise the agent takes all of them in one instant, or none; one that
	// locks one by one waits for one only.
	Any bool
}

// Wait is one request. Two by the same agent for the same resource count as one:
// for their sum, or for the lesser if any is enough.
type Wait struct {
	Resource Resource
	Units    int64 // less than 1 counts as 1
	// Exclusive: all units at once, however many there are.
	Exclusive bool
	// Place is the place in the resource's line: a wait is granted only after all
	// waits of other agents with a smaller place are granted or gone. Equal places
	// do not wait for each other. Below 1: in no line; it neither waits for one nor
	// holds one up.
	//
	// This is not about fairness only. Where waiting writers go before new readers,
	// a reader behind a writer behind a reader that waits for the first one is a
	// deadlock, though the lock itself is free for readers. Such a lock gives its
	// writers place 1 and its readers place 2; a queue gives its ticket numbers.
	Place int64
}

// Hold says that an agent has units of a resource, and gives them back only
// when it runs.
type Hold struct {
	Agent     Agent
	Units     int64 // less than 1 counts as 1
	Exclusive bool  // all units
}

// ResourceState is a resource and who can let go of it.
//
//	mutex            Units 1; a Hold by its owner
//	semaphore        Units n; Holds
//	lock with        Units math.MaxInt64; readers hold and await 1, a writer
//	readers          holds and awaits Exclusive
//	channel          two resources without units: what is in it (Givers: whoever
//	                 sends or closes) and the room in it (Givers: who receives)
//	event, an end    no units; Givers: who sets it, who ends
type ResourceState struct {
	Units int64 // held ones too
	Holds []Hold
	// Givers may satisfy waits when they run, though they hold nothing: they send,
	// post, or unlock what another has locked.
	Givers []Agent
	// Open: somebody whom the picture does not show may satisfy waits at any time.
	Open bool
}

// Deadlocked returns, in ascending order, the agents that can never go on,
// whatever the others do: those that stay when everybody who may go on does so
// and gives back and gives all he can. It is the reduction of a general resource
// graph with reusable and consumable resources (R. C. Holt, Some Deadlock
// Properties of Computer Systems, ACM Computing Surveys 4(3), 1972), with the
// AND and OR requests of E. Knapp, Deadlock Detection in Distributed Databases,
// ACM Computing Surveys 19(4), 1987.
//
// Why the order of reduction does not matter, and one pass is enough: when an
// agent goes, units and gifts only grow and lines only shorten, so what could be
// granted before can still be granted. An agent that stays is stuck in every
// future, since a future is some order of grants, and its first step that the
// reduction lacks would have been possible there too. An agent that goes has a
// future in which it does: the reduction itself.
//
// Each request, hold and giver is looked at a fixed number of times and the
// requests for one resource are sorted, so it takes O(n + w log w) for w waits
// in a picture of n entries in all. An empty result is nil.
func Deadlocked(p *Picture) []Agent {
	var stuck []Agent
	for a, gone := range reduce(p, Nobody) {
		if !gone {
			stuck = append(stuck, Agent(a))
		}
	}
	return stuck
}

// reduction is the state of one reduction. Invariant: a request is grantable
// only if it stays so.
type reduction struct {
	pool     []pool
	requests groups[request] // by resource: no line first, then by place, then by need
	own      groups[request] // by agent
	holds    groups[share]   // by agent
	gifts    groups[share]   // by agent
	lines    []line          // by resource
	missing  []int           // by agent: how many requests must yet be grantable
	gone     []bool          // by agent
	work     []Agent         // go on, and have not given back yet; each enters once
}

// line is how far the requests for one resource have come. The ones that end at
// end have the place that is served now.
type line struct {
	loose    int // the next request in no line
	looseEnd int
	next     int // the next request at the place that is served
	end      int
	left     int // agents at that place that are not gone
}

// reduce reduces the picture and says who goes on. The wait of aborted fails: it
// goes on in any case.
func reduce(p *Picture, aborted Agent) (gone []bool) {
	s := newReduction(p)
	for a, n := range s.missing {
		if n == 0 || Agent(a) == aborted {
			s.missing[a] = 0
			s.work = append(s.work, Agent(a))
		}
	}
	for r := range p.Resources {
		s.look(Resource(r))
	}
	for len(s.work) > 0 {
		a := s.work[len(s.work)-1]
		s.work = s.work[:len(s.work)-1]
		s.leave(a)
	}
	return s.gone
}

func newReduction(p *Picture) *reduction {
	all, missing := requests(p)
	s := &reduction{
		pool:     pools(p, nil),
		requests: byResource(p, all),
		own:      byAgent(p, all),
		lines:    make([]line, len(p.Resources)),
		missing:  missing,
		gone:     make([]bool, len(p.Agents)),
	}
	for r := range s.lines {
		l, reqs := &s.lines[r], s.requests.of(r)
		for l.looseEnd < len(reqs) && reqs[l.looseEnd].place == 0 {
			l.looseEnd++
		}
		l.next, l.end = l.looseEnd, l.looseEnd
	}
	var holds, gifts []share
	for r := range p.Resources {
		for _, h := range p.Resources[r].Holds {
			if p.shows(h.Agent) {
				holds = append(holds, share{h.Agent, Resource(r), h.units(p.Resources[r].Units)})
			}
		}
		for _, a := range p.Resources[r].Givers {
			if p.shows(a) {
				gifts = append(gifts, share{agent: a, resource: Resource(r)})
			}
		}
	}
	agent := func(h share) int { return int(h.agent) }
	s.holds, s.gifts = groupBy(len(p.Agents), holds, agent), groupBy(len(p.Agents), gifts, agent)
	return s
}

// leave lets an agent go on: it gives back, gives, and leaves all lines.
func (s *reduction) leave(a Agent) {
	s.gone[a] = true
	for _, h := range s.holds.of(int(a)) {
		s.pool[h.resource].free += h.units
		s.look(h.resource)
	}
	for _, g := range s.gifts.of(int(a)) {
		s.pool[g.resource].given = true
		s.look(g.resource)
	}
	for _, q := range s.own.of(int(a)) {
		// The first place of every line was served before anybody left.
		l := &s.lines[q.resource]
		if reqs := s.requests.of(int(q.resource)); q.place > 0 && reqs[l.end-1].place == q.place {
			l.left--
			s.look(q.resource)
		}
	}
}

// look finds the requests for r that have become grantable. Since they are
// sorted by need, it stops at the first that is not.
func (s *reduction) look(r Resource) {
	l, reqs, pool := &s.lines[r], s.requests.of(int(r)), &s.pool[r]
	for l.loose < l.looseEnd && pool.has(reqs[l.loose].need) {
		s.grantable(reqs[l.loose])
		l.loose++
	}
	for {
		for l.next < l.end && pool.has(reqs[l.next].need) {
			s.grantable(reqs[l.next])
			l.next++
		}
		if l.left > 0 || l.end == len(reqs) {
			return
		}
		for l.next = l.end; l.end < len(reqs) && reqs[l.end].place == reqs[l.next].place; l.end++ {
			if !s.gone[reqs[l.end].agent] {
				l.left++
			}
		}
	}
}

// grantable notes that one request of an agent could be granted now.
func (s *reduction) grantable(q request) {
	if s.missing[q.agent] == 0 {
		return
	}
	s.missing[q.agent]--
	if s.missing[q.agent] == 0 {
		s.work = append(s.work, q.agent)
	}
}
