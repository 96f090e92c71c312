package engine

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/tutti-run/tutti/sched"
	"github.com/tutti-run/tutti/shm"
)

// Handler runs a task: it reads r's input, does the work, and leaves the
// result. It must not panic.
type Handler func(r *Run)

// Worker takes tasks and runs them. One a worker process.
type Worker struct {
	m        *memory
	slot     int
	block    *slotBlock
	sub      *Submitter
	handlers []Handler // by number; nil where this process lacks the function
	heap     *shm.Heap
	lanes    int
	names    []string // of the pool's functions

	policy  sched.Policy
	rnd     *rand.Rand
	view    view
	looks   int   // find asks the policy for at most so many
	cursors []int // by queue × class
	seen    Word  // the task that find found, when tasks start in order; else 0
	back    bool  // the batch that find found is to be run from its last task on

	tally tally
	free  chan int // lanes that run nothing; several lanes only

	inside exclusion // of what runs in this worker
	labels labels
	top    Caller // what has the worker to itself but for its own calls: the only lane's tasks, one after another

	activeMu sync.Mutex
	active   map[TaskID]func(timedOut bool) // running tasks that asked to be told of their end
	runs     sync.Pool
	left     chan struct{} // closed when the loop has ended
	refused  atomic.Int64  // until then nobody is woken for what is given to those that wait
}

// tally is what a worker counts between two writes to its figures, so that a
// short task costs no atomic operation and no clock. Only the loop counts here.
type tally struct {
	run, stolen uint64
	busySince   int64
	slow        bool // the last task that was timed took long: nobody minds a flush
}

// slowNs is how long a task takes that is flushed by itself, so that the figures
// lag behind by no more than a batch of short tasks.
const slowNs = 1_000_000

func newWorker(m *memory, slot int, policy, subPolicy sched.Policy, handlers []Handler) *Worker {
	w := &Worker{
		m: m, slot: slot, block: &m.slot[slot], sub: newSubmitter(m, slot, subPolicy),
		handlers: handlers, lanes: max(1, int(m.slot[slot].lanes)),
		policy: policy, rnd: rand.New(rand.NewPCG(uint64(slot)<<32, m.slot[slot].epoch.Load())), view: view{m},
		looks:   sched.LooksMax(m.Slots - 1),
		cursors: make([]int, m.Slots*sched.Classes),
		active:  map[TaskID]func(bool){},
		left:    make(chan struct{}),
	}
	w.heap = w.sub.heap
	w.sub.worker = w
	w.top.below = &w.inside
	w.labels.give(&w.top)
	w.runs.New = func() any { return &Run{w: w} }
	return w
}

// loop takes and runs tasks one after another until the worker is to leave.
func (w *Worker) loop() {
	r := &Run{w: w, single: true}
	r.caller.Store(&w.top)
	ended := false
	defer func() {
		if !ended {
			w.revive(r) // the task called runtime.Goexit
		}
	}()
	for {
		leaf, batch := w.next(batchMax)
		if batch == 0 {
			break
		}
		w.hasTaken()
		for batch != 0 && !w.leaving() {
			bit := bits.TrailingZeros64(batch)
			if w.back {
				bit = bits.Len64(batch) - 1
			}
			batch &^= 1 << bit
			w.runOne(r, uint32(leaf<<6+bit))
			if w.tally.slow {
				w.flush(false)
			}
		}
		w.block.batchBits.Store(0)
		w.flush(false)
	}
	w.flush(true)
	ended = true
	close(w.left)
}

// hasTaken says, once, that this worker has something to do, for which others may wait
// that have not been started.
func (w *Worker) hasTaken() {
	if w.block.taken.Load() == 0 {
		w.block.taken.Store(1)
		w.m.ringSupervisor()
	}
}

