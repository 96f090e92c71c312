package history

import (
	"cmp"
	"container/heap"
	"math/rand/v2"
	"slices"
)

// Order is in which order tasks are started.
type Order uint8

// The orders.
const (
	Input    Order = iota // as they came
	Longest               // who is expected to take longest first (Graham's LPT rule)
	Shortest              // who is expected to take shortest first
	Random
)

// String returns the name of the order.
func (o Order) String() string { return [...]string{"input", "longest", "shortest", "random"}[o] }

// OrderNamed returns the order of a name; false where there is none.
func OrderNamed(name string) (Order, bool) {
	for o := Input; o <= Random; o++ {
		if o.String() == name {
			return o, true
		}
	}
	return Input, false
}

// Window holds tasks that wait to be started and gives out the first in its order. Its
// user bounds it: with more tasks than it may hold at once, the order holds among those
// that are in it. Tasks that are expected to take as long go by size, then as they came.
// It is not safe for several goroutines.
type Window[T any] struct {
	order Order
	rand  *rand.Rand
	tasks queue[T]
	work  Work // of all of them
	came  int64
}

// NewWindow makes an empty window. r is asked for the random order alone.
func NewWindow[T any](order Order, r *rand.Rand) *Window[T] {
	return &Window[T]{order: order, rand: r}
}

// waiting is a task in a window.
type waiting[T any] struct {
	first, second float64 // the lower the sooner
	came          int64
	guess         Guess
	task          T
}

func (a *waiting[T]) compare(b *waiting[T]) int {
	if a.first != b.first {
		return cmp.Compare(a.first, b.first)
	}
	if a.second != b.second {
		return cmp.Compare(a.second, b.second)
	}
	return cmp.Compare(a.came, b.came)
}

// Push puts a task in, with what is known and guessed of it.
func (w *Window[T]) Push(task T, size int64, g Guess) {
	w.came++
	at := &waiting[T]{came: w.came, guess: g, task: task}
	switch w.order {
	case Longest:
		at.first, at.second = -g.Seconds, -float64(size)
	case Shortest:
		at.first, at.second = g.Seconds, float64(size)
	case Random:
		at.first = w.rand.Float64()
	}
	heap.Push(&w.tasks, at)
	w.work.add(g, 1)
}

// Len is how many tasks wait.
func (w *Window[T]) Len() int { return len(w.tasks) }

// First is the task that is next. There must be one.
func (w *Window[T]) First() (T, Guess) { return w.tasks[0].task, w.tasks[0].guess }

// Pop takes First out.
func (w *Window[T]) Pop() { w.work.add(heap.Pop(&w.tasks).(*waiting[T]).guess, -1) }

// listed is how many of the tasks that wait are told one by one, at the begin and at the
// end: what is at the begin may be longer than all else, and what is at the end decides
// how evenly the slots come to theirs.
const listed = 128

// Outlook returns what waits, in the order of the starts: guesses for the first tasks, the
// work of those between, guesses for the last. Of many the first are about those.
func (w *Window[T]) Outlook() (first []Guess, between Work, last []Guess) {
	var begin, end latest[T]
	for i := range w.tasks {
		if i < listed { // the begin of a heap has the very first, and early ones
			begin = append(begin, w.tasks[i])
		} else {
			end.keep(w.tasks[i])
		}
	}
	first, last = begin.guesses(), end.guesses()
	if len(w.tasks) > len(first)+len(last) {
		between = w.work
		for _, g := range slices.Concat(first, last) {
			between.add(g, -1)
		}
	}
	return first, between, last
}

// latest are the last of the tasks that it was told of, a heap with the first of them at
// its begin.
type latest[T any] []*waiting[T]

// keep takes a task in if it is later than one of those, or they are few.
func (l *latest[T]) keep(t *waiting[T]) {
	switch {
	case len(*l) < listed:
		heap.Push(l, t)
	case t.compare((*l)[0]) > 0:
		(*l)[0] = t
		heap.Fix(l, 0)
	}
}

// guesses are those of the tasks, in the order of their starts.
func (l latest[T]) guesses() (all []Guess) {
	slices.SortFunc(l, func(a, b *waiting[T]) int { return a.compare(b) })
	for _, t := range l {
		all = append(all, t.guess)
	}
	return all
}

// The methods that container/heap asks for.
func (l latest[T]) Len() int           { return len(l) }
func (l latest[T]) Less(i, j int) bool { return l[i].compare(l[j]) < 0 }
func (l latest[T]) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
func (l *latest[T]) Push(x any)        { *l = append(*l, x.(*waiting[T])) }

// Pop is not asked for by what is used of it.
func (l *latest[T]) Pop() any { panic("history: nothing is taken out") }

// queue is the heap.
type queue[T any] []*waiting[T]

// The methods that container/heap asks for.
func (q queue[T]) Len() int           { return len(q) }
func (q queue[T]) Less(i, j int) bool { return q[i].compare(q[j]) < 0 }
func (q queue[T]) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue[T]) Push(x any)        { *q = append(*q, x.(*waiting[T])) }
func (q *queue[T]) Pop() any {
	old := *q
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return last
}
