package sim

import (
	"fmt"
	"math/bits"

	"github.com/tutti-run/tutti/sched"
)

// Coherence is what moves cache lines between CPUs. With it, each step of the engine
// also takes what the shared lines take that it touches, which are those of the
// engine's memory: the words of the tasks, eight to a line, and their descriptors; of
// each process the queues, its batch and its park word; the bitmap of the sleepers.
// Costs are then those of steps that find all lines in their own cache.
//
// The protocol is MESI (Papamarcos and Patel, A Low-Overhead Coherence Solution for
// Multiprocessors with Private Cache Memories, ISCA 1984). A line comes from the
// nearest cache that has it, a write reaches the farthest, and a line goes one way at
// a time: who wants it meanwhile waits. Caches hold all they have ever read, and
// nothing is evicted. The master has a core of its own beside the first CPU.
type Coherence struct {
	// Transfer is what a line takes from another cache, by distance (1 the same
	// core, 2 the same cache, 3 the same node, 4 far), and to invalidate it there;
	// 0: from memory, when no cache has it.
	Transfer [5]Span
}

// LineState is the state of a line in one cache.
type LineState uint8

// The states of MESI.
const (
	Invalid   LineState = iota // not there
	Shared                     // others may have it too
	Exclusive                  // nobody else has it, and it is as in memory
	Modified                   // nobody else has it, and memory is out of date
	NumLineStates
)

// Traffic is what the lines of a run did.
type Traffic struct {
	Found         [NumLineStates]int // accesses, by the line's state in the cache of who makes one; Invalid are misses
	Transfers     [5]int             // misses, by the distance that the line came over, 0 from memory
	Invalidations int                // copies that a write took from others
	WriteBacks    int                // modified lines that had to be written to memory since another cache reads them
	Cost          Span               // what all accesses took
	Waited        Span               // of Cost: until a line had come that another fetched
}

// coherentCPUsMax bounds a machine with Coherence: each line knows all caches.
const coherentCPUsMax = 4096

func (c *Coherence) check(cpus int) error {
	if cpus > coherentCPUsMax {
		return fmt.Errorf("the machine has %d CPUs: with Coherence at most %d are possible", cpus, coherentCPUsMax)
	}
	for d, cost := range c.Transfer {
		if cost < 0 || cost > Second {
			return fmt.Errorf("a line takes %d ns over distance %d: from 0 to a second are possible", cost, d)
		}
	}
	return nil
}

// line is a cache line, in all caches. Invariant: a line that one cache has to itself
// has one holder.
type line struct {
	alone   LineState // Exclusive or Modified in its only holder; else Shared
	holders []uint64  // a bit for each slot, whose CPU's cache it is

	from, busy Time // between these it is under way, for one after the other
}

// caches are those of all CPUs.
type caches struct {
	*Coherence
	cpus    []CPU
	traffic Traffic
}

func (c *caches) newLine() *line {
	return &line{alone: Shared, holders: make([]uint64, len(c.cpus)/64+1)}
}

func (l *line) in(s sched.Slot) LineState {
	if l.holders[s>>6]&(1<<(s&63)) == 0 {
		return Invalid
	}
	return l.alone
}

// access has a slot's CPU read or write a line, and returns what it took.
func (c *caches) access(l *line, by sched.Slot, write bool, at Time) Span {
	found := l.in(by)
	c.traffic.Found[found]++
	switch {
	case found == Invalid, found == Shared && write: // others must be asked
	case write:
		l.alone = Modified
		return 0
	default:
		return 0
	}
	near, far, others := c.reach(l, by)
	over := far
	if !write {
		over = near
	}
	if found == Invalid {
		c.traffic.Transfers[over]++
		if l.alone == Modified && !write {
			c.traffic.WriteBacks++
		}
	}
	switch {
	case write:
		c.traffic.Invalidations += others
		clear(l.holders)
		l.alone = Modified
	case others == 0:
		l.alone = Exclusive
	default:
		l.alone = Shared
	}
	l.holders[by>>6] |= 1 << (by & 63)
	waits := l.occupy(at, c.Transfer[over])
	c.traffic.Waited += waits
	c.traffic.Cost += waits + c.Transfer[over]
	return waits + c.Transfer[over]
}

