package engine

import (
	"encoding/json"
	"unsafe"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/sched"
	"github.com/tutti-run/tutti/shm"
)

// Recovery: what the supervisor does with the table when a process has died.
// It runs in the master alone and is one scan over what the dead slot owned.

// Crash is what is known of a worker's death; the result of a task that it took
// with it for good.
type Crash struct {
	Status  string // how it ended, in a few words
	Exit    int    // exit status, 128 + signal when killed by one
	Signal  int
	OOM     bool // the kernel's out-of-memory killer struck
	Worker  int
	PID     int
	Attempt int
	Trace   string // the crash trace: its first 16 KiB and its last 4
}

// remains are the tasks that a dead slot was running, as the table shows them.
type remains struct {
	index []uint32
	word  []Word
	tasks []core.Running
}

// remainsOf lists what slot has in RUNNING.
func (m *memory) remainsOf(slot int) remains {
	var r remains
	at := map[TaskID]int{}
	for i := range m.inUse() {
		w := Word(m.words[i].Load())
		if w.state() != Running || w.owner() != slot {
			continue
		}
		d := &m.descs[i]
		id := taskID(uint32(i), w)
		at[id] = len(r.tasks)
		returned := int(d.returned)
		if m.strays(id) {
			returned = core.MaxReturns
		}
		r.index = append(r.index, uint32(i))
		r.word = append(r.word, w)
		r.tasks = append(r.tasks, core.Running{
			ID: i, Attempt: w.attempt() + m.deathsBefore(id), MaxAttempts: int(d.maxAttempts),
			AtMostOnce: d.flags&flagAtMostOnce != 0, Alone: w.has(flagAlone),
			CancelAsked: w.has(flagCancel) && !w.has(flagTimedOut), TimedOut: w.has(flagTimedOut),
			Returned: returned, Parent: -1,
		})
	}
	for i, idx := range r.index {
		if p, ok := at[TaskID(m.descs[idx].parent.Load())]; ok {
			r.tasks[i].Parent = p
		}
	}
	return r
}

// plain reports whether no task here needs the process to be certainly gone
// before it may run again: none runs at most once, and none is a command.
func (m *memory) plain(r remains) bool {
	for _, i := range r.index {
		if m.descs[i].flags&(flagAtMostOnce|flagContained) != 0 {
			return false
		}
	}
	return true
}

// recoverPlain puts back at once what a dying worker was running, if that is all
// plain and fails for none of them. Everything else waits for recoverAll.
func (s *supervisor) recoverPlain(slot int, cause core.DeathCause) {
	m := s.m
	r := m.remainsOf(slot)
	if !m.plain(r) {
		return
	}
	verdicts := core.Judge(r.tasks, cause, nil)
	tops := core.Topmost(r.tasks)
	for i, v := range verdicts {
		if below := tops[i] != i; v != core.Drop && (below || v != core.Requeue && v != core.RequeueAlone && v != core.Retry) {
			return
		}
	}
	for i, v := range verdicts {
		if v != core.Drop { // its submitter is the dead slot: recoverAll frees it
			s.requeue(r.index[i], r.word[i], v)
		}
	}
	b := &m.slot[slot]
	if left := b.batchBits.Load(); left != 0 && int(b.batchLeaf.Load())<<6 < m.Geometry.Tasks {
		queue, _ := s.sub.place(&Spec{}, now()) // not the master's: it may be that nobody looks there
		// Stale ones are harmless.
		each(int(b.batchLeaf.Load()), left, func(i uint32) {
			m.queue[queue][m.descs[i].class()].add(int(i>>6), 1<<(i&63))
		})
		m.wakeFor(queue)
	}
}

// requeue puts a dead worker's task back.
func (s *supervisor) requeue(index uint32, w Word, v core.Verdict) {
	m := s.m
	d := &m.descs[index]
	if m.reserved(index) {
		return // its input was in the dead process: dropSubmitted frees it
	}
	next := w.withState(Queued).withOwner(0)
	switch v {
	case core.Requeue:
		if d.returned < 255 {
			d.returned++
		}
	case core.Retry:
		next = next.withAttempt(min(w.attempt()+1, MaxAttempts))
	}
	if v.Alone() {
		next |= flagAlone
	}
	d.deadlineNs.Store(0)
	if m.head.findings.Load() != 0 {
		m.tidyFindings(taskID(index, w))
	}
	for !m.words[index].CompareAndSwap(uint64(w), uint64(next)) {
		now := Word(m.words[index].Load())
		if now&^flagMask != w&^flagMask {
			return
		}
		next |= now & flagMask // a flag came in between
		w = now
	}
	q, _ := s.sub.place(&Spec{Affinity: int(d.affinity)}, now())
	s.sub.hint(q, d.class(), int(index>>6), 1<<(index&63))
}

