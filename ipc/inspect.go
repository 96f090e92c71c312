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

// Who finds a deadlock. Each goroutine that has waited for some 20 ms looks once. A
// circle is closed by the wait that began last: when that one looks, all the others
// wait already, and have to: so it finds the circle, if it is still there. Nobody needs
// to look twice, and who waits for something else is not disturbed.
//
// Before it looks it states, in words, where it waits and where it took what it holds:
// others cannot make sense of the addresses in its program.

// inspect is what the waiter with claim i does when it has waited for a while.
func (s *Space) inspect(i int) {
	s.state(i)
	patient := statedLooks
	for range maxMembers { // it may have closed several circles
		before := s.look()
		me, waits := before.index[agentKey{s.slot, s.claims[i].agent.Load()}]
		if !waits || !slices.Contains(waitfor.Deadlocked(&before.Picture), me) {
			return
		}
		p := s.look()
		stuck := waitfor.Deadlocked(&p.Picture)
		me, waits = p.index[agentKey{s.slot, s.claims[i].agent.Load()}]
		if !waits || !slices.Contains(stuck, me) {
			return
		}
		cycle := waitfor.Cycle(&p.Picture, stuck)
		for _, step := range cycle {
			if !p.same(step.Agent, before) {
				return // somebody went on: it was none, or somebody broke it
			}
		}
		if !s.stated(p, cycle) && patient > 0 {
			patient--
			shm.Wait(addr(&s.claims[i].park), s.claims[i].park.Load(), statedEvery)
			continue
		}
		if len(cycle) == 0 || !s.breakUp(p, cycle) {
			return
		}
	}
}

// A deadlock is explained better when all parties have stated where they stand. They
// do so about as soon as this one looks; who is stopped is not waited for for long.
const (
	statedEvery = 2 * time.Millisecond
	statedLooks = 20
)

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

// breakUp does about a circle what the policy says, and reports whether it broke it
// now.
func (s *Space) breakUp(p *picture, cycle []waitfor.Step) bool {
	victim := waitfor.Victim(&p.Picture, cycle, p.age)
	if s.policy == ReportOnly {
		victim = waitfor.Nobody
	}
	if s.report != nil {
		s.report(p.explain(s, cycle, victim))
	}
	if victim == waitfor.Nobody {
		return false
	}
	party := &p.agents[victim]
	if s.policy == KillProcess && party.slot != s.slot {
		m := &s.members[party.slot]
		if w := m.load(); w.state() == memberLive && s.kin.kill(w.pid(), m.started.Load()) == nil {
			return true
		}
	}
	return s.abort(party.waits[0])
}

// abort ends a wait. Its goroutine gets a DeadlockError. Until that has looked what it
// is about, it keeps its place in the line. False if the wait has ended, or somebody
// else ended it.
func (s *Space) abort(w waitAt) bool {
	object := w.word.object()
	o := s.lock(object)
	aborted := s.claims[w.row].swap(w.word, w.word.to(claimAborted))
	at("aborted")
	s.unlock(o)
	if aborted {
		s.ring(w.row)
	}
	return aborted
}

// deadlocked is what the waiter whose claim i was aborted is told. The others wait
// still, for it has given nothing back yet.
func (s *Space) deadlocked(i int) error {
	p := s.look()
	me, known := p.index[agentKey{s.slot, s.claims[i].agent.Load()}]
	stuck := waitfor.Deadlocked(&p.Picture)
	if known && slices.Contains(stuck, me) {
		if cycle := waitfor.Cycle(&p.Picture, stuck); slices.ContainsFunc(cycle, func(t waitfor.Step) bool { return t.Agent == me }) {
			return p.explain(s, cycle, me)
		}
	}
	return &DeadlockError{Ended: -1} // a party died meanwhile
}

// errRelocked is why a goroutine cannot lock what it has locked.
var errRelocked = errors.New("a goroutine locks what it holds: a lock is not recursive")

// relocked is what a goroutine is told that locks a mutex which it holds: nobody else
// is needed for this deadlock.
func (m *Mutex) relocked(pc uint64) error {
	s := m.s
	name := s.describe(m.i)
	p := Party{
		Process: s.kin.name(), PID: s.kin.pid(), Goroutine: goroutineNumber(), Holds: name, HeldAt: lineOf(loadWord(&m.m.pc)),
		HeldSince: s.clock().at(loadWord(&m.m.since)), Waits: name, WaitsAt: lineOf(pc),
	}
	return errors.Join(&DeadlockError{Cycle: []Party{p}, Ended: 0}, errRelocked)
}

// state writes down where the goroutine with claim i waits, and where it took what it
// holds. It runs in that goroutine.
func (s *Space) state(i int) {
	c := &s.claims[i]
	agent, number := c.agent.Load(), goroutineNumber()
	say := func(to *site, pc *uint64) { to.write(lineOf(loadWord(pc)) + "\x01" + number) }
	say(&c.site, &c.pc)
	c.stated.Store(1)
	for k := range s.claims {
		h := &s.claims[k]
		if w := h.load(); w.state() == claimHeld && w.slot() == s.slot && h.agent.Load() == agent && h.stated.Load() == 0 {
			say(&h.site, &h.pc)
			h.stated.Store(1)
		}
	}
	for k := range s.objects {
		o := &s.objects[k]
		if o.kind.Load() != kindMutex {
			continue
		}
		if m := stateOf[mutexState](o); m.word.Load()&mutexOwner == s.owner && loadWord(&m.agent) == agent {
			say(&m.site, &m.pc)
			o.site.Store(1)
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

// read is what state wrote: a place, and the number of the goroutine.
func (s *site) read() (place, goroutine string) {
	b := make([]byte, 0, 8*len(s))
	for i := range s {
		b = binary.LittleEndian.AppendUint64(b, loadWord(&s[i]))
	}
	place, goroutine, _ = strings.Cut(pinned(b), "\x01")
	return place, goroutine
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

// goroutineNumber is that of the caller, as printed stacks have it.
func goroutineNumber() string {
	buf := make([]byte, 64)
	fields := strings.Fields(string(buf[:runtime.Stack(buf, false)]))
	if len(fields) < 2 {
		return ""
	}
	return fields[1]
}

func quoted(name string) string { return strconv.Quote(name) }
