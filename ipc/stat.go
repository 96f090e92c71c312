package ipc

import (
	"time"
	"unsafe"
)

// Stat says what is in a space: who has it open, and who holds what. It is looked at
// without stopping anybody, so it is not one moment's picture.
type Stat struct {
	// Bytes is the size of the space; only what is used needs memory.
	Bytes int64 `json:"bytes"`
	// Made is when the space was made.
	Made    time.Time    `json:"made"`
	Members []MemberStat `json:"members"`
	Objects []ObjectStat `json:"objects"`
}

// MemberStat is a process that has the space open.
type MemberStat struct {
	Slot   int       `json:"slot"`
	PID    int       `json:"pid"`
	Name   string    `json:"name"`  // of its program
	State  string    `json:"state"` // "joining", "live", "leaving" or "being buried"
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
}

// ClaimStat is what a goroutine holds of an object, or waits for.
type ClaimStat struct {
	PID       int       `json:"pid"`
	Since     time.Time `json:"since,omitzero"`
	Units     int64     `json:"units,omitempty"`     // of a semaphore
	Exclusive bool      `json:"exclusive,omitempty"` // as a writer
}

// Stat says who has the space open, and who holds what in it.
func (s *Space) Stat() (Stat, error) {
	if err := s.enter(); err != nil {
		return Stat{}, err
	}
	defer s.leave()
	st := Stat{Bytes: s.head.size, Made: time.Unix(0, s.head.madeNs)}
	for slot := range s.members {
		m := &s.members[slot]
		w := m.load()
		if w.state() == memberFree {
			continue
		}
		ms := MemberStat{Slot: slot, PID: w.pid(), State: w.state().String(), Self: slot == s.slot}
		if w.state() != memberJoining { // else its name is being written
			ms.Name, ms.Joined = pinned(m.name[:]), time.Unix(0, m.joinedNs.Load())
		}
		st.Members = append(st.Members, ms)
	}
	row := make([]int, len(s.objects)) // of an object in st.Objects, + 1
	for i := range s.objects {
		if o := &s.objects[i]; o.kind.Load() != 0 {
			st.Objects = append(st.Objects, s.objectStat(o))
			row[i] = len(st.Objects)
		}
	}
	clock := s.clock()
	for i := range s.claims {
		w, c := s.claimStat(i, clock)
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
	return st, nil
}

// objectStat describes an object, but for its claims.
func (s *Space) objectStat(o *object) ObjectStat {
	flags := o.flags.Load()
	st := ObjectStat{
		Name: pinned(o.name[:]), Kind: kindName(o.kind.Load()),
		OwnerDied: flags&flagDied != 0, Lost: flags&flagLost != 0, Closed: flags&flagClosed != 0, Broken: flags&flagBroken != 0,
	}
	if o.kind.Load() == kindMutex { // who holds one without ado has no claim
		w := stateOf[mutexState](o).word.Load()
		st.OwnerDied, st.Lost = w&mutexDied != 0, w&mutexLost != 0
		if owner := int(w&mutexOwner) - 1; owner >= 0 && owner < len(s.members) {
			st.Holders = append(st.Holders, ClaimStat{PID: s.members[owner].load().pid(), Exclusive: true})
		}
	}
	return st
}

// claimStat describes a claim; a free one if it has changed meanwhile.
func (s *Space) claimStat(i int, clock clock) (claimWord, ClaimStat) {
	c := &s.claims[i]
	w := c.load()
	if st := w.state(); st != claimHeld && st != claimWaiting || w.slot() >= len(s.members) {
		return 0, ClaimStat{}
	}
	st := ClaimStat{PID: s.members[w.slot()].load().pid(), Exclusive: w.exclusive()}
	if since := loadWord(&c.since); since != 0 {
		st.Since = clock.at(since)
	}
	if n := int64(loadWord((*uint64)(unsafe.Pointer(&c.units)))); !w.exclusive() {
		st.Units = n
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
