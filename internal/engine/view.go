package engine

import (
	"cmp"

	"math"
	"math/bits"

	"github.com/tutti-run/tutti/sched"
	"github.com/tutti-run/tutti/topo"
)

// view is what a policy sees of the pool: see sched.View.
type view struct{ m *memory }

func (v view) Workers() int { return v.m.Slots - 1 }

func (v view) Len(q sched.Slot) int {
	if q < 0 || int(q) >= v.m.Slots {
		return 0
	}
	_, held := v.held(q)
	n := bits.OnesCount64(held)
	for c := range v.m.queue[q] {
		n += v.m.queue[q][c].len()
	}
	return n
}

// held returns what a worker has taken and not begun. The batch that it published
// holds what it has begun, too.
func (v view) held(q sched.Slot) (leaf int, set uint64) {
	leaf = int(v.m.slot[q].batchLeaf.Load())
	if leaf<<6 >= v.m.Geometry.Tasks {
		return 0, 0
	}
	each(leaf, v.m.slot[q].batchBits.Load(), func(i uint32) {
		if Word(v.m.words[i].Load()).state() == Queued {
			set |= 1 << (i & 63)
		}
	})
	return leaf, set
}

func (v view) Running(w sched.Slot) int {
	if w < 0 || int(w) >= v.m.Slots {
		return 0
	}
	st := &v.m.slot[w].stats
	if n := int(st.running.Load()); n > 0 || st.busySince.Load() == 0 {
		return n
	}
	return 1 // a worker of one lane does not count, it is busy
}

func (v view) Up(w sched.Slot) bool {
	return w > 0 && int(w) < v.m.Slots && v.m.slot[w].state.Load() == slotReady
}

func (v view) Now() int64 { return now() }

// workMax bounds the tasks that Work looks at; the others count as their mean.
const workMax = 256

// Work takes tasks of unknown length for as long as the mean of the known ones
// beside them. Of several lanes it knows the task that was begun last.
func (v view) Work(q sched.Slot) int64 {
	if q < 0 || int(q) >= v.m.Slots {
		return 0
	}
	return v.work(q, v.Len(q), v.m.queue[q][:])
}

// work is Work of n tasks, some of which lie in queues.
func (v view) work(q sched.Slot, n int, queues ...[]hints) int64 {
	var sum, known, seen int64
	count := func(leaf int, set uint64) {
		for ; set != 0 && seen < workMax; set &= set - 1 {
			seen++
			if ns := v.m.descs[leaf<<6+bits.TrailingZeros64(set)].expectedNs.Load(); ns > 0 {
				sum, known = sum+min(ns, math.MaxInt64/(1<<20)), known+1
			}
		}
	}
	count(v.held(q))
	for _, list := range queues {
		for i := range list {
			for leaf := range list[i].leaves {
				count(leaf, list[i].leaves[leaf].Load())
			}
		}
	}
	if known > 0 {
		sum = sum / known * int64(n)
	}
	if until := v.m.slot[q].stats.until.Load(); until != 0 {
		sum += max(0, until-now())
	}
	return sum
}

func (v view) Speed(w sched.Slot) int {
	if w < 0 || int(w) >= v.m.Slots {
		return sched.FullSpeed
	}
	return cmp.Or(int(v.m.slot[w].speed.Load()), sched.FullSpeed)
}

// Distance knows only workers that are pinned: others may run anywhere.
func (v view) Distance(a, b sched.Slot) int {
	x, okX := v.cpu(a)
	y, okY := v.cpu(b)
	if !okX || !okY {
		return 0
	}
	return int(x.Distance(y))
}

func (v view) cpu(s sched.Slot) (topo.CPU, bool) {
	if s <= 0 || int(s) >= v.m.Slots || v.m.slot[s].cpu.Load() < 0 {
		return topo.CPU{}, false
	}
	b := &v.m.slot[s]
	return topo.CPU{ID: int(b.cpu.Load()), Core: int(b.core.Load()), L3: int(b.cache.Load()), Node: int(b.node.Load())}, true
}
