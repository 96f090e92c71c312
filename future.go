package tutti

import (
	"context"
	"errors"
	"sync"

	"github.com/tutti-run/tutti/internal/engine"
)

// Future is the result of a call that may still be under way. Any number of
// goroutines may wait for it.
type Future[Out any] struct {
	pool    *Pool
	pending *engine.Pending // nil when the call ran in place
	read    func(engine.Result) (Out, error)
	unwatch func() bool // has ctx forget the future; nil when it does not know it

	mu      sync.Mutex
	settled bool // out and err are the result, and the pool's memory is not looked at any more
	out     Out
	err     error
}

// Go starts a call and returns its future. It waits only for room in the pool.
// The task ends when ctx does: wait for the future, or cancel ctx; a result that
// nobody asks for takes memory of this process once the pool needs its place.
func (f *Func[In, Out]) Go(ctx context.Context, p *Pool, in In, opts ...Option) (*Future[Out], error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var o options
	o.apply(opts)
	index, spec, err := f.fill(ctx, p, in, &o)
	if errors.Is(err, errInPlace) {
		fut := &Future[Out]{pool: p, settled: true}
		fut.out, fut.err = f.inPlace(ctx, p, &spec, in, &o)
		return fut, nil
	}
	if err != nil {
		return nil, err
	}
	fut := &Future[Out]{pool: p, pending: p.sub.Go(index, &spec), read: f.result}
	if t := taskOf(ctx); t != nil && p.master == nil {
		t.adopt(fut.pending)
	}
	// When a task itself ends its children do: nothing more to watch.
	if _, own := ctx.(*task); !own && ctx.Done() != nil {
		fut.unwatch = context.AfterFunc(ctx, fut.Cancel)
	}
	return fut, nil
}

// adopt notes a task that this one started and may not wait for.
func (t *task) adopt(p *engine.Pending) {
	m := t.ask()
	m.mu.Lock()
	m.children = append(m.children, p)
	m.mu.Unlock()
}

// Wait returns the result as soon as it is there. When ctx ends first the error
// is that of ctx, the task goes on, and Wait may be called again.
func (f *Future[Out]) Wait(ctx context.Context) (Out, error) {
	f.mu.Lock()
	settled := f.settled
	f.mu.Unlock()
	if settled {
		return f.out, f.err
	}
	if !f.pool.look() { // it was closed
		r, err, collected := f.pending.Collected()
		if !collected {
			err = ErrClosed
		}
		return f.settle(r, err)
	}
	defer f.pool.leave()
	var c *engine.Caller
	if f.pool.master == nil {
		c = f.pool.caller(ctx)
	}
	r, err := f.pending.Wait(ctx, c)
	if _, _, collected := f.pending.Collected(); !collected && err != nil && ctx.Err() != nil && f.pool.sub.Err() == nil {
		var none Out
		return none, err
	}
	return f.settle(r, err)
}

// settle keeps the result, unless there is one.
func (f *Future[Out]) settle(r engine.Result, err error) (Out, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.settled {
		if f.err = err; err == nil {
			f.out, f.err = f.read(r)
		}
		if f.unwatch != nil {
			f.unwatch()
		}
		f.settled = true
	}
	return f.out, f.err
}

// Cancel asks the task to end; Wait then returns how it did.
func (f *Future[Out]) Cancel() {
	if f.pending == nil || !f.pool.look() { // also while the pool is drained
		return
	}
	defer f.pool.leave()
	f.pending.Cancel()
}
