package tutti

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tutti-run/tutti/internal/engine"
)

// task is the context of a running task. Nothing of it is built until it is
// asked for; a task that does not look at its context pays a part of an
// allocation for it.
type task struct {
	run  *engine.Run
	id   engine.TaskID
	more atomic.Pointer[taskMore] // what was asked for; nil at first
}

// taskMore is the part of a task's context that few tasks need.
type taskMore struct {
	deadline time.Time
	mu       sync.Mutex
	done     chan struct{}
	err      error
	calls    map[*func()]struct{} // of AfterFunc
	children []*engine.Pending
}

// taskSlab is how many tasks share an allocation.
const taskSlab = 32

// newTask makes the context of a task. A context may be kept by a goroutine
// that outlives the task, so none is used twice.
func newTask(r *engine.Run) *task {
	slab, _ := r.Local.(*[]task)
	if slab == nil {
		slab = new([]task)
		r.Local = slab
		workerPool(r) // slices are found through it
	}
	if len(*slab) == 0 {
		*slab = make([]task, taskSlab)
	}
	t := &(*slab)[0]
	*slab = (*slab)[1:]
	t.run, t.id = r, r.ID()
	if left, ok := r.RemainingNs(); ok {
		t.ask().deadline = time.Now().Add(time.Duration(left))
	}
	return t
}

// ask returns what was asked for, made at the first time.
func (t *task) ask() *taskMore {
	if m := t.more.Load(); m != nil {
		return m
	}
	t.more.CompareAndSwap(nil, new(taskMore))
	return t.more.Load()
}

// end is called when the task has ended. Who asks later finds that out from the
// task's word.
func (t *task) end() {
	m := t.more.Load()
	if m == nil {
		return
	}
	t.run.Forget(t.id)
	m.finish(context.Canceled)
	m.mu.Lock()
	children := m.children
	m.children = nil
	m.mu.Unlock()
	for _, c := range children {
		c.Abandon()
	}
}

// finish closes the context with err, once.
func (m *taskMore) finish(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.err = err
		if m.done != nil {
			close(m.done)
		}
		for f := range m.calls {
			go (*f)()
		}
		m.calls = nil
	}
}

// cancelled is called by the worker when the task is asked to end.
func (m *taskMore) cancelled(timedOut bool) {
	if timedOut {
		m.finish(context.DeadlineExceeded)
	} else {
		m.finish(context.Canceled)
	}
}

func (t *task) Deadline() (time.Time, bool) {
	if m := t.more.Load(); m != nil {
		return m.deadline, !m.deadline.IsZero()
	}
	return time.Time{}, false
}

func (t *task) Done() <-chan struct{} {
	m := t.ask()
	m.mu.Lock()
	first := m.done == nil
	if first {
		m.done = make(chan struct{})
		if m.err != nil {
			close(m.done)
		}
	}
	done, ended := m.done, m.err != nil
	m.mu.Unlock()
	if first && !ended {
		t.run.OnCancel(t.id, m.cancelled) // at once when it has been asked already
	}
	return done
}

// AfterFunc is what context.AfterFunc uses, where it would else keep a goroutine
// for each task to wait for its end.
func (t *task) AfterFunc(f func()) (stop func() bool) {
	t.Done() // has the worker tell of a cancellation
	return t.ask().after(f)
}

// after has f called in a goroutine of its own when the context ends, unless stop
// is called before.
func (m *taskMore) after(f func()) (stop func() bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		go f()
		return func() bool { return false }
	}
	if m.calls == nil {
		m.calls = map[*func()]struct{}{}
	}
	m.calls[&f] = struct{}{}
	return func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		_, waiting := m.calls[&f]
		delete(m.calls, &f)
		return waiting
	}
}

func (t *task) Err() error {
	if asked, timedOut := t.run.CancelAsked(t.id); asked {
		t.ask().cancelled(timedOut)
	}
	m := t.more.Load()
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// taskKey and poolKey find a task and its pool in a derived context.
type (
	taskKey struct{}
	poolKey struct{}
)

func (t *task) Value(key any) any {
	switch key.(type) {
	case taskKey:
		return t
	case poolKey:
		return workerPool(t.run)
	}
	return t.run.LabelValue(t.id, key)
}

func taskOf(ctx context.Context) *task {
	if t, ok := ctx.(*task); ok {
		return t
	}
	t, _ := ctx.Value(taskKey{}).(*task)
	return t
}

// FromContext returns the pool that a function runs in, given the context that
// it was called with or one derived from it; nil elsewhere. Over it a function
// may call others and wait for them, to any depth: while it waits its worker
// runs what it waits for. A call that takes the worker along fails alone, but the
// function may be begun again to learn of it: see docs/go.md. Tasks that it
// started and did not wait for are cancelled when it returns.
func FromContext(ctx context.Context) *Pool {
	p, _ := ctx.Value(poolKey{}).(*Pool)
	return p
}

// TaskInfo is what a running task may know of itself.
type TaskInfo struct {
	Worker  int // number of the worker, from 1
	Attempt int // from 1
	Lane    int // of the places in the pool where tasks run, the one that runs this; from 0
}

// Info returns what a running function may know of itself; false elsewhere.
func Info(ctx context.Context) (TaskInfo, bool) {
	t := taskOf(ctx)
	if t == nil {
		return TaskInfo{}, false
	}
	return TaskInfo{Worker: t.run.Worker(), Attempt: t.run.Attempt(), Lane: t.run.Lane()}, true
}
