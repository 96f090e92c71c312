package engine

import (
	"math/bits"

	"github.com/tutti-run/tutti/sched"
)

// Sampled durations. A task is timed when its submitter stamped it: every one
// that is submitted alone, one of each lot that is published together. So long
// tasks are all seen and short ones pay for a clock once in a lot.

// sample records how long a task waited and ran.
func (s *slotStats) sample(stamp, began, ended int64) {
	s.wait[bucket(began-stamp)].Add(1)
	s.time[bucket(ended-began)].Add(1)
}

// bucket is the histogram bucket of a duration: four to a power of two, so a
// percentile is right to within a quarter.
func bucket(ns int64) int {
	if ns < 4 {
		return int(max(ns, 0))
	}
	exp := bits.Len64(uint64(ns)) - 1 // >= 2
	return (exp-1)<<2 + int(ns>>(exp-2))&3
}

// bucketEnd is the greatest duration that falls into a bucket.
func bucketEnd(b int) int64 {
	if b < 4 {
		return int64(b)
	}
	exp := b>>2 + 1
	return (int64(b&3)+5)<<(exp-2) - 1
}

// WorkerStats are the figures of one worker slot since the pool was opened.
type WorkerStats struct {
	Slot     int
	PID      int
	Ready    bool
	Run      uint64 // tasks ended
	Stolen   uint64 // of these, taken from another worker
	BusyNs   int64  // time with tasks in hand, the open spell included
	Running  int    // tasks being run now
	Crashes  uint64 // deaths that were not asked for
	Restarts uint64
}

// Percentiles of sampled durations, in nanoseconds; zero without samples.
type Percentiles struct {
	Samples            uint64
	P50, P90, P99, Max int64
}

// Stats are the figures of a pool.
type Stats struct {
	Workers []WorkerStats
	Queued  []int // by slot: what waits in its queue, or was taken by its worker and has not begun
	Wait    Percentiles
	Run     Percentiles
}

// stats reads the figures. They are each exact, but not of one moment.
func (m *memory) stats() Stats {
	st := Stats{Queued: m.waiting()}
	var wait, run [histBuckets]uint64
	v := view{m}
	at := now()
	for i := range m.slot {
		b := &m.slot[i]
		if i == 0 {
			continue
		}
		ws := WorkerStats{
			Slot: i, PID: int(b.pid.Load()), Ready: v.Up(sched.Slot(i)),
			Run: b.stats.run.Load(), Stolen: b.stats.stolen.Load(),
			BusyNs: b.stats.busyNs.Load(), Running: v.Running(sched.Slot(i)),
			Crashes: b.stats.crashes.Load(), Restarts: b.stats.restarts.Load(),
		}
		if since := b.stats.busySince.Load(); since != 0 {
			ws.BusyNs += max(0, at-since)
		}
		st.Workers = append(st.Workers, ws)
		for j := range histBuckets {
			wait[j] += b.stats.wait[j].Load()
			run[j] += b.stats.time[j].Load()
		}
	}
	st.Wait, st.Run = percentiles(&wait), percentiles(&run)
	return st
}

// waiting counts by slot the tasks that wait. Each is counted once, although its
// hints may be in several places, or stale: where it was taken to, or else the queue
// that it is in. One without a hint, that is about to get it, is its submitter's.
func (m *memory) waiting() []int {
	queued := make([]int, m.Slots)
	left := make([]uint64, (m.Geometry.Tasks+63)/64)
	for i := range m.Geometry.Tasks {
		if Word(m.words[i].Load()).state() == Queued {
			left[i>>6] |= 1 << (i & 63)
		}
	}
	count := func(slot, leaf int, set uint64) {
		if leaf < len(left) { // a peer may have written any
			queued[slot] += bits.OnesCount64(set & left[leaf])
			left[leaf] &^= set
		}
	}
	for i := range m.slot {
		count(i, int(m.slot[i].batchLeaf.Load()), m.slot[i].batchBits.Load())
	}
	for i := range m.slot {
		for c := range m.queue[i] {
			h := &m.queue[i][c]
			for s := range h.sums {
				for sum := h.sums[s].Load(); sum != 0; sum &= sum - 1 {
					if leaf := s<<6 + bits.TrailingZeros64(sum); leaf < len(h.leaves) {
						count(i, leaf, h.leaves[leaf].Load())
					}
				}
			}
		}
		if m.assigner != nil {
			for _, h := range m.assigner.queues(i) {
				for leaf := range h.leaves {
					count(i, leaf, h.leaves[leaf].Load())
				}
			}
		}
	}
	for leaf, set := range left {
		for ; set != 0; set &= set - 1 {
			i := leaf<<6 + bits.TrailingZeros64(set)
			slot := m.descs[i].submitter()
			if Word(m.words[i].Load()).state() == Queued && slot < m.Slots { // not begun meanwhile
				queued[slot]++
			}
		}
	}
	return queued
}

// percentiles reads them off a histogram: the end of the bucket in which the
// p-th of a hundred falls.
func percentiles(h *[histBuckets]uint64) Percentiles {
	var p Percentiles
	for _, n := range h {
		p.Samples += n
	}
	rank := func(percent uint64) int64 {
		want, seen := (p.Samples*percent+99)/100, uint64(0)
		for b, n := range h {
			if seen += n; n > 0 && seen >= want {
				return bucketEnd(b)
			}
		}
		return 0
	}
	if p.Samples > 0 {
		p.P50, p.P90, p.P99, p.Max = rank(50), rank(90), rank(99), rank(100)
	}
	return p
}
