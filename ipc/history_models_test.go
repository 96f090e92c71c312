package ipc

import "math"

// The models: what each kind promises, one step after the other.

type what uint32

const (
	whatNothing what = iota
	whatDeath        // what a client that died has is taken back, if he has something

	whatLock   // said what
	whatBusy   // TryLock found it taken
	whatUnlock //
	whatMark

	whatAsk      // come into the line for a units
	whatGrant    // be given them
	whatTake     // take a units, as nobody is in the line
	whatNoUnits  // be refused them
	whatWithdraw // leave the line
	whatRelease  // give back a units

	whatClaim      // a place for message a, the b-th of the client
	whatFill       // message a is there
	whatReceive    // message a, the b-th that the client receives, is his alone
	whatFree       // the place of message a is free
	whatSeize      // what is next is the client's, who died and told nobody
	whatRelinquish // places that he had seized are free
	whatFull       // no place
	whatNone       // no message
	whatEnd        // never a message any more
	whatRefuse     // no messages are taken any more
	whatClose
	whatCloseAgain

	whatLoad   // a, with version b, or -1
	whatWrite  // a
	whatChange // from a to b
	whatGone   // what was there is deleted
)

// grave has the clients that were buried.
type grave uint32

func (g grave) has(c int) bool { return g>>c&1 == 1 }

// mutexHistory is who has it, counted from 1, and what became of the data.
type mutexHistory struct {
	owner      int
	died, lost bool
	dead       grave
}

var mutexModel = historyModel[mutexHistory]{next: func(m mutexHistory, s step) (mutexHistory, bool) {
	if m.dead.has(s.client) {
		return m, false
	}
	self := s.client + 1
	switch s.what {
	case whatDeath:
		m.dead |= 1 << s.client
		if m.owner != self {
			return m, false
		}
		m.owner, m.died = 0, true
		return m, true
	case whatLock:
		switch {
		case s.said == saidLost:
			return m, m.lost
		case m.owner != 0 || m.lost:
			return m, false
		case !s.maybe && m.died != (s.said == saidOwnerDied):
			return m, false
		}
		m.owner = self
		return m, true
	case whatBusy:
		return m, m.owner != 0 && !m.lost
	case whatUnlock:
		if m.owner != self {
			return m, false
		}
		m.owner, m.lost = 0, m.died
		return m, true
	case whatMark:
		if m.owner != self {
			return m, false
		}
		m.died = false
		return m, true
	}
	return m, false
}}

func mutexParts(e historyEntry) []span {
	said := saidYes
	if e.ret != 0 {
		said = e.out[0]
	}
	switch {
	case said == saidInterrupted:
		return nil
	case e.op == opUnlock:
		return parts(step{what: whatUnlock})
	case e.op == opMarkConsistent:
		return parts(step{what: whatMark})
	case said == saidNo:
		return parts(step{what: whatBusy})
	}
	return parts(step{what: whatLock, said: said})
}

func parts(steps ...step) (spans []span) {
	for _, s := range steps {
		spans = append(spans, span{step: s})
	}
	return spans
}

// historyUnits is how many units the semaphore has.
const historyUnits = 3

// semaphoreHistory is who holds how many units, and who waits for how many, in order.
type semaphoreHistory struct {
	held    [historyClients]int8
	line    [historyClients]struct{ client, units int8 } // clients from 1
	waiting int
	taken   int64
	dead    grave
}

func (m *semaphoreHistory) leave(client int) bool {
	for i := range m.waiting {
		if int(m.line[i].client) == client+1 {
			copy(m.line[i:], m.line[i+1:])
			m.waiting--
			return true
		}
	}
	return false
}

func (m *semaphoreHistory) take(client int, n int64) {
	m.held[client] += int8(n)
	m.taken += n
}

var semaphoreModel = historyModel[semaphoreHistory]{next: func(m semaphoreHistory, s step) (semaphoreHistory, bool) {
	if m.dead.has(s.client) {
		return m, false
	}
	fits := m.taken+s.a <= historyUnits
	switch s.what {
	case whatDeath:
		m.dead |= 1 << s.client
		waited, held := m.leave(s.client), int64(m.held[s.client])
		m.take(s.client, -held)
		return m, waited || held > 0
	case whatAsk:
		m.line[m.waiting].client, m.line[m.waiting].units = int8(s.client+1), int8(s.a)
		m.waiting++
		return m, true
	case whatGrant:
		if !fits || m.waiting == 0 || int(m.line[0].client) != s.client+1 {
			return m, false
		}
		m.leave(s.client)
		m.take(s.client, s.a)
		return m, true
	case whatTake:
		if !fits || m.waiting > 0 {
			return m, false
		}
		m.take(s.client, s.a)
		return m, true
	case whatNoUnits:
		return m, !fits || m.waiting > 0
	case whatWithdraw:
		return m, m.leave(s.client)
	case whatRelease:
		if int64(m.held[s.client]) < s.a {
			return m, false
		}
		m.take(s.client, -s.a)
		return m, true
	}
	return m, false
}}