// fail ends a dead worker's task without a result of its own.
func (s *supervisor) fail(index uint32, w Word, kind Kind, data []byte) {
	m := s.m
	if m.reserved(index) {
		return // who made the call died with it: dropSubmitted frees it
	}
	if err := m.put(s.sub.heap, index, kind, data); err != nil {
		_ = m.put(s.sub.heap, index, kind, nil)
	}
	for {
		failed := w.withState(Failed).withOwner(0)
		submitter := m.descs[index].submitter() // afterwards the descriptor may be another's
		if m.words[index].CompareAndSwap(uint64(w), uint64(failed)) {
			if failed.has(flagWaited) {
				m.tell(index, submitter)
			}
			return
		}
		now := Word(m.words[index].Load())
		if now&^flagMask != w&^flagMask {
			return
		}
		w = now
	}
}

// put writes a result into the master's cell of a task.
func (m *memory) put(h *shm.Heap, index uint32, kind Kind, data []byte) error {
	c := m.cellOf(0, index)
	if len(data) <= inlineOut {
		copy(unsafe.Slice((*byte)(m.room(0, index, len(data))), len(data)), data)
		c.head(uint32(kind), len(data))
		return nil
	}
	ref, err := h.Alloc(len(data))
	if err != nil {
		return err
	}
	b, err := m.arena.Bytes(ref, len(data))
	if err != nil {
		return err
	}
	copy(b, data)
	*c.ref() = ref
	c.head(uint32(kind)|kindExtern, len(data))
	return nil
}

// recoverAll takes back everything that slot owned. Its process is certainly
// gone.
func (s *supervisor) recoverAll(slot int, cause core.DeathCause, crash Crash) {
	m := s.m
	b := &m.slot[slot]
	b.state.Store(slotVacant)
	b.batchBits.Store(0)
	b.waits.Store(0)
	b.looking.Store(0)
	m.head.asking[slot>>6].And(^(uint64(1) << (slot & 63)))
	b.stats.running.Store(0)
	if since := b.stats.busySince.Swap(0); since != 0 {
		b.stats.busyNs.Add(now() - since)
	}
	r := m.remainsOf(slot)
	s.carryOut(r, core.Judge(r.tasks, cause, nil), crash)
	s.retell(slot)
	s.dropSubmitted(slot)
	m.arena.Reclaim(uint16(slot), 0, m.keepFor(slot))
	s.sweep(slot)
	m.wakeEverybody()
}

// carryOut does what was decided about the tasks of a dead worker: first about
// those whose parents are begun again, which are to know of it.
func (s *supervisor) carryOut(r remains, verdicts []core.Verdict, crash Crash) {
	tops := core.Topmost(r.tasks)
	blamed := make([]string, len(verdicts)) // by top: the function of a call that was the reason
	for i, v := range verdicts {
		if top := tops[i]; top != i && v != core.Drop {
			blamed[top] = s.nameOf(r.index[i])
			s.keep(r.index[i], r.word[i], taskID(r.index[top], r.word[top]), r.tasks[i].Attempt, v, crash)
		}
	}
	for i, v := range verdicts {
		if tops[i] != i {
			continue
		}
		switch v {
		case core.Requeue, core.RequeueAlone, core.Retry:
			s.requeue(r.index[i], r.word[i], v)
		case core.FailCancelled, core.FailTimeout, core.FailCrash:
			own := crash
			own.Attempt = r.word[i].attempt()
			if blamed[i] != "" {
				own.Status += ", while it ran " + blamed[i] + ", which it waited for"
			}
			data, _ := json.Marshal(own) // a plain struct: cannot fail
			s.fail(r.index[i], r.word[i], failKinds[v], data)
		}
	}
}

// nameOf is the name of a task's function.
func (s *supervisor) nameOf(index uint32) string {
	names, err := s.m.readNames()
	if fn := int(s.m.descs[index].fn); err == nil && fn < len(names) {
		return names[fn]
	}
	return "another task"
}

// retell announces again what a dead process had ended: it may have died before
// it did. News that is known already is harmless.
func (s *supervisor) retell(slot int) {
	for i := range s.m.Geometry.Tasks {
		if w := Word(s.m.words[i].Load()); w.ended() && w.owner() == slot && w.has(flagWaited) {
			s.m.tell(uint32(i), s.m.descs[i].submitter())
		}
	}
}

