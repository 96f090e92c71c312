package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/tutti-run/tutti/sched"
)

// callMany doubles 0 to n-1 one after another and adds up.
func callMany(ctx context.Context, s *Submitter, n int, sum *atomic.Int64) error {
	for i := range int64(n) {
		index, err := s.Acquire(ctx)
		if err != nil {
			return err
		}
		p, err := s.Input(ctx, index, 8)
		if err != nil {
			return err
		}
		*(*int64)(p) = i
		s.Submit(index, &Spec{})
		if err := s.Wait(ctx, nil, index); err != nil {
			return err
		}
		r, err := s.Result(index)
		if err != nil || r.Kind != KindValue {
			return fmt.Errorf("kind %d: %w", r.Kind, err)
		}
		sum.Add(*(*int64)(unsafe.Pointer(&r.Data[0])))
		s.Release(index)
	}
	return nil
}

// submit puts one number to be worked on.
func (p *heapPool) submit(tb testing.TB, fn uint32, v int64) *Pending {
	tb.Helper()
	index, err := p.sub.Acquire(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	in, err := p.sub.Input(tb.Context(), index, 8)
	if err != nil {
		tb.Fatal(err)
	}
	*(*int64)(in) = v
	return p.sub.Go(index, &Spec{Fn: fn})
}

func numberOf(r Result) int64 {
	if r.Kind != KindValue || len(r.Data) != 8 {
		return -1
	}
	return *(*int64)(unsafe.Pointer(&r.Data[0]))
}

// Any number of goroutines may wait for one future; each sees the same.
func TestPendingIsSharedByItsWaiters(t *testing.T) {
	t.Parallel()
	p := newHeapPool(t, 2, 128, 0, double)
	for v := range int64(100) {
		f := p.submit(t, 0, v)
		got := make(chan int64, 4)
		for range 4 {
			go func() {
				r, err := f.Wait(t.Context(), nil)
				if err != nil {
					r.Kind = KindError
				}
				got <- numberOf(r)
			}()
		}
		for range 4 {
			if n := <-got; n != 2*v {
				t.Errorf("%d doubled is %d", v, n)
			}
		}
	}
}

// A wait that is given up leaves the future as good as before.
func TestPendingOutlivesAWait(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	p := newHeapPool(t, 1, 64, 0, func(r *Run) { <-gate; double(r) })
	f := p.submit(t, 0, 21)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Wait(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(gate)
	if r, err := f.Wait(t.Context(), nil); err != nil || numberOf(r) != 42 {
		t.Errorf("%v, %v", r, err)
	}
}

// More futures than descriptors: those that have ended make room for the next,
// and are still good.
func TestFuturesBeyondTheTable(t *testing.T) {
	t.Parallel()
	p := newHeapPool(t, 2, 64, 0, double)
	var all []*Pending
	for v := range int64(300) {
		all = append(all, p.submit(t, 0, v))
	}
	for v, f := range all {
		if r, err := f.Wait(t.Context(), nil); err != nil || numberOf(r) != int64(2*v) {
			t.Errorf("%d doubled: %+v, %v", v, r, err)
		}
	}
}

// Cancelled and abandoned futures: each descriptor is free again in the end.
func TestCancelAndAbandon(t *testing.T) {
	t.Parallel()
	p := newHeapPool(t, 2, 64, 0, double)
	for v := range int64(300) {
		f := p.submit(t, 0, v)
		switch v % 3 {
		case 0:
			f.Cancel()
			r, err := f.Wait(t.Context(), nil)
			if err != nil || r.Kind != KindCancelled && numberOf(r) != 2*v {
				t.Errorf("%d: %+v, %v", v, r, err)
			}
		case 1:
			f.Abandon()
		default:
			if r, err := f.Wait(t.Context(), nil); err != nil || numberOf(r) != 2*v {
				t.Errorf("%d: %+v, %v", v, r, err)
			}
		}
	}
	p.allFree(t)
}

// allFree takes every descriptor there is; it waits for those on their way.
func (p *heapPool) allFree(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i := range p.sub.Tasks() {
		if _, err := p.sub.Acquire(ctx); err != nil {
			t.Fatalf("%d of %d descriptors are free: %v", i, p.sub.Tasks(), err)
		}
	}
}

// A stream that is stopped early gives everything back.
func TestStreamStoppedEarly(t *testing.T) {
	t.Parallel()
	for _, ordered := range []bool{true, false} {
		for _, after := range []int64{0, 1, 7, 100} {
			p := newHeapPool(t, 2, 64, 0, double)
			ctx, st := t.Context(), p.sub.NewStream(Spec{}, 16, ordered)
			fed := make(chan struct{})
			go func() {
				defer close(fed)
				for i := int64(0); ; i++ {
					index, err := st.Room(ctx)
					if err != nil {
						st.Fed(err)
						return
					}
					in, _ := st.Input(ctx, index, 8)
					*(*int64)(in) = i
					st.Submit(index)
				}
			}()
			for range after {
				index, ok, err := st.Next(ctx)
				if !ok || err != nil {
					t.Fatal(ok, err)
				}
				st.Advance(index)
			}
			st.Stop()
			<-fed
			p.allFree(t)
		}
	}
}

// What cannot be submitted keeps its place; an input that ends in an error ends
// the stream with it, after all that was before.
func TestStreamRejectAndFeedError(t *testing.T) {
	t.Parallel()
	odd, end := errors.New("odd"), errors.New("the input broke")
	for _, ordered := range []bool{true, false} {
		p := newHeapPool(t, 2, 128, 0, double)
		ctx, st := t.Context(), p.sub.NewStream(Spec{}, 16, ordered)
		const n = 200
		go func() {
			for i := range int64(n) {
				index, err := st.Room(ctx)
				if err != nil {
					st.Fed(err)
					return
				}
				if i%2 == 1 {
					st.Reject(index, odd)
					continue
				}
				in, _ := st.Input(ctx, index, 8)
				*(*int64)(in) = i
				st.Submit(index)
			}
			st.Fed(end)
		}()
		seen := map[int64]bool{}
		for {
			index, ok, err := st.Next(ctx)
			if !ok {
				if !errors.Is(err, end) {
					t.Errorf("ended with %v", err)
				}
				break
			}
			pos := st.Position(index)
			if seen[pos] || ordered && pos != int64(len(seen)) {
				t.Errorf("position %d after %d results", pos, len(seen))
			}
			seen[pos] = true
			if err := st.Rejected(index); (err != nil) != (pos%2 == 1) {
				t.Errorf("position %d: rejected: %v", pos, err)
			} else if err == nil {
				if r, err := st.Result(index); err != nil || numberOf(r) != 2*pos {
					t.Errorf("position %d: %+v, %v", pos, r, err)
				}
			}
			st.Advance(index)
		}
		if len(seen) != n {
			t.Errorf("%d of %d results", len(seen), n)
		}
		st.Stop()
		p.allFree(t)
	}
}

// Several tasks run at once in one worker, never more than it has lanes, each on
// a lane of its own.
func TestLanes(t *testing.T) {
	t.Parallel()
	const lanes = 4
	var busy [lanes]atomic.Bool
	var most, now atomic.Int32
	all := make(chan struct{}) // closed when all lanes are in use at the same time
	p := newHeapLanes(t, lanes, func(r *Run) {
		if !busy[r.Lane()].CompareAndSwap(false, true) {
			t.Errorf("lane %d runs two tasks", r.Lane())
		}
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
			if n == lanes {
				close(all)
			}
		}
		<-all
		now.Add(-1)
		busy[r.Lane()].Store(false)
		double(r)
	})
	var fs []*Pending
	for v := range int64(60) {
		fs = append(fs, p.submit(t, 0, v))
	}
	for v, f := range fs {
		if r, err := f.Wait(t.Context(), nil); err != nil || numberOf(r) != int64(2*v) {
			t.Errorf("%d doubled: %+v, %v", v, r, err)
		}
	}
	if most.Load() != lanes {
		t.Errorf("%d tasks at once, want %d", most.Load(), lanes)
	}
}

// newHeapLanes is a pool on the heap with one worker of several lanes.
func newHeapLanes(tb testing.TB, lanes int, handlers ...Handler) *heapPool {
	tb.Helper()
	p := &heapPool{m: newHeapMemory(tb, 2, 128, 0)}
	p.sub = newSubmitter(p.m, 0, sched.NewWorkStealing())
	p.m.slot[1].lanes = uint32(lanes)
	p.m.slot[1].state.Store(slotReady)
	w := newWorker(p.m, 1, sched.NewWorkStealing(), sched.NewWorkStealing(), handlers)
	go w.loopLanes()
	tb.Cleanup(func() {
		w.block.stop.Store(1)
		p.m.wakeEverybody()
		<-w.left
	})
	return p
}

// Tasks that submit tasks that submit tasks, on every worker at once: who waits
// runs descendants of what it waits for, and the sum is right.
func TestNestedHelp(t *testing.T) {
	t.Parallel()
	fib := func(r *Run) {
		in, _, _ := r.Input()
		n := *(*int64)(in)
		sum := n
		if n >= 2 {
			sum = fibChild(r, n-1) + fibChild(r, n-2)
		}
		out, _ := r.Output(KindValue, 8)
		*(*int64)(out) = sum
	}
	p := newHeapPool(t, 3, 64, 0, fib)
	for range 5 {
		if r, err := p.submit(t, 0, 12).Wait(t.Context(), nil); err != nil || numberOf(r) != 144 {
			t.Errorf("%+v, %v", r, err)
		}
	}
}

// fibChild has a number computed by a child, or in place where there is no room.
func fibChild(r *Run, n int64) int64 {
	s, ctx := r.Submitter(), context.Background()
	index, ok := s.TryAcquire()
	if !ok {
		a, b := int64(0), int64(1)
		for range n {
			a, b = b, a+b
		}
		return a
	}
	in, err := s.Input(ctx, index, 8)
	if err != nil {
		return -1 << 40
	}
	*(*int64)(in) = n
	res, err := s.Go(index, &Spec{Parent: r.ID()}).Wait(ctx, nil)
	if err != nil {
		return -1 << 40
	}
	return numberOf(res)
}
