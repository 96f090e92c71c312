package engine

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/tutti-run/tutti/sched"
	"github.com/tutti-run/tutti/shm"
)

// heapPool is a pool whose processes are goroutines and whose segment is Go's
// own memory, so that the race detector sees every access.
type heapPool struct {
	m       *memory
	sub     *Submitter
	workers []*Worker
}

// newHeapMemory lays out an empty table.
func newHeapMemory(tb testing.TB, slots, tasks int, spinNs int64) *memory {
	tb.Helper()
	return newHeapMemoryOf(tb, Geometry{Slots: slots, Tasks: tasks, Spans: 64}, spinNs)
}

func newHeapMemoryOf(tb testing.TB, g Geometry, spinNs int64) *memory {
	tb.Helper()
	l, err := g.layout()
	if err != nil {
		tb.Fatal(err)
	}
	m, err := create(shm.HeapSegment(l.size), l)
	if err != nil {
		tb.Fatal(err)
	}
	m.head.spinNs = spinNs
	return m
}

func newHeapPool(tb testing.TB, workers, tasks int, spinNs int64, handlers ...Handler) *heapPool {
	tb.Helper()
	return newHeapPoolUnder(tb, "", false, workers, tasks, spinNs, handlers...)
}

// newHeapPoolUnder is newHeapPool under a policy, which a master that assigns asks or
// each by himself.
func newHeapPoolUnder(tb testing.TB, name string, assign bool, workers, tasks int, spinNs int64, handlers ...Handler) *heapPool {
	tb.Helper()
	policy := func() sched.Policy {
		p, err := sched.New(name, nil)
		if err != nil {
			tb.Fatal(err)
		}
		return p
	}
	m := newHeapMemoryOf(tb, Geometry{Slots: workers + 1, Tasks: tasks, Spans: 64, Assigned: assign}, spinNs)
	m.setGroups(nil)
	if assign {
		m.head.ahead = uint32(map[bool]int{true: 1}[sched.InLots(policy())])
		a := newAssigner(m, policy(), nil)
		go a.run()
		tb.Cleanup(a.close)
	}
	p := &heapPool{m: m, sub: newSubmitter(m, 0, policy())}
	for i := range workers {
		m.slot[i+1].lanes = 1
		m.slot[i+1].state.Store(slotReady)
		w := newWorker(m, i+1, policy(), policy(), handlers)
		p.workers = append(p.workers, w)
		go w.loop()
	}
	tb.Cleanup(func() {
		for _, w := range p.workers {
			w.block.stop.Store(1)
			m.wakeEverybody()
			<-w.left
		}
	})
	return p
}

// patience bounds a wait that a bug has made endless.
const patience = 30 * time.Second

func double(r *Run) {
	p, _, _ := r.Input()
	v := *(*int64)(p)
	out, _ := r.Output(KindValue, 8)
	*(*int64)(out) = 2 * v
}

func runStream(tb testing.TB, s *Submitter, n int64, window int, ordered bool) {
	tb.Helper()
	runStreamOf(tb, s, Spec{}, n, window, ordered)
}

func runStreamOf(tb testing.TB, s *Submitter, spec Spec, n int64, window int, ordered bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	st := s.NewStream(spec, window, ordered)
	go func() {
		for i := range n {
			d, err := st.Room(ctx)
			if err != nil {
				st.Fed(err)
				return
			}
			p, _ := st.Input(ctx, d, 8)
			*(*int64)(p) = i
			st.Submit(d)
		}
		st.Fed(nil)
	}()
	defer st.Stop()
	var sum, got int64
	for {
		d, ok, err := st.Next(ctx)
		if err != nil {
			tb.Fatalf("after %d of %d: %v", got, n, err)
		}
		if !ok {
			break
		}
		r, err := st.Result(d)
		if err != nil || r.Kind != KindValue {
			tb.Fatal(r, err)
		}
		v := *(*int64)(unsafe.Pointer(&r.Data[0]))
		if ordered && v != 2*got {
			tb.Fatalf("result %d is %d", got, v)
		}
		sum += v
		got++
		st.Advance(d)
	}
	if got != n || sum != n*(n-1) {
		tb.Fatalf("%d results with sum %d, want %d with %d", got, sum, n, n*(n-1))
	}
}

func TestStream(t *testing.T) {
	for _, workers := range []int{1, 3} {
		for _, ordered := range []bool{true, false} {
			p := newHeapPool(t, workers, 128, 0, double)
			runStream(t, p.sub, 20_000, 32, ordered)
		}
	}
}

// regime is who decides in a pool, and by which policy.
type regime struct {
	policy string
	assign bool
}

func (r regime) String() string { return r.policy + map[bool]string{true: ", assigned"}[r.assign] }

func everyPolicy() (all []regime) {
	for _, name := range sched.Names(nil) {
		all = append(all, regime{name, false}, regime{name, true})
	}
	return all
}

// Each policy on Go's own memory, where the race detector sees what workers that
// look for the lowest rank and submitters that write ranks do to each other.
func TestStreamUnderEachPolicy(t *testing.T) {
	t.Parallel()
	for _, c := range everyPolicy() {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			p := newHeapPoolUnder(t, c.policy, c.assign, 3, 128, 0, double)
			var callers sync.WaitGroup
			for range 2 {
				callers.Go(func() {
					rnd := rand.New(rand.NewPCG(1, 2))
					for range 200 {
						index, err := p.sub.Acquire(t.Context())
						if err != nil {
							t.Error(err)
							return
						}
						in, err := p.sub.Input(t.Context(), index, 8)
						if err != nil {
							t.Error(err)
							return
						}
						v := rnd.Int64N(1 << 40)
						*(*int64)(in) = v
						p.sub.Submit(index, &Spec{Hints: Hints{int(v%3) - 1, v, now() + v, uint64(v % 5)}})
						if err := p.sub.Wait(t.Context(), nil, index); err != nil {
							t.Error(err)
							return
						}
						if res, err := p.sub.Result(index); err != nil || *(*int64)(unsafe.Pointer(&res.Data[0])) != 2*v {
							t.Errorf("%v, %v", res, err)
						}
						p.sub.Release(index)
					}
				})
			}
			for _, ordered := range []bool{true, false} {
				runStreamOf(t, p.sub, Spec{Each: ordered}, 2_000, 32, ordered)
			}
			callers.Wait()
		})
	}
}

func BenchmarkStream(b *testing.B) {
	for _, c := range []struct {
		name    string
		workers int
		spin    int64
	}{{"1spin", 1, 20000}, {"1park", 1, 0}, {"2park", 2, 0}} {
		b.Run(c.name, func(b *testing.B) {
			p := newHeapPool(b, c.workers, 4096, c.spin, double)
			b.ResetTimer()
			runStream(b, p.sub, int64(b.N), 1024, true)
		})
	}
}
