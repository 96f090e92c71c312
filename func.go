package tutti

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/tutti-run/tutti/internal/codec"
	"github.com/tutti-run/tutti/internal/engine"
)

// Func is a function that runs in worker processes. Make one with NewFunc, as
// a package-level variable; it may be used from many goroutines at once.
type Func[In, Out any] struct {
	name string
	fn   func(context.Context, In) (Out, error)
	in   codec.Codec[In]
	out  codec.Codec[Out]
	last atomic.Pointer[numbered] // the pool that was used last
}

// numbered remembers a function's number in a pool.
type numbered struct {
	pool   *Pool
	number uint32
}

// registry holds the functions of this program.
var registry = struct {
	sync.Mutex
	byName map[string]engine.Handler
}{byName: map[string]engine.Handler{}}

func registeredNames() []string {
	registry.Lock()
	defer registry.Unlock()
	return slices.Sorted(maps.Keys(registry.byName))
}

// NewFunc registers fn under a name that is unique in the program. Master and
// workers run the same program, so call it where both pass: in a package-level
// variable. It panics when the name is taken or is longer than 124 bytes, and
// when In or Out cannot travel whole; the panic names the field.
//
// fn may be called from several goroutines of a worker at once where
// Config.TasksPerWorker is more than 1. Its context ends when the task is
// cancelled or is past its time limit; it also carries the pool, see FromContext.
func NewFunc[In, Out any](name string, fn func(context.Context, In) (Out, error)) *Func[In, Out] {
	in, err := codec.New[In]("In")
	if err == nil && name == "" {
		err = errors.New("a function needs a name")
	}
	if err == nil && len(name) > engine.NameMax {
		err = fmt.Errorf("a name has at most %d bytes", engine.NameMax)
	}
	if err == nil && fn == nil {
		err = errors.New("there is no function: it is nil")
	}
	var out codec.Codec[Out]
	if err == nil {
		out, err = codec.New[Out]("Out")
	}
	if err != nil {
		panic(fmt.Sprintf("tutti: NewFunc(%q): %v", name, err))
	}
	f := &Func[In, Out]{name: name, fn: fn, in: in, out: out}
	registry.Lock()
	defer registry.Unlock()
	if registry.byName[name] != nil {
		panic(fmt.Sprintf("tutti: NewFunc(%q): two functions have this name", name))
	}
	registry.byName[name] = f.handle
	return f
}

// Name returns the name under which the function was registered.
func (f *Func[In, Out]) Name() string { return f.name }

// spec is what the engine is to know of a task of this function.
func (f *Func[In, Out]) spec(ctx context.Context, p *Pool, o *options) (engine.Spec, error) {
	if err := o.check(p.Workers()); err != nil {
		return engine.Spec{}, err
	}
	last := f.last.Load()
	if last == nil || last.pool != p {
		n, err := p.number(f.name)
		if err != nil {
			return engine.Spec{}, err
		}
		last = &numbered{p, n}
		f.last.Store(last)
	}
	s := engine.Spec{
		Fn: last.number, AtMostOnce: o.atMostOnce, Contained: o.contained, MaxAttempts: o.attempts,
		TimeoutNs: int64(o.timeout), Affinity: o.affinity, Each: o.perTask != nil,
		Bulky: f.out.Way != codec.Plain || f.out.Size > engine.InlineOut,
		Hints: o.hints.engine(),
	}
	if p.master == nil {
		if t := taskOf(ctx); t != nil {
			s.Parent = t.id
		}
		s.Caller = p.caller(ctx)
	}
	return s, nil
}

// caller is the task of this worker that calls or waits, as its context says or else
// its goroutine; nil when it is none.
func (p *Pool) caller(ctx context.Context) *engine.Caller {
	if t := taskOf(ctx); t != nil {
		if c := t.run.Caller(t.id); c != nil {
			return c
		}
	}
	return p.sub.Whose()
}

