package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/sched"
	"github.com/tutti-run/tutti/shm"
)

// Errors of submission and collection.
var (
	ErrClosed   = errors.New("tutti: the pool is closed")
	ErrFull     = errors.New("tutti: the pool is full")
	ErrTooLarge = errors.New("tutti: the input is larger than the pool's memory can hold")
	errDamaged  = errors.New("engine: damaged descriptor in shared memory")
)

// Spec is what a task is, beside its input.
type Spec struct {
	Fn          uint32
	AtMostOnce  bool // a crash is the end of it
	Contained   bool // it cannot harm its worker, which may run others beside it
	MaxAttempts int  // 0 is DefaultAttempts
	TimeoutNs   int64
	Affinity    int
	Parent      TaskID
	Caller      *Caller // Parent, for what it waits for; nil outside of tasks
	Bulky       bool    // results may not fit a cell: streams bound their bytes, too
	Each        bool    // each task of a stream has Hints of its own, see Stream.Hint
	Hints
}

// Hints are what a policy may go by.
type Hints struct {
	Priority   int
	ExpectedNs int64
	DeadlineNs int64 // on the pool's clock, see Now
	Locality   uint64
}

// Now is the pool's clock.
func Now() int64 { return now() }

// DefaultAttempts is how often a task is begun before its crashes are its own.
const DefaultAttempts = 3

// Submitter is a process's door to the table: it fills descriptors, waits for
// their ends and collects the results. It serves all goroutines of the process.
type Submitter struct {
	m    *memory
	slot int
	heap *shm.Heap

	policyMu sync.Mutex
	policy   sched.Policy
	rnd      *rand.Rand
	view     view
	lots     bool // the policy is asked once for many tasks; else for each, and ranks are kept

	freeMu     sync.Mutex
	cache      []uint32 // descriptors that are WRITING for us and unused
	cacheMax   int      // of these; all processes together keep a quarter of the table at most
	freeCursor int
	inputBytes atomic.Int64 // of our inputs in the arena
	budget     int64        // inputBytes at most

	waiters   []atomic.Pointer[waiter]
	lead      chan struct{} // holds the token of who reads the ended set
	endCursor int           // the leader's
	hungryMu  sync.Mutex
	hungry    map[chan struct{}]bool // who waits for room
	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error

	worker *Worker // in a worker process: runs what it waits for
}

func newSubmitter(m *memory, slot int, policy sched.Policy) *Submitter {
	s := &Submitter{
		m: m, slot: slot, heap: m.arena.Heap(uint16(slot)),
		policy: policy, rnd: rand.New(rand.NewPCG(uint64(slot), uint64(now()))),
		view: view{m}, lots: sched.InLots(policy),
		waiters: make([]atomic.Pointer[waiter], m.Geometry.Tasks),
		lead:    make(chan struct{}, 1), closing: make(chan struct{}), hungry: map[chan struct{}]bool{},
		cacheMax: min(64, m.Geometry.Tasks/(4*m.Slots)),
		budget:   int64(m.Spans) * shm.SpanBytes / 4,
	}
	s.lead <- struct{}{}
	return s
}

// close makes every present and later wait return err.
func (s *Submitter) close(err error) {
	s.closeOnce.Do(func() {
		s.closeErr = err
		close(s.closing)
		s.m.ringDone(s.slot)
	})
}

// Err returns why the pool is closed, nil while it is open.
func (s *Submitter) Err() error {
	select {
	case <-s.closing:
		return s.closeErr
	default:
		return nil
	}
}

// Tasks returns the size of the table, without the reserve.
func (s *Submitter) Tasks() int { return s.m.Geometry.Tasks }

// TryAcquire returns a descriptor of ours to fill, if there is one.
func (s *Submitter) TryAcquire() (uint32, bool) {
	s.freeMu.Lock()
	defer s.freeMu.Unlock()
	if len(s.cache) == 0 && !s.refillLocked() {
		return 0, false
	}
	i := s.cache[len(s.cache)-1]
	s.cache = s.cache[:len(s.cache)-1]
	return i, true
}

