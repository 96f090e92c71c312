package waitfor

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

type v = []int64

// textbook is the example of Silberschatz, Galvin and Gagne, Operating System
// Concepts: five tasks, three resources.
func textbook() (total v, tasks []Task) {
	return v{10, 5, 7}, []Task{
		{Claim: v{7, 5, 3}, Alloc: v{0, 1, 0}},
		{Claim: v{3, 2, 2}, Alloc: v{2, 0, 0}},
		{Claim: v{9, 0, 2}, Alloc: v{3, 0, 2}},
		{Claim: v{2, 2, 2}, Alloc: v{2, 1, 1}},
		{Claim: v{4, 3, 3}, Alloc: v{0, 0, 2}},
	}
}

func TestSafe(t *testing.T) {
	t.Parallel()
	total, tasks := textbook()
	for _, c := range []struct {
		name  string
		total v
		tasks []Task
		order []int
		ok    bool
	}{
		{"nothing", nil, nil, nil, true},
		{"no tasks", v{1}, nil, nil, true},
		{"no resources", v{}, []Task{{}, {}}, []int{0, 1}, true},
		{"textbook", total, tasks, []int{3, 1, 4, 2, 0}, true},
		{"all can", v{9}, []Task{{v{3}, v{0}}, {v{3}, v{0}}}, []int{0, 1}, true},
		{"least need first", v{9}, []Task{{v{3}, v{0}}, {v{3}, v{1}}}, []int{1, 0}, true},
		{"both need the last", v{2}, []Task{{v{2}, v{1}}, {v{2}, v{1}}}, nil, false},
		{"claims more than there is", v{2}, []Task{{v{3}, v{1}}}, nil, false},
		{"holds more than it claimed", v{2}, []Task{{v{1}, v{2}}}, nil, false},
		{"hold more than there is", v{2}, []Task{{v{2}, v{2}}, {v{1}, v{1}}}, nil, false},
		{"holds less than nothing", v{2}, []Task{{v{1}, v{-1}}}, nil, false},
		{"less than nothing there", v{-1}, nil, nil, false},
		{"another length", v{2, 2}, []Task{{v{1}, v{1}}}, nil, false},
		{"great numbers", v{math.MaxInt64}, []Task{{v{math.MaxInt64}, v{math.MaxInt64}}, {v{math.MaxInt64}, v{0}}}, []int{0, 1}, true},
	} {
		order, ok := Safe(c.total, c.tasks)
		if !slices.Equal(order, c.order) || ok != c.ok {
			t.Errorf("%s: %v, %v; want %v, %v", c.name, order, ok, c.order, c.ok)
		}
	}
}

func randomBank(rnd *rand.Rand) (total v, tasks []Task) {
	total = make(v, 1+rnd.IntN(3))
	for r := range total {
		total[r] = rnd.Int64N(6)
	}
	free := slices.Clone(total)
	tasks = make([]Task, 1+rnd.IntN(5))
	for i := range tasks {
		t := Task{make(v, len(total)), make(v, len(total))}
		for r := range total {
			t.Claim[r] = rnd.Int64N(total[r] + 1)
			t.Alloc[r] = rnd.Int64N(min(t.Claim[r], free[r]) + 1)
			free[r] -= t.Alloc[r]
		}
		tasks[i] = t
	}
	return total, tasks
}

// ends reports whether the tasks can end in this order.
func ends(total v, tasks []Task, order []int) bool {
	free, ok := unheld(total, tasks)
	for _, i := range order {
		for r := range total {
			ok = ok && tasks[i].Claim[r]-tasks[i].Alloc[r] <= free[r]
			free[r] += tasks[i].Alloc[r]
		}
	}
	return ok
}

// someOrder reports whether the tasks can end in any order that begins like this.
func someOrder(total v, tasks []Task, order []int) bool {
	if len(order) == len(tasks) {
		return ends(total, tasks, order)
	}
	for i := range tasks {
		if !slices.Contains(order, i) && someOrder(total, tasks, append(order[:len(order):len(order)], i)) {
			return true
		}
	}
	return false
}

