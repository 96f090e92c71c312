package ipc

import (
	"context"
	"fmt"
	"iter"
)

func init() {
	kinds[kindChan] = kindOf{name: "channel", unlisted: true, bury: buryRing, refs: ringRefs, blank: blankChan}
}

// Chan is a channel between goroutines of any processes, with the meaning of Go's
// buffered channels: bounded, first in first out, for any number of senders and
// receivers. Its methods may be called from many goroutines at once.
//
// Messages are copied into shared memory and out of it. A message that Send has
// returned for is received by one receiver, even if the sender dies afterwards. If a
// sender dies within Send, its message is received or not, as a whole; if a receiver
// dies within Receive, that message may be lost with it, and no other (in ReceiveMany
// those of that call). Nobody ever waits for the dead.
//
// A process that is stopped in the middle of a Send, not dead, holds up those who
// receive until it goes on, since what was sent after that may not overtake it.
type Chan[T any] struct{ *ring }

// OpenChan returns the channel of a name, for messages of type T, and makes it with
// room for capacity messages, 1 to 1,048,576, if it is not there. A capacity of 0
// accepts any channel that is there, and makes none. T must hold no pointers, strings,
// slices, maps or interfaces. It is an error if the channel is there with another
// capacity or for other messages.
//
// A handle remembers where it was in the channel: who sends or receives a lot opens
// the channel once and keeps it.
func OpenChan[T any](s *Space, name string, capacity int) (*Chan[T], error) {
	p, err := plainOf[T]()
	if err != nil {
		return nil, err
	}
	r, err := s.findRing(kindChan, name, capacity, p, 0)
	if err != nil {
		return nil, err
	}
	return &Chan[T]{r}, nil
}

// Cap returns how many messages the channel has room for.
func (c *Chan[T]) Cap() int { return int(c.capacity) }

// Len returns how many messages are in the channel, counting those that are being
// written. While others send and receive it is a guess.
func (c *Chan[T]) Len() int { return c.count() }

// Close ends the channel: what was sent before is received, then receivers are told
// that it is over. It returns ErrClosed if the channel was closed already. A channel
// is closed for ever.
func (c *Chan[T]) Close() error {
	if c.s.closing.Load() {
		return ErrClosed
	}
	first, v := c.close()
	if first {
		return nil
	}
	return c.error(v)
}

// Send sends v, and waits for room until ctx is done. After Close it returns
// ErrClosed. Another error is the cause of ctx's end, or a *DeadlockError; see Receiver.
//
//go:noinline
func (c *Chan[T]) Send(ctx context.Context, v T) error {
	if c.s.closing.Load() {
		return ErrClosed
	}
	if done := c.trySend(&v); done != blocked {
		return c.error(done)
	}
	agent, pc, cycles := here()
	return c.sendSlowly(ctx, v, caller{agent, pc, cycles})
}

// TrySend sends v if there is room, and reports whether it did. After Close it returns
// ErrClosed. There is no room also while somebody is copying the oldest message out of
// its place, though later ones have been received.
func (c *Chan[T]) TrySend(v T) (bool, error) {
	if c.s.closing.Load() {
		return false, ErrClosed
	}
	done := c.trySend(&v)
	return done == ready, c.error(done)
}

func (c *Chan[T]) trySend(v *T) verdict {
	p, done := c.claimOne()
	if done == ready {
		*(*T)(c.value(p)) = *v
		c.fill(p, 1)
	}
	return done
}

//go:noinline
func (c *Chan[T]) sendSlowly(ctx context.Context, v T, who caller) error {
	return c.wait(ctx, true, who, func() verdict { return c.trySend(&v) })
}

// Receive returns the next message, and waits for one until ctx is done. ok is false
// if there is none: the channel is closed and empty, or err says why: ctx's end, or a
// *DeadlockError; see Sender.
//
//go:noinline
func (c *Chan[T]) Receive(ctx context.Context) (v T, ok bool, err error) {
	if c.s.closing.Load() {
		return v, false, ErrClosed
	}
	done := c.tryReceive(&v)
	if done == blocked {
		agent, pc, cycles := here()
		return c.receiveSlowly(ctx, caller{agent, pc, cycles})
	}
	return v, done == ready, c.receiverError(done)
}

// TryReceive returns the next message if there is one. ok is false if there is none,
// now or, if over is true, ever; or err says why. There is none also while the next
// one is being written, or a sender stopped in the middle of that.
func (c *Chan[T]) TryReceive() (v T, ok, over bool, err error) {
	if c.s.closing.Load() {
		return v, false, false, ErrClosed
	}
	done := c.tryReceive(&v)
	return v, done == ready, done == closed, c.receiverError(done)
}

func (c *Chan[T]) tryReceive(v *T) verdict {
	p, done := c.takeOne()
	if done == ready {
		*v = *(*T)(c.value(p))
		c.free(p, 1)
	}
	return done
}

