package ipc

import (
	"bytes"
	"context"
	"errors"

	"github.com/tutti-run/tutti/shm"
)

func init() {
	kinds[kindByteTopic] = kindOf{name: "byte topic", unlisted: true, repair: repairMessages, bury: buryMessages, refs: refsMessages, blank: blankMessages}
}

// ByteTopic is a topic like [Topic], of messages of any bytes, each of its own length, up
// to [MessageMax]; which is also what all messages that it keeps may have together.
//
// It keeps the newest messages, as many as its capacity; who comes later can read these
// as well. A topic is new again when no process uses it, it is closed, and one opens it.
// Its methods may be called from many goroutines at once.
type ByteTopic struct{ *messages }

// ByteTopic returns the topic of a name for bytes, and makes it, such that it keeps the
// newest capacity messages, 1 to 65,536, if it is not there. A capacity of 0 is 1024, or
// what is there. It is an error if another capacity is there. publishes is what is told
// of this process in [Space.Stat]; it may do both.
func (s *Space) ByteTopic(name string, capacity int, publishes bool) (*ByteTopic, error) {
	m, err := s.openMessages(kindByteTopic, name, capacity, publishes)
	if err != nil {
		return nil, err
	}
	return &ByteTopic{m}, nil
}

// Cap returns how many messages the topic keeps.
func (t *ByteTopic) Cap() int { return len(t.rows) }

// Leave says that this process does not use the topic any more.
func (t *ByteTopic) Leave() { t.leave() }

// Close ends the topic: readers get what it keeps, and then learn that it is over. It
// returns ErrClosed if it was closed already.
func (t *ByteTopic) Close() error { return t.close() }

// Publish sends msg to all who have subscribed, and waits for nobody. After Close it
// returns ErrClosed; an error that wraps [shm.ErrFull] says that there is no memory for
// the message, though none is kept any more.
func (t *ByteTopic) Publish(msg []byte) error {
	if err := t.s.enter(); err != nil {
		return err
	}
	defer t.s.leave()
	if len(msg) > MessageMax {
		return tooLong(len(msg))
	}
	var ref shm.Ref
	for isLong(len(msg)) {
		var err error
		if ref, err = t.s.keepBytes(msg); err == nil {
			break
		}
		if !errors.Is(err, shm.ErrFull) || !t.forget() {
			return err
		}
	}
	o := t.s.lock(t.object)
	if o.flags.Load()&flagClosed != 0 {
		t.s.unlock(o)
		t.s.unkeep(ref)
		return ErrClosed
	}
	for !t.fits(len(msg)) {
		if !t.drop() {
			t.s.unlock(o)
			t.s.unkeep(ref)
			return t.s.damaged(t.object, "it is empty, and has no room")
		}
	}
	t.put(msg, ref)
	t.s.unlock(o)
	t.state.readers.ring(wakeAll)
	return nil
}

// forget makes room by the oldest message, and reports whether there was one.
func (t *ByteTopic) forget() bool {
	o := t.s.lock(t.object)
	defer t.s.unlock(o)
	return t.drop()
}

// ByteSubscription reads a topic. One goroutine at a time may use it.
type ByteSubscription struct {
	t    *ByteTopic
	next uint64 // number of the message to come
	row  uint32 // where the one before that was: number of the row, as lists have it
}

// Subscribe returns a reader of what is published from now on.
func (t *ByteTopic) Subscribe() *ByteSubscription {
	if t.s.enter() != nil {
		return &ByteSubscription{t: t} // closed: there is nothing to read
	}
	defer t.s.leave()
	o := t.s.lock(t.object)
	defer t.s.unlock(o)
	return &ByteSubscription{t: t, next: t.state.next}
}

// SubscribeOldest returns a reader of what the topic keeps, and of what is published
// after that.
func (t *ByteTopic) SubscribeOldest() *ByteSubscription {
	if t.s.enter() != nil {
		return &ByteSubscription{t: t} // closed: there is nothing to read
	}
	defer t.s.leave()
	o := t.s.lock(t.object)
	defer t.s.unlock(o)
	r := &ByteSubscription{t: t, next: t.state.next}
	if first := t.messages.row(t.state.first); first != nil {
		r.next = first.number
	}
	return r
}

// Next returns the next message, and waits for it until ctx is done. ok is false if there
// is none: the topic is closed, or err says why. A *MissedError says how many messages
// the topic does not keep any more; the next call goes on behind them.
//
//go:noinline
func (r *ByteSubscription) Next(ctx context.Context) (msg []byte, ok bool, err error) {
	agent, pc, cycles := here()
	t := r.t
	if err := t.s.enter(); err != nil {
		return nil, false, err
	}
	defer t.s.leave()
	var outcome error
	v, err := t.wait(ctx, &t.state.readers, waitsForMessage, &t.reads, caller{agent, pc, cycles}, func() (v verdict) {
		msg, v, outcome = r.read()
		return v
	})
	if err == nil {
		err = outcome
	}
	return msg, v == ready && err == nil, err
}

// read copies the next message, or says how many are missed.
func (r *ByteSubscription) read() ([]byte, verdict, error) {
	t := r.t
	o := t.s.lock(t.object)
	defer t.s.unlock(o)
	n := r.seek()
	row := t.messages.row(n)
	from := t.state.next
	if row != nil {
		from = row.number
	}
	switch {
	case from > r.next:
		missed := from - r.next
		r.next = from
		return nil, ready, &MissedError{missed}
	case row == nil && o.flags.Load()&flagClosed != 0:
		return nil, closed, nil
	case row == nil:
		return nil, blocked, nil
	}
	b, err := t.content(row)
	if err != nil {
		return nil, damaged, err
	}
	r.next, r.row = row.number+1, n
	return bytes.Clone(b), ready, nil
}

// seek returns the number of the row of the oldest message that is not behind the reader.
func (r *ByteSubscription) seek() uint32 {
	t := r.t
	n := t.state.first
	if before := t.messages.row(r.row); before != nil && before.number+1 == r.next {
		if state, _ := before.state(); state == rowFull {
			return before.next
		}
	}
	for row := t.messages.row(n); row != nil && row.number < r.next; row = t.messages.row(n) {
		n = row.next
	}
	return n
}