func semaphoreParts(e historyEntry) []span {
	n := e.in[0]
	switch {
	case e.op == opRelease:
		return parts(step{what: whatRelease, a: n})
	case e.op == opTryAcquire && e.ret != 0 && e.out[0] == saidNo:
		return parts(step{what: whatNoUnits, a: n})
	case e.op == opTryAcquire:
		return parts(step{what: whatTake, a: n})
	case e.ret != 0 && e.out[0] == saidInterrupted:
		return parts(step{what: whatAsk, a: n}, step{what: whatWithdraw})
	}
	return parts(step{what: whatAsk, a: n}, step{what: whatGrant, a: n})
}

// historyRoom is how many messages the channel has room for.
const historyRoom = 3

// chanPlace is where a message is, or was until its place is free.
type chanPlace struct {
	message int64
	client  int8 // who writes or reads it
	state   placeState
	lost    bool // nobody who lived to tell received it
}

type placeState int8

const (
	placeWriting placeState = iota
	placeFull
	placeReading
	placeFree // or void: nothing comes of it
)

// chanHistory is the places from the first that is not free to the last that is
// claimed.
type chanHistory struct {
	places [historyRoom]chanPlace
	n      int
	closed bool
	dead   grave
	// sent and received are the last messages of each client: his own stay in order.
	sent, received [historyClients]int16
}

// next is the first place that nobody receives from yet.
func (m *chanHistory) next() *chanPlace {
	for i := range m.n {
		if p := &m.places[i]; p.state == placeWriting || p.state == placeFull {
			return p
		}
	}
	return nil
}

// move moves the places of a client in one state on, those of one message or all.
func (m *chanHistory) move(client int, from, to placeState, message int64) (moved bool) {
	for i := range m.n {
		if p := &m.places[i]; p.state == from && int(p.client) == client && (message == anyMessage || p.message == message) {
			p.state, moved = to, true
		}
	}
	for m.n > 0 && m.places[0].state == placeFree {
		copy(m.places[:], m.places[1:])
		m.n--
		m.places[m.n] = chanPlace{}
	}
	return moved
}

const anyMessage = math.MinInt64

func (m *chanHistory) claim(s step) bool {
	if m.closed || m.n == historyRoom || int16(s.b) <= m.sent[s.client] {
		return false
	}
	m.places[m.n] = chanPlace{s.a, int8(s.client), placeWriting, s.lost}
	m.n++
	m.sent[s.client] = int16(s.b)
	return true
}

func (m *chanHistory) receive(s step) bool {
	p := m.next()
	if p == nil || p.state != placeFull {
		return false
	}
	if s.what == whatReceive && p.message != s.a || s.what == whatSeize && !p.lost || int16(s.b) != m.received[s.client]+1 {
		return false
	}
	m.received[s.client]++
	p.state, p.client = placeReading, int8(s.client)
	return true
}

var chanModel = historyModel[chanHistory]{next: func(m chanHistory, s step) (chanHistory, bool) {
	if m.dead.has(s.client) {
		return m, false
	}
	ok := false
	switch s.what {
	case whatDeath:
		m.dead |= 1 << s.client
		wrote, read := m.move(s.client, placeWriting, placeFree, anyMessage), m.move(s.client, placeReading, placeFree, anyMessage)
		return m, wrote || read
	case whatClaim:
		ok = m.claim(s)
	case whatFill:
		ok = m.move(s.client, placeWriting, placeFull, s.a)
	case whatReceive, whatSeize:
		ok = m.receive(s)
	case whatFree, whatRelinquish:
		ok = m.move(s.client, placeReading, placeFree, s.a)
	case whatFull:
		ok = m.n == historyRoom && !m.closed
	case whatNone:
		p := m.next()
		ok = p == nil && !m.closed || p != nil && p.state == placeWriting
	case whatEnd:
		ok = m.closed && m.next() == nil
	case whatRefuse, whatCloseAgain:
		ok = m.closed
	case whatClose:
		ok = !m.closed
		m.closed = true
	}
	return m, ok
}}

