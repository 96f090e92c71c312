package graph

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tutti-run/tutti/internal/core"
)

// Graph is tasks with what they wait for, which closes no circle. It does not
// change.
type Graph struct {
	Tasks []Task

	after [][]int32 // what task i waits for, each once
	then  [][]int32 // what waits for task i
	order []int32   // all tasks, each behind what it waits for
	rank  []int64   // see the package
}

// unknownTime stands for a time that is not known.
const unknownTime = core.Second

// New makes a graph of tasks. nearest finds the name that was meant by one that is
// not there; "" none.
func New(tasks []Task, nearest func(name string, names []string) string) (*Graph, error) {
	g := &Graph{Tasks: tasks, after: make([][]int32, len(tasks)), then: make([][]int32, len(tasks))}
	byName, err := g.names()
	if err != nil {
		return nil, err
	}
	for i := range tasks {
		t := &tasks[i]
		seen := map[int32]bool{}
		for _, name := range t.After {
			j, ok := byName[name]
			switch {
			case !ok:
				return nil, g.missing(t, name, nearest)
			case int(j) == i:
				return nil, &LineError{t.Line, fmt.Sprintf("%s waits for itself; take it out of its own after", name)}
			case seen[j]:
				continue
			}
			seen[j] = true
			g.after[i] = append(g.after[i], j)
			g.then[j] = append(g.then[j], int32(i))
		}
	}
	if err := g.sort(); err != nil {
		return nil, err
	}
	g.rankAll()
	return g, nil
}

// names finds the tasks by their names.
func (g *Graph) names() (map[string]int32, error) {
	byName := make(map[string]int32, len(g.Tasks))
	for i := range g.Tasks {
		t := &g.Tasks[i]
		if t.Name == "" {
			continue
		}
		if first, taken := byName[t.Name]; taken {
			return nil, &LineError{t.Line, fmt.Sprintf("a second task is named %s, the first is that of line %d; a name is for one task, give this one another", t.Name, g.Tasks[first].Line)}
		}
		byName[t.Name] = int32(i)
	}
	return byName, nil
}

// missing is the error for a name that no task has.
func (g *Graph) missing(t *Task, name string, nearest func(string, []string) string) error {
	var names []string
	for i := range g.Tasks {
		names = append(names, g.Tasks[i].Name)
	}
	meant := "; give the task that is meant this name, or take it out"
	if near := nearest(name, names); near != "" {
		for i := range g.Tasks {
			if g.Tasks[i].Name == near {
				meant = fmt.Sprintf("; did you mean %s, of line %d?", near, g.Tasks[i].Line)
			}
		}
	}
	return &LineError{t.Line, fmt.Sprintf("%s is to run after %s, and no task has this name%s", t.Title(), name, meant)}
}

// sort finds the order, or a circle.
func (g *Graph) sort() error {
	waits := make([]int, len(g.Tasks))
	g.order = make([]int32, 0, len(g.Tasks))
	for i, after := range g.after {
		if waits[i] = len(after); waits[i] == 0 {
			g.order = append(g.order, int32(i))
		}
	}
	for n := 0; n < len(g.order); n++ {
		for _, j := range g.then[g.order[n]] {
			if waits[j]--; waits[j] == 0 {
				g.order = append(g.order, j)
			}
		}
	}
	for i, n := range waits {
		if n > 0 {
			return g.circle(int32(i), waits)
		}
	}
	return nil
}

// circleNamed is how many tasks of a circle are named at most.
const circleNamed = 12

// circle is the error for tasks that wait for each other. From task i, which waits
// for one that can never end, the way along such tasks comes to a circle.
func (g *Graph) circle(i int32, waits []int) error {
	var path []int32
	place := map[int32]int{}
	for {
		if at, met := place[i]; met {
			path = path[at:]
			break
		}
		place[i] = len(path)
		path = append(path, i)
		for _, j := range g.after[i] {
			if waits[j] > 0 {
				i = j
				break
			}
		}
	}
	var chain []string
	for _, j := range append(path, path[0]) {
		chain = append(chain, fmt.Sprintf("%s (line %d)", g.Tasks[j].Name, g.Tasks[j].Line))
	}
	if more := len(path) - circleNamed + 1; more > 1 {
		chain = slices.Replace(chain, circleNamed-1, len(path), fmt.Sprintf("… %d more …", more))
	}
	return &LineError{g.Tasks[path[0]].Line, fmt.Sprintf("%d tasks wait for each other in a circle, and none could ever start: %s; take one of these out",
		len(path), strings.Join(chain, " after "))}
}

// rankAll finds for each task the longest way to the end.
func (g *Graph) rankAll() {
	g.rank = make([]int64, len(g.Tasks))
	for n := len(g.order) - 1; n >= 0; n-- {
		i := g.order[n]
		for _, j := range g.then[i] {
			g.rank[i] = max(g.rank[i], g.rank[j])
		}
		// A hundred years a task: sums of so many do not fit, and are all the same.
		if g.rank[i] += int64(g.time(i)); g.rank[i] < 0 {
			g.rank[i] = 1<<63 - 1
		}
	}
}

// time is how long a task is thought to take.
func (g *Graph) time(i int32) core.Span {
	if t := g.Tasks[i].Time; t > 0 {
		return t
	}
	return unknownTime
}
