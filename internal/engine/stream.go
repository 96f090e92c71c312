package engine

import (
	"sync"
	"sync/atomic"
	"time"
)

// Stream submits many tasks of one kind and collects their results, in the
// order of submission or of their ends, in constant memory. Two goroutines use
// it: the feeder calls Room, Input, Submit and Fed; the collector calls Next,
// Result, Advance and Stop.
//
// It holds up to a window of descriptors for its own use and reuses each as
// soon as its result was collected, so that a task costs no allocation, no free
// list and one atomic store on the submitter's side. It has no more of them than
// were ever in flight at once.
//
//	0 ≤ reused ≤ head ≤ tail ≤ head + window
//	[head, tail)    submitted, not collected       the collector moves head
//	[reused, head)  collected: the descriptors of these are used next
type Stream struct {
	s       *Submitter
	spec    Spec
	flags   uint16 // what all its descriptors have in common
	ordered bool
	single  bool // tasks are placed one by one; only the feeder looks at spec.Hints then

	ring   []atomic.Uint32 // descriptors by position mod its length; the feeder writes
	reused int64           // positions below have had their descriptors used again; the feeder's
	lots   []uint32        // all descriptors that it has; the feeder's
	lent   []uint32        // taken from the table and not used yet; the feeder's

	pendLeaf int
	pendBits uint64      // submitted, not hinted; the feeder's, like what follows
	pending  int         // submitted since a worker was last woken for it
	queue    int         // of the last flush
	flushed  int64       // when that was
	armed    atomic.Bool // the timer will look
	timer    *time.Timer
	noticing sync.Mutex

	// The feeder's line. It looks at head only when the window seems full.
	_        [64]byte
	tail     atomic.Int64
	headSeen int64
	most     int64 // in flight, for the sake of their results' bytes

	// The collector's line. It looks at tail only when all it knows of is
	// collected, and moves head in steps.
	_        [64]byte
	head     atomic.Int64
	next     int64 // what head will be
	tailSeen int64
	largest  atomic.Int64 // bytes of the largest result so far that lay in the arena

	// Seldom written.
	_       [64]byte
	window  atomic.Int64
	fast    atomic.Bool  // the feeder is: see Submit
	wakeAt  atomic.Int64 // position whose end the collector waits for; -1 none
	fed     atomic.Bool  // no more will be submitted
	feedErr error        // why, before fed; nil at the end of the input
	starved atomic.Bool  // the feeder waits for room
	hungry  atomic.Bool  // the collector waits for the feeder
	stopped atomic.Bool
	parties atomic.Int32
	room    chan struct{} // one element: head has moved
	more    chan struct{} // one element: tail has moved, or fed, or a task arrived

	mu      sync.Mutex // by order of ends only, what follows
	ready   []uint32
	unused  []uint32
	round   *round           // in place of unused, where tasks start in order
	number  map[uint32]int64 // position by descriptor
	current uint32

	rejects map[uint32]error // by descriptor; with mu
}

// lot is the most tasks that are published together.
const lot = 32

// NewStream returns a stream of tasks like spec with a window of at most
// window tasks.
func (s *Submitter) NewStream(spec Spec, window int, ordered bool) *Stream {
	st := &Stream{s: s, spec: spec, ordered: ordered, pendLeaf: -1,
		room: make(chan struct{}, 1), more: make(chan struct{}, 1)}
	window = max(1, min(window, s.Tasks()/4))
	st.ring = make([]atomic.Uint32, window)
	st.window.Store(int64(window))
	st.wakeAt.Store(-1)
	st.most = int64(window)
	if spec.Bulky {
		st.most = lot
	}
	st.parties.Store(2)
	st.single = spec.Each || !s.lots
	if !ordered {
		st.number = map[uint32]int64{}
		if s.m.head.inOrder != 0 {
			st.round = &round{free: make([]uint64, (s.m.Geometry.Tasks+63)/64)}
		}
	}
	return st
}

// Reserve takes the stream's first descriptor, so that Room will never have to
// wait for another's; false when there is none.
func (st *Stream) Reserve() bool {
	i, ok := st.s.TryAcquire()
	if ok {
		st.lent = append([]uint32{i}, st.lent...)
	}
	return ok
}

// signal puts a token into a channel of one element.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Stop ends the stream: what has not ended is cancelled. The feeder learns of it
// at its next Room; one that is blocked in its input stays there until then.
func (st *Stream) Stop() {
	st.stopped.Store(true)
	signal(st.room)
	st.leave()
}

// leave gives the descriptors back when feeder and collector are both done.
func (st *Stream) leave() {
	if st.parties.Add(-1) != 0 {
		return
	}
	if st.timer != nil {
		st.timer.Stop()
		st.noticing.Lock() // it may be looking just now
		defer st.noticing.Unlock()
	}
	for _, i := range st.lent {
		st.s.Unacquire(i)
	}
	for _, i := range st.lots {
		w := Word(st.s.m.words[i].Load())
		st.s.waiters[i].Store(nil)
		switch w.state() {
		case Queued, Running:
			st.s.Abandon(taskID(i, w))
		case Writing:
			st.s.Unacquire(i)
		default:
			st.s.clear(i)
			st.s.keepOrFree(i)
		}
	}
}
