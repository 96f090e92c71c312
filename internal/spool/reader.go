package spool

import (
	"errors"
	"math"
	"sync/atomic"
	"time"

	"github.com/tutti-run/tutti/shm"
)

// View is what can be seen of a command that runs.
type View struct {
	Ticket uint64
	Slot   int // from 0
	Seq    int64
	Start  time.Time
	PID    int          // 0: not started yet
	Shown  [streams]Ref // what it wrote so far
	lane   *lane        // to see whether it still runs
}

// Views calls f for each command that runs.
func (s *Store) Views(f func(View)) {
	for i := range s.lanes {
		if v, ok := s.view(i); ok {
			f(v)
		}
	}
}

// view reads lane i; not ok while nothing runs there.
func (s *Store) view(i int) (View, bool) {
	l := &s.lanes[i]
	v := View{Ticket: l.ticket.Load(), Slot: i, lane: l}
	if v.Ticket == 0 {
		return v, false
	}
	v.Seq, v.Start, v.PID = l.seq.Load(), time.Unix(0, l.start.Load()), int(l.pid.Load())
	for st := range l.stream {
		size := l.stream[st].shown.Load() // SYNC spool-shown: pairs with Writer.show
		v.Shown[st] = Ref{l.stream[st].first.Load(), size}
	}
	return v, l.ticket.Load() == v.Ticket
}

// Runs reports whether what v shows is still that of its command: to be asked
// again after reading, where the command may have ended meanwhile.
func (v *View) Runs() bool { return v.lane.ticket.Load() == v.Ticket }

// Find gives what a command wrote of which nothing but the ticket is known,
// because its worker died.
func (s *Store) Find(ticket uint64) (v View, ok bool) {
	for i := range s.lanes {
		if v, ok := s.view(i); ok && v.Ticket == ticket {
			return v, true
		}
	}
	return View{}, false
}

// everyJob is watched where all output is waited for.
const everyJob = -1

// Watch has the writers of job seq ring the bell when they show something.
func (s *Store) Watch(seq int64) { s.head.watched.Store(seq) }

// WatchAll is Watch for all jobs.
func (s *Store) WatchAll() { s.head.watched.Store(everyJob) }

// Bell is a number that changes when something is shown, for Await.
func (s *Store) Bell() uint32 { return atomic.LoadUint32(&s.head.bell) }

// Await sleeps until something was shown since Bell gave bell.
func (s *Store) Await(bell uint32) { shm.Wait(&s.head.bell, bell, 0) }

// Ring ends every Await.
func (s *Store) Ring() {
	atomic.AddUint32(&s.head.bell, 1)
	shm.Wake(&s.head.bell, math.MaxInt32)
}

var errBroken = errors.New("the list of a command's output is broken")

// Cursor is a place in a stream. The zero value with Ref's First is its begin.
type Cursor struct {
	Ticket uint64
	Next   uint32 // number of the entry that is read next
	pos    int64  // in it; of a frame, where that begins
	in     int64  // bytes of the frame at pos that were read
	Read   int64  // bytes so far
}

// At is the begin of a stream of the command started under ticket.
func (r Ref) At(ticket uint64) Cursor { return Cursor{Ticket: ticket, Next: r.First} }

// Read gives the bytes of the stream up to its byte number upto to f, piece by
// piece, and frees the entries that it leaves behind where free is set. What f
// is given is valid until it returns.
func (s *Store) Read(c *Cursor, upto int64, free bool, f func([]byte) error) error {
	src := source{s: s}
	defer src.close()
	for left := len(s.entries); c.Read < upto; {
		i, ok := s.owned(c.Next, c.Ticket)
		size := int64(0)
		if ok {
			size = s.room(i)
		}
		if c.pos > size || size <= 0 {
			return errBroken
		}
		if s.full(i, c.pos, size) {
			c.Next, c.pos = s.entries[i].next.Load(), 0 // SYNC spool-next: pairs with Writer.extend
			if free {
				s.free(i, c.Ticket)
			} else if left--; left < 0 {
				return errBroken // a circle; one that is freed ends by itself
			}
			continue
		}
		next := *c
		piece, err := src.piece(&next, i, size, upto-c.Read)
		if err != nil {
			return err
		}
		err = f(piece)
		*c = next
		if err != nil {
			return err
		}
	}
	return nil
}

// Free gives back all that c has not passed yet, of a stream whose command has
// ended.
func (s *Store) Free(c *Cursor) {
	for range s.entries { // no longer, however broken the list
		i, ok := s.owned(c.Next, c.Ticket)
		if !ok {
			return
		}
		c.Next = s.entries[i].next.Load()
		s.free(i, c.Ticket)
	}
}

// Reclaim frees all that belongs to a ticket whose worker is certainly gone, and
// ends what is seen of it in its lane, as the worker cannot any more.
func (s *Store) Reclaim(ticket uint64) {
	if ticket == 0 {
		return
	}
	for i := range s.lanes {
		s.lanes[i].ticket.CompareAndSwap(ticket, 0)
	}
	for i := range s.entries {
		if s.entries[i].owner.Load() == ticket {
			s.free(i, ticket)
		}
	}
}

// free gives entry i of ticket back. By CAS: whoever has it by now keeps it.
func (s *Store) free(i int, ticket uint64) {
	e := &s.entries[i]
	off, size := e.off.Load(), e.size.Load()
	if e.owner.CompareAndSwap(ticket, 0) && i >= s.chunks {
		s.punch(off, size) // this range is never given out again
	}
}

// Used is how many entries are in use.
func (s *Store) Used() (n int) {
	for i := range s.entries {
		if s.entries[i].owner.Load() != 0 {
			n++
		}
	}
	return n
}

// Tail gives the last bytes, at most n, of what v's command wrote to a stream; for
// a look at what runs. Nothing is given where it has ended meanwhile, or where the
// begin of its output was printed and freed already.
func (s *Store) Tail(v *View, st Stream, n int64) []byte {
	ref := v.Shown[st]
	c := ref.At(v.Ticket)
	// The first entry may have been freed, and be a later one of the same stream.
	if i, ok := s.owned(c.Next, c.Ticket); !ok || s.entries[i].flags.Load()&begins == 0 {
		return nil
	}
	if err := s.skip(&c, ref.Size-n); err != nil {
		return nil
	}
	var tail []byte
	err := s.Read(&c, ref.Size, false, func(piece []byte) error {
		tail = append(tail, piece...)
		if _, ok := s.owned(c.Next, c.Ticket); !ok {
			return errBroken // freed by another goroutine while it was copied
		}
		return nil
	})
	if err != nil || !v.Runs() {
		return nil
	}
	return tail
}

// End gives the last bytes, at most n, of a stream whose command has ended and of
// which nothing was freed; nothing where they cannot be read.
func (s *Store) End(ticket uint64, ref Ref, n int64) (end []byte) {
	c := ref.At(ticket)
	if s.skip(&c, ref.Size-n) != nil {
		return nil
	}
	err := s.Read(&c, ref.Size, false, func(piece []byte) error {
		end = append(end, piece...)
		return nil
	})
	if err != nil {
		return nil
	}
	return end
}