// refillLocked takes some free descriptors of one leaf.
func (s *Submitter) refillLocked() bool {
	for {
		leaf, taken := s.m.free.take(&s.freeCursor, max(1, s.cacheMax/2), true)
		if taken == 0 {
			return len(s.cache) > 0
		}
		each(leaf, taken, func(i uint32) {
			if s.m.writing(i, s.slot) {
				s.cache = append(s.cache, i)
			}
		})
		at(PointAcquired)
		if len(s.cache) > 0 {
			return true
		}
	}
}

// Acquire returns a descriptor to fill; it waits for one.
func (s *Submitter) Acquire(ctx context.Context) (uint32, error) {
	s.tidy()
	if i, ok := s.TryAcquire(); ok {
		return i, s.Err()
	}
	var index uint32
	err := s.hungryUntil(ctx, func() (ok bool) {
		index, ok = s.TryAcquire()
		return ok
	})
	return index, err
}

// tidy releases abandoned tasks that have ended, unless a leader is at it.
func (s *Submitter) tidy() {
	select {
	case <-s.lead:
		s.drain()
		s.lead <- struct{}{}
	default:
	}
}

// giveBack frees the descriptors that this process keeps for its next tasks.
func (s *Submitter) giveBack() {
	s.freeMu.Lock()
	cache := s.cache
	s.cache = nil
	s.freeMu.Unlock()
	for _, i := range cache {
		s.m.freed(i)
	}
}

// harvest collects finished futures that nobody has asked for yet, so that
// their descriptors serve others, and asks to be told of the rest.
func (s *Submitter) harvest() {
	for i := range s.waiters {
		if w := s.waiters[i].Load(); w != nil && w.future != nil {
			w.future.harvest()
		}
	}
}

// Quiesce waits until every task that this process has submitted has ended, and then
// collects the futures, so that nobody needs the pool's memory for their results. The
// caller sees to it that no more are submitted.
func (s *Submitter) Quiesce(ctx context.Context) error {
	err := s.leadUntil(ctx, nil, func() bool {
		for i := range s.m.Geometry.Tasks {
			w := Word(s.m.words[i].Load())
			if st := w.state(); st != Queued && st != Running || s.m.descs[i].submitter() != s.slot {
				continue
			}
			if _, open := s.m.flag(uint32(i), w.gen(), flagWaited); open { // to be told of its end
				return false
			}
		}
		return true
	})
	if err == nil {
		s.harvest()
	}
	return err
}

// Unacquire gives back a descriptor that was not submitted.
func (s *Submitter) Unacquire(index uint32) {
	s.m.freeInput(index, s.slot)
	s.keepOrFree(index)
}

// keepOrFree puts a descriptor that has ended, or is WRITING, to its next use.
func (s *Submitter) keepOrFree(index uint32) {
	w := Word(s.m.words[index].Load())
	s.freeMu.Lock()
	if len(s.cache) < s.cacheMax {
		if w.state() != Writing {
			s.m.words[index].Store(uint64(w.fresh(Writing, s.slot))) // ended words are ours
		}
		s.cache = append(s.cache, index)
		s.freeMu.Unlock()
		s.m.ringStarving() // our own waiters take it from the cache
		return
	}
	s.freeMu.Unlock()
	s.m.freed(index)
}

// cautions are those of the task, see descriptor.
func (t *Spec) cautions() (c uint32) {
	if t.AtMostOnce && !t.Contained {
		c |= cautionAlone
	}
	if t.TimeoutNs != 0 || t.AtMostOnce || t.MaxAttempts > 0 && t.MaxAttempts < DefaultAttempts {
		c |= cautionRisky
	}
	return c
}

