package engine

// Tasks that start in the order of their submission: see Config.InOrder and round.go.

// takeOldest takes the hint of the task that has waited longest: the first that
// follows the one begun last, by whomever, since submitters go round the table.
//
// It looks at one leaf after the other. What is found in a later one may have been
// submitted after something in an earlier one, which was empty when it was looked
// at. Hints are set in the order of submission, so a second look shows that, and
// what was taken is given back.
func (m *memory) takeOldest(queue, class int) (leaf int, batch uint64) {
	h := &m.queue[queue][class]
	from := min(int(m.head.cursor.Load()), len(m.words)-1)
	for {
		i, ok := h.first(from)
		if !ok {
			return 0, 0
		}
		leaf, batch = i>>6, uint64(1)<<(i&63)
		if !h.remove(leaf, batch) {
			continue // somebody else was quicker
		}
		if h.before(from, i) {
			h.add(leaf, batch)
			continue
		}
		return leaf, batch
	}
}

// begun moves the cursor of takeOldest behind a task that has begun. A hint alone
// does not move it: a stale one may name the very descriptor that is used next, and
// the task behind that one would then come first. Two that begin at once may set it
// back by one, which costs nothing.
func (m *memory) begun(index uint32) {
	if m.head.inOrder != 0 {
		m.head.cursor.Store((index + 1) % uint32(len(m.words)))
	}
}