// occupy has a line be under way for so long, as soon as it is free, and returns when
// that is after at. Steps are taken in the order in which they begin, and one may have
// reserved the line for a time that is still to come: then there is room before.
func (l *line) occupy(at Time, takes Span) (waits Span) {
	switch {
	case at >= l.busy:
		l.from, l.busy = at, at+Time(takes)
	case at >= l.from:
		waits = Span(l.busy - at)
		l.busy += Time(takes)
	}
	return waits
}

// reach is how near and how far others are that have a line, and how many; 0 is memory.
func (c *caches) reach(l *line, by sched.Slot) (near, far, others int) {
	for i, word := range l.holders {
		for ; word != 0; word &= word - 1 {
			s := sched.Slot(i<<6 + bits.TrailingZeros64(word))
			if s == by {
				continue
			}
			d := c.distance(s, by)
			if near == 0 || d < near {
				near = d
			}
			far = max(far, d)
			others++
		}
	}
	return near, far, others
}

// distance is at least 1, and at least sharedCache to the master.
func (c *caches) distance(a, b sched.Slot) int {
	if a == sched.Master || b == sched.Master {
		return max(sharedCache, distance(0, int(max(a, b)-1), c.cpus))
	}
	return distance(int(a-1), int(b-1), c.cpus)
}

// slotLines are what belongs to one process; all nil without Coherence.
type slotLines struct {
	queue       [sched.Classes]*line
	batch, park *line
}

// taskLines are what belongs to one task.
type taskLines struct{ word, descriptor *line }

// How many of them lie in one line of the engine's memory.
const (
	taskWords    = 8
	sleepersBits = 512
)

// layOut gives the processes their lines.
func (w *world) layOut() {
	if w.Coherence == nil {
		return
	}
	w.caches = &caches{Coherence: w.Coherence, cpus: w.CPUs}
	for range len(w.slots)/sleepersBits + 1 {
		w.sleepers = append(w.sleepers, w.caches.newLine())
	}
	for i := range w.slots {
		l := &w.slots[i].lines
		for class := range l.queue {
			l.queue[class] = w.caches.newLine()
		}
		l.batch, l.park = w.caches.newLine(), w.caches.newLine()
	}
}

// newTaskLines are those of the next task of the engine's table.
func (w *world) newTaskLines() taskLines {
	if w.caches == nil {
		return taskLines{}
	}
	if w.tasksMade%taskWords == 0 {
		w.words = w.caches.newLine()
	}
	w.tasksMade++
	return taskLines{w.words, w.caches.newLine()}
}

// touch has a slot read or write a line in the step that it is in. What that takes it
// owes until pays is asked. No line: there is no Coherence.
func (w *world) touch(by sched.Slot, l *line, write bool) {
	if l != nil {
		p := &w.slots[by]
		p.owes += w.caches.access(l, by, write, w.now+Time(p.owes))
	}
}

// collect has the submitter of a task that has ended read of it, when it has the time.
func (w *world) collect(t *task) {
	p := &w.slots[t.Submitter]
	for _, l := range []*line{t.lines.word, t.lines.descriptor} {
		if l != nil {
			p.free = max(p.free, w.now)
			p.free += Time(w.caches.access(l, t.Submitter, false, p.free))
		}
	}
}

// touchSleepers is touch for the bit of a sleeper.
func (w *world) touchSleepers(by, of sched.Slot, write bool) {
	if w.caches != nil {
		w.touch(by, w.sleepers[of/sleepersBits], write)
	}
}

// pays is what the lines took since it was last asked.
func (p *process) pays() Span {
	owed := p.owes
	p.owes = 0
	return owed
}
