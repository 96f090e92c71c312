package waitfor

import (
	"cmp"
	"fmt"
	"slices"
)

// Task is what the Banker knows of one task. Both vectors have an entry for each
// resource.
type Task struct {
	Claim []int64 // the most it will ever hold at once, declared when it begins
	Alloc []int64 // what it holds
}

// Safe reports whether all tasks can come to their ends from here even if each
// of them now asks for all that it claims, and an order in which they can: each
// gets the rest of its claim from what is free and what those before it gave
// back. This is E. W. Dijkstra's Banker's algorithm (Cooperating Sequential
// Processes, EWD 123, 1965) for several resources (A. N. Habermann, Prevention of
// System Deadlocks, CACM 12(7), 1969).
//
// It does not matter which of the tasks that can end is taken first, since the
// free units only grow. So no order is ever tried twice: it takes
// O(tasks × resources × log tasks).
//
// Numbers that cannot be (vectors of another length, something below zero, more
// held than there is or than was claimed) are not safe. The order is nil unless ok.
func Safe(total []int64, tasks []Task) (order []int, ok bool) {
	free, ok := unheld(total, tasks)
	if !ok {
		return nil, false
	}
	needs := func(task, r int) int64 { return tasks[task].Claim[r] - tasks[task].Alloc[r] }
	order = make([]int, 0, len(tasks))
	missing := make([]int, len(tasks)) // resources of which a task cannot have enough yet
	for i := range tasks {
		if missing[i] = len(total); missing[i] == 0 {
			order = append(order, i)
		}
	}
	byNeed := make([][]int, len(total)) // tasks that cannot have enough yet, least need first
	look := func(r int) {
		for len(byNeed[r]) > 0 && needs(byNeed[r][0], r) <= free[r] {
			i := byNeed[r][0]
			byNeed[r] = byNeed[r][1:]
			if missing[i]--; missing[i] == 0 {
				order = append(order, i)
			}
		}
	}
	for r := range total {
		byNeed[r] = make([]int, len(tasks))
		for i := range tasks {
			byNeed[r][i] = i
		}
		slices.SortFunc(byNeed[r], func(a, b int) int {
			return cmp.Or(cmp.Compare(needs(a, r), needs(b, r)), cmp.Compare(a, b))
		})
		look(r)
	}
	for ended := 0; ended < len(order); ended++ {
		for r := range total {
			free[r] += tasks[order[ended]].Alloc[r]
			look(r)
		}
	}
	if len(order) < len(tasks) {
		return nil, false
	}
	return order, true
}

// unheld returns what nobody holds; ok is false if the numbers cannot be.
func unheld(total []int64, tasks []Task) (free []int64, ok bool) {
	free = slices.Clone(total)
	for _, t := range tasks {
		if len(t.Claim) != len(total) || len(t.Alloc) != len(total) {
			return nil, false
		}
		for r, n := range t.Alloc {
			if n < 0 || n > t.Claim[r] || n > free[r] {
				return nil, false
			}
			free[r] -= n
		}
	}
	for _, n := range free {
		if n < 0 {
			return nil, false
		}
	}
	return free, true
}

// Ruling is the Banker's answer to a request. The zero value is none.
type Ruling uint8

// The rulings.
const (
	// Granted: give it now.
	Granted Ruling = iota + 1
	// Postponed: ask again when a task has given something back or ended.
	Postponed
	// Refused: it can never be granted.
	Refused
)

// Decision is a ruling and why.
type Decision struct {
	Ruling Ruling
	// Resource is the first one that is the reason, so that the caller can put its
	// name before Reason; -1 if no single one is.
	Resource int
	// Reason is for people; empty if Granted.
	Reason string
}

// Grant decides whether tasks[task] may have so much more of each resource now.
// It changes nothing. If all that was ever given was Granted by it, and every
// task ends and gives all back once it has had its claim, then no task waits
// forever for want of a grant: what the first task of a safe order claims is
// free, and that order is still safe when it has some of it, so its requests are
// granted whenever it asks. In what order those are asked again who were
// postponed is the caller's matter; the oldest first starves nobody.
func Grant(total []int64, tasks []Task, task int, request []int64) Decision {
	if task < 0 || task >= len(tasks) {
		return Decision{Refused, -1, fmt.Sprintf("there is no task %d", task)}
	}
	t := tasks[task]
	if len(request) != len(total) || len(t.Claim) != len(total) || len(t.Alloc) != len(total) {
		return Decision{Refused, -1, fmt.Sprintf("there are %d resources; the request names %d, the task claims %d and holds %d",
			len(total), len(request), len(t.Claim), len(t.Alloc))}
	}
	for r, n := range request {
		switch {
		case n < 0:
			return Decision{Refused, r, fmt.Sprintf("%d asked for; give back what is not needed instead", n)}
		case t.Claim[r] > total[r]:
			return Decision{Refused, r, fmt.Sprintf("%d claimed, and only %d at all; claim less", t.Claim[r], total[r])}
		case n > t.Claim[r]-t.Alloc[r]:
			return Decision{Refused, r, fmt.Sprintf("%d asked for, %d held, and only %d claimed; claim more when the task begins",
				n, t.Alloc[r], t.Claim[r])}
		}
	}
	free, ok := unheld(total, tasks)
	if !ok {
		return Decision{Postponed, -1, "more is held than there is or than was claimed"}
	}
	for r, n := range request {
		if n > free[r] {
			return Decision{Postponed, r, fmt.Sprintf("%d asked for, %d free", n, free[r])}
		}
	}
	t.Alloc = slices.Clone(t.Alloc)
	for r, n := range request {
		t.Alloc[r] += n
	}
	after := slices.Clone(tasks)
	after[task] = t
	if _, ok := Safe(total, after); !ok {
		return Decision{Postponed, -1, "if it were given, the tasks could come to wait for each other"}
	}
	return Decision{Ruling: Granted, Resource: -1}
}

// Ask is a request of a task that waits for what it asked for.
type Ask struct {
	Task  int
	Units []int64 // of each resource
}

// GrantLine returns who in a line, the order of asking, gets what it asks for now, as
// indexes in line. It changes nothing. One pass is enough: what Grant postponed it
// still postpones when somebody else has been granted his, since that one has then all
// the less to come to its end with.
//
// Who is postponed is overtaken by those alone who hold something: it may be they who
// have to end for it. Who holds nothing waits behind him. So nobody waits for ever: of
// those who hold something, the first of a safe order is granted whatever it asks; when
// all of them have ended, everything is free for the first in line.
func GrantLine(total []int64, tasks []Task, line []Ask) (granted []int) {
	tasks = slices.Clone(tasks)
	postponed := false
	for i, ask := range line {
		if ask.Task < 0 || ask.Task >= len(tasks) || postponed && !holds(tasks[ask.Task]) {
			continue
		}
		switch Grant(total, tasks, ask.Task, ask.Units).Ruling {
		case Granted:
			t := &tasks[ask.Task]
			t.Alloc = slices.Clone(t.Alloc)
			for r, n := range ask.Units {
				t.Alloc[r] += n
			}
			granted = append(granted, i)
		case Postponed:
			postponed = true
		}
	}
	return granted
}

func holds(t Task) bool { return slices.ContainsFunc(t.Alloc, func(n int64) bool { return n > 0 }) }
