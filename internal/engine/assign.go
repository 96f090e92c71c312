package engine

import (
	"math/bits"
	"math/rand/v2"
	"sync/atomic"

	"github.com/tutti-run/tutti/sched"
	"github.com/tutti-run/tutti/shm"
)

// AMP: the master alone assigns. Where a hint is, and who moves it on:
//
//	inbox (queue 0)      by the submitter        the task is QUEUED, nobody has decided
//	a policy's queue     by the assigner         in the master's own memory
//	a worker's box       by the assigner         its queue, which no other worker looks at
//	its published batch  by the worker           as in SMP
//
// The word says what it says in SMP: the task stays QUEUED until the worker begins it,
// by the same CAS. So a hint in two places does no harm, and one that is lost is set
// again in the inbox: by recovery when a worker dies (what was in its box, or in hand),
// and by whoever waits for the task when a worker is stopped (rehint, hintAgain). The master's death is the
// pool's, as ever.
//
// The assigner is the master's goroutine that asks the policy, with one value for all:
// Place when a task comes, and Look in the place of each worker that asks. Before each
// look it empties the inbox, so that no task that is there is passed over: the order is
// exact. A worker asks when its box is empty and it has nothing in hand, and is given one
// task; under policies that place lots it asks as soon as the box is empty, and is given
// a batch ahead, which saves it the way to the master.
//
// asking, one bit a worker, is set by the worker and then it looks again; the assigner
// fills the box, clears the bit, and then wakes the worker if that sleeps. So either the
// worker sees the task, or the clear bit, and asks again.
//
// A worker whose lanes all wait for others (given.go) asks for nothing; its loop is
// elsewhere. It is a waiting one by a count of its sleeping goroutines, unless its loop
// looks for work. The assigner sees that in each pass, and
//
//	begins to wait    what it has not begun is placed anew: box, batch, policy's queue
//	waits             is given a task, one at a time, if all who may run it wait as well
//	waits no more     takes the box back itself; the assigner, which may have filled it
//	                  meanwhile, looks at the count after that and takes it back, too
//	dies              its count is cleared, and its box is swept, with all else
//
// The count moves first and the box is looked at then; the assigner does it the other
// way round, so that nothing is left in the box of one that does not wait. Each wait
// that begins wakes the assigner, and so does one that ends if the loop had asked before:
// it may have been passed over. Tasks lie at workers that wait or are dead only while
// nobody of their kind takes any; as soon as somebody may, they are placed anew.
//
// A task may only go to groups that take its function. Queues are kept apart by kind,
// the set of groups, so that no look has to pass over others' tasks; Up tells a policy
// whom it can place a task with.

// assigner belongs to one goroutine, but for dead, queue and stop.
type assigner struct {
	m        *memory
	policy   sched.Policy
	rnd      *rand.Rand
	view     givenView
	kinds    []uint64 // sets of groups
	kindOf   []uint8  // by function
	queue    []hints  // slots × classes × kinds
	cursors  []int    // by queue
	class    []uint8  // by task
	used     [sched.Classes]bool
	heard    int        // cursor of the inbox
	turn     int        // the worker that was served last
	shift    int        // the kind that comes first
	standing []standing // by slot

	refuse func(index uint32, w Word) // ends a task that no group takes any more
	dead   atomic.Uint64              // groups that have no workers any more; the supervisor
	stop   atomic.Bool
	done   chan struct{}
}

// groupsMax bounds the groups of a pool: bits in a set of them.
const groupsMax = 64

func newAssigner(m *memory, policy sched.Policy, refuse func(uint32, Word)) *assigner {
	a := &assigner{
		m: m, policy: policy, rnd: rand.New(rand.NewPCG(2, uint64(now()))), refuse: refuse,
		kindOf: make([]uint8, len(m.takers)), class: make([]uint8, m.Geometry.Tasks),
		standing: make([]standing, m.Slots), done: make(chan struct{}),
	}
	seen := map[uint64]uint8{}
	for fn, set := range m.takers[:max(1, m.head.funcs)] {
		if _, ok := seen[set]; !ok {
			seen[set] = uint8(len(a.kinds))
			a.kinds = append(a.kinds, set)
		}
		a.kindOf[fn] = seen[set]
	}
	a.queue = make([]hints, m.Slots*sched.Classes*len(a.kinds))
	a.cursors = make([]int, len(a.queue))
	sums, leaves := hintWords(m.Geometry.Tasks)
	for i := range a.queue {
		a.queue[i] = hints{make([]atomic.Uint64, sums), make([]atomic.Uint64, leaves)}
	}
	a.view = givenView{view: view{m}, a: a, kind: -1}
	return a
}

