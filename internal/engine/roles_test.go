package engine

import (
	"context"
	"testing"
	"unsafe"

	"github.com/tutti-run/tutti/sched"
	"github.com/tutti-run/tutti/shm"
)

// BenchmarkRoles runs feeder, worker and collector of a stream in turn on one
// CPU, a window at a time: what each costs a task when no cache line moves and
// nobody waits.
func BenchmarkRoles(b *testing.B) {
	l, err := Geometry{Slots: 2, Tasks: 4096, Spans: 16}.layout()
	if err != nil {
		b.Fatal(err)
	}
	m, err := create(shm.HeapSegment(l.size), l)
	if err != nil {
		b.Fatal(err)
	}
	const window = 1024
	ctx := context.Background()
	s := newSubmitter(m, 0, sched.NewWorkStealing())
	w := newWorker(m, 1, sched.NewWorkStealing(), sched.NewWorkStealing(), []Handler{func(r *Run) {
		*(*int64)(r.PlainOutput(8)) = 2 * *(*int64)(r.PlainInput(8))
	}})
	run := &Run{w: w, single: true}
	st := s.NewStream(Spec{}, window, true)
	var feed, work, collect int64
	for range b.N/window + 1 {
		t0 := now()
		for i := range int64(window) {
			d, err := st.Room(ctx)
			if err != nil {
				b.Fatal(err)
			}
			p, _ := st.Input(ctx, d, 8)
			*(*int64)(p) = i
			st.Submit(d)
		}
		st.flush()
		t1 := now()
		for n := 0; n < window; {
			leaf, batch := w.find(64)
			each(leaf, batch, func(i uint32) { w.runOne(run, i); n++ })
			w.block.batchBits.Store(0)
		}
		t2 := now()
		for i := range int64(window) {
			d, ok, err := st.Next(ctx)
			if !ok || err != nil {
				b.Fatal(ok, err)
			}
			if v := *(*int64)(unsafe.Pointer(st.Plain(d, 8))); v != 2*i {
				b.Fatal(v, i)
			}
			st.Advance(d)
		}
		t3 := now()
		feed, work, collect = feed+t1-t0, work+t2-t1, collect+t3-t2
	}
	n := float64((b.N/window + 1) * window)
	b.ReportMetric(float64(feed)/n, "feed-ns")
	b.ReportMetric(float64(work)/n, "work-ns")
	b.ReportMetric(float64(collect)/n, "collect-ns")
}
