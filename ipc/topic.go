package ipc

import (
	"context"
	"fmt"
	"iter"
	"unsafe"

	"github.com/tutti-run/tutti/shm"
)

func init() {
	kinds[kindTopic] = kindOf{name: "topic", unlisted: true, bury: buryTopic, refs: ringRefs, blank: blankTopic}
}

// Topic carries messages from any number of publishers to all who have subscribed, each
// at its own pace, in one order for all. Publishers never wait for readers: who is more
// than the topic's capacity behind misses the oldest, and is told how many.
//
// It is a ring like that of a channel (see ring.go) in which the cell of the tail is
// taken whether or not it was read:
//
//	FULL(lap), VOID(lap) → WRITING(lap+1, publisher)  the publisher, CAS
//	WRITING              → FULL(lap)                  the same
//	WRITING(dead)        → VOID(lap)                  burial
//	any                  → the same with END          who closes; the end is the tail
//
// Readers leave no trace in shared memory, so their death is nothing to anybody. A
// reader copies a message and then looks whether the cell is as it was; if not, he
// missed it.
//
// If a publisher dies, by fail point: topic-claimed and topic-valued, the message is
// void, and nobody misses it; topic-full, it was published, and burial wakes who waits;
// topic-closed likewise.
type Topic[T any] struct{ *ring }

// OpenTopic returns the topic of a name, for messages of type T, and makes it if it is
// not there, such that a reader may be capacity messages behind. About T and capacity
// see OpenChan.
func OpenTopic[T any](s *Space, name string, capacity int) (*Topic[T], error) {
	p, err := plainOf[T]()
	if err != nil {
		return nil, err
	}
	// Rounded up to whole words, by which messages are copied.
	p.size = uintptr(roundUp(int64(p.size), 8))
	r, err := s.findRing(kindTopic, name, capacity, p, cellVoid)
	if err != nil {
		return nil, err
	}
	return &Topic[T]{r}, nil
}

// Cap returns how many messages behind a reader may be.
func (t *Topic[T]) Cap() int { return int(t.capacity) }

// seekTopic walks from p to the tail.
func (r *ring) seekTopic(p uint64) (uint64, cellWord, verdict) {
	anchored := false
	for steps := 0; ; steps++ {
		if steps%ringWalkMax == ringWalkMax-1 {
			if p = r.hinted(&r.hints.tail, p); steps > ringStepsMax {
				return p, 0, damaged
			}
		}
		w := r.load(p)
		switch d := r.ahead(w, p); {
		case d >= 0:
			p = r.next(r.in(w, p))
		case d == -1 && w.end() != 0:
			return p, w, closed
		case d == -1 && w.state() == cellWriting: // by one who is a whole lap behind
			return p, w, blocked
		case d == -1:
			return p, w, ready
		case anchored:
			return p, w, damaged
		default:
			p, anchored = r.anchor(), true
		}
	}
}

// Publish sends v to all who have subscribed. It waits for nobody, unless for another
// publisher who began a whole capacity earlier and has not ended; then ctx ends that.
// After Close it returns ErrClosed.
//
//go:noinline
func (t *Topic[T]) Publish(ctx context.Context, v T) error {
	if t.s.closing.Load() {
		return ErrClosed
	}
	done := t.tryPublish(&v)
	if done != blocked {
		return t.error(done)
	}
	agent, pc, cycles := here()
	return t.publishSlowly(ctx, v, caller{agent, pc, cycles})
}

//go:noinline
func (t *Topic[T]) publishSlowly(ctx context.Context, v T, who caller) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := t.s.enter(); err != nil {
		return err
	}
	defer t.s.leave()
	try := func() verdict { return t.tryPublish(&v) }
	done := t.toSend.spin(try)
	if done == blocked {
		var err error
		if done, err = t.s.await(ctx, t.object, &t.state.senders, waitsForRoom, who, try); err != nil {
			return err
		}
	}
	return t.error(done)
}

func (t *Topic[T]) tryPublish(v *T) verdict {
	r := t.ring
	p := loadWord(&r.tail)
	for {
		q, w, done := r.seekTopic(p)
		if p = q; done != ready {
			storeWord(&r.tail, p)
			return done
		}
		mine := r.lapOf(p) | r.writing
		if !r.swap(p, w, mine) { // SYNC topic-cell
			continue
		}
		at("topic-claimed")
		r.advance(&r.tail, &r.hints.tail, p, r.next(p))
		buf := words[T]{v: *v}
		for i := range buf.count() {
			publish((*uint64)(unsafe.Add(r.value(p), i*8)), *(*uint64)(unsafe.Add(unsafe.Pointer(&buf), i*8)))
		}
		at("topic-valued")
		shm.Release(unsafe.Pointer(r.word(p)))
		r.leave(p, mine, r.lapOf(p)|cellFull) // SYNC topic-cell
		at("topic-full")
		r.state.receivers.ring(wakeAll)
		r.state.senders.ring(wakeAll)
		return ready
	}
}

// words is a value that can be copied by whole words.
type words[T any] struct {
	_ [0]uint64
	v T
	_ [8]byte
}

func (w *words[T]) count() uintptr { return (unsafe.Sizeof(w.v) + 7) / 8 }