// run assigns until the pool is closed.
func (a *assigner) run() {
	defer close(a.done)
	b, word := &a.m.slot[0], a.m.sleepers(0)
	for !a.stop.Load() {
		if a.pass() || yieldUntil(a.pass) {
			continue
		}
		bell := b.park.Load()
		word.Or(1) // SYNC park: announce, look again, sleep
		if !a.stop.Load() && !a.pass() {
			shm.Wait(addr(&b.park), bell, 0)
		}
		word.And(^uint64(1))
	}
}

// close ends run.
func (a *assigner) close() {
	a.stop.Store(true)
	a.m.slot[0].park.Add(1)
	shm.Wake(addr(&a.m.slot[0].park), 1)
	<-a.done
}

// pass does what there is to do, and reports whether there was something.
func (a *assigner) pass() (done bool) {
	a.recall()
	for {
		done = a.hear() || done
		if !a.give() {
			return done
		}
		done = true
	}
}

// hear places what the inbox holds.
func (a *assigner) hear() (any bool) {
	for {
		leaf, set := a.m.inbox().take(&a.heard, 64, false)
		if set == 0 {
			return any
		}
		at := now()
		each(leaf, set, func(i uint32) { a.place(i, at) })
		any = true
	}
}

// queueAt is where the queue of a slot, a class and a kind lies.
func (a *assigner) queueAt(slot, class, kind int) int {
	return (slot*sched.Classes+class)*len(a.kinds) + kind
}

// queues are all queues of a slot.
func (a *assigner) queues(slot int) []hints {
	return a.queue[a.queueAt(slot, 0, 0):a.queueAt(slot+1, 0, 0)]
}

// place puts a task where the policy says.
func (a *assigner) place(index uint32, at int64) {
	w := Word(a.m.words[index].Load())
	if w.state() != Queued {
		return
	}
	o, d := &a.m.orders[index], &a.m.descs[index]
	kind := int(a.kindOf[int(o.fn.Load())%len(a.kindOf)])
	if a.kinds[kind]&^a.dead.Load() == 0 {
		a.refuse(index, w)
		return
	}
	t := o.task(d.submitter(), d.expectedNs.Load(), at)
	a.view.kind = kind
	q := int(a.policy.Place(&a.view, t, a.rnd))
	rank := a.policy.Rank(t)
	a.view.kind = -1
	if q < 0 || q >= a.m.Slots || q > 0 && !(a.serves(q, kind) && a.standing[q].takes()) {
		q = a.another(q, kind)
	}
	class := sched.Class(rank)
	a.used[class] = true
	a.class[index] = uint8(class)
	a.m.ranks[index].Store(rank)
	a.queue[a.queueAt(q, class, kind)].add(int(index>>6), 1<<(index&63))
}

// serves reports whether a worker's group is one of a kind.
func (a *assigner) serves(slot, kind int) bool {
	return a.kinds[kind]>>(a.m.slot[slot].group%groupsMax)&1 != 0
}

// another is the worker that follows q in turn, of those of a kind; one that takes tasks
// if there is any, or else is up.
func (a *assigner) another(q, kind int) (best int) {
	n := a.m.Slots - 1
	for i := range n {
		s := (max(q, 0)+i)%n + 1
		switch {
		case !a.serves(s, kind):
		case a.standing[s].takes():
			return s
		case best == 0 || a.standing[s].up && !a.standing[best].up:
			best = s
		}
	}
	return best
}