//go:noinline
func (c *Chan[T]) receiveSlowly(ctx context.Context, who caller) (v T, ok bool, err error) {
	var got verdict
	err = c.wait(ctx, false, who, func() verdict {
		got = c.tryReceive(&v)
		return got
	})
	if got == closed {
		err = nil
	}
	return v, got == ready && err == nil, err
}

// SendMany sends all of vs, in order, and waits for room until ctx is done. It returns
// how many it sent. What others send at the same time may come in between. It costs
// much less than sending one by one.
//
//go:noinline
func (c *Chan[T]) SendMany(ctx context.Context, vs []T) (n int, err error) {
	if c.s.closing.Load() {
		return 0, ErrClosed
	}
	for n < len(vs) {
		got, done := c.trySendMany(vs[n:])
		if n += got; done == blocked {
			agent, pc, cycles := here()
			got, err = c.sendManySlowly(ctx, vs[n:], caller{agent, pc, cycles})
			n += got
		} else {
			err = c.error(done)
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

//go:noinline
func (c *Chan[T]) sendManySlowly(ctx context.Context, vs []T, who caller) (n int, err error) {
	err = c.wait(ctx, true, who, func() (done verdict) {
		n, done = c.trySendMany(vs)
		return done
	})
	return n, err
}

// trySendMany sends as many of vs as make one run.
func (c *Chan[T]) trySendMany(vs []T) (int, verdict) {
	p, got, done := c.claimTail(uint64(len(vs)))
	if done != ready {
		return 0, done
	}
	for i, v := range vs[:got] {
		*(*T)(c.value(c.add(p, uint64(i)))) = v
	}
	c.fill(p, got)
	return int(got), ready
}

// ReceiveMany receives as many messages as there are, up to len(into), and waits for
// the first until ctx is done. ok is false if there is none: the channel is closed and
// empty, or err says why.
//
//go:noinline
func (c *Chan[T]) ReceiveMany(ctx context.Context, into []T) (n int, ok bool, err error) {
	if c.s.closing.Load() {
		return 0, false, ErrClosed
	}
	if len(into) == 0 {
		return 0, true, nil
	}
	n, done := c.tryReceiveMany(into)
	if done == blocked {
		agent, pc, cycles := here()
		return c.receiveManySlowly(ctx, into, caller{agent, pc, cycles})
	}
	return n, done == ready, c.receiverError(done)
}

//go:noinline
func (c *Chan[T]) receiveManySlowly(ctx context.Context, into []T, who caller) (n int, ok bool, err error) {
	done := blocked
	err = c.wait(ctx, false, who, func() verdict {
		n, done = c.tryReceiveMany(into)
		return done
	})
	if done == closed {
		err = nil
	}
	return n, done == ready, err
}

// tryReceiveMany receives run after run.
func (c *Chan[T]) tryReceiveMany(into []T) (n int, done verdict) {
	for n < len(into) {
		p, got, v := c.takeHead(uint64(len(into) - n))
		if v != ready {
			if n == 0 {
				return 0, v
			}
			break
		}
		for i := range into[n : n+int(got)] {
			into[n+i] = *(*T)(c.value(c.add(p, uint64(i))))
		}
		c.free(p, got)
		n += int(got)
	}
	return n, ready
}

// All yields the messages as they come, until the channel is closed and empty. If it
// cannot go on, for the end of ctx or another error, it yields that last.
func (c *Chan[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, ok, err := c.Receive(ctx)
			if !ok && err == nil || !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// wait tries until it is done, and passes on a wake-up that it did not need.
func (r *ring) wait(ctx context.Context, send bool, who caller, try func() verdict) error {
	b, units, sp := &r.state.receivers, int64(waitsForMessage), &r.toRecv
	if send {
		b, units, sp = &r.state.senders, waitsForRoom, &r.toSend
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if err := r.s.enter(); err != nil {
		return err
	}
	defer r.s.leave() // behind passOn
	v := sp.spin(try)
	if v != blocked {
		return r.error(v)
	}
	v, err := r.s.await(ctx, r.object, b, units, who, try)
	r.passOn(send)
	if err != nil {
		return err
	}
	return r.error(v)
}

// passOn wakes another one who waits if there is something for him: who rang may have
// meant one who did not take it.
func (r *ring) passOn(send bool) {
	if send {
		if _, _, v := r.seekTail(loadWord(&r.tail)); v != blocked {
			r.state.senders.ring(1)
		}
		return
	}
	if _, _, v := r.seekHead(loadWord(&r.head)); v != blocked {
		r.state.receivers.ring(1)
	}
}

// error is what a sender is told.
func (r *ring) error(v verdict) error {
	switch v {
	case closed:
		return ErrClosed
	case damaged:
		return fmt.Errorf("%w: the cells of %q make no sense", ErrNotASpace, pinned(r.s.objects[r.object].name[:]))
	}
	return nil
}

// receiverError is what a receiver is told, who learns of the end otherwise.
func (r *ring) receiverError(v verdict) error {
	if v == closed {
		return nil
	}
	return r.error(v)
}
