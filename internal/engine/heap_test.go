package engine

import (
	"context"
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
	l, err := Geometry{Slots: slots, Tasks: tasks, Spans: 64}.layout()
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
	m := newHeapMemory(tb, workers+1, tasks, spinNs)
	p := &heapPool{m: m, sub: newSubmitter(m, 0, sched.NewWorkStealing())}
	for i := range workers {
		m.slot[i+1].lanes = 1
		m.slot[i+1].state.Store(slotReady)
		w := newWorker(m, i+1, sched.NewWorkStealing(), sched.NewWorkStealing(), handlers)
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
