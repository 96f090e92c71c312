package ipc

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tutti-run/tutti/internal/waitfor"
	"github.com/tutti-run/tutti/shm"
)

// Who finds a deadlock. Each goroutine looks once in a wait, when it has waited for
// some 20 ms. That is enough: of the waits of a circle one began last, and when that
// one looks, all the others wait already, and have to, for who waits can neither take
// nor give back. So it finds the circle, if it is still there. Two cases remain:
//
//   - It finds another circle first, a shorter one. If the two have nobody in common,
//     its own is what is left without that one. Otherwise the other must be broken up
//     first, by its own closer; then it looks again, until its own is gone as well.
//   - That closer was stopped. After helpAfter looks it breaks up the other itself.
//
// A picture may be torn, so a circle counts only if all waits on which it rests are the
// same in two. And it is broken up by one: with the latch `breaking` held, and a third
// picture in which the waits that others have ended meanwhile do not count. Who dies
// with the latch held leaves nothing half done: a wait is ended by one CAS.
//
// Before it looks it states, in words, where it waits and where it took what it holds:
// others cannot make sense of the addresses in its program.

// inspect is what the waiter with claim i does when it has waited for a while.
func (s *Space) inspect(i int) {
	c := &s.claims[i]
	if c.stated.Load() != 0 {
		return
	}
	at("inspecting")
	s.state(i)
	defer at("inspected")
	for looks := 0; looks < looksMax; looks++ {
		before := s.look(-1)
		if !slices.Contains(waitfor.Deadlocked(&before.Picture), before.agent(s, i)) {
			return
		}
		p := s.look(-1)
		cycle, stuck := p.circle(p.agent(s, i), looks >= helpAfter && s.policy != ReportOnly)
		if !stuck {
			return
		}
		whole := cycle != nil && p.unchanged(cycle, before)
		if whole && (s.stated(p, cycle) || looks >= statedLooks) {
			if !s.breakUp(cycle, p) {
				return
			}
			continue // it may have closed several
		}
		shm.Wait(addr(&c.park), c.park.Load(), lookEvery)
	}
}

const (
	// A deadlock is explained better when all parties have stated where they stand.
	// They do so about as soon as the one who closed it looks; who is stopped is not
	// waited for for long.
	lookEvery   = 2 * time.Millisecond
	statedLooks = 20
	helpAfter   = 40
	looksMax    = 200
)

// agent is that of claim i, or Nobody if it does not wait.
func (p *picture) agent(s *Space, i int) waitfor.Agent {
	if a, ok := p.index[agentKey{p.home(s.slot), s.claims[i].agent.Load()}]; ok {
		return a
	}
	return waitfor.Nobody
}

// circle returns a circle that me is part of, or if there is none, and it is to help,
// any other; stuck is false if me can go on.
func (p *picture) circle(me waitfor.Agent, help bool) (cycle []waitfor.Step, stuck bool) {
	all := waitfor.Deadlocked(&p.Picture)
	for left := all; slices.Contains(left, me); {
		cycle = waitfor.Cycle(&p.Picture, left)
		if inCycle(cycle, me) {
			return cycle, true
		}
		if len(cycle) == 0 {
			if help {
				cycle = waitfor.Cycle(&p.Picture, all)
			}
			return cycle, true
		}
		left = slices.DeleteFunc(slices.Clone(left), func(a waitfor.Agent) bool { return inCycle(cycle, a) })
	}
	return nil, false
}

func inCycle(cycle []waitfor.Step, a waitfor.Agent) bool {
	return slices.ContainsFunc(cycle, func(t waitfor.Step) bool { return t.Agent == a })
}

// unchanged reports whether all on whom a circle rests wait as they did before.
func (p *picture) unchanged(cycle []waitfor.Step, before *picture) bool {
	for _, a := range waitfor.Reasons(&p.Picture, waitfor.Deadlocked(&p.Picture), cycle) {
		if !p.same(a, before) {
			return false
		}
	}
	return true
}

