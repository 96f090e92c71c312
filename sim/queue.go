package sim

import "github.com/tutti-run/tutti/sched"

const fullSpeed = sched.FullSpeed

// together is how many tasks lie together in the engine's queues: Take.Half is
// half of these.
const together = 64

// queue is one class of a slot's queue: tasks in the order in which they came or,
// once a worker has asked for ranks, a heap by rank.
type queue struct {
	tasks  []*task
	head   int // of those that lie in order; 0 in a heap
	ranked bool
}

func (q *queue) len() int { return len(q.tasks) - q.head }

func (q *queue) add(t *task) {
	if q.head > len(q.tasks)/2 {
		q.tasks = append(q.tasks[:0], q.tasks[q.head:]...)
		q.head = 0
	}
	q.tasks = append(q.tasks, t)
	if q.ranked {
		q.up(len(q.tasks) - 1)
	}
}

// take removes up to n tasks and appends them to out.
func (q *queue) take(n int, half bool, out []*task) []*task {
	there := min(q.len(), together)
	if half {
		n = min(n, (there+1)/2)
	}
	for range min(max(n, 1), there) {
		if q.ranked {
			out = append(out, q.removeAt(0))
			continue
		}
		out = append(out, q.tasks[q.head])
		q.tasks[q.head] = nil
		q.head++
	}
	return out
}

// takeLowest removes the task of lowest rank, of those whose rank less their
// expected time is not below least if that is not 0.
func (q *queue) takeLowest(least int64) *task {
	if !q.ranked {
		q.tasks, q.head, q.ranked = q.tasks[q.head:], 0, true
		for i := range q.tasks {
			q.up(i)
		}
	}
	if len(q.tasks) == 0 {
		return nil
	}
	inTime := func(t *task) bool { return least == 0 || t.rank-int64(t.Expected) >= least }
	if inTime(q.tasks[0]) {
		return q.removeAt(0)
	}
	best := -1
	for i, t := range q.tasks {
		if inTime(t) && (best < 0 || t.before(q.tasks[best])) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	return q.removeAt(best)
}

func (t *task) before(o *task) bool {
	return t.rank < o.rank || t.rank == o.rank && t.number < o.number
}

func (q *queue) up(i int) {
	for i > 0 && q.tasks[i].before(q.tasks[(i-1)/2]) {
		q.tasks[i], q.tasks[(i-1)/2] = q.tasks[(i-1)/2], q.tasks[i]
		i = (i - 1) / 2
	}
}

func (q *queue) removeAt(i int) *task {
	t, n := q.tasks[i], len(q.tasks)-1
	q.tasks[i] = q.tasks[n]
	q.tasks[n] = nil
	q.tasks = q.tasks[:n]
	if i == n {
		return t
	}
	q.up(i)
	for {
		c := 2*i + 1
		if c+1 < n && q.tasks[c+1].before(q.tasks[c]) {
			c++
		}
		if c >= n || !q.tasks[c].before(q.tasks[i]) {
			return t
		}
		q.tasks[i], q.tasks[c] = q.tasks[c], q.tasks[i]
		i = c
	}
}