// recall sees who takes tasks now. What waits at a worker that does not, since it has
// begun to wait itself or has died, is placed anew each time this changes for anybody:
// then somebody may be there who takes it.
func (a *assigner) recall() {
	changed := false
	for s := 1; s < a.m.Slots; s++ {
		state := standing{a.m.slot[s].state.Load() == slotReady, a.m.waits(s)}
		if state == a.standing[s] {
			continue
		}
		a.standing[s], changed = state, true
		if !state.waits {
			continue
		}
		b := &a.m.slot[s]
		if leaf := int(b.batchLeaf.Load()); leaf<<6 < a.m.Geometry.Tasks {
			a.m.inbox().add(leaf, b.batchBits.Load())
		}
		a.m.emptyBox(s)
	}
	if !changed {
		return
	}
	for s := 1; s < a.m.Slots; s++ {
		if a.standing[s].takes() {
			continue
		}
		for i := range a.queues(s) {
			a.queues(s)[i].moveTo(a.m.inbox())
		}
	}
}

// standing is what the assigner goes by when it places and gives tasks, as it saw it last.
type standing struct {
	up    bool
	waits bool // all lanes wait for others
}

func (s standing) takes() bool { return s.up && !s.waits }

// stuck reports whether all workers of a kind that are up wait.
func (a *assigner) stuck(kind int) bool {
	for s := 1; s < a.m.Slots; s++ {
		if a.serves(s, kind) && a.standing[s].takes() {
			return false
		}
	}
	return true
}

// give serves the next worker that asks, if there is something for one.
func (a *assigner) give() bool {
	for i := range a.m.Slots - 1 {
		s := (a.turn+i)%(a.m.Slots-1) + 1
		switch {
		case a.m.slot[s].state.Load() != slotReady, !a.standing[s].up:
			continue
		case a.standing[s].waits && !a.m.box(s).empty(), !a.standing[s].waits && !a.m.asks(s):
			continue
		}
		if a.serve(s) {
			a.turn = s
			return true
		}
	}
	return false
}

// serve asks the policy in place of a worker.
func (a *assigner) serve(s int) bool {
	for c := range sched.Classes {
		if !a.used[c] {
			continue
		}
		for look := range sched.LooksMax(a.m.Slots - 1) {
			take, ok := a.policy.Look(&a.view, sched.Slot(s), look, a.rnd)
			if !ok {
				break
			}
			if take.From < 0 || int(take.From) >= a.m.Slots {
				continue
			}
			if leaf, set := a.takeFrom(s, int(take.From), c, take); set != 0 {
				a.hand(s, leaf, set)
				return true
			}
		}
	}
	return false
}

// hand puts tasks into a worker's box and wakes it.
func (a *assigner) hand(s, leaf int, set uint64) {
	a.m.box(s).add(leaf, set)
	if a.standing[s].waits { // its loop may ask all the same, and is to be heard when the others go on
		if !a.m.waits(s) { // SYNC waits: they may have gone on without these
			a.m.emptyBox(s)
			a.recall() // or it would be given them again and again
		} else {
			a.m.ringDone(s)
		}
		return
	}
	a.m.head.asking[s>>6].And(^(uint64(1) << (s & 63))) // SYNC asking
	a.m.wakeSlot(s)
}

// open reports whether a worker may be given tasks of a kind now.
func (a *assigner) open(s, kind int) bool {
	return a.serves(s, kind) && (!a.standing[s].waits || a.stuck(kind))
}

// takeFrom takes what there is for worker s in the queues of slot q.
func (a *assigner) takeFrom(s, q, class int, take sched.Take) (leaf int, set uint64) {
	switch {
	case a.m.head.inOrder != 0:
		return a.first(s, q, class)
	case take.Ranked:
		return a.lowest(s, q, class, take.Least)
	}
	most := 1
	if a.m.head.ahead != 0 && !a.standing[s].waits {
		most = max(1, min(take.Max, batchMax))
	}
	for i := range a.kinds {
		kind := (a.shift + i) % len(a.kinds)
		at := a.queueAt(q, class, kind)
		for a.open(s, kind) {
			if leaf, set = a.queue[at].take(&a.cursors[at], most, take.Half); set == 0 {
				break
			}
			if set = a.queued(leaf, set); set != 0 {
				a.shift = kind + 1
				return leaf, set
			}
		}
	}
	if q != s && q != 0 {
		return a.rob(s, q, class)
	}
	return 0, 0
}

// queued returns those of a leaf's tasks that wait.
func (a *assigner) queued(leaf int, set uint64) (still uint64) {
	each(leaf, set, func(i uint32) {
		if Word(a.m.words[i].Load()).state() == Queued {
			still |= 1 << (i & 63)
		}
	})
	return still
}

