package sched

import "math/rand/v2"

// Locality sends all tasks that name the same data to the same worker, where the
// data was last: the one that a hash of data and worker ranks first among the
// living whose queue is not overlong. So all submitters agree without a table, and
// a worker's death moves only what was its own. Tasks that name no data wait where
// they were submitted. An idle worker takes single tasks from others, so that a
// popular piece of data idles nobody.
//
// Cost: a look at every worker for each task. Known failure: data that one in two
// tasks wants makes its worker a queue until others steal; a stolen task's data is
// then in two places, of which only the first is remembered. A worker that becomes
// slow does its proportional share and no more, as for WorkStealing; that costs the
// others its data. Order in shared memory: by class of priority. Source: Thaler and
// Ravishankar, Using Name-Based Mappings to Increase Hit Rates, IEEE/ACM ToN 6(1),
// 1998; Mirrokni, Thorup and Zadimoghaddam, Consistent Hashing with Bounded Loads,
// SODA 2018.
type Locality struct{ thieving WorkStealing }

// patience is how many tasks more than the mean a worker may have before its data
// is taken to another one.
const patience = 4

// Name returns "locality".
func (*Locality) Name() string { return "locality" }

// Place returns the worker that has the data, or the one that the task asks for.
func (p *Locality) Place(v View, t Task, rnd *rand.Rand) Slot {
	if t.Locality == 0 || t.Affinity != Master {
		return p.thieving.Place(v, t, rnd)
	}
	total := 0
	for w := range v.Workers() {
		total += busy(v, Slot(w+1))
	}
	most := total/v.Workers() + patience
	best, bestHash := Master, uint64(0)
	for w := Slot(1); int(w) <= v.Workers(); w++ {
		if h := mix(t.Locality ^ mix(uint64(w))); v.Up(w) && busy(v, w) <= most && (best == Master || h > bestHash) {
			best, bestHash = w, h
		}
	}
	if best == Master { // none lives
		return t.Submitter
	}
	return best
}

// mix spreads bits: the finaliser of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Look visits the own queue, the master's, and then the others', nearest first.
func (p *Locality) Look(v View, w Slot, look int, rnd *rand.Rand) (Take, bool) {
	take, ok := p.thieving.Look(v, w, look, rnd)
	if look > 1 {
		take.Max, take.Half = 1, false
	}
	return take, ok
}

// Rank orders by priority alone.
func (*Locality) Rank(t Task) int64 { return -int64(t.Priority) }
