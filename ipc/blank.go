package ipc

import "github.com/tutti-run/tutti/shm"

// Whether an object is as it was made, so that it may be forgotten when nobody has it
// open, see forget.go. These are the blank functions of the kinds. What is kept: the
// word that an owner died; what somebody will ask for who comes later, such as a value,
// a message, that an event was set, that a channel is closed.

// always is for kinds that are nothing when nobody has them open. A barrier that broke
// is made whole by whoever makes it anew, as by Reset.
func always(*Space, int) bool { return true }

func blankMutex(s *Space, object int) bool {
	return stateOf[mutexState](&s.objects[object]).word.Load()&^mutexWaiters == 0
}

// blankUnits goes by the units, and the kind of semaphore, that an object was made with.
func blankUnits(s *Space, object int) bool {
	o := &s.objects[object]
	u := stateOf[unitState](o)
	return o.flags.Load()&^flagOwned == 0 && u.taken.Load() == 0 && u.total.Load() == u.made
}

func blankEvent(s *Space, object int) bool {
	return stateOf[eventState](&s.objects[object]).word.Load()&1 == 0
}

func blankOnce(s *Space, object int) bool {
	return stateOf[onceState](&s.objects[object]).word.Load() == 0
}

// blankChan reports whether nothing is in a channel, and it is not closed.
func blankChan(s *Space, object int) bool {
	return s.everyCell(object, func(w cellWord) bool { return w.state() == cellEmpty && w.end() == 0 })
}

// blankTopic reports whether a topic is not closed: what was published is for those who
// had subscribed.
func blankTopic(s *Space, object int) bool {
	return s.everyCell(object, func(w cellWord) bool { return w.end() == 0 })
}

func (s *Space) everyCell(object int, is func(w cellWord) bool) bool {
	r, err := s.ringOf(object)
	if err != nil {
		return false // damaged: who opens it is told
	}
	for i := range r.capacity {
		if !is(r.load(i)) {
			return false
		}
	}
	return true
}

// blankStream reports whether nothing was ever written: else Offset says how far the
// writers have come.
func blankStream(s *Space, object int) bool {
	st, err := s.streamOf(object)
	if err != nil {
		return false
	}
	tail, _ := st.marks.tail.load()
	return tail == 0 && st.marks.end.Load() == 0 && st.state.writer.word.Load() == 0 && st.state.reader.word.Load() == 0
}

func blankService(s *Space, object int) bool {
	v, _, err := s.serviceOf(object)
	if err != nil || v.state.closed.Load() != 0 {
		return false
	}
	for i := range int(v.state.rows) {
		if v.row(i).load().state() != callFree {
			return false
		}
	}
	return true
}

// blankMessages is for channels and topics of bytes, which are new anyway when nobody
// uses them and nothing is left in them.
func blankMessages(s *Space, object int) bool {
	o := &s.objects[object]
	st := stateOf[messagesState](o)
	if o.kind.Load() == kindByteTopic && o.flags.Load()&flagClosed != 0 {
		return true
	}
	return st.full+st.taken == 0
}

func blankTable(s *Space, object int) bool {
	return stateOf[tableState](&s.objects[object]).count == 0
}

func blankCounter(s *Space, object int) bool {
	b, err := s.arena.Bytes(shm.Ref(stateOf[counterState](&s.objects[object]).stripes), counterBytes)
	if err != nil {
		return false
	}
	return sumOf(stripesIn(b)) == 0
}
