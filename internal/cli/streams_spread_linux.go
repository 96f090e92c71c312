package cli

import "io"

// spread gives out all blocks.
func (s *streams) spread() error {
	for {
		block, err := s.source.next(s.gone)
		if err == io.EOF {
			return s.spreadBack()
		}
		if err != nil {
			return err
		}
		if block == nil {
			continue
		}
		switch s.way {
		case toAll:
			s.giveAll(block)
		case byColumn:
			s.route(block)
		default:
			whole := &shared{block: block}
			whole.left.Store(1)
			if err := s.place(parcel{bytes: s.source.bytes(block), from: whole}); err != nil {
				return err
			}
			if err := s.placeBack(); err != nil {
				return err
			}
		}
	}
}

// giveAll gives a block to all.
func (s *streams) giveAll(block *intake) {
	all := &shared{block: block}
	all.left.Store(int32(len(s.slots)))
	bytes := s.source.bytes(block)
	for _, x := range s.slots {
		s.give(x, parcel{bytes: bytes, from: all})
	}
}

// route gives lines of a block to the slots that they are for.
func (s *streams) route(block *intake) {
	lines := make([][]byte, len(s.slots))
	for slot, line := range s.source.cutter.Route(s.source.bytes(block)) {
		lines[slot-1] = append(lines[slot-1], line...)
	}
	s.source.release(block, false)
	for i, x := range s.slots {
		if len(lines[i]) > 0 {
			s.give(x, parcel{bytes: lines[i]})
		}
	}
}

// give puts a parcel into a slot's queue, and waits for room there. A slot that
// has ended takes all.
func (s *streams) give(x *stream, p parcel) {
	for !s.tryGive(x, p) {
		<-s.freed
	}
}

func (s *streams) tryGive(x *stream, p parcel) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.waiting == cap(x.queue) {
		return false
	}
	if !x.headed {
		x.headed = true
		p.head = s.source.head
	}
	x.waiting++
	x.queue <- p // has room
	return true
}

// place gives a block to one of all slots, and waits until one takes it.
func (s *streams) place(p parcel) error {
	for {
		i, left := s.pick()
		switch {
		case !left:
			s.done(p.from)
			return errInputLeft
		case i >= 0 && s.tryGive(s.slots[i], p):
			s.last = i
			s.begin(i)
			return nil
		}
		<-s.freed
	}
}

// begin has the command of a slot started.
func (s *streams) begin(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.slots[i].begun {
		s.slots[i].begun = true
		s.begun <- i // has room for all
	}
}

// pick chooses the slot for a block: -1 for none now; left: not all have ended.
func (s *streams) pick() (best int, left bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	best = -1
	var least int64
	for k := range s.slots {
		i := (s.last + 1 + k) % len(s.slots)
		x := s.slots[i]
		if x.ended {
			continue
		}
		left = true
		room := x.waiting < cap(x.queue)
		if s.way == inTurn {
			if room {
				best = i
			}
			return best, true
		}
		if !room {
			continue
		}
		work := int64(-1) // all are started before one gets a second block
		if x.begun {
			work = x.unread()
		}
		if best < 0 || work < least {
			best, least = i, work
		}
	}
	return best, left
}

// placeBack gives blocks that came back to others.
func (s *streams) placeBack() error {
	for {
		s.mu.Lock()
		if len(s.back) == 0 {
			s.mu.Unlock()
			return nil
		}
		p := s.back[0]
		s.back = s.back[1:]
		s.mu.Unlock()
		if err := s.place(p); err != nil {
			return err
		}
	}
}

// spreadBack ends the spreading: it waits until no block can come back any more.
func (s *streams) spreadBack() error {
	for s.way != toAll {
		if err := s.placeBack(); err != nil {
			return err
		}
		waiting, open := s.state()
		if open == 0 && !s.source.eof {
			return errInputLeft
		}
		if waiting == 0 || s.way == byColumn {
			return nil
		}
		<-s.freed
	}
	return nil
}

// state is how many blocks may still have to be given out, and how many commands
// have not ended.
func (s *streams) state() (waiting, open int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting = len(s.back)
	for _, x := range s.slots {
		waiting += x.waiting
	}
	return waiting, s.open
}

// write writes what is in a slot's queue to its pipe, and closes it at the end.
func (s *streams) write(x *stream) {
	for p := range x.queue {
		n, err := 0, error(nil)
		if len(p.head) > 0 {
			_, err = x.write.Write(p.head)
		}
		if err == nil && len(p.bytes) > 0 {
			n, err = x.write.Write(p.bytes)
		}
		s.wrote(x, p, n, err)
	}
	_ = x.write.Close() // a pipe has nothing to write back
}

// wrote notes what became of a parcel of which n bytes were written.
func (s *streams) wrote(x *stream, p parcel, n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x.waiting--
	left := len(p.bytes) - n
	if err != nil {
		s.endLocked(x)
		if n == 0 && (s.way == toAny || s.way == inTurn) {
			p.head = nil
			s.back = append(s.back, p)
			s.tell()
			return
		}
	}
	x.lost += int64(left)
	s.done(p.from)
	s.tell()
}

// done says that one slot needs a block no more.
func (s *streams) done(b *shared) {
	if b != nil && b.left.Add(-1) == 0 {
		s.source.release(b.block, false)
	}
}
