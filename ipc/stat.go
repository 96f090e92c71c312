package ipc

import (
	"time"

	"github.com/tutti-run/tutti/shm"
)

// Stat says what is in a space: who has it open, and who holds what. It is looked at
// without stopping anybody, so it is not one moment's picture.
type Stat struct {
	// Bytes is the size of the space; only what is used needs memory.
	Bytes int64 `json:"bytes"`
	// Used is the memory that it takes, in bytes; 0 where the space is a part of a pool's.
	Used int64 `json:"used,omitempty"`
	// Made is when the space was made.
	Made    time.Time    `json:"made"`
	Members []MemberStat `json:"members"`
	Objects []ObjectStat `json:"objects"`
	Memory  []MemoryStat `json:"memory"`
	// MaxMembers, MaxObjects and MaxClaims are how many members, objects, and holds and
	// waits there may be; Claims is how many rows for those are in the hands of members.
	MaxMembers int `json:"maxMembers"`
	MaxObjects int `json:"maxObjects"`
	MaxClaims  int `json:"maxClaims"`
	Claims     int `json:"claims"`
}

// MemberStat is a process that has the space open.
type MemberStat struct {
	Slot int    `json:"slot"`
	PID  int    `json:"pid"`
	Name string `json:"name"` // of its program
	// State is "joining", "live", "leaving", "being buried", or "dead" when nobody
	// has buried it yet.
	State  string    `json:"state"`
	Joined time.Time `json:"joined"`
	Self   bool      `json:"self,omitempty"` // it is this process
}

// ObjectStat is a lock, channel, value: anything with a name.
type ObjectStat struct {
	Name    string      `json:"name"`
	Kind    string      `json:"kind"`
	Waiting int         `json:"waiting"`           // who wait for it: the length of Waiters
	Waiters []ClaimStat `json:"waiters,omitempty"` // in no order
	Holders []ClaimStat `json:"holders,omitempty"`
	// OwnerDied says that an owner died and nobody has marked the data consistent; Lost
	// that nobody ever will.
	OwnerDied bool `json:"ownerDied,omitempty"`
	Lost      bool `json:"lost,omitempty"`
	Closed    bool `json:"closed,omitempty"`
	Broken    bool `json:"broken,omitempty"` // a barrier
	// Messages and MessageBytes are what is in a ByteChan, also what was taken and is not
	// done, or what a ByteTopic keeps; Capacity is how many there may be. Who uses it is
	// among Holders: who sends as Exclusive.
	Messages     int   `json:"messages,omitempty"`
	MessageBytes int64 `json:"messageBytes,omitempty"`
	Capacity     int   `json:"capacity,omitempty"`
}

// ClaimStat is what a goroutine holds of an object, or waits for.
type ClaimStat struct {
	PID int `json:"pid"`
	// Goroutine is the goroutine's number, as printed stacks have it. It is empty where
	// the whole process holds something.
	Goroutine string    `json:"goroutine,omitempty"`
	Since     time.Time `json:"since,omitzero"`
	Units     int64     `json:"units,omitempty"`     // of a semaphore, or of all resources of a Banker
	Exclusive bool      `json:"exclusive,omitempty"` // as a writer
	Where     string    `json:"where,omitempty"`     // in its program, if it has said so
}

// MemoryStat is the memory of the arena that a process has, in bytes.
type MemoryStat struct {
	// PID is 0 for what no process has: what objects need that a process left.
	PID       int   `json:"pid"`
	Committed int64 `json:"committed"`
	InUse     int64 `json:"inUse"`
}

// Stat says who has the space open, and who holds what in it.
func (s *Space) Stat() (Stat, error) {
	if err := s.enter(); err != nil {
		return Stat{}, err
	}
	defer s.leave()
	h := s.head
	st := Stat{
		Bytes: h.size, Used: memoryOf(s.seg), Made: time.Unix(0, h.madeNs),
		MaxMembers: len(s.members), MaxObjects: len(s.objects), MaxClaims: len(s.claims),
	}
	for slot := range s.members {
		if m, ok := s.memberStat(slot); ok {
			st.Members = append(st.Members, m)
		}
	}
	clock := s.clock()
	row := make([]int, len(s.objects)) // of an object in st.Objects, + 1
	for i := range s.objects {
		if o, ok := s.objectStat(i, clock); ok {
			st.Objects = append(st.Objects, o)
			row[i] = len(st.Objects)
		}
	}
	for i := range s.claims {
		w, c := s.claimStat(i, clock)
		if w.state() != claimFree {
			st.Claims++
		}
		if w.object() >= len(row) || row[w.object()] == 0 {
			continue
		}
		switch o := &st.Objects[row[w.object()]-1]; w.state() {
		case claimHeld:
			o.Holders = append(o.Holders, c)
		case claimWaiting:
			o.Waiters = append(o.Waiters, c)
			o.Waiting++
		}
	}
	for _, u := range s.arena.Usage() {
		pid := 0
		if slot := int(u.Slot) - 1; slot >= 0 && slot < len(s.members) {
			pid = s.members[slot].load().pid()
		}
		st.Memory = append(st.Memory, MemoryStat{pid, u.Committed, u.InUse})
	}
	return st, nil
}

