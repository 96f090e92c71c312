package ipc

import (
	"math"
	"slices"
	"sync/atomic"

	"github.com/tutti-run/tutti/internal/waitfor"
	"github.com/tutti-run/tutti/shm"
)

// picture is who holds and who awaits what in a space, as package waitfor sees it, and
// what stands behind its indices.
//
// It is not of one moment. What makes it good enough: an agent whose wait is the same
// in two pictures, down to the generation of its claim, has waited all the time between
// them, and who waits can neither take nor give back. So if all on whom a circle rests
// are the same in two pictures, what the second says of them is true.
//
// Who waits for the other side of a channel tries again when it is woken, with its claim
// as it was; so it has to be asleep in the second picture. Had it got something, it would
// not have gone to sleep again. What is in the channel is looked at before the claims:
// that is between the claims of the first picture and those of the second, while nobody
// of whom the circle consists sent or received.
type picture struct {
	waitfor.Picture
	agents  []party
	index   map[agentKey]waitfor.Agent
	objects []int    // by resource
	kinds   []uint32 // likewise: a row may be another object's before all claims are read
	byRow   map[int]waitfor.Resource
	homes   []int                      // by slot, see homes
	ends    map[waitfor.Resource]int64 // how many goroutines serve a channel, where that is declared
	full    map[waitfor.Resource]bool  // there is something of it, in a channel
}

// agentKey names a goroutine: its process, by the first slot that this has, and its
// number there.
type agentKey struct {
	home  int
	agent uint64
}

// party is what a picture knows of an agent besides.
type party struct {
	agentKey
	waits []waitAt
	since uint64 // of the first it holds, by the CPU's counter
}

// waitAt names one wait: a row and what stood there.
type waitAt struct {
	row      int
	word     claimWord
	resource waitfor.Resource
	awake    bool // it may have what it waits for
}

// look takes a picture. Who was aborted will give back what it holds, so it does not
// wait any more, but for the one with claim self, which wants to know why; nor does a
// transaction that gives way to an older one.
func (s *Space) look(self int) *picture {
	p := s.newPicture()
	for i := range s.objects {
		if kind := s.objects[i].kind.Load(); kind != 0 {
			p.addObject(s, i, kind)
		}
	}
	passing := s.passingWaits()
	asks := uint64(0) // who wants to know
	if self >= 0 {
		asks = s.claims[self].agent.Load()
	}
	for i := range s.claims {
		mine := asks != 0 && s.claims[i].agent.Load() == asks && p.home(s.claims[i].load().slot()) == p.home(s.slot)
		if mine || !passing[i] {
			p.addClaim(s, i, mine)
		}
	}
	p.closeChannels()
	for r, i := range p.objects {
		if owned(p.kinds[r]) {
			p.addOwner(s, i, &p.Resources[r])
		}
	}
	return p
}

// newPicture is one in which nothing is yet.
func (s *Space) newPicture() *picture {
	return &picture{
		index: map[agentKey]waitfor.Agent{}, byRow: map[int]waitfor.Resource{}, homes: s.homes(),
		ends: map[waitfor.Resource]int64{}, full: map[waitfor.Resource]bool{},
	}
}

// homes returns for each slot the first one of its process, which may have the space
// open more than once; -1 where nobody lives. What a dead process holds is as good as
// given back.
func (s *Space) homes() []int {
	type process struct {
		pid     int
		started uint64
	}
	first := map[process]int{}
	homes := make([]int, len(s.members))
	for slot := range s.members {
		m := &s.members[slot]
		w := m.load()
		homes[slot] = -1
		if w.state() != memberLive || shm.LifelineDead(atomic.LoadUint32(&m.lifeline)) {
			continue
		}
		who := process{w.pid(), m.started.Load()}
		if _, known := first[who]; !known {
			first[who] = slot
		}
		homes[slot] = first[who]
	}
	return homes
}

// home is the home of a slot, whatever it is.
func (p *picture) home(slot int) int {
	if slot < 0 || slot >= len(p.homes) {
		return -1
	}
	return p.homes[slot]
}

// owned reports whether objects of a kind say themselves who holds them, as a mutex does.
func owned(kind uint32) bool { return kind == kindMutex || kind == kindOnce }

