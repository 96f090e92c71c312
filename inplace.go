package tutti

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"unsafe"

	"github.com/tutti-run/tutti/internal/codec"
	"github.com/tutti-run/tutti/internal/engine"
)

// errInPlace says that the pool is full and that the caller, a task in it, must
// not wait for room that may never come.
var errInPlace = errors.New("tutti: run in place")

// inPlace runs the function right here, in the worker that would have to wait
// for room otherwise. Input and result take the same way as ever, so that the
// function sees copies.
func (f *Func[In, Out]) inPlace(ctx context.Context, p *Pool, spec *engine.Spec, in In, o *options) (out Out, err error) {
	if ctx.Err() != nil {
		return out, context.Cause(ctx)
	}
	b, buf, err := f.in.Bytes(&in)
	if err != nil {
		return out, fmt.Errorf("tutti: %s: encode input: %w", f.name, err)
	}
	if buf != nil {
		defer codec.Buffers.Put(buf)
	}
	if in, err = f.in.Read(unsafe.Pointer(unsafe.SliceData(b)), len(b)); err != nil {
		return out, err
	}
	if !p.sub.Takes(p.numbers[f.name]) {
		return out, fmt.Errorf("%w, and %s cannot run in place of the task that calls it, since another group takes it: give the pool more Config.Tasks", ErrFull, f.name)
	}
	if o.atMostOnce && !o.contained && spec.Caller == nil {
		return out, fmt.Errorf("%w, and %s cannot run at most once in place of a goroutine that no running task has started: give the pool more Config.Tasks", ErrFull, f.name)
	}
	res, ran, ok := p.sub.InPlace(ctx, spec, b, func(r *engine.Run) {
		t := newTask(r)
		defer t.end()
		if _, own := ctx.(*task); !own && ctx.Done() != nil {
			defer context.AfterFunc(ctx, func() { p.sub.Cancel(t.id) })()
		}
		out, err = f.call(t, in, r.Attempt(), o)
	})
	switch {
	case !ok:
		return out, fmt.Errorf("%w, and %d calls already run in place of the tasks that make them: give the pool more Config.Tasks, or Config.Memory", ErrFull, engine.InPlaceMax)
	case !ran && ctx.Err() != nil:
		return out, context.Cause(ctx)
	case !ran:
		return f.result(res)
	}
	return out, err
}

// call calls the function; what comes too late is an error, whatever it is.
func (f *Func[In, Out]) call(ctx context.Context, in In, attempt int, o *options) (out Out, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &TaskError{Func: f.name, Attempt: attempt, Err: &PanicError{fmt.Sprint(v), string(debug.Stack())}}
		}
	}()
	if out, err = f.fn(ctx, in); err == nil {
		out, err = f.copyOut(out)
	}
	if o.timeout > 0 && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = context.DeadlineExceeded
	}
	if err != nil {
		return *new(Out), &TaskError{Func: f.name, Attempt: attempt, Err: err}
	}
	return out, nil
}

// copyOut takes a result the way that it takes between processes.
func (f *Func[In, Out]) copyOut(out Out) (Out, error) {
	b, buf, err := f.out.Bytes(&out)
	if err != nil {
		return *new(Out), fmt.Errorf("encode result: %w", err)
	}
	if buf != nil {
		defer codec.Buffers.Put(buf)
	}
	return f.out.Read(unsafe.Pointer(unsafe.SliceData(b)), len(b))
}