// Close ends the topic: readers get what was published before, as far as they have not
// missed it, and then learn that it is over. It returns ErrClosed if it was closed
// already.
func (t *Topic[T]) Close() error {
	if t.s.closing.Load() {
		return ErrClosed
	}
	p := loadWord(&t.tail)
	for {
		q, w, v := t.seekTopic(p)
		if v == closed || v == damaged {
			return t.error(v)
		}
		if p = q; t.swap(p, w, w|cellEnd) {
			at("topic-closed")
			t.state.receivers.ring(wakeAll)
			t.state.senders.ring(wakeAll)
			return nil
		}
	}
}

// buryTopic voids what a dead process was publishing.
func buryTopic(s *Space, object, slot int) {
	r, err := s.ringOf(object)
	if err != nil {
		return
	}
	defer r.state.receivers.ringOut(wakeAll)
	defer r.state.senders.ringOut(wakeAll)
	for i := range r.capacity {
		for {
			w := r.load(i)
			if w.state() != cellWriting || w.slot() != slot || r.swap(i, w, w.lap()|cellVoid|w.end()) {
				break
			}
		}
	}
}

// MissedError says that a reader was too slow. The messages after those that it missed
// follow.
type MissedError struct {
	N uint64 // messages that it missed
}

func (e *MissedError) Error() string { return fmt.Sprintf("ipc: missed %d messages", e.N) }

// Subscription reads a topic. One goroutine at a time may use it.
type Subscription[T any] struct {
	t   *Topic[T]
	pos uint64
}

// Subscribe returns a reader of what is published from now on.
func (t *Topic[T]) Subscribe() *Subscription[T] {
	p, _, _ := t.seekTopic(loadWord(&t.tail))
	return &Subscription[T]{t, p}
}

// Next returns the next message, and waits for it until ctx is done. ok is false if
// there is none: the topic is closed, or err says why. A *MissedError says how many
// messages are gone; the next call goes on behind them.
//
//go:noinline
func (r *Subscription[T]) Next(ctx context.Context) (v T, ok bool, err error) {
	t := r.t
	if t.s.closing.Load() {
		return v, false, ErrClosed
	}
	missed := uint64(0)
	done := r.read(&v, &missed)
	if done == blocked {
		agent, pc, cycles := here()
		if ctx.Err() != nil {
			return v, false, context.Cause(ctx)
		}
		return r.nextSlowly(ctx, caller{agent, pc, cycles})
	}
	return r.outcome(v, done, missed)
}

//go:noinline
func (r *Subscription[T]) nextSlowly(ctx context.Context, who caller) (v T, ok bool, err error) {
	missed, t := uint64(0), r.t
	if err := t.s.enter(); err != nil {
		return v, false, err
	}
	defer t.s.leave()
	try := func() verdict { return r.read(&v, &missed) }
	done := t.toRecv.spin(try)
	if done == blocked {
		if done, err = t.s.await(ctx, t.object, &t.state.receivers, waitsForMessage, who, try); err != nil {
			return v, false, err
		}
	}
	return r.outcome(v, done, missed)
}

func (r *Subscription[T]) outcome(v T, done verdict, missed uint64) (T, bool, error) {
	if missed > 0 {
		var none T
		return none, false, &MissedError{missed}
	}
	return v, done == ready, r.t.receiverError(done)
}

// read copies the message at the reader's position, or says how many it missed.
func (r *Subscription[T]) read(v *T, missed *uint64) verdict {
	t := r.t
	for {
		w := t.load(r.pos)
		switch d := t.ahead(w, r.pos); {
		case d < 0 && w.end() != 0 && d == -1:
			return closed
		case d < 0, d == 0 && w.state() == cellWriting:
			return blocked
		case d == 0 && w.state() == cellVoid:
			r.pos = t.next(r.pos)
		case d == 0:
			if r.copy(v, w) {
				r.pos = t.next(r.pos)
				return ready
			}
		default:
			*missed = r.catchUp()
			return ready
		}
	}
}

// copy copies the message whose cell had the word w, and reports whether it was there
// still at the end.
func (r *Subscription[T]) copy(v *T, w cellWord) bool {
	t := r.t
	var buf words[T]
	for i := range buf.count() {
		*(*uint64)(unsafe.Add(unsafe.Pointer(&buf), i*8)) = observe((*uint64)(unsafe.Add(t.value(r.pos), i*8)))
	}
	*v = buf.v
	shm.Acquire(unsafe.Pointer(t.word(r.pos)))
	return (t.load(r.pos)^w)&^cellEnd == 0 // SYNC topic-cell
}

// catchUp moves the reader on to the oldest messages that it will not miss at once, and
// returns how many it missed.
func (r *Subscription[T]) catchUp() uint64 {
	t := r.t
	tail, _, _ := t.seekTopic(loadWord(&t.tail))
	behind := t.distance(tail, r.pos)
	n := behind - int64(t.capacity-t.capacity/4)
	if n <= 0 {
		n = 1
	}
	r.pos = t.forward(r.pos, uint64(n))
	return uint64(n)
}

// forward is n positions on, for any n.
func (r *ring) forward(p, n uint64) uint64 {
	return r.add(p+n/r.capacity<<r.idxBits, n%r.capacity)
}

// All yields the messages as they come, until the topic is closed. Of what was missed
// it yields the *MissedError and goes on; any other error is the last.
func (r *Subscription[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, ok, err := r.Next(ctx)
			if !ok && err == nil || !yield(v, err) {
				return
			}
			if _, missed := err.(*MissedError); err != nil && !missed {
				return
			}
		}
	}
}
