package ipc

import (
	"fmt"
	"sync"
)

// Who serves a channel. Anybody may send to one, so a goroutine that waits to receive
// may always be helped, and that is no part of a deadlock. It is different once it has
// been declared who alone sends: each of them has a claim on the channel, HELD, with
// their number in its units. When that many are there, and all wait for what the others
// should do, no message will come. So it is with those who receive, for who waits for
// room. If one of them dies or leaves, somebody may take its place: until then nobody is
// deadlocked who waits for them.
//
// Such a claim is a row and nothing else: burial frees it.

// Sender says that this goroutine is one of n, in all processes, that alone send to the
// channel and close it, until it calls leave or its process dies. So who waits for a
// message can be part of a deadlock, and is told of it with a *DeadlockError: when all n
// have said so, and neither they nor those for whom they wait can ever go on. All n must
// give the same number. It changes nothing else: nobody is hindered from sending. Who
// does it all the same breaks the promise, and others may be told of a deadlock that he
// would have prevented.
//
// The caller calls leave when it will not send any more. Its place may then be taken by
// another goroutine; while it is free, and after a death, no deadlock is found here. A
// sender that closes the channel need not leave.
//
//go:noinline
func (c *Chan[T]) Sender(n int) (leave func(), err error) {
	agent, pc, cycles := here()
	return c.serve(true, n, caller{agent, pc, cycles})
}

// Receiver says that this goroutine is one of n, in all processes, that alone receive
// from the channel, until it calls leave or its process dies; see Sender. So who waits for
// room can be part of a deadlock.
//
//go:noinline
func (c *Chan[T]) Receiver(n int) (leave func(), err error) {
	agent, pc, cycles := here()
	return c.serve(false, n, caller{agent, pc, cycles})
}

// serve makes a claim, exclusive if it is to send, that says that a goroutine is one of n.
func (r *ring) serve(sends bool, n int, who caller) (leave func(), err error) {
	s := r.s
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	role := "receiver"
	if sends {
		role = "sender"
	}
	name := pinned(s.objects[r.object].name[:])
	if n < 1 || n > len(s.claims) {
		return nil, fmt.Errorf("ipc: channel %q: one %s of %d: 1 to %d are possible", name, role, n, len(s.claims))
	}
	i, err := s.claim(r.object, int64(n), sends, who.agent, who.pc, who.cycles)
	if err != nil {
		return nil, err
	}
	o := s.lock(r.object)
	defer s.unlock(o)
	there, of := s.serving(r.object, sends)
	switch {
	case there > 0 && of != int64(n):
		err = fmt.Errorf("ipc: channel %q: one %s of %d, where others said that they are %d: all must give the same number", name, role, n, of)
	case there >= n:
		err = fmt.Errorf("ipc: channel %q: there are %d already who said to be one %s of %d: one of them must leave first, or all give a greater number", name, there, role, n)
	}
	if err != nil {
		s.unclaim(i)
		return nil, err
	}
	o.flags.Or(flagEnds)
	at("end-flagged")
	s.claims[i].word.Store(uint64(s.claims[i].load().to(claimHeld)))
	at("end-declared")
	return sync.OnceFunc(func() { s.stopServing(i) }), nil
}

// stopServing ends what claim i says.
func (s *Space) stopServing(i int) {
	if s.enter() != nil {
		return // closed: the row is given back
	}
	defer s.leave()
	s.claims[i].settle()
	s.unclaim(i)
}

// serving returns how many have said that they serve one end of a channel, and how many
// they said to be. The latch is held.
func (s *Space) serving(object int, sends bool) (there int, of int64) {
	for i := range s.claims {
		c := &s.claims[i]
		if w := c.load(); w.state() == claimHeld && w.object() == object && w.exclusive() == sends {
			there, of = there+1, c.units
		}
	}
	return there, of
}

// served reports whether there is, or may be, a message to receive, and room to send one.
// A cell that is written to is neither: its sender goes on, and is not deadlocked; but if
// that is dead, burial makes room of it.
func (p *picture) served(s *Space, object int) (message, room bool) {
	r, err := s.ringOf(object)
	if err != nil {
		return true, true
	}
	_, w, v := r.seekHead(r.head)
	message = v != blocked || w.state() == cellWriting
	_, w, v = r.seekTail(r.tail)
	room = v != blocked || w.state() == cellReading || w.state() == cellWriting && p.home(w.slot()) < 0
	return message, room
}
