package engine

import (
	"math/bits"

	"github.com/tutti-run/tutti/sched"
)

// view is what a policy sees of the pool: see sched.View.
type view struct{ m *memory }

func (v view) Workers() int { return v.m.Slots - 1 }

func (v view) Len(q sched.Slot) int {
	if q < 0 || int(q) >= v.m.Slots {
		return 0
	}
	n := bits.OnesCount64(v.m.slot[q].batchBits.Load())
	for c := range v.m.queue[q] {
		n += v.m.queue[q][c].len()
	}
	return n
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

func (v view) Distance(a, b sched.Slot) int {
	if v.m.distance == nil {
		return 0
	}
	return v.m.distance(int(a), int(b))
}