// chanPartsIn is chanParts for a history. What became of a message says much about what
// the dead did: who sent one that was received had done so by then, and only what nobody
// else received can be theirs. Without that, many searches would have no end.
func chanPartsIn(h history) func(historyEntry) []span {
	received := map[int64]int64{} // when at the latest
	for _, e := range h.entries {
		if (e.op == opReceive || e.op == opTryReceive) && e.ret != 0 {
			for _, message := range e.out[1:] {
				received[message] = e.ret
			}
		}
	}
	return func(e historyEntry) []span {
		spans := chanParts(e)
		for i := range spans {
			s := &spans[i]
			if s.what != whatClaim && s.what != whatFill {
				continue
			}
			ret, ok := received[s.a]
			if s.lost = !ok; e.ret == 0 {
				s.to = ret
			}
		}
		return spans
	}
}

// chanParts: in of a sender is his messages, each after its number among his; in of a
// receiver the number of the first message that he may receive, and how many he may.
func chanParts(e historyEntry) (spans []span) {
	said, sending := saidYes, e.op == opSend || e.op == opTrySend
	sent, got := e.in, []int64(nil)
	if e.ret != 0 {
		said, got = e.out[0], e.out[1:]
		if sending {
			sent, got = e.in[:2*e.out[1]], nil
		}
	}
	if e.op == opClose {
		if said == saidClosed {
			return parts(step{what: whatCloseAgain})
		}
		return parts(step{what: whatClose})
	}
	if sending {
		for i := 0; i < len(sent); i += 2 {
			spans = append(spans, parts(step{what: whatClaim, a: sent[i+1], b: sent[i]}, step{what: whatFill, a: sent[i+1]})...)
		}
	} else if e.ret == 0 {
		for i := range e.in[1] {
			// He may have freed each of them before he received the next one.
			spans = append(spans, parts(step{what: whatSeize, b: e.in[0] + i}, step{what: whatRelinquish, a: anyMessage})...)
		}
		return spans
	}
	for i, message := range got {
		spans = append(spans, parts(step{what: whatReceive, a: message, b: e.in[0] + int64(i)}, step{what: whatFree, a: message})...)
	}
	switch {
	case said == saidClosed && sending:
		spans = append(spans, parts(step{what: whatRefuse})...)
	case said == saidClosed:
		spans = append(spans, parts(step{what: whatEnd})...)
	case said == saidNo && sending:
		spans = append(spans, parts(step{what: whatFull})...)
	case said == saidNo:
		spans = append(spans, parts(step{what: whatNone})...)
	}
	return spans
}

// absent is the value of a key that is not there.
const absent = math.MinInt64

// valueHistory is a value and how often it was written.
type valueHistory struct{ value, version int64 }

func valueModel(first int64) historyModel[valueHistory] {
	return historyModel[valueHistory]{valueHistory{value: first}, func(v valueHistory, s step) (valueHistory, bool) {
		switch s.what {
		case whatLoad:
			return v, v.value == s.a && (s.b < 0 || v.version == s.b)
		case whatWrite:
			return valueHistory{s.a, v.version + 1}, true
		case whatChange:
			return valueHistory{s.b, v.version + 1}, v.value == s.a
		case whatGone:
			return valueHistory{absent, v.version + 1}, v.value != absent
		}
		return v, false
	}}
}

// valueParts: in is what is written; out, after what was said, is what was there, and
// the version if that was loaded too.
func valueParts(e historyEntry) []span {
	if e.ret == 0 {
		switch e.op {
		case opLoad:
			return nil
		case opDelete:
			return parts(step{what: whatWrite, a: absent})
		case opLoadOrStore:
			return parts(step{what: whatChange, a: absent, b: e.in[0]})
		}
		return parts(step{what: whatWrite, a: e.in[0]})
	}
	was := int64(absent)
	if len(e.out) > 1 {
		was = e.out[1]
	}
	switch e.op {
	case opLoad:
		version := int64(-1)
		if len(e.out) > 2 {
			version = e.out[2]
		}
		return parts(step{what: whatLoad, a: was, b: version})
	case opStore:
		return parts(step{what: whatWrite, a: e.in[0]})
	case opDelete:
		if e.out[0] == saidNo {
			return parts(step{what: whatLoad, a: absent, b: -1})
		}
		return parts(step{what: whatGone})
	case opLoadOrStore:
		if e.out[0] == saidYes { // it was there
			return parts(step{what: whatLoad, a: was, b: -1})
		}
		return parts(step{what: whatChange, a: absent, b: e.in[0]})
	}
	return parts(step{what: whatChange, a: was, b: e.in[0]})
}
