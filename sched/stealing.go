package sched

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// batchMax bounds what a worker takes at once: half of a queue word of 64.
// What it took and has not begun can still be taken by others (see engine).
const batchMax = 32

// WorkStealing lets a task wait where it was submitted and lets idle workers
// come for it: first to their own queue, then to the master's, then to the
// other workers', nearest first (same core, same cache, same NUMA node, far) and
// at random among those equally near. It takes half of what lies together, so that
// one visit serves for many tasks and still leaves work for the next visitor.
//
// Under the name work-stealing-one it takes a single task from others: for long
// tasks of which the thief would keep some from a third. Under the name
// work-stealing-last it goes first to where it last found something, since who had
// more than enough then often still has.
//
// Cost: one look at each queue before a worker goes to sleep. Known failure: tasks
// whose data is warm in one worker's cache leave it when another is idle; the last
// victim first crowds the thieves on one queue. A worker that becomes slow does its
// proportional share and no more, as the others take what waits at it; what it has
// begun stays with it. Order in shared memory: by class of priority. Source:
// Blumofe and Leiserson, Scheduling Multithreaded Computations by Work Stealing, J.
// ACM 46(5), 1999; near victims first: Olivier et al., OpenMP Task Scheduling
// Strategies for Multicore NUMA Systems, IJHPCA 26(2), 2012.
type WorkStealing struct {
	one, lastFirst bool

	of      Slot   // the worker that victims is made for
	victims []Slot // the other workers, nearest first
	ends    []int  // where each group of equally near ones ends
	start   int    // random, for this round of looks
	last    Slot   // where something was last found; Master: nowhere
	asked   Slot   // the victim named last
}

// NewWorkStealing returns the policy for one process.
func NewWorkStealing() *WorkStealing { return &WorkStealing{} }

// Name returns "work-stealing", or that of the variant.
func (p *WorkStealing) Name() string {
	switch {
	case p.one:
		return "work-stealing-one"
	case p.lastFirst:
		return "work-stealing-last"
	}
	return "work-stealing"
}

// Lots reports true: tasks wait where they were submitted, whatever they are.
func (*WorkStealing) Lots() bool { return true }

// Place returns the submitter's own queue, or the queue of the worker that the
// task asks for.
func (*WorkStealing) Place(v View, t Task, _ *rand.Rand) Slot {
	if w, ok := asked(v, t); ok {
		return w
	}
	return t.Submitter
}

// Look visits the own queue, the master's, and then every other worker's once,
// the last victim's perhaps a second time before.
func (p *WorkStealing) Look(v View, w Slot, look int, rnd *rand.Rand) (Take, bool) {
	n := v.Workers()
	switch {
	case look == 0:
		if p.asked != Master { // it was asked for no further look: something was found there
			p.last, p.asked = p.asked, Master
		}
		return Take{From: w, Max: batchMax, Half: n > 1}, true
	case look == 1:
		return Take{From: Master, Max: batchMax, Half: n > 1}, true
	}
	look -= 2
	if p.lastFirst && p.last != Master {
		if look == 0 {
			return p.steal(p.last), true
		}
		look--
	}
	if look >= n-1 {
		p.asked = Master
		return Take{}, false
	}
	if look == 0 {
		p.sort(v, w)
		p.start = rnd.IntN(n)
	}
	return p.steal(p.victim(look)), true
}

func (p *WorkStealing) steal(victim Slot) Take {
	p.asked = victim
	if p.one {
		return Take{From: victim, Max: 1}
	}
	return Take{From: victim, Max: batchMax, Half: true}
}

// victim returns the i-th: those of each group in a circle from a random one.
func (p *WorkStealing) victim(i int) Slot {
	from := 0
	for _, end := range p.ends {
		if i < end {
			return p.victims[from+(i-from+p.start)%(end-from)]
		}
		from = end
	}
	return p.victims[i]
}

// sort lists the victims by distance, once: where workers run does not change.
func (p *WorkStealing) sort(v View, w Slot) {
	if p.of == w && len(p.victims) == v.Workers()-1 {
		return
	}
	p.of, p.victims, p.ends = w, p.victims[:0], p.ends[:0]
	for s := Slot(1); int(s) <= v.Workers(); s++ {
		if s != w {
			p.victims = append(p.victims, s)
		}
	}
	slices.SortStableFunc(p.victims, func(a, b Slot) int { return cmp.Compare(v.Distance(w, a), v.Distance(w, b)) })
	for i := range p.victims {
		if i+1 == len(p.victims) || v.Distance(w, p.victims[i]) != v.Distance(w, p.victims[i+1]) {
			p.ends = append(p.ends, i+1)
		}
	}
}

// Rank orders by priority alone.
func (*WorkStealing) Rank(t Task) int64 { return -int64(t.Priority) }
