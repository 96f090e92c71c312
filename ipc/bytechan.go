package ipc

import (
	"context"
	"errors"
	"fmt"

	"github.com/tutti-run/tutti/shm"
)

func init() {
	kinds[kindByteChan] = kindOf{name: "byte channel", unlisted: true, repair: repairMessages, bury: buryMessages, refs: refsMessages, blank: blankMessages}
}

// ByteChan is a channel like [Chan], of messages of any bytes, each of its own length, up
// to [MessageMax]; which is also what all messages in it may have together.
//
// A message is taken, and when its receiver is done with it, it says so. If it dies
// before that, or leaves the space, another receiver gets the message, before all that
// were sent later. So no message is ever lost, and one is received twice only if its
// receiver died between its work and saying that it was done.
//
// A channel is new again when it is empty, no process uses it and one opens it. Its
// methods may be called from many goroutines at once.
type ByteChan struct{ *messages }

// ByteChan returns the channel of a name for bytes, and makes it with room for capacity
// messages, 1 to 65,536, if it is not there. A capacity of 0 is 1024, or what is there.
// It is an error if another capacity is there. sends is what is told of this process in
// [Space.Stat]; it may do both.
func (s *Space) ByteChan(name string, capacity int, sends bool) (*ByteChan, error) {
	m, err := s.openMessages(kindByteChan, name, capacity, sends)
	if err != nil {
		return nil, err
	}
	return &ByteChan{m}, nil
}

// Cap returns how many messages the channel has room for.
func (c *ByteChan) Cap() int { return len(c.rows) }

// Leave says that this process does not use the channel any more. What it has taken it
// still has.
func (c *ByteChan) Leave() { c.leave() }

// Close ends the channel: what was sent before is received, then receivers are told that
// it is over. It returns ErrClosed if the channel was closed already.
func (c *ByteChan) Close() error { return c.close() }

// Send sends msg, and waits for room until ctx is done. After Close it returns
// ErrClosed. Other errors are the cause of ctx's end, or wrap [shm.ErrFull]: there is no
// memory for the message, though the channel is empty.
//
//go:noinline
func (c *ByteChan) Send(ctx context.Context, msg []byte) error {
	agent, pc, cycles := here()
	if len(msg) > MessageMax {
		return tooLong(len(msg))
	}
	if err := c.s.enter(); err != nil {
		return err
	}
	defer c.s.leave()
	var ref shm.Ref
	var full error
	try := func() (v verdict) {
		if isLong(len(msg)) && ref == 0 {
			if v = c.room(len(msg)); v != ready {
				return v
			}
			if ref, full = c.s.keepBytes(msg); full != nil {
				if errors.Is(full, shm.ErrFull) && !c.idle() {
					return blocked // receivers make room
				}
				return damaged
			}
		}
		return c.trySend(msg, ref)
	}
	v, err := c.wait(ctx, &c.state.writers, waitsForRoom, &c.writes, caller{agent, pc, cycles}, try)
	if v != ready || err != nil {
		c.s.unkeep(ref)
	}
	if c.room(0) == ready { // who rang may have meant another one
		c.state.writers.ring(1)
	}
	switch {
	case err != nil:
		return err
	case v == closed:
		return ErrClosed
	case v == damaged:
		return full
	}
	return nil
}

func tooLong(n int) error {
	return fmt.Errorf("ipc: a message of %d bytes: at most %d are possible", n, MessageMax)
}

// room says whether a message of n bytes could be sent.
func (c *ByteChan) room(n int) verdict {
	o := c.s.lock(c.object)
	defer c.s.unlock(o)
	return c.roomLocked(o, n)
}

func (c *ByteChan) roomLocked(o *object, n int) verdict {
	switch {
	case o.flags.Load()&flagClosed != 0:
		return closed
	case !c.fits(n):
		return blocked
	}
	return ready
}

// idle reports whether nothing is in the channel.
func (c *ByteChan) idle() bool {
	o := c.s.lock(c.object)
	defer c.s.unlock(o)
	return c.state.full+c.state.taken == 0
}