// failKinds are the results of tasks that end with their worker. All of them
// tell how the worker ended, and so where the task hung.
var failKinds = map[core.Verdict]Kind{
	core.FailCancelled: KindCancelled, core.FailTimeout: KindTimeout, core.FailCrash: KindCrash,
}

// dropSubmitted frees what a dead process had submitted: nobody is left to
// collect it. What another worker runs is cancelled and freed when it ends.
func (s *supervisor) dropSubmitted(slot int) {
	m := s.m
	for i := range m.inUse() {
		w := Word(m.words[i].Load())
		d := &m.descs[i]
		switch {
		case w.state() == Writing && w.owner() == slot:
			d.flags = 0 // Reclaim frees an input that it may have had
			m.freed(uint32(i))
			continue
		case w.state() == Free || w.state() == Writing || d.submitter() != slot:
			continue
		case m.reserved(uint32(i)):
			m.freed(uint32(i))
			continue
		}
		if w.state() == Queued && !m.cancelQueued(uint32(i), w.gen()) {
			w = Word(m.words[i].Load()) // it has just been begun, or has even ended
		}
		if w.state() == Running && w.owner() != slot {
			d.flags |= flagOrphan
			d.setOrigin(0, d.class())
			s.sub.waiters[i].Store(&waiter{orphan: true})
			if _, open := m.flag(uint32(i), w.gen(), flagWaited|flagCancel); open {
				m.ringControl(w.owner())
				continue
			}
			s.sub.waiters[i].Store(nil)
			w = Word(m.words[i].Load())
		}
		m.freeResult(uint32(i), w, 0)
		m.freeInput(uint32(i), 0)
		m.freed(uint32(i))
	}
}

// keepFor says which objects of a dead slot are still needed: results that wait
// to be collected, and inputs of orphans that still run.
func (m *memory) keepFor(slot int) func(shm.Ref) bool {
	keep := map[shm.Ref]bool{}
	for i := range m.Geometry.Tasks {
		w := Word(m.words[i].Load())
		if w.ended() && w.owner() == slot && w.state() != Cancelled {
			if c := m.cellOf(slot, uint32(i)); c.kind&kindExtern != 0 {
				keep[*c.ref()] = true
			}
		}
		if d := &m.descs[i]; d.flags&(flagOrphan|flagInExtern) == flagOrphan|flagInExtern {
			keep[*d.inputRef()] = true
		}
	}
	return func(r shm.Ref) bool { return keep[r] }
}

// sweep sets the hints that a dead process may have had in hand: of every task
// that waits, and of every free descriptor. Hints that are there already, or
// in the hands of the living, do no harm.
func (s *supervisor) sweep(dead int) {
	m := s.m
	cursor := 0
	for c := range m.queue[dead] {
		for { // its queue goes to others: it may not come back soon
			if _, taken := m.queue[dead][c].take(&cursor, 64, false); taken == 0 {
				break
			}
		}
	}
	for leaf := range m.Geometry.Tasks / 64 {
		var free uint64
		var queued [sched.Classes]uint64
		for bit := range 64 {
			i := leaf<<6 + bit
			switch w := Word(m.words[i].Load()); w.state() {
			case Free:
				free |= 1 << bit
			case Queued:
				queued[m.descs[i].class()] |= 1 << bit
			}
		}
		if free != 0 {
			m.free.add(leaf, free) // also where the bits are: their sum may be missing
		}
		for class, set := range queued {
			if set != 0 {
				q, _ := s.sub.place(&Spec{}, now())
				m.queue[q][class].add(leaf, set)
			}
		}
	}
	for i := m.Geometry.Tasks; i < m.inUse(); i++ {
		if Word(m.words[i].Load()).state() == Free {
			at := i - m.Geometry.Tasks
			m.reserve.add(at>>6, 1<<(at&63))
		}
	}
	m.ringStarving()
}

// trace reads a crash trace: its first 16 KiB, where the cause stands, and its
// last 4, where the end is.
func trace(read func(off int64, n int) []byte, size int64) string {
	const first, last = 16 << 10, 4 << 10
	if size <= first+last {
		return string(read(0, int(size)))
	}
	return string(read(0, first)) + "\n[…]\n" + string(read(size-last, last))
}

// anyRunning reports whether slot has a task in RUNNING.
func (m *memory) anyRunning(slot int) bool {
	for i := range m.inUse() {
		if w := Word(m.words[i].Load()); w.state() == Running && w.owner() == slot {
			return true
		}
	}
	return false
}