// Call runs the function on in in a worker and returns its result. When ctx
// ends first, the task is cancelled and the error is that of ctx.
func (f *Func[In, Out]) Call(ctx context.Context, p *Pool, in In, opts ...Option) (out Out, err error) {
	if err := p.enter(); err != nil {
		return out, err
	}
	defer p.leave()
	if ctx.Err() != nil {
		return out, context.Cause(ctx)
	}
	var o options
	o.apply(opts)
	index, spec, err := f.fill(ctx, p, in, &o)
	if err != nil {
		if errors.Is(err, errInPlace) {
			return f.inPlace(ctx, p, &spec, in, &o)
		}
		return out, err
	}
	id := p.sub.Submit(index, &spec)
	if _, own := ctx.(*task); p.master == nil && !own && ctx.Done() != nil {
		// The call may run on this very stack: then nobody else hears of ctx. For
		// the task's own context the worker looks by itself.
		defer context.AfterFunc(ctx, func() { p.sub.Cancel(id) })()
	}
	if err := p.sub.Wait(ctx, spec.Caller, index); err != nil {
		p.sub.Abandon(id)
		return out, err
	}
	out, err = f.collect(p.sub, index)
	p.sub.Release(index)
	if closed := p.sub.Err(); closed != nil { // then what was read may be zeros
		return *new(Out), closed
	}
	return out, err
}

// collector gives results: a Submitter or a Stream.
type collector interface {
	Plain(index uint32, n int) unsafe.Pointer
	Result(index uint32) (engine.Result, error)
}

// collect reads the result of a task that has ended.
func (f *Func[In, Out]) collect(from collector, index uint32) (out Out, err error) {
	if f.out.Way == codec.Plain {
		if p := from.Plain(index, f.out.Size); p != nil {
			return *(*Out)(p), nil
		}
	}
	r, err := from.Result(index)
	if err != nil {
		return out, err
	}
	return f.result(r)
}

// fill takes a descriptor and writes the input into it.
func (f *Func[In, Out]) fill(ctx context.Context, p *Pool, in In, o *options) (uint32, engine.Spec, error) {
	spec, err := f.spec(ctx, p, o)
	if err != nil {
		return 0, spec, err
	}
	if hints, err := f.hinter(o); err != nil {
		return 0, spec, err
	} else if hints != nil {
		spec.Hints = hints(in).engine()
	}
	if err := p.sub.Err(); err != nil {
		return 0, spec, err
	}
	index, ok := p.sub.TryAcquire()
	if !ok {
		switch {
		case o.noWait:
			return 0, spec, ErrFull
		case p.master == nil:
			return 0, spec, errInPlace
		}
		if index, err = p.sub.Acquire(ctx); err != nil {
			return 0, spec, err
		}
	}
	var room placer = p.sub
	if o.noWait {
		room = engine.Impatient{Submitter: p.sub}
	}
	if err := f.write(ctx, room, index, in); err != nil {
		p.sub.Unacquire(index)
		if p.master == nil && errors.Is(err, ErrFull) {
			err = errInPlace
		}
		return 0, spec, err
	}
	return index, spec, nil
}

// placer gives room for an input: a Submitter, patient or not, or a Stream.
type placer interface {
	Input(ctx context.Context, index uint32, n int) (unsafe.Pointer, error)
}

// write writes an input into a descriptor.
func (f *Func[In, Out]) write(ctx context.Context, to placer, index uint32, in In) error {
	if f.in.Way == codec.Plain {
		dst, err := to.Input(ctx, index, f.in.Size)
		if err == nil {
			*(*In)(dst) = in
		}
		return err
	}
	v := in // in itself stays off the heap
	return f.writeBytes(ctx, to, index, &v)
}

func (f *Func[In, Out]) writeBytes(ctx context.Context, to placer, index uint32, in *In) error {
	b, buf, err := f.in.Bytes(in)
	if err != nil {
		return fmt.Errorf("tutti: %s: encode input: %w", f.name, err)
	}
	dst, err := to.Input(ctx, index, len(b))
	if err == nil {
		copy(unsafe.Slice((*byte)(dst), len(b)), b)
	}
	if buf != nil {
		codec.Buffers.Put(buf)
	}
	return err
}