// revive goes on after a task ended the loop's goroutine: its result stands, what
// is left of the batch is put back, and a new goroutine takes over.
func (w *Worker) revive(r *Run) {
	r.Close()
	w.block.stats.until.Store(0)
	if left := w.block.batchBits.Load(); left != 0 {
		w.m.queue[w.slot][normalClass].add(int(w.block.batchLeaf.Load()), left)
		w.block.batchBits.Store(0)
	}
	go w.loop()
}

// publish says which tasks this worker has taken and not begun, so that idle
// ones can take them from it, and recovery knows them.
func (w *Worker) publish(leaf int, batch uint64) {
	w.block.batchLeaf.Store(uint32(leaf))
	w.block.batchBits.Store(batch)
}

// batchMax bounds the hints taken at once; a policy may ask for fewer.
const batchMax = 64

// next returns hints of at most most tasks to run, or 0 when the worker is to
// leave. It sleeps while there are none.
func (w *Worker) next(most int) (leaf int, batch uint64) {
	if w.leaving() {
		return 0, 0
	}
	if leaf, batch = w.find(most); batch == 0 {
		w.flush(true)
		w.sub.tidy()
		w.sub.giveBack()
		found := func() bool { leaf, batch = w.find(most); return batch != 0 || w.leaving() }
		w.lookBegins()
		if !spinUntil(w.m.head.spinNs, found) && !yieldUntil(found) {
			w.park(found)
		}
		w.lookEnds()
	}
	if batch != 0 && w.tally.busySince == 0 {
		w.tally.busySince = now()
		w.block.stats.busySince.Store(w.tally.busySince)
	}
	return leaf, batch
}

// park sleeps until found holds.
func (w *Worker) park(found func() bool) {
	word, bit := w.m.sleepers(w.slot), uint64(1)<<(w.slot&63)
	for {
		bell := w.block.park.Load()
		word.Or(bit) // SYNC park: announce, look again, sleep
		if found() {
			word.And(^bit)
			return
		}
		shm.Wait(addr(&w.block.park), bell, 0)
		word.And(^bit)
		w.sub.tidy()
		if found() {
			return
		}
	}
}

func (w *Worker) leaving() bool { return w.block.stop.Load() != 0 }

// find asks the policy where to look until something is found, the higher
// classes in all places first. What is taken is published.
//
// What was taken from another worker is run from its end: where a task of that worker
// waits for it, it runs the same tasks from their beginning, and the two meet. In the
// same order it would find each running here when it comes to it, and run none.
func (w *Worker) find(most int) (leaf int, batch uint64) {
	if w.m.Assigned {
		return w.takeGiven(most)
	}
	used := w.m.head.classes.Load()
	for c := range sched.Classes {
		if c != normalClass && used&(1<<c) == 0 {
			continue
		}
		for look := range w.looks {
			take, ok := w.policy.Look(w.view, sched.Slot(w.slot), look, w.rnd)
			if !ok {
				break
			}
			if take.From < 0 || int(take.From) >= w.m.Slots {
				continue
			}
			q := int(take.From)
			if leaf, batch = w.takeFrom(q, c, take, most); batch != 0 {
				at(PointTaken)
				w.publish(leaf, batch)
				at(PointBatched)
				if w.back = q != w.slot && q != 0; w.back {
					w.tally.stolen += uint64(bits.OnesCount64(batch))
				}
				w.passOn(q, c)
				return leaf, batch
			}
		}
	}
	return 0, 0
}

// takeFrom takes what there is to be had for a look.
func (w *Worker) takeFrom(q, c int, take sched.Take, most int) (leaf int, batch uint64) {
	cursor := &w.cursors[q*sched.Classes+c]
	switch {
	case w.m.head.inOrder != 0:
		leaf, batch, w.seen = w.oldest(q, c)
		return leaf, batch
	case take.Ranked:
		leaf, batch = w.m.takeLowest(&w.m.queue[q][c], take.Least, cursor)
	default:
		leaf, batch = w.m.queue[q][c].take(cursor, max(1, min(take.Max, most)), take.Half)
	}
	if batch == 0 && q != w.slot && q != 0 {
		leaf, batch = w.rob(q, c)
	}
	return leaf, batch
}