// fill writes what a descriptor says of its task beside the input.
func (s *Submitter) fill(index uint32, t *Spec) {
	d := &s.m.descs[index]
	d.fn = t.Fn
	d.setOrigin(s.slot, normalClass)
	if d.parent.Load() != uint64(t.Parent) {
		d.parent.Store(uint64(t.Parent))
	}
	d.flags &= flagInExtern
	if t.AtMostOnce {
		d.flags |= flagAtMostOnce
	}
	if t.Contained {
		d.flags |= flagContained
	}
	d.maxAttempts = DefaultAttempts
	if t.MaxAttempts > 0 {
		d.maxAttempts = uint8(min(t.MaxAttempts, MaxAttempts))
	}
	d.returned = 0
	d.timeoutNs = t.TimeoutNs
	if c := t.cautions(); d.cautions.Load() != c {
		d.cautions.Store(c)
	}
	if d.deadlineNs.Load() != 0 {
		d.deadlineNs.Store(0)
	}
	d.affinity = uint32(t.Affinity)
	if d.expectedNs.Load() != t.ExpectedNs {
		d.expectedNs.Store(t.ExpectedNs)
	}
	d.stampNs = 0
}

// place asks the policy where a task that is submitted at that time is to wait.
func (s *Submitter) place(t *Spec, submitted int64) (queue int, rank int64) {
	if s.m.Assigned {
		return 0, 0 // the assigner asks
	}
	task := s.task(t, submitted)
	s.policyMu.Lock()
	defer s.policyMu.Unlock() // a policy of the user's may panic
	queue = int(s.policy.Place(s.view, task, s.rnd))
	rank = s.policy.Rank(task)
	if queue < 0 || queue >= s.m.Slots {
		queue = s.slot
	}
	return queue, rank
}

// task is what a policy may know of a task.
func (s *Submitter) task(t *Spec, submitted int64) sched.Task {
	return sched.Task{
		Submitter: sched.Slot(s.slot), Priority: t.Priority, Affinity: sched.Slot(t.Affinity),
		Submitted: submitted, Deadline: t.DeadlineNs, Expected: t.ExpectedNs, Locality: t.Locality,
	}
}

// decide writes what a descriptor says of its task's place, and returns that.
func (s *Submitter) decide(index uint32, t *Spec) (queue, class int) {
	d := &s.m.descs[index]
	d.stampNs = now()
	queue, rank := s.place(t, d.stampNs)
	class = sched.Class(rank)
	d.setOrigin(s.slot, class)
	switch {
	case s.m.Assigned:
		s.m.orders[index].write(t, d.stampNs)
	case !s.lots:
		s.m.ranks[index].Store(rank)
	}
	return queue, class
}

// Submit makes a filled descriptor's task visible to the workers.
func (s *Submitter) Submit(index uint32, t *Spec) TaskID {
	s.fill(index, t)
	queue, class := s.decide(index, t)
	at(PointFilled)
	w := s.m.queued(index, 0)
	at(PointQueued)
	s.hint(queue, class, int(index>>6), 1<<(index&63))
	return taskID(index, w)
}

// hint puts tasks of one leaf into a queue and wakes a worker for them.
func (s *Submitter) hint(queue, class, leaf int, set uint64) {
	s.m.note(class)
	s.m.queue[queue][class].add(leaf, set)
	at(PointHinted)
	if s.m.anySleeping() {
		s.m.wakeFor(queue)
	}
	at(PointWoken)
}

// note records that a class is in use: workers look for the normal one alone
// until then.
func (m *memory) note(class int) {
	if class != normalClass {
		m.head.classes.Or(1 << class)
	}
}

// normalClass is the class of tasks without a rank of their own.
var normalClass = sched.Class(0)

// Result reads a task that has ended; see Wait.
func (s *Submitter) Result(index uint32) (Result, error) {
	w, ok := s.m.hasEnded(index)
	if !ok {
		return Result{}, errDamaged
	}
	return s.m.result(index, w)
}

// Plain returns the n bytes of a small value; see Stream.Plain.
func (s *Submitter) Plain(index uint32, n int) unsafe.Pointer { return s.m.plainResult(index, n) }

