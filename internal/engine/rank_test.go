package engine

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tutti-run/tutti/sched"
	"github.com/tutti-run/tutti/topo"
)

// policyOf is a policy made of its parts.
type policyOf struct {
	place func(sched.Task) sched.Slot
	look  func(w sched.Slot, look int) (sched.Take, bool)
	rank  func(sched.Task) int64
}

func (policyOf) Name() string { return "test" }
func (p policyOf) Place(_ sched.View, t sched.Task, _ *rand.Rand) sched.Slot {
	if p.place == nil {
		return sched.Master
	}
	return p.place(t)
}
func (p policyOf) Look(_ sched.View, w sched.Slot, look int, _ *rand.Rand) (sched.Take, bool) {
	return p.look(w, look)
}
func (p policyOf) Rank(t sched.Task) int64 {
	if p.rank == nil {
		return 0
	}
	return p.rank(t)
}

// lowestFirst takes by rank from the queue of all.
func lowestFirst(least int64) policyOf {
	return policyOf{
		look: func(_ sched.Slot, look int) (sched.Take, bool) {
			return sched.Take{Max: 1, Ranked: true, Least: least}, look == 0
		},
		rank: func(t sched.Task) int64 { return t.Deadline },
	}
}

// onePool is a table, a master and a worker that runs nothing by itself.
func onePool(t *testing.T, policy sched.Policy, tasks int) (*Submitter, *Worker) {
	t.Helper()
	m := newHeapMemory(t, 2, tasks, 0)
	m.slot[1].state.Store(slotReady)
	return newSubmitter(m, 0, policy), newWorker(m, 1, policy, policy, []Handler{double})
}

// submit submits a task and returns its descriptor.
func submit(t *testing.T, s *Submitter, h Hints) uint32 {
	t.Helper()
	i, ok := s.TryAcquire()
	if !ok {
		t.Fatal("the table is full")
	}
	if _, err := s.Input(t.Context(), i, 8); err != nil {
		t.Fatal(err)
	}
	s.Submit(i, &Spec{Hints: h})
	return i
}

// Tasks that are submitted, taken by rank and run in random order, against a plain
// list. Sizes go from one leaf to several.
func TestLowestRankAgainstReference(t *testing.T) {
	t.Parallel()
	for _, tasks := range []int{64, 128, 4096} {
		for _, least := range []int64{0, 1_000} {
			rnd := rand.New(rand.NewPCG(7, uint64(tasks)))
			s, w := onePool(t, lowestFirst(least), tasks)
			run := w.runs.Get().(*Run)
			type waiting struct {
				rank, expected int64
			}
			ref := map[uint32]waiting{}
			for range 3_000 {
				if len(ref) < tasks/5 && rnd.IntN(2) == 0 {
					h := Hints{DeadlineNs: 1 + rnd.Int64N(2_000), ExpectedNs: rnd.Int64N(500)}
					ref[submit(t, s, h)] = waiting{h.DeadlineNs, h.ExpectedNs}
					continue
				}
				var ranks []int64
				for _, r := range ref {
					if least == 0 || r.rank-r.expected >= least {
						ranks = append(ranks, r.rank)
					}
				}
				leaf, batch := w.find(batchMax)
				if batch == 0 {
					if len(ranks) != 0 {
						t.Fatalf("found nothing of %d", len(ranks))
					}
					continue
				}
				i := uint32(leaf<<6 + bits.TrailingZeros64(batch))
				if got, ok := ref[i]; !ok || bits.OnesCount64(batch) != 1 || got.rank != slices.Min(ranks) {
					t.Fatalf("found %b of rank %d (waits: %v), the lowest is %d", batch, got.rank, ok, slices.Min(ranks))
				}
				delete(ref, i)
				w.runOne(run, i)
				s.Release(i)
			}
		}
	}
}

// Of equal ranks none is passed over for more than a round, though lower
// descriptors are used again and again.
func TestEqualRanksTakeTurns(t *testing.T) {
	t.Parallel()
	const waiting = 40
	s, w := onePool(t, lowestFirst(0), 256)
	run := w.runs.Get().(*Run)
	last := uint32(0)
	for range waiting {
		last = submit(t, s, Hints{DeadlineNs: 5})
	}
	for rounds := 0; ; rounds++ {
		if rounds > 2*waiting {
			t.Fatal("one of equals is passed over for ever")
		}
		leaf, batch := w.find(1)
		i := uint32(leaf<<6 + bits.TrailingZeros64(batch))
		w.runOne(run, i)
		s.Release(i)
		if i == last {
			break
		}
		submit(t, s, Hints{DeadlineNs: 5})
	}
}

// A stale hint of the lowest rank hides nothing.
func TestStaleHintOfLowestRank(t *testing.T) {
	t.Parallel()
	s, w := onePool(t, lowestFirst(0), 64)
	stale := submit(t, s, Hints{DeadlineNs: 1})
	want := submit(t, s, Hints{DeadlineNs: 2})
	word, _ := s.m.begin(stale, 0, 0) // another was quicker
	s.m.end(stale, word, Done)
	leaf, batch := w.find(1)
	if got := uint32(leaf<<6 + bits.TrailingZeros64(batch)); batch == 0 || got != want {
		t.Errorf("found %d, want %d", got, want)
	}
	if _, batch := w.find(1); batch != 0 {
		t.Error("the stale one is found")
	}
}