// passOn wakes another worker when there is more to take where this one took:
// so one wake-up by the submitter becomes as many as there is work for.
func (w *Worker) passOn(q, class int) {
	if w.m.anySleeping() && (w.m.queue[q][class].sums[0].Load() != 0 || bits.OnesCount64(w.block.batchBits.Load()) > 1) {
		w.m.wakeAny()
	}
}

// rob finds a task that another worker has taken but not begun: the last of its
// batch, which it would reach last, or next where it runs that from its end.
func (w *Worker) rob(victim, class int) (leaf int, batch uint64) {
	b := &w.m.slot[victim]
	leaf = int(b.batchLeaf.Load())
	if leaf<<6 >= w.m.Geometry.Tasks {
		return 0, 0
	}
	for set := b.batchBits.Load(); set != 0; {
		bit := uint64(1) << (bits.Len64(set) - 1)
		i := uint32(leaf<<6 + bits.TrailingZeros64(bit))
		if Word(w.m.words[i].Load()).state() == Queued && w.m.descs[i].class() == class {
			return leaf, bit
		}
		set &^= bit
	}
	return 0, 0
}

// runOne runs a task if the hint is good.
func (w *Worker) runOne(r *Run, index uint32) {
	word, ok := w.m.begin(index, w.slot, w.seen)
	if !ok {
		return
	}
	at(PointBegun)
	w.m.begun(index)
	setLabels(w.top.label.raw) // the task before it may have left others, or none
	w.perform(r, index, word)
}

// perform runs a task that was begun, and ends it.
func (w *Worker) perform(r *Run, index uint32, word Word) {
	d := &w.m.descs[index]
	r.index, r.word, r.desc, r.cell = index, word, d, w.m.cellOf(w.slot, index)
	r.closed, r.before = false, 0
	if w.m.head.findings.Load() != 0 && d.parent.Load() != 0 && w.settle(r) {
		r.Close()
		return
	}
	if d.timeoutNs != 0 {
		w.startTimer(d)
	}
	stamp, began := d.stampNs, int64(0)
	if stamp != 0 {
		began = now()
		if ns := d.expectedNs.Load(); ns != 0 { // whoever looks at it has all tasks stamped
			w.block.stats.until.Store(began + ns)
		}
	}
	if fn := int(d.fn); fn < len(w.handlers) && w.handlers[fn] != nil {
		w.handlers[fn](r)
	} else {
		r.cell.head(uint32(KindUnknown), 0)
	}
	if stamp != 0 {
		ended := now()
		w.block.stats.sample(stamp, began, ended)
		w.block.stats.until.Store(0)
		if r.single {
			w.tally.slow = ended-began > slowNs
		}
	}
	r.Close()
}

// startTimer records when the task must be over, and tells the supervisor when
// that is before it would look by itself.
func (w *Worker) startTimer(d *descriptor) {
	until := now() + d.timeoutNs
	if until < 0 {
		until = math.MaxInt64 // as good as never
	}
	d.deadlineNs.Store(until) // SYNC deadline: pairs with supervisor.scan
	if until < w.m.head.nextWake.Load() {
		w.m.ringSupervisor()
	}
}

// flush adds what was counted to the figures; idle closes the busy spell.
func (w *Worker) flush(idle bool) {
	st := &w.block.stats
	if w.tally.run != 0 {
		st.run.Add(w.tally.run)
		w.tally.run = 0
	}
	if w.tally.stolen != 0 {
		st.stolen.Add(w.tally.stolen)
		w.tally.stolen = 0
	}
	if idle && w.tally.busySince != 0 {
		st.busyNs.Add(now() - w.tally.busySince)
		st.busySince.Store(0)
		w.tally.busySince = 0
	}
}

