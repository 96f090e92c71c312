package engine

import (
	"context"
	"runtime/pprof"
	"strconv"
	"sync"
	"unsafe"
)

// Whose goroutine it is.
//
// A call with a context that is no task's says nothing of its caller, and yet what
// runs in it must be kept apart from all that its caller is not. The one thing that a
// goroutine inherits from the one that starts it are its profiler labels. So while a
// task runs its goroutine has the number of its Caller as a label, and has those from
// before when the task has ended; what the function starts has that number, too, and
// keeps it when it adds labels of its own by a context derived from the task's.
//
// A number serves for one Caller after another, since a fresh label for each task
// would cost as much as half of a short nested call. A goroutine that a function left
// behind is therefore taken for one of a later task, or of none.
//
// The runtime promises to keep the two functions that it lends here: others use them
// in this way.

//go:linkname getLabels runtime/pprof.runtime_getProfLabel
func getLabels() unsafe.Pointer

//go:linkname setLabels runtime/pprof.runtime_setProfLabel
func setLabels(unsafe.Pointer)

// labelKey names the label. Its value is a number, unique among what runs in a worker.
const labelKey = "tutti.task"

// label is one of the numbers.
type label struct {
	ctx context.Context // carries it, for who adds others
	raw unsafe.Pointer  // as goroutines have it
	of  *Caller         // nil: nobody's; with labels.mu
}

// labels are a worker's numbers: as many as tasks ever ran at once.
type labels struct {
	mu   sync.Mutex
	all  []*label // by number
	free []*label
}

// give gives c a number of its own; take takes it back.
func (l *labels) give(c *Caller) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.free) == 0 {
		l.free = append(l.free, newLabel(len(l.all)))
		l.all = append(l.all, l.free[0])
	}
	c.label = l.free[len(l.free)-1]
	l.free = l.free[:len(l.free)-1]
	c.label.of = c
}

func (l *labels) take(c *Caller) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.label.of = nil
	l.free = append(l.free, c.label)
}

func newLabel(number int) *label {
	before := getLabels()
	defer setLabels(before)
	ctx := pprof.WithLabels(context.Background(), pprof.Labels(labelKey, strconv.Itoa(number)))
	pprof.SetGoroutineLabels(ctx)
	return &label{ctx: ctx, raw: getLabels()}
}

// whose returns the Caller that the present goroutine belongs to; nil when no task
// that runs has started it, or when it has no labels of ours any more.
func (l *labels) whose() *Caller {
	text, ok := pprof.Label(worn{context.Background(), getLabels()}, labelKey)
	if !ok {
		return nil
	}
	n, err := strconv.Atoi(text)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil || n < 0 || n >= len(l.all) {
		return nil
	}
	return l.all[n].of
}

// worn is a context with the labels that a goroutine has.
type worn struct {
	context.Context
	raw unsafe.Pointer
}

// sample is a context with labels, of which worn learns how a context holds them.
var sample = pprof.WithLabels(context.Background(), pprof.Labels(labelKey, ""))

// Value answers pprof's own key alone: with what sample has there, a pointer in an
// interface, but to the labels of the goroutine.
func (w worn) Value(key any) any {
	v := sample.Value(key)
	if v == nil || w.raw == nil {
		return nil
	}
	(*[2]unsafe.Pointer)(unsafe.Pointer(&v))[1] = w.raw
	return v
}

// Whose returns the task of this process whose goroutine calls, for a call whose
// context does not tell; nil when it is no task's.
func (s *Submitter) Whose() *Caller {
	if s.worker == nil {
		return nil
	}
	return s.worker.labels.whose()
}

// LabelValue is what the context of the task of that name holds for a key of pprof's:
// so labels that are added to it come on top of ours.
func (r *Run) LabelValue(id TaskID, key any) any {
	if c := r.Caller(id); c != nil && c.label != nil {
		return c.label.ctx.Value(key)
	}
	return nil
}
