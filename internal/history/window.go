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
	ready []*waiting[T] // in their order
	late  queue[T]      // those that came since that was last made
	work  Work          // of all of them
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
	heap.Push(&w.late, at)
	w.work.add(g, 1)
}

// Len is how many tasks wait.
func (w *Window[T]) Len() int { return len(w.ready) + len(w.late) }

// isLate reports whether the first task is a late one.
func (w *Window[T]) isLate() bool {
	return len(w.late) > 0 && (len(w.ready) == 0 || w.late[0].compare(w.ready[0]) < 0)
}

// First is the task that is next. There must be one.
func (w *Window[T]) First() (T, Guess) {
	if w.isLate() {
		return w.late[0].task, w.late[0].guess
	}
	return w.ready[0].task, w.ready[0].guess
}

// Pop takes First out.
func (w *Window[T]) Pop() {
	var out *waiting[T]
	if w.isLate() {
		out = heap.Pop(&w.late).(*waiting[T])
	} else {
		out, w.ready[0] = w.ready[0], nil
		w.ready = w.ready[1:]
	}
	w.work.add(out.guess, -1)
}

// arrange brings all tasks into their order. After that taking one out costs no search.
func (w *Window[T]) arrange() {
	if len(w.late) == 0 {
		return
	}
	w.ready = append(w.ready, w.late...)
	clear(w.late)
	w.late = w.late[:0]
	slices.SortFunc(w.ready, func(a, b *waiting[T]) int { return a.compare(b) })
}

// listed is how many of the tasks that wait are told one by one, at the begin and at the
// end: what is at the begin may be longer than all else, and what is at the end decides
// how evenly the slots come to theirs.
const listed = 128

// Outlook returns what waits, in the order of the starts: guesses for the first tasks, the
// work of those between, guesses for the last.
func (w *Window[T]) Outlook() (first []Guess, between Work, last []Guess) {
	w.arrange()
	n := len(w.ready)
	begin, end := w.ready[:min(n, listed)], w.ready[max(n-listed, min(n, listed)):]
	for _, t := range begin {
		first = append(first, t.guess)
	}
	for _, t := range end {
		last = append(last, t.guess)
	}
	if n > len(first)+len(last) {
		between = w.work
		for _, g := range slices.Concat(first, last) {
			between.add(g, -1)
		}
	}
	return first, between, last
}

// queue is a heap, whose first task is the first in their order.
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
