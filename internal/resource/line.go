package resource

import (
	"cmp"
	"container/heap"
	"slices"
	"strings"
)

// Units are amounts, one for each resource, in an order that the caller keeps. Of CPUs
// they are thousandths.
type Units []int64

// Fit reports whether need can be had of u. Who needs nothing always fits.
func (u Units) Fit(need Units) bool {
	for r, n := range need {
		if n > u[r] {
			return false
		}
	}
	return true
}

// Take takes need away.
func (u Units) Take(need Units) {
	for r, n := range need {
		u[r] -= n
	}
}

// Give puts need back.
func (u Units) Give(need Units) {
	for r, n := range need {
		u[r] += n
	}
}

// setAside takes away what there is of need.
func (u Units) setAside(need Units) {
	for r, n := range need {
		u[r] -= min(max(u[r], 0), n)
	}
}

// Line is the tasks that are ready, and decides which of them starts. The zero value is
// an empty one for tasks of equal rank.
type Line struct {
	rank    []int64 // by task; nil: all the same
	classes []class
	byNeed  map[string]int
	waits   int64 // how many places were given
	first   Units // see First
}

// class is the tasks that need the same.
type class struct {
	need  Units
	tasks queue
	place int64 // in the line; 0: it has not had to wait
}

// NewLine returns an empty line of tasks, of which the one with the higher rank starts
// first; of equal ones the one with the lower number.
func NewLine(rank []int64) *Line { return &Line{rank: rank} }

// Class returns the class of tasks that need so much, all of which must exist. need is
// not to be changed any more.
func (l *Line) Class(need Units) int {
	var key strings.Builder
	for _, n := range need {
		for range 8 {
			key.WriteByte(byte(n))
			n >>= 8
		}
	}
	if c, ok := l.byNeed[key.String()]; ok {
		return c
	}
	if l.byNeed == nil {
		l.byNeed = map[string]int{}
	}
	l.classes = append(l.classes, class{need: need, tasks: queue{rank: l.rank}})
	l.byNeed[key.String()] = len(l.classes) - 1
	return len(l.classes) - 1
}

// Push puts a task in that is ready.
func (l *Line) Push(class int, task int32) { heap.Push(&l.classes[class].tasks, task) }

// Next takes the task that is to start with what is free; false while none may. free
// may be nil where no task needs anything. It takes O(c log c) for c classes that have
// tasks, and O(log n) for n tasks.
func (l *Line) Next(free Units) (task int, ok bool) {
	left := slices.Clone(free)
	l.first = nil
	for _, i := range l.order() {
		c := &l.classes[i]
		if left.Fit(c.need) {
			c.place = 0
			return int(heap.Pop(&c.tasks).(int32)), true
		}
		if c.place == 0 {
			l.waits++
			c.place = l.waits
		}
		if l.first == nil {
			l.first = c.need
		}
		left.setAside(c.need)
	}
	return 0, false
}

// First is what the first task in the line needs, for which the last Next had not
// enough; nil if there is none.
func (l *Line) First() Units { return l.first }

// order gives the classes that have tasks: those with a place by their places, then the
// others by the ranks of their best tasks.
func (l *Line) order() []int {
	var order []int
	for i := range l.classes {
		if l.classes[i].tasks.Len() > 0 {
			order = append(order, i)
		}
	}
	if len(order) < 2 {
		return order
	}
	slices.SortFunc(order, func(i, j int) int {
		a, b := &l.classes[i], &l.classes[j]
		if a.place != 0 && b.place != 0 {
			return cmp.Compare(a.place, b.place)
		}
		if a.place != 0 || b.place != 0 {
			return cmp.Compare(b.place, a.place)
		}
		return a.tasks.compare(a.tasks.tasks[0], b.tasks.tasks[0])
	})
	return order
}

// queue is a heap of tasks, the one with the highest rank first.
type queue struct {
	tasks []int32
	rank  []int64
}

// Len is part of heap.Interface, as are the others.
func (q *queue) Len() int { return len(q.tasks) }

func (q *queue) Less(a, b int) bool { return q.compare(q.tasks[a], q.tasks[b]) < 0 }

func (q *queue) compare(i, j int32) int {
	if q.rank == nil {
		return cmp.Compare(i, j)
	}
	return cmp.Or(cmp.Compare(q.rank[j], q.rank[i]), cmp.Compare(i, j))
}

func (q *queue) Swap(a, b int) { q.tasks[a], q.tasks[b] = q.tasks[b], q.tasks[a] }

// Push is part of heap.Interface.
func (q *queue) Push(x any) { q.tasks = append(q.tasks, x.(int32)) }

// Pop is part of heap.Interface.
func (q *queue) Pop() any {
	last := len(q.tasks) - 1
	i := q.tasks[last]
	q.tasks = q.tasks[:last]
	return i
}
