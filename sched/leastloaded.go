package sched

import "math/rand/v2"

// LeastLoaded lets a task wait at the living worker that has the fewest tasks,
// waiting and running; equals take turns. Each worker serves its own queue alone.
// Under the name least-work it goes by the time that these are expected to take on
// that worker's CPU, and by their number where nothing is known of it.
//
// Cost: a look at every worker for each task. Known failure: many submitters that
// look at once all choose the same worker; what was placed stays, however wrong the
// guess proves. least-work is only as good as the expected times. A worker that
// becomes slow has more waiting at each look, and so gets less of what comes from
// then on, about its proportional share; but nobody relieves it of what it had been
// given before. Order in shared memory: by class of priority. Source: Winston,
// Optimality of the Shortest Line Discipline, J. Applied Probability 14(1), 1977;
// Whitt, Deciding Which Queue to Join, Operations Research 34(1), 1986, for where
// it fails.
type LeastLoaded struct {
	byWork bool
	last   Slot
}

// Name returns "least-loaded" or "least-work".
func (p *LeastLoaded) Name() string {
	if p.byWork {
		return "least-work"
	}
	return "least-loaded"
}

// Place returns the least loaded living worker, or the one that the task asks for.
func (p *LeastLoaded) Place(v View, t Task, _ *rand.Rand) Slot {
	if w, ok := asked(v, t); ok {
		return w
	}
	p.last = next(v, p.last)
	best := p.last
	bestLoad := p.load(v, t, best)
	n := v.Workers() // asked once: with 1,000 workers this loop is most of a simulation
	w := p.last
	for range n - 1 {
		if w++; int(w) > n {
			w = 1
		}
		if !v.Up(w) {
			continue
		}
		if l := p.load(v, t, w); l.less(bestLoad) {
			best, bestLoad = w, l
		}
	}
	p.last = best
	return best
}

// load is how much a worker has to do, a new task included.
type load struct {
	ns    int64
	tasks int
}

func (l load) less(than load) bool {
	return l.ns < than.ns || l.ns == than.ns && l.tasks < than.tasks
}

func (p *LeastLoaded) load(v View, t Task, w Slot) load {
	l := load{tasks: busy(v, w)}
	if p.byWork {
		l.ns = int64(float64(v.Work(w)+t.Expected) * FullSpeed / float64(max(1, v.Speed(w))))
	}
	return l
}

// busy counts what waits at a worker and what it runs.
func busy(v View, w Slot) int { return v.Len(w) + v.Running(w) }

// Look visits the own queue and no other.
func (*LeastLoaded) Look(_ View, w Slot, look int, _ *rand.Rand) (Take, bool) {
	return Take{From: w, Max: batchMax}, look == 0
}

// Rank orders by priority alone.
func (*LeastLoaded) Rank(t Task) int64 { return -int64(t.Priority) }