// memberStat describes the process of a slot, if there is one.
func (s *Space) memberStat(slot int) (MemberStat, bool) {
	m := &s.members[slot]
	w := m.load()
	if w.state() == memberFree {
		return MemberStat{}, false
	}
	st := MemberStat{Slot: slot, PID: w.pid(), State: w.state().String(), Self: slot == s.slot}
	if w.state() != memberJoining { // else its name is being written
		st.Name, st.Joined = pinned(m.name[:]), time.Unix(0, m.joinedNs.Load())
	}
	if w.state() == memberLive && s.kin.gone(w.pid()) {
		st.State = "dead"
	}
	return st, m.load().epoch() == w.epoch()
}

// objectStat describes an object, if there is one in the row, but for its claims.
func (s *Space) objectStat(i int, clock clock) (ObjectStat, bool) {
	o := &s.objects[i]
	kind, flags := o.kind.Load(), o.flags.Load()
	if kind == 0 || flags&flagGoing != 0 {
		return ObjectStat{}, false
	}
	st := ObjectStat{
		Name: pinned(o.name[:]), Kind: kindName(kind),
		OwnerDied: flags&flagDied != 0, Lost: flags&flagLost != 0, Closed: flags&flagClosed != 0, Broken: flags&flagBroken != 0,
	}
	switch kind {
	case kindMutex:
		m := stateOf[mutexState](o)
		w := m.word.Load()
		st.OwnerDied, st.Lost = w&mutexDied != 0, w&mutexLost != 0
		if owner := int(w&mutexOwner) - 1; owner >= 0 && owner < len(s.members) {
			c := ClaimStat{PID: s.members[owner].load().pid(), Exclusive: true}
			by, since := m.holder(), loadWord(&m.since)
			if by.slot() == owner && m.holder() == by && m.word.Load()&mutexOwner == w&mutexOwner {
				c.Goroutine, c.Since = goroutineName(by.agent()), clock.at(since)
			}
			st.Holders = append(st.Holders, c)
		}
	case kindBanker:
		if b, err := s.bankOf(i); err == nil {
			st.Holders = b.holders()
		}
	case kindByteChan, kindByteTopic:
		ms := stateOf[messagesState](o)
		if m, err := s.messagesOf(o, shm.Ref(ms.ref.Load())); err == nil {
			st.Messages, st.MessageBytes, st.Capacity = m.count(), int64(ms.bytes.Load()), len(m.rows)
		}
	case kindOnce:
		w := stateOf[onceState](o).word.Load()
		if owner := int(w) - 1; w != onceDone && owner >= 0 && owner < len(s.members) {
			st.Holders = append(st.Holders, ClaimStat{PID: s.members[owner].load().pid()})
		}
	}
	return st, o.kind.Load() == kind && pinned(o.name[:]) == st.Name // else it was forgotten meanwhile
}

// claimStat describes a claim; a free one if it has changed meanwhile.
func (s *Space) claimStat(i int, clock clock) (claimWord, ClaimStat) {
	c := &s.claims[i]
	w := c.load()
	if st := w.state(); st != claimHeld && st != claimWaiting || w.slot() >= len(s.members) {
		return w, ClaimStat{}
	}
	st := ClaimStat{PID: s.members[w.slot()].load().pid(), Exclusive: w.exclusive()}
	st.Goroutine = goroutineName(c.agent.Load())
	if since := loadWord(&c.since); since != 0 {
		st.Since = clock.at(since)
	}
	if n := c.amount(); !w.exclusive() {
		st.Units = n
	}
	if w.state() == claimWaiting && c.stated.Load() != 0 {
		st.Where = c.site.read()
	}
	if c.load() != w {
		return 0, ClaimStat{}
	}
	return w, st
}

// clock turns the CPU's counter into times, by what both have counted since the space
// was made. It is as exact as that is long.
type clock struct {
	cycles uint64 // now
	ns     int64  // now
	rate   float64
}

func (s *Space) clock() clock {
	c := clock{cycles: cycles(), ns: s.kin.now()}
	if c.cycles > s.head.cycles && c.ns > s.head.madeNs {
		c.rate = float64(c.ns-s.head.madeNs) / float64(c.cycles-s.head.cycles)
	}
	return c
}

func (c clock) at(cycles uint64) time.Time {
	if cycles > c.cycles {
		cycles = c.cycles
	}
	return time.Unix(0, c.ns-int64(float64(c.cycles-cycles)*c.rate))
}
