package graph

import (
	"cmp"
	"container/heap"
	"slices"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/resource"
)

// State is a run of a graph: what has ended, and what may start. The zero value is
// none; see [Graph.Begin].
type State struct {
	g     *Graph
	waits []int32          // how many tasks that have not ended task i waits for; -1: it is over
	line  *resource.Line   // of those that may start
	needs []resource.Units // by task; nil: nothing
	class []int            // in the line, by task; nil: likewise
	left  int              // tasks that are not over
}

// Begin begins a run. A task of which done says that an earlier run did it is over
// from the start, if all that it waits for is; done is asked only then, once a task,
// in an order in which each comes behind what it waits for. before are those tasks.
// needs are what the tasks need to run, one for each; nil: nothing.
func (g *Graph) Begin(done func(i int) bool, needs []resource.Units) (s *State, before []int) {
	s = &State{g: g, waits: make([]int32, len(g.Tasks)), left: len(g.Tasks), line: resource.NewLine(g.rank), needs: needs}
	s.line.Class(nil)
	for _, need := range needs {
		s.class = append(s.class, s.line.Class(need))
	}
	for i, after := range g.after {
		s.waits[i] = int32(len(after))
	}
	for _, i := range g.order {
		if s.waits[i] > 0 {
			continue
		}
		if done != nil && done(int(i)) {
			before = append(before, int(i))
			s.over(i)
			for _, j := range g.then[i] {
				s.waits[j]--
			}
			continue
		}
		s.push(i)
	}
	return s, before
}

// push notes that a task may start.
func (s *State) push(i int32) {
	class := 0
	if s.class != nil {
		class = s.class[i]
	}
	s.line.Push(class, i)
}

// Next takes the task that is to start next with what is free; false while none may.
func (s *State) Next(free resource.Units) (i int, ok bool) { return s.line.Next(free) }

// Wanted is what the task needs that has waited longest for more than is free, as the
// last Next saw it; nil: none has to.
func (s *State) Wanted() resource.Units { return s.line.First() }

// Again notes that a task that Next gave may start once more.
func (s *State) Again(i int) { s.push(int32(i)) }

// Left is how many tasks are not over: those that run, that may start and that wait.
func (s *State) Left() int { return s.left }

// Ended notes that a task ended for good. If it failed, all that wait for it, and for
// those in turn, are over as well: unmet are these, in the order of the file.
func (s *State) Ended(i int, ok bool) (unmet []int) {
	s.over(int32(i))
	if ok {
		for _, j := range s.g.then[i] {
			if s.waits[j] < 0 { // another of those it waited for has failed
				continue
			}
			if s.waits[j]--; s.waits[j] == 0 {
				s.push(j)
			}
		}
		return nil
	}
	ahead := []int32{int32(i)}
	for len(ahead) > 0 {
		i, ahead = int(ahead[len(ahead)-1]), ahead[:len(ahead)-1]
		for _, j := range s.g.then[i] {
			if s.waits[j] >= 0 {
				s.over(j)
				unmet = append(unmet, int(j))
				ahead = append(ahead, j)
			}
		}
	}
	slices.Sort(unmet)
	return unmet
}

func (s *State) over(i int32) {
	s.waits[i] = -1
	s.left--
}

// Order is the order in which so many slots, with so much free, would start the tasks
// that are left, if each took the time that is thought, and none failed. It uses the
// state up.
func (s *State) Order(slots int, free resource.Units) []int {
	free = slices.Clone(free)
	order := make([]int, 0, s.left)
	var running ends
	now := core.Time(0)
	for {
		for len(running) < slots {
			i, ok := s.Next(free)
			if !ok {
				break
			}
			if s.needs != nil {
				free.Take(s.needs[i])
			}
			order = append(order, i)
			heap.Push(&running, end{now + core.Time(s.g.time(int32(i))), i})
		}
		if len(running) == 0 {
			return order
		}
		e := heap.Pop(&running).(end)
		now = e.at
		if s.needs != nil {
			free.Give(s.needs[e.task])
		}
		s.Ended(e.task, true)
	}
}

// end is when a task ends.
type end struct {
	at   core.Time
	task int
}

// ends is a heap of ends, the first one first.
type ends []end

// Len is part of heap.Interface, as are the others.
func (e ends) Len() int { return len(e) }

func (e ends) Less(a, b int) bool {
	return cmp.Or(cmp.Compare(e[a].at, e[b].at), cmp.Compare(e[a].task, e[b].task)) < 0
}

func (e ends) Swap(a, b int) { e[a], e[b] = e[b], e[a] }

// Push is part of heap.Interface.
func (e *ends) Push(x any) { *e = append(*e, x.(end)) }

// Pop is part of heap.Interface.
func (e *ends) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	*e = (*e)[:last]
	return x
}