// Run is a task being run: what its handler needs. It is reused: it serves no
// longer than the handler's call.
type Run struct {
	w      *Worker
	index  uint32
	word   Word
	desc   *descriptor
	cell   *cell
	lane   int
	before int  // attempts of this call that died with its caller
	single bool // the loop's own: nobody else counts at the same time
	caller atomic.Pointer[Caller]
	closed bool

	Local any // the handler's own, kept from one task of this Run to the next
}

// ID names the task.
func (r *Run) ID() TaskID { return taskID(r.index, r.word) }

// Attempt counts from 1.
func (r *Run) Attempt() int { return r.word.attempt() + r.before }

// Worker is the slot of this process.
func (r *Run) Worker() int { return r.w.slot }

// Lane is the number, unique in the pool, of the place that runs the task: from
// 0 to the number of tasks that run at once, less one.
func (r *Run) Lane() int { return int(r.w.block.lane0) + r.lane }

// Submitter is this process's door for tasks that the task submits.
func (r *Run) Submitter() *Submitter { return r.w.sub }

// RemainingNs is what is left of the task's time limit; false when it has none.
func (r *Run) RemainingNs() (int64, bool) {
	if r.desc.timeoutNs == 0 {
		return 0, false
	}
	return r.desc.deadlineNs.Load() - now(), true
}

// Input is the task's input in shared memory, for reading only.
func (r *Run) Input() (unsafe.Pointer, int, error) { return r.w.m.input(r.index) }

// PlainInput returns the n bytes of an input that lies in its descriptor; nil
// when it has another size.
func (r *Run) PlainInput(n int) unsafe.Pointer {
	if n > inlineIn || int(r.desc.inLen) != n || r.desc.flags&flagInExtern != 0 {
		return nil
	}
	if n <= shortMax {
		return unsafe.Pointer(&r.w.m.ins[r.index])
	}
	return unsafe.Pointer(&r.desc.in)
}

// PlainOutput returns room for a value of n bytes that fits a cell; nil when it
// does not.
func (r *Run) PlainOutput(n int) unsafe.Pointer {
	if n > inlineOut {
		return nil
	}
	r.cell.head(uint32(KindValue), n)
	return r.w.m.room(r.w.slot, r.index, n)
}

// Output returns room for a result of n bytes and records its kind. It is
// memory that only this worker writes.
func (r *Run) Output(kind Kind, n int) (unsafe.Pointer, error) {
	c := r.cell
	if n <= inlineOut {
		c.head(uint32(kind), n)
		return r.w.m.room(r.w.slot, r.index, n), nil
	}
	ref, err := shm.Ref(0), fmt.Errorf("a result of %d bytes: %w", n, shm.ErrFull)
	if n <= largestValue {
		ref, err = r.w.heap.Alloc(n)
	}
	if err != nil {
		c.head(uint32(KindNoMemory), 0)
		return nil, err
	}
	b, err := r.w.m.arena.Bytes(ref, n)
	if err != nil {
		return nil, err
	}
	*c.ref() = ref
	c.head(uint32(kind)|kindExtern, n)
	return unsafe.Pointer(unsafe.SliceData(b)), nil
}

// CancelAsked reports whether a task of this worker is asked to end, and whether
// its time limit is the reason.
func (r *Run) CancelAsked(id TaskID) (asked, timedOut bool) { return r.w.cancelAsked(id) }

// Names are the functions of the pool by number.
func (r *Run) Names() []string { return r.w.names }

// OnCancel has f called once when the task is asked to end; Forget takes it back.
func (r *Run) OnCancel(id TaskID, f func(timedOut bool)) { r.w.onCancel(id, f) }

// Close ends the task with the result that was left. The handler's caller does
// it; once is enough.
func (r *Run) Close() {
	if r.closed || r.desc == nil {
		return
	}
	r.closed = true
	w := r.w
	at(PointReturned)
	word, submitter, ok := w.m.end(r.index, r.word, Done)
	if r.single {
		w.tally.run++
	} else {
		w.block.stats.run.Add(1)
	}
	if ok {
		at(PointEnded)
		if word.has(flagWaited) {
			w.m.tell(r.index, submitter)
		}
	}
}