func (c *ByteChan) trySend(msg []byte, ref shm.Ref) verdict {
	o := c.s.lock(c.object)
	v := c.roomLocked(o, len(msg))
	if v == ready {
		c.put(msg, ref)
	}
	c.s.unlock(o)
	if v == ready {
		c.state.readers.ring(1)
	}
	return v
}

// Taken is a message that this process has taken out of a ByteChan, and is at work on.
type Taken struct {
	// Bytes is the message, in shared memory: it must not be changed, nor looked at after
	// Done or Return.
	Bytes []byte

	c   *ByteChan
	row int
	num uint64
}

// Receive takes the next message, and waits for one until ctx is done. It is nil if there
// is none: the channel is closed, and all its messages are done, by other processes as
// well; or err says why.
//
//go:noinline
func (c *ByteChan) Receive(ctx context.Context) (*Taken, error) {
	agent, pc, cycles := here()
	if err := c.s.enter(); err != nil {
		return nil, err
	}
	defer c.s.leave()
	var t *Taken
	var broken error
	v, err := c.wait(ctx, &c.state.readers, waitsForMessage, &c.reads, caller{agent, pc, cycles}, func() (v verdict) {
		t, v, broken = c.tryReceive()
		return v
	})
	if c.waiting() { // who rang may have meant another one
		c.state.readers.ring(1)
	}
	if err != nil {
		return nil, err
	}
	if v == damaged {
		return nil, broken
	}
	return t, nil
}

// waiting reports whether there is something to receive.
func (c *ByteChan) waiting() bool {
	o := c.s.lock(c.object)
	defer c.s.unlock(o)
	return c.state.first != 0
}

func (c *ByteChan) tryReceive() (*Taken, verdict, error) {
	o := c.s.lock(c.object)
	defer c.s.unlock(o)
	n := c.state.first
	r := c.row(n)
	if r == nil {
		// What others have taken comes back if they die.
		if o.flags.Load()&flagClosed != 0 && (c.state.taken == 0 || !c.othersWork()) {
			return nil, closed, nil
		}
		return nil, blocked, nil
	}
	b, err := c.content(r)
	if err != nil {
		return nil, damaged, err
	}
	r.word.Store(rowTaken | uint64(c.s.slot)<<8)
	at("message-taken")
	c.shift(r)
	c.state.taken++
	return &Taken{b, c, int(n) - 1, r.number}, ready, nil
}

// othersWork reports whether other processes have messages that they are not done with.
// The latch is held.
func (c *ByteChan) othersWork() bool {
	for i := range c.rows {
		if state, by := c.rows[i].state(); state == rowTaken && by != c.s.slot {
			return true
		}
	}
	return false
}

// Done says that the message is dealt with: nobody else will get it. A second Done or
// Return is ErrNotOwner.
func (t *Taken) Done() error {
	c := t.c
	if err := c.s.enter(); err != nil {
		return err
	}
	defer c.s.leave()
	o, err := t.own()
	if err != nil {
		return err
	}
	c.state.taken--
	// A long one makes room for several short ones, and a sender of another long one that
	// was woken alone might find it too small for his.
	wake := 1
	if c.rows[t.row].ref.Load() != 0 {
		wake = wakeAll
	}
	c.empty(uint32(t.row)+1, &c.rows[t.row])
	over := o.flags.Load()&flagClosed != 0 && c.state.full+c.state.taken == 0
	c.s.unlock(o)
	c.state.writers.ring(wake)
	if over {
		c.state.readers.ring(wakeAll)
	}
	return nil
}

// Return gives the message back: another receiver gets it, before all that were sent
// later.
func (t *Taken) Return() error {
	c := t.c
	if err := c.s.enter(); err != nil {
		return err
	}
	defer c.s.leave()
	o, err := t.own()
	if err != nil {
		return err
	}
	c.restore(t.row)
	c.s.unlock(o)
	c.state.readers.ring(1)
	return nil
}

// own takes the latch, if the message is still this process's.
func (t *Taken) own() (*object, error) {
	c := t.c
	o := c.s.lock(c.object)
	r := &c.rows[t.row]
	if state, by := r.state(); state != rowTaken || by != c.s.slot || r.number != t.num {
		c.s.unlock(o)
		return nil, ErrNotOwner
	}
	return o, nil
}