// result reads what a task left.
func (f *Func[In, Out]) result(r engine.Result) (out Out, err error) {
	if r.Kind == engine.KindValue {
		return f.out.Read(unsafe.Pointer(unsafe.SliceData(r.Data)), len(r.Data))
	}
	e := &TaskError{Func: f.name, Worker: r.Worker, Attempt: r.Attempt}
	switch r.Kind {
	case engine.KindError, engine.KindPanic:
		e.Err = unpackError(r.Kind, r.Data)
	case engine.KindCrash:
		e.Err = e.crash(r.Data)
	case engine.KindTimeout:
		e.Err = fmt.Errorf("%w: past its time limit, and ended by force: %w", context.DeadlineExceeded, e.crash(r.Data))
	case engine.KindCancelled:
		e.Err = context.Canceled
		if len(r.Data) > 0 {
			e.Err = fmt.Errorf("%w, and ended by force: %w", context.Canceled, e.crash(r.Data))
		}
	case engine.KindNoMemory:
		e.Err = ErrNoMemory
	case engine.KindNoGroup:
		e.Err = fmt.Errorf("%w: %s", ErrGroupDead, r.Data)
	case engine.KindUnknown:
		e.Err = errors.New("the worker has no function of this name: it must be registered before tutti.Main is called, in a package-level variable")
	default:
		e.Err = fmt.Errorf("damaged result of kind %d", r.Kind)
	}
	return out, e
}

// crash reads how the task's worker died, and which it was: the supervisor wrote
// the result.
func (e *TaskError) crash(b []byte) error {
	var c engine.Crash
	if err := json.Unmarshal(b, &c); err != nil {
		return &CrashError{Status: "its description found no memory"}
	}
	e.Worker, e.Attempt = c.Worker, c.Attempt
	return &CrashError{
		Status: c.Status, Exit: c.Exit, Signal: syscall.Signal(c.Signal), OOM: c.OOM,
		Worker: c.Worker, PID: c.PID, Attempt: c.Attempt, Trace: c.Trace,
	}
}

var errGoexit = errors.New("the function called runtime.Goexit (in a test: FailNow or SkipNow)")

// handle runs a task in a worker.
func (f *Func[In, Out]) handle(r *engine.Run) {
	t := newTask(r)
	returned := false
	defer func() {
		if !returned {
			if v := recover(); v != nil {
				w := wireError{Text: fmt.Sprint(v), Stack: string(debug.Stack())}
				leave(r, engine.KindPanic, w.pack())
			} else {
				leave(r, engine.KindError, packError(errGoexit))
			}
		}
		r.Close()
		t.end()
	}()
	in, err := f.take(r)
	if err == nil {
		var out Out
		if out, err = f.fn(t, in); err == nil {
			err = f.leave(r, out)
		}
	}
	if err != nil {
		leave(r, engine.KindError, packError(err))
	}
	returned = true
}

// take reads a task's input.
func (f *Func[In, Out]) take(r *engine.Run) (in In, err error) {
	if f.in.Way == codec.Plain {
		if p := r.PlainInput(f.in.Size); p != nil {
			return *(*In)(p), nil
		}
	}
	p, n, err := r.Input()
	if err != nil {
		return in, err
	}
	return f.in.Read(p, n)
}

// leave writes a result for the submitter.
func (f *Func[In, Out]) leave(r *engine.Run, out Out) error {
	if f.out.Way == codec.Plain {
		if p := r.PlainOutput(f.out.Size); p != nil {
			*(*Out)(p) = out
			return nil
		}
	}
	v := out // out itself stays off the heap
	return f.leaveBytes(r, &v)
}

func (f *Func[In, Out]) leaveBytes(r *engine.Run, out *Out) error {
	b, buf, err := f.out.Bytes(out)
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	leave(r, engine.KindValue, b)
	if buf != nil {
		codec.Buffers.Put(buf)
	}
	return nil
}

func leave(r *engine.Run, kind engine.Kind, b []byte) {
	dst, err := r.Output(kind, len(b))
	if err == nil {
		copy(unsafe.Slice((*byte)(dst), len(b)), b)
	} // else Output has recorded that there was no memory
}