// Release ends the use of a task that has ended and whose result was read.
func (s *Submitter) Release(index uint32) {
	at(PointRead)
	s.clear(index)
	s.keepOrFree(index)
}

// clear frees what an ended task has in the arena.
func (s *Submitter) clear(index uint32) {
	w := Word(s.m.words[index].Load())
	d := &s.m.descs[index]
	if d.flags&flagInExtern != 0 {
		if d.flags&flagOrphan == 0 { // an orphan's was another process's
			s.inputBytes.Add(-int64(d.inLen))
		}
		s.m.freeInput(index, s.slot)
		s.m.ringStarving()
	}
	s.m.freeResult(index, w, s.slot)
}

// Cancel asks a task to end: one that waits ends at once, one that runs has its
// context cancelled and is then ended by force (see core.Stop).
func (s *Submitter) Cancel(id TaskID) {
	i, gen := id.index(), id.gen()
	if s.m.cancelQueued(i, gen) {
		s.m.tell(i, s.slot)
		return
	}
	if w, ok := s.m.flag(i, gen, flagCancel); ok {
		if w.state() == Running {
			s.m.ringControl(w.owner())
		}
		s.m.ringSupervisor()
	}
}

// Abandon cancels a task that nobody will collect; it is released when it has
// ended.
func (s *Submitter) Abandon(id TaskID) {
	i, gen := id.index(), id.gen()
	if s.m.cancelQueued(i, gen) {
		s.waiters[i].Store(nil)
		s.Release(i)
		return
	}
	s.waiters[i].Store(&waiter{orphan: true})
	if _, running := s.m.flag(i, gen, flagWaited); !running {
		s.releaseOrphan(i)
		return
	}
	s.Cancel(id)
}

// releaseOrphan releases an abandoned task once, however many saw its end.
func (s *Submitter) releaseOrphan(index uint32) {
	if w := s.waiters[index].Load(); w != nil && w.orphan && s.waiters[index].CompareAndSwap(w, nil) {
		s.Release(index)
	}
}

// Workers returns the number of worker slots.
func (s *Submitter) Workers() int { return s.m.Slots - 1 }

// Stats reads the pool's figures.
func (s *Submitter) Stats() Stats { return s.m.stats() }

// PoolID tells pools apart, in all their processes.
func (s *Submitter) PoolID() uint64 { return s.m.head.id }

// Extra is the part of the segment of Config.Extra bytes, at first zeros without
// memory behind them. It begins at a multiple of shm.SpanBytes.
func (s *Submitter) Extra() (*shm.Segment, error) {
	return s.m.seg.Part(s.m.layout.extra, s.m.Geometry.Extra)
}

// wipePunched is the size from which memory is zeroed by giving it back to the
// system and taking it again, which touches no page.
const wipePunched = 1 << 20

// Alloc takes n zeroed bytes that all processes of the pool see.
func (s *Submitter) Alloc(n int) (shm.Ref, error) {
	ref, err := s.heap.Alloc(max(n, 1))
	if err != nil {
		return 0, err
	}
	if n >= wipePunched {
		size := roundUp(int64(n), pageBytes)
		if err = s.m.seg.Release(int64(ref), size); err == nil {
			err = s.m.seg.Commit(int64(ref), size)
		}
	} else {
		var b []byte
		b, err = s.m.arena.Bytes(ref, n)
		clear(b)
	}
	if err != nil {
		_ = s.m.arena.Free(uint16(s.slot), ref)
		return 0, err
	}
	return ref, nil
}

// Memory returns the n bytes at ref; an error when they are not allocated.
func (s *Submitter) Memory(ref shm.Ref, n int) ([]byte, error) { return s.m.arena.Bytes(ref, n) }

// FreeMemory gives back what Alloc gave.
func (s *Submitter) FreeMemory(ref shm.Ref) error { return s.m.arena.Free(uint16(s.slot), ref) }