// rob takes back a task that a busy worker was given and has not begun: from its box,
// or else the last of several in hand.
func (a *assigner) rob(s, victim, class int) (leaf int, set uint64) {
	b := &a.m.slot[victim]
	if b.stats.busySince.Load() == 0 {
		return 0, 0 // it is about to begin what it has
	}
	fits := func(i uint32) bool {
		return int(a.class[i]) == class && a.open(s, int(a.kindOf[int(a.m.orders[i].fn.Load())%len(a.kindOf)]))
	}
	box := a.m.box(victim)
	for leaf := range box.leaves {
		for set := a.queued(leaf, box.leaves[leaf].Load()); set != 0; set &= set - 1 {
			bit := set & -set
			if fits(uint32(leaf<<6+bits.TrailingZeros64(bit))) && box.remove(leaf, bit) {
				return leaf, bit
			}
		}
	}
	leaf, set = view{a.m}.held(sched.Slot(victim))
	if bits.OnesCount64(set) < 2 {
		return 0, 0
	}
	last := uint64(1) << (bits.Len64(set) - 1)
	if !fits(uint32(leaf<<6 + bits.Len64(set) - 1)) {
		return 0, 0
	}
	return leaf, last
}

// lowest takes the task of lowest rank of all kinds that worker s takes.
func (a *assigner) lowest(s, q, class int, least int64) (leaf int, set uint64) {
	for {
		best, from := -1, 0
		for kind := range a.kinds {
			at := a.queueAt(q, class, kind)
			if !a.open(s, kind) {
				continue
			}
			i, ok := a.m.lowest(&a.queue[at], least, a.cursors[at])
			if ok && (best < 0 || a.m.ranks[i].Load() < a.m.ranks[best].Load()) {
				best, from = i, at
			}
		}
		if best < 0 {
			return 0, 0
		}
		leaf, set = best>>6, 1<<(best&63)
		a.queue[from].remove(leaf, set)
		if a.queued(leaf, set) != 0 {
			a.cursors[from] = (best + 1) % a.m.Geometry.Tasks
			return leaf, set
		}
	}
}

// first takes the task that was submitted first, see takeOldest, of all kinds that
// worker s takes.
func (a *assigner) first(s, q, class int) (leaf int, set uint64) {
	n := a.m.Geometry.Tasks
	for {
		best, from, cursor := -1, 0, a.m.cursor()
		for kind := range a.kinds {
			at := a.queueAt(q, class, kind)
			if !a.open(s, kind) {
				continue
			}
			i, ok := a.queue[at].first(cursor)
			if ok && (best < 0 || (i-cursor+n)%n < (best-cursor+n)%n) {
				best, from = i, at
			}
		}
		if best < 0 {
			return 0, 0
		}
		leaf, set = best>>6, 1<<(best&63)
		a.queue[from].remove(leaf, set)
		switch {
		case a.queued(leaf, set) == 0:
		case a.m.inbox().before(cursor, best): // heard of late
			a.queue[from].add(leaf, set)
			a.hear()
		default:
			a.m.head.cursor.Store(uint32((best + 1) % n))
			return leaf, set
		}
	}
}

// givenView is the pool as the policy sees it in the assigner: what waits at a worker
// is in the policy's queue, in its box, or in its hand.
type givenView struct {
	view
	a    *assigner
	kind int // of the task that is to be placed; -1 none
}

func (v *givenView) Len(q sched.Slot) (n int) {
	if q < 0 || int(q) >= v.m.Slots {
		return 0
	}
	for i := range v.a.queues(int(q)) {
		n += v.a.queues(int(q))[i].len()
	}
	if q > 0 {
		n += v.view.Len(q)
	}
	return n
}

func (v *givenView) Work(q sched.Slot) int64 {
	if q < 0 || int(q) >= v.m.Slots {
		return 0
	}
	return v.work(q, v.Len(q), v.a.queues(int(q)), v.m.queue[q][:])
}

// Up is false for workers that cannot run the task that is to be placed, or that wait
// themselves.
func (v *givenView) Up(w sched.Slot) bool {
	return v.view.Up(w) && !v.a.standing[w].waits && (v.kind < 0 || v.a.serves(int(w), v.kind))
}
