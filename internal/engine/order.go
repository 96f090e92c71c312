package engine

import "math/bits"

// Tasks that start in the order of their submission: see Config.InOrder and round.go.

// takeOldest takes the hint of the task that has waited longest: the first that
// follows the one begun last, by whomever, since submitters go round the table.
// seen is the task's word, which it must still have when it begins.
//
// It looks at one leaf after the other. What is found in a later one may have been
// submitted after something in an earlier one, which was empty when it was looked
// at. Hints are set in the order of submission, so a second look shows that, and
// what was taken is given back.
//
// A hint may be stale, and its descriptor be used again by a task whose
// predecessors have no hints yet. So the word comes first: if it is QUEUED before
// the second look, all hints of earlier tasks were set before that look (flush).
func (m *memory) takeOldest(queue, class int) (leaf int, batch uint64, seen Word) {
	h := &m.queue[queue][class]
	from := m.cursor()
	for {
		i, ok := h.first(from)
		if !ok {
			return 0, 0, 0
		}
		leaf, batch = i>>6, uint64(1)<<(i&63)
		if !h.remove(leaf, batch) {
			continue // somebody else was quicker
		}
		if seen = Word(m.words[i].Load()); seen.state() != Queued {
			continue // stale; who submits it next sets the hint again
		}
		if h.before(from, i) {
			h.add(leaf, batch)
			continue
		}
		return leaf, batch, seen
	}
}

// oldest is find for tasks that start in order, in one queue. What another worker
// has taken and not begun is robbed only if nothing older waits.
func (w *Worker) oldest(queue, class int) (leaf int, batch uint64, seen Word) {
	leaf, batch, seen = w.m.takeOldest(queue, class)
	if batch != 0 || queue == w.slot || queue == 0 {
		return leaf, batch, seen
	}
	if leaf, batch = w.rob(queue, class); batch == 0 {
		return 0, 0, 0
	}
	i := leaf<<6 + bits.TrailingZeros64(batch)
	seen = Word(w.m.words[i].Load())
	if seen.state() != Queued || w.m.queue[queue][class].before(w.m.cursor(), i) {
		return 0, 0, 0
	}
	return leaf, batch, seen
}

func (m *memory) cursor() int { return min(int(m.head.cursor.Load()), m.Geometry.Tasks-1) }

// begun moves the cursor of takeOldest behind a task that has begun. A hint alone
// does not move it: a stale one may name the very descriptor that is used next, and
// the task behind that one would then come first. Two that begin at once may set it
// back by one, which costs nothing.
func (m *memory) begun(index uint32) {
	if m.head.inOrder != 0 && !m.Assigned { // the assigner moves it when it assigns
		m.head.cursor.Store((index + 1) % uint32(m.Geometry.Tasks))
	}
}