// A policy that names queues which are not there, and looks that never end, costs
// time and no task.
func TestPolicyOutOfBounds(t *testing.T) {
	t.Parallel()
	looks := 0
	wild := policyOf{
		place: func(t sched.Task) sched.Slot { return sched.Slot(t.Priority) },
		look: func(_ sched.Slot, look int) (sched.Take, bool) {
			looks++
			return sched.Take{From: sched.Slot(look - 3), Max: -look}, true
		},
	}
	s, w := onePool(t, wild, 64)
	for _, place := range []int{-1 << 40, -1, 2, 99, 1 << 40} {
		i := submit(t, s, Hints{Priority: place})
		leaf, batch := w.find(1)
		if got := uint32(leaf<<6 + bits.TrailingZeros64(batch)); batch == 0 || got != i {
			t.Errorf("placed at %d: found %d, want %d", place, got, i)
		}
	}
	looks = 0
	if _, batch := w.find(1); batch != 0 || looks != sched.LooksMax(1) {
		t.Errorf("found %b after %d looks, want none after %d", batch, looks, sched.LooksMax(1))
	}
}

// What a policy sees of expected times: those that wait, the rest of the one that
// runs, and the mean for those of unknown length.
func TestViewOfWork(t *testing.T) {
	t.Parallel()
	const long = int64(1) << 50 // the test takes nothing like that
	toWorker := policyOf{
		place: func(sched.Task) sched.Slot { return 1 },
		look:  func(w sched.Slot, look int) (sched.Take, bool) { return sched.Take{From: w, Max: 1}, look == 0 },
	}
	s, w := onePool(t, toWorker, 64)
	v := view{s.m}
	if got := v.Work(1); got != 0 {
		t.Errorf("%d where nothing waits", got)
	}
	for _, ns := range []int64{100, 300, 0, 0} {
		submit(t, s, Hints{ExpectedNs: ns})
	}
	if got := v.Work(1); got != 800 || v.Len(1) != 4 {
		t.Errorf("%d of %d tasks, want 800 of 4", got, v.Len(1))
	}
	if got := v.Work(0) + v.Work(-1) + v.Work(99); got != 0 {
		t.Errorf("%d elsewhere", got)
	}
	seen := int64(0)
	w.handlers[0] = func(r *Run) { seen = v.Work(1); leaveShort(r) }
	i := submit(t, s, Hints{ExpectedNs: long})
	for range 5 {
		leaf, batch := w.find(1)
		got := uint32(leaf<<6 + bits.TrailingZeros64(batch))
		w.runOne(w.runs.Get().(*Run), got)
		w.block.batchBits.Store(0)
		if got == i && (seen < long/2 || seen > long) {
			t.Errorf("%d while one of %d runs", seen, long)
		}
	}
	if got := v.Work(1); got != 0 {
		t.Errorf("%d when all have run", got)
	}
}

func leaveShort(r *Run) {
	if out, err := r.Output(KindValue, 8); err == nil {
		*(*int64)(out) = 0
	}
}

// Distances and speeds are those of the CPUs that workers are pinned to; unknown
// where they are not.
func TestViewOfPlaces(t *testing.T) {
	t.Parallel()
	m := newHeapMemory(t, 5, 64, 0)
	m.setup(&Config{Workers: 4, Lanes: 4, CPUs: []topo.CPU{
		{ID: 0, Capacity: 1024}, {ID: 1, Capacity: 1024}, {ID: 2, Core: 2, Node: 0, L3: 2, Capacity: 512}, {ID: 7, Core: 7, L3: 7, Node: 1, Capacity: 100},
	}})
	v := view{m}
	for _, c := range []struct {
		a, b sched.Slot
		want topo.Distance
	}{{1, 1, topo.Same}, {1, 2, topo.SMT}, {1, 3, topo.Node}, {3, 4, topo.Far}, {0, 4, 0}, {9, 1, 0}, {-1, 1, 0}} {
		if got := v.Distance(c.a, c.b); got != int(c.want) || v.Distance(c.b, c.a) != got {
			t.Errorf("from %d to %d: %d, want %v", c.a, c.b, got, c.want)
		}
	}
	for w, want := range []int{sched.FullSpeed, 1024, 1024, 512, 100} {
		if got := v.Speed(sched.Slot(w)); got != want {
			t.Errorf("worker %d has speed %d, want %d", w, got, want)
		}
	}
	m.setup(&Config{Workers: 4, Lanes: 4})
	if v.Distance(1, 4) != 0 {
		t.Error("workers that are not pinned have a distance")
	}
}

// BenchmarkLowest is a look by rank at so many tasks that wait.
func BenchmarkLowest(b *testing.B) {
	for _, n := range []int{64, 1024, 4096} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := newHeapMemory(b, 2, 4096, 0)
			for i := range n {
				m.ranks[i].Store(int64((i * 7919) % n))
				m.queue[0][normalClass].add(i>>6, 1<<(i&63))
			}
			for b.Loop() {
				m.lowest(&m.queue[0][normalClass], 0, 0)
			}
		})
	}
}