func TestSafeRandom(t *testing.T) {
	t.Parallel()
	safe := 0
	for seed := range uint64(5000) {
		total, tasks := randomBank(rand.New(rand.NewPCG(seed, 1)))
		order, ok := Safe(total, tasks)
		if want := someOrder(total, tasks, nil); ok != want {
			t.Fatalf("seed %d: safe: %v, want %v", seed, ok, want)
		}
		if ok {
			safe++
			if sorted := slices.Sorted(slices.Values(order)); len(slices.Compact(sorted)) != len(tasks) || !ends(total, tasks, order) {
				t.Fatalf("seed %d: order %v", seed, order)
			}
		}
	}
	if safe < 500 || safe > 4500 {
		t.Errorf("%d of 5000 states are safe: the other kind is hardly tested", safe)
	}
}

func TestGrant(t *testing.T) {
	t.Parallel()
	total, tasks := textbook()
	after := slices.Clone(tasks)
	after[1].Alloc = v{3, 0, 2}
	broken := []Task{{v{5}, v{5}}, {v{5}, v{1}}}
	for _, c := range []struct {
		name    string
		total   v
		tasks   []Task
		task    int
		request v
		ruling  Ruling
		about   int
		reason  string
	}{
		{"textbook", total, tasks, 1, v{1, 0, 2}, Granted, -1, ""},
		{"textbook, not free", total, after, 4, v{3, 3, 0}, Postponed, 0, "3 asked for, 2 free"},
		{"textbook, unsafe", total, after, 0, v{0, 2, 0}, Postponed, -1, "wait for each other"},
		{"nothing", total, tasks, 0, v{0, 0, 0}, Granted, -1, ""},
		{"beyond its claim", total, tasks, 1, v{2, 0, 0}, Refused, 0, "2 asked for, 2 held, and only 3 claimed"},
		{"beyond all", v{4}, []Task{{v{5}, v{0}}}, 0, v{1}, Refused, 0, "5 claimed, and only 4 at all"},
		{"less than nothing", total, tasks, 1, v{0, -1, 0}, Refused, 1, "give back"},
		{"overflow", v{9}, []Task{{v{9}, v{9}}}, 0, v{math.MaxInt64}, Refused, 0, "only 9 claimed"},
		{"no such task", total, tasks, 5, v{0, 0, 0}, Refused, -1, "no task 5"},
		{"another length", total, tasks, 1, v{0, 0}, Refused, -1, "3 resources"},
		{"more held than there is", v{5}, broken, 1, v{1}, Postponed, -1, "more is held"},
	} {
		held := slices.Clone(c.tasks[min(c.task, len(c.tasks)-1)].Alloc)
		d := Grant(c.total, c.tasks, c.task, c.request)
		if d.Ruling != c.ruling || d.Resource != c.about || !strings.Contains(d.Reason, c.reason) || (d.Reason == "") != (c.ruling == Granted) {
			t.Errorf("%s: %+v; want %d about %d, %q", c.name, d, c.ruling, c.about, c.reason)
		}
		if !slices.Equal(held, c.tasks[min(c.task, len(c.tasks)-1)].Alloc) {
			t.Errorf("%s: the tasks have changed", c.name)
		}
	}
}

// TestGrantNeverStuck: tasks that ask step by step all end, in whatever order
// they ask; a bank that gives whatever is free gets stuck.
func TestGrantNeverStuck(t *testing.T) {
	t.Parallel()
	careful := func(total v, tasks []Task, i int, request v) bool {
		return Grant(total, tasks, i, request).Ruling == Granted
	}
	careless := func(total v, tasks []Task, _ int, request v) bool {
		free, _ := unheld(total, tasks)
		for r := range free {
			if request[r] > free[r] {
				return false
			}
		}
		return true
	}
	stuck := 0
	for seed := range uint64(1000) {
		if !runBank(rand.New(rand.NewPCG(seed, 2)), careful) {
			t.Fatalf("seed %d: stuck", seed)
		}
		if !runBank(rand.New(rand.NewPCG(seed, 2)), careless) {
			stuck++
		}
	}
	if stuck == 0 {
		t.Error("nothing is tested: without the Banker no run gets stuck either")
	}
}

