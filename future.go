package tutti

import (
	"cmp"
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
	var o options
	o.apply(opts)
	index, spec, err := f.fill(ctx, p, in, &o)
	if errors.Is(err, errInPlace) {
		fut := &Future[Out]{pool: p, settled: true}
		fut.out, fut.err = f.inPlace(ctx, in, &o)
		return fut, nil
	}
	if err != nil {
		p.leave()
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
	if f.isSettled() {
		return f.out, f.err
	}
	defer f.pool.leave()
	r, err := f.pending.Wait(ctx)
	closed := f.pool.sub.Err() // read after the result: what was read while the pool closed may be zeros
	if closed == nil && err != nil && ctx.Err() != nil {
		var none Out
		return none, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.settled {
		err = cmp.Or(closed, err)
		if f.err = err; err == nil {
			f.out, f.err = f.read(r)
		}
		if f.unwatch != nil {
			f.unwatch()
		}
		f.settled = true
		f.pool.leave() // the future itself
	}
	return f.out, f.err
}

// isSettled reports whether the result is here. If not, it notes a call under
// way, so that the pool's memory stays for as long as somebody waits.
func (f *Future[Out]) isSettled() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.settled {
		f.pool.join()
	}
	return f.settled
}

// Cancel asks the task to end; Wait then returns how it did.
func (f *Future[Out]) Cancel() {
	if f.pending == nil || f.pool.enter() != nil {
		return
	}
	defer f.pool.leave()
	f.pending.Cancel()
}