// addObject adds an object without its holders. What anybody may give at any time, such
// as an event, or a unit that another goroutine may release, is open: nobody is ever
// deadlocked who waits for that. A channel is two resources: the messages in it, and
// then the room.
func (p *picture) addObject(s *Space, i int, kind uint32) {
	o := &s.objects[i]
	r := waitfor.Resource(len(p.objects))
	p.byRow[i] = r
	p.objects, p.kinds = append(p.objects, i), append(p.kinds, kind)
	state := waitfor.ResourceState{Open: true}
	switch {
	case owned(kind):
		state = waitfor.ResourceState{Units: 1}
	case kind == kindRWMutex:
		state = waitfor.ResourceState{Units: math.MaxInt64}
	case kind == kindSemaphore && o.flags.Load()&flagOwned != 0:
		state = waitfor.ResourceState{Units: stateOf[unitState](o).total.Load()}
	case kind == kindChan:
		p.objects, p.kinds = append(p.objects, i), append(p.kinds, kind)
		p.Resources = append(p.Resources, state)
		if o.flags.Load()&flagEnds != 0 {
			p.full[r], p.full[r+1] = p.served(s, i)
		}
	}
	p.Resources = append(p.Resources, state)
}

// isRoom reports whether a resource is the room in a channel.
func (p *picture) isRoom(r waitfor.Resource) bool { return r > 0 && p.objects[r-1] == p.objects[r] }

// agentOf is the index of an agent, which is new to the picture or not.
func (p *picture) agentOf(key agentKey, since uint64) waitfor.Agent {
	a, known := p.index[key]
	if !known {
		a = waitfor.Agent(len(p.agents))
		p.index[key] = a
		p.agents = append(p.agents, party{agentKey: key, since: math.MaxUint64})
		p.Agents = append(p.Agents, waitfor.AgentState{})
	}
	p.agents[a].since = min(p.agents[a].since, since)
	return a
}

// addClaim adds what a claim says.
func (p *picture) addClaim(s *Space, i int, mine bool) {
	c := &s.claims[i]
	w := c.load()
	r, known := p.byRow[w.object()]
	agent, units, ticket, since := c.agent.Load(), c.amount(), loadWord(&c.ticket), loadWord(&c.since)
	asleep, home := c.asleep.Load() != 0, p.home(w.slot())
	if !known || agent == 0 || home < 0 || c.load() != w {
		return
	}
	key := agentKey{home, agent}
	kind := p.kinds[r]
	switch w.state() {
	case claimHeld:
		a := p.agentOf(key, since)
		if kind == kindChan {
			p.addEnd(a, r, w.exclusive(), units)
			return
		}
		p.Resources[r].Holds = append(p.Resources[r].Holds, waitfor.Hold{Agent: a, Units: units, Exclusive: w.exclusive()})
	case claimAborted, claimWaiting:
		if w.state() == claimAborted && !mine {
			return
		}
		a := p.agentOf(key, math.MaxUint64)
		if kind == kindChan && units == waitsForRoom {
			r++
		}
		wait := waitfor.Wait{Resource: r, Units: units, Exclusive: w.exclusive()}
		if kind == kindRWMutex || kind == kindSemaphore {
			wait.Place = int64(ticket)
		}
		p.Agents[a].Waits = append(p.Agents[a].Waits, wait)
		p.Agents[a].Any = len(p.Agents[a].Waits) > 1 // a select
		p.agents[a].waits = append(p.agents[a].waits, waitAt{i, w, r, kind == kindChan && !asleep})
	}
}

// addEnd adds a goroutine that is one of n that send to the channel whose messages are
// resource r, or receive from it.
func (p *picture) addEnd(a waitfor.Agent, r waitfor.Resource, sends bool, n int64) {
	if !sends {
		r++ // who receives gives room
	}
	p.Resources[r].Givers = append(p.Resources[r].Givers, a)
	p.ends[r] = n
}

// closeChannels closes what only certain goroutines can give, when all of those are known
// and nothing is there already.
func (p *picture) closeChannels() {
	for r, n := range p.ends {
		p.Resources[r].Open = p.full[r] || int64(len(p.Resources[r].Givers)) != n
	}
}

// addOwner adds the owner of a mutex, or who is about a Once. While it is not known who
// exactly that is, or when it is being buried, it may be free any moment.
func (p *picture) addOwner(s *Space, i int, r *waitfor.ResourceState) {
	m := stateOf[mutexState](&s.objects[i])
	w := m.word.Load()
	slot := int(w&mutexOwner) - 1
	if slot < 0 {
		return
	}
	by, since, home := m.holder(), loadWord(&m.since), p.home(slot)
	if by.slot() != slot || home < 0 || m.word.Load()&mutexOwner != w&mutexOwner || m.holder() != by {
		r.Open = true
		return
	}
	a := p.agentOf(agentKey{home, by.agent()}, since)
	r.Holds = append(r.Holds, waitfor.Hold{Agent: a, Units: 1})
	// Nobody waits for a mutex that he holds: he has just got it, and not said so yet.
	// Through another slot he does.
	for k := len(p.agents[a].waits) - 1; k >= 0; k-- {
		if w := p.agents[a].waits[k].word; w.object() == i && w.slot() == slot {
			p.agents[a].waits = slices.Delete(p.agents[a].waits, k, k+1)
			p.Agents[a].Waits = slices.Delete(p.Agents[a].Waits, k, k+1)
		}
	}
}

