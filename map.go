package tutti

import (
	"context"
	"errors"
	"iter"

	"github.com/tutti-run/tutti/internal/engine"
)

// Map calls the function on every value of in and yields the results in the
// order of in. A call that fails yields its error in its place, and the others
// go on; when ctx ends or the pool is closed the last pair holds that error.
//
// Up to Window calls are under way at once, so in may be endless: memory does
// not grow. in is read in a goroutine of its own, so that results are delivered
// while it blocks. When the loop over Map is left early, calls under way are
// cancelled and in is not read any further; an in that blocks for ever keeps
// its goroutine.
func (f *Func[In, Out]) Map(ctx context.Context, p *Pool, in iter.Seq[In], opts ...Option) iter.Seq2[Out, error] {
	return func(yield func(Out, error) bool) {
		o := windowOf(opts)
		f.stream(ctx, p, in, &o, true, func(_ int, out Out, err error) bool { return yield(out, err) })
	}
}

// Completed is a result of MapCompleted.
type Completed[Out any] struct {
	Index int // place of its input, from 0; -1 with an error that ends the loop
	Value Out
}

// MapCompleted is Map in the order in which the calls end.
func (f *Func[In, Out]) MapCompleted(ctx context.Context, p *Pool, in iter.Seq[In], opts ...Option) iter.Seq2[Completed[Out], error] {
	return func(yield func(Completed[Out], error) bool) {
		o := windowOf(opts)
		f.stream(ctx, p, in, &o, false, func(i int, out Out, err error) bool { return yield(Completed[Out]{i, out}, err) })
	}
}

// ForEach calls the function on every value of in and returns when all calls
// have ended. It returns the first error, in the order of in, and cancels what
// is then under way.
func (f *Func[In, Out]) ForEach(ctx context.Context, p *Pool, in iter.Seq[In], opts ...Option) error {
	for _, err := range f.Map(ctx, p, in, opts...) {
		if err != nil {
			return err
		}
	}
	return nil
}

// Reduce calls f on every value of in and combines the results, in the order of
// in and in this process, beginning with acc. It ends at the first error.
func Reduce[In, Out, Acc any](ctx context.Context, p *Pool, f *Func[In, Out], in iter.Seq[In], acc Acc, combine func(Acc, Out) Acc, opts ...Option) (Acc, error) {
	for out, err := range f.Map(ctx, p, in, opts...) {
		if err != nil {
			return acc, err
		}
		acc = combine(acc, out)
	}
	return acc, nil
}

// stream submits a call for every value of in and gives the results to yield
// with the places of their inputs.
func (f *Func[In, Out]) stream(ctx context.Context, p *Pool, in iter.Seq[In], o *options, ordered bool, yield func(int, Out, error) bool) {
	var none Out
	err := p.enter()
	if err != nil {
		yield(-1, none, err)
		return
	}
	defer p.leave()
	spec, err := f.spec(ctx, p, o)
	if err != nil {
		yield(-1, none, err)
		return
	}
	hints, err := f.hinter(o)
	if err != nil {
		yield(-1, none, err)
		return
	}
	st := p.sub.NewStream(spec, o.window, ordered)
	if p.master == nil && !st.Reserve() {
		eachInPlace(ctx, in, func(v In) (Out, error) { return f.inPlace(ctx, p, &spec, v, o) }, yield)
		return
	}
	defer st.Stop()
	p.feeders.Add(1)
	go func() {
		defer p.feeders.Done()
		f.feed(ctx, p, st, &spec, in, o, hints)
	}()
	for {
		index, ok, err := st.Next(ctx)
		if !ok {
			if err != nil {
				yield(-1, none, err)
			}
			return
		}
		pos := int(st.Position(index))
		out, err := f.streamResult(st, index)
		st.Advance(index)
		if closed := p.sub.Err(); closed != nil { // then what was read may be zeros
			yield(-1, none, closed)
			return
		}
		if !yield(pos, out, err) {
			return
		}
	}
}

// eachInPlace is stream for a task that finds the pool full: it must not wait
// for room that may never come.
func eachInPlace[In, Out any](ctx context.Context, in iter.Seq[In], call func(In) (Out, error), yield func(int, Out, error) bool) {
	pos := 0
	for v := range in {
		if ctx.Err() != nil {
			yield(-1, *new(Out), context.Cause(ctx))
			return
		}
		out, err := call(v)
		if !yield(pos, out, err) {
			return
		}
		pos++
	}
}

// streamResult reads the result of a task of a stream.
func (f *Func[In, Out]) streamResult(st *engine.Stream, index uint32) (out Out, err error) {
	if out, err = f.collect(st, index); err != nil {
		if rejected := st.Rejected(index); rejected != nil {
			if own, ok := rejected.(*placed[Out]); ok {
				return own.out, own.err
			}
			err = rejected
		}
	}
	return out, err
}

// placed is the result of a value of a stream that ran in place. It travels as
// the reason why no task was submitted for it.
type placed[Out any] struct {
	out Out
	err error
}

func (*placed[Out]) Error() string { return errInPlace.Error() }

// feed submits a task for every value of in. A panic of in is the caller's and
// ends the program, as it does in any goroutine.
func (f *Func[In, Out]) feed(ctx context.Context, p *Pool, st *engine.Stream, spec *engine.Spec, in iter.Seq[In], o *options, hints func(In) Hints) {
	fault := errInputEnded
	defer func() { st.Fed(fault) }() // also when in ends the goroutine; a panic ends the program
	in(func(v In) bool {
		index, err := st.Room(ctx)
		if err != nil {
			fault = err
			return false
		}
		if hints != nil {
			st.Hint(hints(v).engine())
		}
		err = f.write(ctx, st, index, v)
		for p.master == nil && errors.Is(err, ErrFull) {
			more, stopped := st.AwaitCollected(ctx)
			if stopped != nil {
				fault = stopped
				return false
			}
			if !more { // nothing of ours holds the memory: others may never let go of it
				err = new(placed[Out])
				break
			}
			err = f.write(ctx, st, index, v)
		}
		if own, ok := err.(*placed[Out]); ok {
			own.out, own.err = f.inPlace(ctx, p, spec, v, o)
		}
		if err != nil {
			st.Reject(index, err)
		} else {
			st.Submit(index)
		}
		return true
	})
	if fault == errInputEnded {
		fault = nil
	}
}

// errInputEnded is why a Map ends whose input called runtime.Goexit.
var errInputEnded = errors.New("tutti: the input of Map ended its goroutine (runtime.Goexit; in a test: FailNow or SkipNow)")