// stated reports whether all parties of a circle have.
func (s *Space) stated(p *picture, cycle []waitfor.Step) bool {
	for _, step := range cycle {
		for _, w := range p.agents[step.Agent].waits {
			if s.claims[w.row].stated.Load() == 0 {
				return false
			}
		}
	}
	return true
}

// breakUp does about a circle what the policy says. It reports whether there may be
// more to do.
func (s *Space) breakUp(cycle []waitfor.Step, p *picture) bool {
	if s.policy == ReportOnly {
		if s.report != nil {
			s.report(p.explain(s, cycle, waitfor.Nobody))
		}
		return false
	}
	told, awaitEnd := s.end(cycle, p)
	if told == nil {
		return true // somebody else was quicker
	}
	if s.report != nil {
		s.report(told)
	}
	if awaitEnd != nil {
		awaitEnd()
	}
	return true
}

// end ends the wait of one party of a circle that was found in a picture, or its
// process, unless the circle is broken up already: then it returns nil.
func (s *Space) end(cycle []waitfor.Step, before *picture) (told *DeadlockError, awaitEnd func()) {
	if s.take(&s.head.breaking) {
		s.head.breaking.mended()
	}
	defer s.drop(&s.head.breaking)
	at("breaking")
	p := s.look(-1)
	stuck := waitfor.Deadlocked(&p.Picture)
	here := make([]waitfor.Step, len(cycle)) // the same in this picture
	for k, step := range cycle {
		a, known := p.index[before.agents[step.Agent].agentKey]
		by, byKnown := p.index[before.agents[cycle[(k+1)%len(cycle)].Agent].agentKey]
		r, there := p.byRow[before.objects[step.Resource]]
		if !known || !byKnown || !there || !slices.Contains(stuck, a) {
			return nil, nil
		}
		if before.isRoom(step.Resource) {
			r++
		}
		here[k] = waitfor.Step{Agent: a, Resource: r, By: by, Tie: step.Tie}
	}
	if !p.unchanged(here, before) {
		return nil, nil
	}
	victim := waitfor.Victim(&p.Picture, here, p.age)
	if victim == waitfor.Nobody {
		return nil, nil
	}
	party := &p.agents[victim]
	told = p.explain(s, here, victim)
	if !s.abort(party.waits) {
		return nil, nil
	}
	if m := &s.members[party.home]; s.policy == KillProcess && s.mayKill(party.home, p) {
		w, started := m.load(), m.started.Load()
		if w.state() == memberLive && s.kin.kill(w.pid(), started) == nil {
			awaitEnd = func() { s.kin.awaitGone(w.pid(), started) }
		}
	}
	for _, w := range party.waits { // it leaves, if it was not killed
		s.ring(w.row)
	}
	return told, awaitEnd
}

// mayKill reports whether KillProcess may kill the process of a slot. In a pool that is
// any but the founder, which has its work done again; elsewhere any but this one, for
// whose work nobody is known to do that.
func (s *Space) mayKill(home int, p *picture) bool {
	if founder := s.head.founder; founder != 0 {
		return s.members[home].load().pid() != int(founder)
	}
	return home != p.home(s.slot)
}

// abort ends a wait. Its goroutine gets a DeadlockError. Until that has looked what it
// is about, it keeps its place in the line. False if the wait has ended, or somebody
// else ended it.
func (s *Space) abort(waits []waitAt) (aborted bool) {
	for _, w := range waits {
		o := s.lock(w.word.object())
		aborted = s.claims[w.row].swap(w.word, w.word.to(claimAborted)) || aborted
		at("aborted")
		s.unlock(o)
	}
	return aborted
}