// runBank lets tasks ask for their claims a unit at a time and give all back when
// they have them; it reports whether all ended.
func runBank(rnd *rand.Rand, grant func(v, []Task, int, v) bool) bool {
	total, tasks := randomBank(rnd)
	for i := range tasks {
		clear(tasks[i].Alloc)
	}
	ended := make([]bool, len(tasks))
	for {
		moved, left := false, false
		for _, i := range rnd.Perm(len(tasks)) {
			if ended[i] {
				continue
			}
			left = true
			request := make(v, len(total))
			r := rnd.IntN(len(total))
			for range total { // the next resource of which it has not all
				if tasks[i].Alloc[r] < tasks[i].Claim[r] {
					request[r] = 1
					break
				}
				r = (r + 1) % len(total)
			}
			if request[r] == 0 {
				ended[i], moved = true, true
				tasks[i] = Task{make(v, len(total)), make(v, len(total))}
			} else if grant(total, tasks, i, request) {
				tasks[i].Alloc[r]++
				moved = true
			}
		}
		if !left || !moved {
			return !left
		}
	}
}

func TestGrantLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		total v
		tasks []Task
		line  []Ask
		want  []int
	}{
		{"nobody", v{1}, nil, nil, nil},
		{"all", v{2}, []Task{{v{1}, v{0}}, {v{1}, v{0}}}, []Ask{{1, v{1}}, {0, v{1}}}, []int{0, 1}},
		{"in order", v{1}, []Task{{v{1}, v{0}}, {v{1}, v{0}}}, []Ask{{1, v{1}}, {0, v{1}}}, []int{0}},
		{"a small one waits behind a large one", v{3}, []Task{{v{1}, v{1}}, {v{3}, v{0}}, {v{1}, v{0}}}, []Ask{{1, v{3}}, {2, v{1}}}, nil},
		{"who holds something goes first", v{3}, []Task{{v{2}, v{1}}, {v{3}, v{0}}, {v{1}, v{0}}}, []Ask{{1, v{3}}, {2, v{1}}, {0, v{1}}}, []int{2}},
		{"what is granted counts", v{2}, []Task{{v{2}, v{0}}, {v{2}, v{0}}}, []Ask{{0, v{1}}, {1, v{1}}}, []int{0}},
		{"who can never have it stops nobody", v{2}, []Task{{v{1}, v{0}}, {v{2}, v{0}}}, []Ask{{0, v{2}}, {7, v{1}}, {1, v{1}}}, []int{2}},
	} {
		if got := GrantLine(c.total, c.tasks, c.line); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// Tasks ask bit by bit for what they claim, end, and come again at the end of the line:
// nobody waits for ever, and one pass grants what any number of passes would.
func TestGrantLineStarvesNobody(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		total := v{1 + rnd.Int64N(4), 1 + rnd.Int64N(4)}
		tasks := make([]Task, 2+rnd.IntN(5))
		for i := range tasks {
			tasks[i] = Task{Claim: v{rnd.Int64N(total[0] + 1), rnd.Int64N(total[1] + 1)}, Alloc: v{0, 0}}
		}
		var line []Ask
		ask := func(i int) { // the next unit that the task lacks, or all ends
			for _, r := range rnd.Perm(2) {
				if tasks[i].Alloc[r] < tasks[i].Claim[r] {
					units := v{0, 0}
					units[r] = 1 + rnd.Int64N(tasks[i].Claim[r]-tasks[i].Alloc[r])
					line = append(line, Ask{i, units})
					return
				}
			}
		}
		for i := range tasks {
			ask(i)
		}
		waited := make([]int, len(tasks)) // rounds
		for range 400 {
			granted := GrantLine(total, tasks, line)
			var left []Ask
			for k, a := range line {
				if !slices.Contains(granted, k) {
					left = append(left, a)
					if waited[a.Task]++; waited[a.Task] > 100 {
						t.Fatalf("seed %d: task %d waits for ever", seed, a.Task)
					}
					continue
				}
				waited[a.Task] = 0
				for r, n := range a.Units {
					tasks[a.Task].Alloc[r] += n
				}
			}
			if again := GrantLine(total, tasks, left); len(again) > 0 {
				t.Fatalf("seed %d: %v were granted in another pass only", seed, again)
			}
			if line = left; len(granted) == 0 && len(line) > 0 {
				t.Fatalf("seed %d: nobody can go on", seed)
			}
			for _, i := range rnd.Perm(len(tasks)) {
				if slices.ContainsFunc(line, func(a Ask) bool { return a.Task == i }) {
					continue
				}
				if slices.Equal(tasks[i].Alloc, tasks[i].Claim) {
					tasks[i].Alloc = v{0, 0}
				}
				ask(i)
			}
		}
	}
}
