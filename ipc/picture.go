package ipc

import (
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tutti-run/tutti/internal/waitfor"
	"github.com/tutti-run/tutti/shm"
)

// picture is who holds and who awaits what in a space, as package waitfor sees it, and
// what stands behind its indices.
//
// It is not of one moment. What makes it good enough: an agent whose wait is the same
// in two pictures, down to the generation of its claim, has waited all the time between
// them, and who waits can neither take nor give back. So if all parties of a circle are
// the same in two pictures, what the second says of them is true.
type picture struct {
	waitfor.Picture
	agents  []party
	index   map[agentKey]waitfor.Agent
	objects []int // by resource
	byRow   map[int]waitfor.Resource
}

type agentKey struct {
	slot  int
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
	row  int
	word claimWord
}

// look takes a picture. Who was aborted will give back what it holds, so it does not
// wait any more, but for the one with claim self, which wants to know why; nor does a
// transaction that gives way to an older one.
func (s *Space) look(self int) *picture {
	p := &picture{index: map[agentKey]waitfor.Agent{}, byRow: map[int]waitfor.Resource{}}
	for i := range s.objects {
		if kind := s.objects[i].kind.Load(); kind != 0 {
			p.byRow[i] = waitfor.Resource(len(p.objects))
			p.objects = append(p.objects, i)
			p.Resources = append(p.Resources, s.resource(i, kind))
		}
	}
	passing := s.passingWaits()
	for i := range s.claims {
		if i == self || !passing[i] {
			p.addClaim(s, i, i == self)
		}
	}
	p.openShared(s)
	for r, i := range p.objects {
		if s.objects[i].kind.Load() == kindMutex {
			p.addOwner(s, i, &p.Resources[r])
		}
	}
	return p
}

// resource is an object without its holders. What anybody may give at any time, such as
// an event or a message, is open: nobody is ever deadlocked who waits for that.
func (s *Space) resource(i int, kind uint32) waitfor.ResourceState {
	switch kind {
	case kindMutex:
		return waitfor.ResourceState{Units: 1}
	case kindRWMutex:
		return waitfor.ResourceState{Units: math.MaxInt64}
	case kindSemaphore:
		o := &s.objects[i]
		return waitfor.ResourceState{Units: stateOf[unitState](o).total.Load(), Open: o.flags.Load()&(flagFed|flagHandedOn) != 0}
	}
	return waitfor.ResourceState{Open: true}
}

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

// lives reports whether a slot's process is alive. What a dead one holds is as good as
// given back.
func (s *Space) lives(slot int) bool {
	if slot < 0 || slot >= len(s.members) {
		return false
	}
	m := &s.members[slot]
	return m.load().state() == memberLive && !shm.LifelineDead(atomic.LoadUint32(&m.lifeline))
}

// openShared opens the semaphores of which somebody holds units and waits for more:
// that may be the one who hands out work, and its workers give them back.
func (p *picture) openShared(s *Space) {
	for r, i := range p.objects {
		if s.objects[i].kind.Load() != kindSemaphore {
			continue
		}
		for _, h := range p.Resources[r].Holds {
			for _, w := range p.Agents[h.Agent].Waits {
				if w.Resource == waitfor.Resource(r) {
					p.Resources[r].Open = true
				}
			}
		}
	}
}

