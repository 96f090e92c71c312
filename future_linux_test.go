package tutti_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/tutti-run/tutti"
)

func TestFuture(t *testing.T) {
	t.Parallel()
	pool, g := open(t, tutti.Config{}), newGate(t)
	f, err := Meet.Go(t.Context(), pool, g.visit(9))
	if err != nil {
		t.Fatal(err)
	}
	guest := g.await(1)[0]
	short, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := f.Wait(short); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("a wait that ends first: %d, %v", n, err)
	}
	guest.letGo()
	for range 2 {
		if n, err := f.Wait(t.Context()); n != 9 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	f.Cancel() // too late, and harmless
	if n, err := f.Wait(t.Context()); n != 9 || err != nil {
		t.Errorf("after a late cancel: %d, %v", n, err)
	}
	if f, err = Meet.Go(t.Context(), pool, g.visit(10)); err != nil {
		t.Fatal(err)
	}
	guest = g.await(1)[0]
	f.Cancel()
	if _, err := f.Wait(t.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	guest.gone()
}

func TestManyWaitForOneFuture(t *testing.T) {
	t.Parallel()
	pool, g := open(t, tutti.Config{}), newGate(t)
	for range 20 {
		f, err := Meet.Go(t.Context(), pool, g.visit(3))
		if err != nil {
			t.Fatal(err)
		}
		guest := g.await(1)[0]
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				ctx := t.Context()
				if i%5 == 0 { // some lose patience, perhaps with the news in their hands
					short, cancel := context.WithTimeout(ctx, time.Millisecond)
					defer cancel()
					ctx = short
				}
				if n, err := f.Wait(ctx); err == nil && n != 3 || err != nil && i%5 != 0 {
					t.Errorf("waiter %d: %d, %v", i, n, err)
				}
			})
		}
		guest.letGo()
		wg.Wait()
	}
}

// Futures that nobody waits for make room for others when their tasks have ended.
func TestFuturesOutnumberTheTable(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Tasks: 64})
	var wg sync.WaitGroup
	for part := range 5 {
		wg.Go(func() {
			futures := make([]*tutti.Future[int], 1_000)
			for i := range futures {
				f, err := Echo.Go(t.Context(), pool, part<<16|i)
				if err != nil {
					t.Error(err)
					return
				}
				futures[i] = f
			}
			for i, f := range futures {
				if n, err := f.Wait(t.Context()); n != part<<16|i || err != nil {
					t.Errorf("future %d of part %d: %d, %v", i, part, n, err)
				}
			}
		})
	}
	wg.Wait()
	if err := pool.Drain(t.Context()); err != nil {
		t.Error(err)
	}
}

// A short future is not kept waiting by a long call of somebody else.
func TestShortFuturesBesideALongCall(t *testing.T) {
	t.Parallel()
	pool, g := open(t, tutti.Config{}), newGate(t)
	long := make(chan error)
	go func() { _, err := Meet.Call(t.Context(), pool, g.visit(1)); long <- err }()
	guest := g.await(1)[0]
	for i := range 20_000 {
		f, err := Echo.Go(t.Context(), pool, i)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := f.Wait(t.Context()); n != i || err != nil {
			t.Fatalf("%d: %d, %v", i, n, err)
		}
	}
	guest.letGo()
	if err := <-long; err != nil {
		t.Error(err)
	}
}

// A context that lives long does not remember the futures that are over.
func TestContextForgetsFutures(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{})
	ctx := &countingContext{Context: t.Context(), done: make(chan struct{})}
	for i := range 100 {
		f, err := Echo.Go(ctx, pool, i)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := f.Wait(t.Context()); n != i || err != nil {
			t.Errorf("%d: %d, %v", i, n, err)
		}
	}
	if ctx.watched != 0 {
		t.Errorf("%d futures are remembered", ctx.watched)
	}
}

// countingContext counts who is to be told of its end.
type countingContext struct {
	context.Context
	done    chan struct{}
	watched int
}

func (c *countingContext) Done() <-chan struct{} { return c.done }

func (c *countingContext) AfterFunc(func()) (stop func() bool) {
	c.watched++
	return func() bool { c.watched--; return true }
}