// same reports whether an agent waits as it did in an earlier picture, and sleeps.
func (p *picture) same(a waitfor.Agent, before *picture) bool {
	b, known := before.index[p.agents[a].agentKey]
	if !known || len(p.agents[a].waits) != len(before.agents[b].waits) {
		return false
	}
	for i, w := range p.agents[a].waits {
		if was := before.agents[b].waits[i]; was.row != w.row || was.word != w.word || w.awake {
			return false
		}
	}
	return true
}

// age orders agents: who has held something for longer is older.
func (p *picture) age(a waitfor.Agent) waitfor.Age { return waitfor.Age(p.agents[a].since) }

// explain tells the circle in words.
func (p *picture) explain(s *Space, cycle []waitfor.Step, victim waitfor.Agent) *DeadlockError {
	e := &DeadlockError{Ended: -1}
	clock := s.clock()
	for k, step := range cycle {
		if step.Agent == victim {
			e.Ended = k
		}
		before := cycle[(k+len(cycle)-1)%len(cycle)]
		party := &p.agents[step.Agent]
		m := &s.members[party.home]
		out := Party{Process: pinned(m.name[:]), PID: m.load().pid(), Goroutine: goroutineName(party.agent)}
		object := p.objects[before.Resource]
		out.Holds, out.Waits = s.describe(object), s.describe(p.objects[step.Resource])
		var since uint64
		switch {
		case before.Tie == waitfor.Ahead:
			out.Ahead = true
			since, out.HeldAt = p.waiting(s, step.Agent, before.Resource)
		case before.Tie == waitfor.Gives && p.isRoom(before.Resource):
			out.Role = "receiver"
			since, out.HeldAt = p.claimed(s, step.Agent, object, false)
		case before.Tie == waitfor.Gives:
			out.Role = "sender"
			since, out.HeldAt = p.claimed(s, step.Agent, object, true)
		default:
			since, out.HeldAt = p.held(s, step.Agent, object)
		}
		if since != 0 {
			out.HeldSince = clock.at(since)
		}
		switch {
		case p.isRoom(step.Resource):
			out.Waits = "room in " + out.Waits
		case p.kinds[step.Resource] == kindChan:
			out.Waits = "a message of " + out.Waits
		}
		if since, out.WaitsAt = p.waiting(s, step.Agent, step.Resource); since != 0 {
			out.WaitingSince = clock.at(since)
		}
		e.Cycle = append(e.Cycle, out)
	}
	return e
}

// waiting is since when and where an agent waits for a resource.
func (p *picture) waiting(s *Space, a waitfor.Agent, r waitfor.Resource) (since uint64, at string) {
	for _, w := range p.agents[a].waits {
		if w.resource == r {
			return p.claimPlace(s, w.row)
		}
	}
	return 0, ""
}

// held is since when and where an agent holds some of an object.
func (p *picture) held(s *Space, a waitfor.Agent, object int) (since uint64, at string) {
	o := &s.objects[object]
	if !owned(o.kind.Load()) {
		if since, at = p.claimed(s, a, object, false); since == 0 {
			since, at = p.claimed(s, a, object, true)
		}
		return since, at
	}
	m := stateOf[mutexState](o)
	return loadWord(&m.since), p.place(s, p.agents[a].home, o.site.Load() != 0, &m.site, loadWord(&m.pc))
}

// claimed is since when and where an agent took what one of its claims says.
func (p *picture) claimed(s *Space, a waitfor.Agent, object int, exclusive bool) (since uint64, at string) {
	for i := range s.claims {
		c := &s.claims[i]
		w := c.load()
		if w.state() == claimHeld && w.object() == object && w.exclusive() == exclusive &&
			c.agent.Load() == p.agents[a].agent && p.home(w.slot()) == p.agents[a].home {
			return p.claimPlace(s, i)
		}
	}
	return 0, ""
}

func (p *picture) claimPlace(s *Space, i int) (since uint64, at string) {
	c := &s.claims[i]
	return loadWord(&c.since), p.place(s, p.home(c.load().slot()), c.stated.Load() != 0, &c.site, loadWord(&c.pc))
}

// place is a line of a program, as that has stated it. If it has not, since it was stopped,
// this process can see by itself where the program is its own.
func (p *picture) place(s *Space, home int, stated bool, at *site, pc uint64) string {
	switch {
	case home == p.home(s.slot):
		return lineOf(pc)
	case stated:
		return at.read()
	case home < 0 || pc == 0:
		return ""
	}
	if m := &s.members[home]; s.kin.sameProgram(m.load().pid()) {
		return lineOf(pc - m.text.Load() + textMark())
	}
	return ""
}

func (s *Space) describe(object int) string {
	o := &s.objects[object]
	return kindName(o.kind.Load()) + " " + quoted(pinned(o.name[:]))
}