// deadlocked is what the waiter whose claim i was aborted is told. The others wait
// still, for it has given nothing back yet.
func (s *Space) deadlocked(i int) error {
	p := s.look(i)
	me := p.agent(s, i)
	if cycle, _ := p.circle(me, false); cycle != nil {
		return p.explain(s, cycle, me)
	}
	return &DeadlockError{Ended: -1} // a party died meanwhile
}

// errRelocked is why a goroutine cannot lock what it has locked.
var errRelocked = errors.New("a goroutine locks what it holds: a lock is not recursive")

// relocked is what a goroutine is told that locks a mutex which it holds.
func (m *Mutex) relocked(pc uint64) error { return m.s.inItsWay(m.i, pc, errRelocked) }

// inItsWay is what a goroutine is told that waits for what it holds itself: nobody else
// is needed for this deadlock.
func (s *Space) inItsWay(object int, pc uint64, why error) error {
	m, name := stateOf[mutexState](&s.objects[object]), s.describe(object)
	p := Party{
		Process: s.kin.name(), PID: s.kin.pid(), Goroutine: goroutineName(self()), Holds: name, HeldAt: lineOf(loadWord(&m.pc)),
		HeldSince: s.clock().at(loadWord(&m.since)), Waits: name, WaitsAt: lineOf(pc),
	}
	return errors.Join(&DeadlockError{Cycle: []Party{p}, Ended: 0}, why)
}

// state writes down where the goroutine with claim i took what it holds, also through
// other slots of its process, and then where it waits: so who sees that the latter is
// stated can read all. It runs in that goroutine.
func (s *Space) state(i int) {
	agent, homes := s.claims[i].agent.Load(), s.homes()
	ours := func(slot int) bool { return slot >= 0 && slot < len(homes) && homes[slot] == homes[s.slot] }
	for k := range s.objects {
		o := &s.objects[k]
		if !owned(o.kind.Load()) {
			continue
		}
		if m := stateOf[mutexState](o); ours(m.holder().slot()) && m.holder().agent() == agent {
			m.site.write(lineOf(loadWord(&m.pc)))
			o.site.Store(1)
		}
	}
	for _, state := range [...]claimState{claimHeld, claimWaiting} {
		if state == claimWaiting {
			at("holds-stated")
		}
		for k := range s.claims {
			c := &s.claims[k]
			if w := c.load(); w.state() == state && ours(w.slot()) && c.agent.Load() == agent && c.stated.Load() == 0 {
				c.site.write(lineOf(loadWord(&c.pc)))
				c.stated.Store(1)
			}
		}
	}
}

// site is a text that others may read while it is written: they get the old one, the
// new one, or a mixture.
type site [12]uint64

// write stores a text, cut off where there is no room for it.
func (s *site) write(text string) {
	var b [8 * len(s)]byte
	copy(b[:], text)
	for i := range s {
		storeWord(&s[i], binary.LittleEndian.Uint64(b[8*i:]))
	}
}

// read is what state wrote.
func (s *site) read() string {
	b := make([]byte, 0, 8*len(s))
	for i := range s {
		b = binary.LittleEndian.AppendUint64(b, loadWord(&s[i]))
	}
	return pinned(b)
}

// lineOf is the line of this program that an address belongs to.
func lineOf(pc uint64) string {
	if pc == 0 {
		return ""
	}
	frame, _ := runtime.CallersFrames([]uintptr{uintptr(pc)}).Next()
	if frame.File == "" {
		return ""
	}
	return filepath.Base(frame.File) + ":" + strconv.Itoa(frame.Line)
}

// printedNumber is that of the goroutine that calls, as printed stacks have it, or 0.
func printedNumber() uint64 {
	var buf [64]byte
	text, _ := strings.CutPrefix(string(buf[:runtime.Stack(buf[:], false)]), "goroutine ")
	text, _, _ = strings.Cut(text, " ")
	n, _ := strconv.ParseUint(text, 10, 64)
	return n
}

func quoted(name string) string { return strconv.Quote(name) }