// addClaim adds what a claim says.
func (p *picture) addClaim(s *Space, i int, self bool) {
	c := &s.claims[i]
	w := c.load()
	r, known := p.byRow[w.object()]
	agent, units, ticket, since := c.agent.Load(), c.amount(), loadWord(&c.ticket), loadWord(&c.since)
	if !known || agent == 0 || !s.lives(w.slot()) || c.load() != w {
		return
	}
	key := agentKey{w.slot(), agent}
	switch w.state() {
	case claimHeld:
		a := p.agentOf(key, since)
		p.Resources[r].Holds = append(p.Resources[r].Holds, waitfor.Hold{Agent: a, Units: units, Exclusive: w.exclusive()})
	case claimAborted, claimWaiting:
		if w.state() == claimAborted && !self {
			return
		}
		a := p.agentOf(key, math.MaxUint64)
		wait := waitfor.Wait{Resource: r, Units: units, Exclusive: w.exclusive()}
		if kind := s.objects[w.object()].kind.Load(); kind == kindRWMutex || kind == kindSemaphore {
			wait.Place = int64(ticket)
		}
		p.Agents[a].Waits = append(p.Agents[a].Waits, wait)
		p.Agents[a].Any = len(p.Agents[a].Waits) > 1 // a select
		p.agents[a].waits = append(p.agents[a].waits, waitAt{i, w})
	}
}

// addOwner adds the owner of a mutex. While it is not known who exactly that is, or
// when it is being buried, the mutex may be free any moment.
func (p *picture) addOwner(s *Space, i int, r *waitfor.ResourceState) {
	m := stateOf[mutexState](&s.objects[i])
	w := m.word.Load()
	slot := int(w&mutexOwner) - 1
	if slot < 0 {
		return
	}
	agent, since := loadWord(&m.agent), loadWord(&m.since)
	if agent == 0 || !s.lives(slot) || m.word.Load()&mutexOwner != w&mutexOwner || loadWord(&m.agent) != agent {
		r.Open = true
		return
	}
	a := p.agentOf(agentKey{slot, agent}, since)
	r.Holds = append(r.Holds, waitfor.Hold{Agent: a, Units: 1})
	// Nobody waits for a mutex that he holds: he has just got it, and not said so yet.
	p.Agents[a].Waits = slices.DeleteFunc(p.Agents[a].Waits, func(w waitfor.Wait) bool { return p.objects[w.Resource] == i })
}

// same reports whether an agent waits as it did in an earlier picture.
func (p *picture) same(a waitfor.Agent, before *picture) bool {
	b, known := before.index[p.agents[a].agentKey]
	if !known || len(p.agents[a].waits) != len(before.agents[b].waits) {
		return false
	}
	for i, w := range p.agents[a].waits {
		if before.agents[b].waits[i] != w {
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
		m := &s.members[party.slot]
		out := Party{Process: pinned(m.name[:]), PID: m.load().pid(), Goroutine: goroutineName(party.agent), Ahead: before.Tie == waitfor.Ahead}
		out.Holds = s.describe(p.objects[before.Resource])
		out.HeldAt, out.HeldSince = p.held(s, step.Agent, p.objects[before.Resource], clock)
		out.Waits = s.describe(p.objects[step.Resource])
		for _, w := range party.waits {
			if w.word.object() != p.objects[step.Resource] {
				continue
			}
			c := &s.claims[w.row]
			out.WaitingSince = clock.at(loadWord(&c.since))
			if c.stated.Load() != 0 {
				out.WaitsAt = c.site.read()
			}
		}
		e.Cycle = append(e.Cycle, out)
	}
	return e
}

// held is where and since when an agent holds some of an object.
func (p *picture) held(s *Space, a waitfor.Agent, object int, clock clock) (at string, since time.Time) {
	o := &s.objects[object]
	if o.kind.Load() == kindMutex {
		m := stateOf[mutexState](o)
		if o.site.Load() != 0 {
			at = m.site.read()
		}
		return at, clock.at(loadWord(&m.since))
	}
	for i := range s.claims {
		c := &s.claims[i]
		w := c.load()
		if w.state() != claimHeld || w.object() != object || w.slot() != p.agents[a].slot || c.agent.Load() != p.agents[a].agent {
			continue
		}
		if c.stated.Load() != 0 {
			at = c.site.read()
		}
		return at, clock.at(loadWord(&c.since))
	}
	return "", time.Time{}
}

func (s *Space) describe(object int) string {
	o := &s.objects[object]
	return kindName(o.kind.Load()) + " " + quoted(pinned(o.name[:]))
}
