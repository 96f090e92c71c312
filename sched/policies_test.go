package sched

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// eachPolicy runs f for every policy there is.
func eachPolicy(t *testing.T, f func(t *testing.T, name string)) {
	for _, name := range Names(nil) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, name)
		})
	}
}

func newPolicy(t *testing.T, name string) Policy {
	t.Helper()
	p, err := New(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// anyTask draws a task with some of everything.
func anyTask(rnd *rand.Rand, workers int, now int64) Task {
	t := Task{Submitter: Slot(rnd.IntN(workers + 1)), Submitted: now}
	if rnd.IntN(2) == 0 {
		t.Priority = rnd.IntN(7) - 3
	}
	if rnd.IntN(8) == 0 {
		t.Affinity = Slot(rnd.IntN(workers + 1))
	}
	if rnd.IntN(2) == 0 {
		t.Expected = rnd.Int64N(1000)
	}
	if rnd.IntN(2) == 0 {
		t.Deadline = now + rnd.Int64N(2000)
	}
	if rnd.IntN(2) == 0 {
		t.Locality = uint64(rnd.IntN(5))
	}
	return t
}

// Wherever a task is placed, some living worker finds it: on pools of any size, of
// which some workers are down when it is placed and others later, and with one
// policy value for each process, as the engine has it.
func TestWhatIsPlacedIsFound(t *testing.T) {
	t.Parallel()
	eachPolicy(t, func(t *testing.T, name string) {
		for seed := range uint64(60) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			p := newPool(1 + rnd.IntN(9))
			submitting, working := make([]Policy, p.n+1), make([]Policy, p.n+1)
			for s := range p.n + 1 {
				submitting[s], working[s] = newPolicy(t, name), newPolicy(t, name)
				for o := range s {
					p.distance[[2]Slot{Slot(o), Slot(s)}] = rnd.IntN(5)
				}
			}
			want, got := 0, 0
			for range 300 {
				p.now += 10
				switch w := Slot(1 + rnd.IntN(p.n)); rnd.IntN(4) {
				case 0: // all come back, some go: whoever is down is started again
					for s := range p.n {
						p.down[Slot(s+1)] = rnd.IntN(3) == 0
					}
				case 1:
					taken, _ := p.find(working[w], w, rnd)
					got += len(taken)
				default:
					task := anyTask(rnd, p.n, p.now)
					place := submitting[task.Submitter]
					q := place.Place(p, task, rnd)
					if q < 0 || int(q) > p.n {
						t.Fatalf("seed %d: placed at %d of %d workers", seed, q, p.n)
					}
					p.queues[q] = append(p.queues[q], waiting{fmt.Sprint(want), task, place.Rank(task)})
					want++
				}
			}
			for idle := 0; idle < p.n; {
				idle = 0
				for w := range p.n {
					taken, _ := p.find(working[w+1], Slot(w+1), rnd)
					if got += len(taken); len(taken) == 0 {
						idle++
					}
				}
			}
			if got != want {
				t.Fatalf("seed %d: %d of %d tasks were found", seed, got, want)
			}
		}
	})
}

// Where there is work for all no worker goes without: of tasks of one length each
// of four workers runs about a quarter, as workers finish one each in turn.
func TestNoWorkerStarves(t *testing.T) {
	t.Parallel()
	eachPolicy(t, func(t *testing.T, name string) {
		p := newPool(4)
		rnd := rand.New(rand.NewPCG(5, 6))
		master := newPolicy(t, name)
		working, batch, ran := make([]Policy, 5), make([][]waiting, 5), make([]int, 5)
		for w := range working {
			working[w] = newPolicy(t, name)
		}
		for round := range 400 {
			for i := range 4 {
				p.now++
				task := Task{Submitted: p.now, Expected: 5, Deadline: p.now + 50, Locality: uint64(round*4+i) + 1}
				q := master.Place(p, task, rnd)
				p.queues[q] = append(p.queues[q], waiting{task: task, rank: master.Rank(task)})
			}
			for w := 1; w <= 4; w++ {
				if len(batch[w]) == 0 {
					batch[w], _ = p.find(working[w], Slot(w), rnd)
				}
				if len(batch[w]) > 0 {
					batch[w] = batch[w][1:]
					ran[w]++
				}
			}
		}
		for w := 1; w <= 4; w++ {
			if ran[w] < 300 {
				t.Errorf("the workers ran %v of 400 tasks each", ran[1:])
				break
			}
		}
	})
}

// A task of low priority is not overtaken for ever: with ageing it runs although
// higher ones never stop coming, and without it, by classes, it does not.
func TestAgeingEndsStarvation(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"aged-priority": true, "work-stealing": false} {
		p := newPool(1)
		rnd := rand.New(rand.NewPCG(1, 1))
		policy := newPolicy(t, name)
		low := Task{Priority: -2}
		q := policy.Place(p, low, rnd)
		p.queues[q] = append(p.queues[q], waiting{"low", low, policy.Rank(low)})
		ran := false
		for range 100 {
			p.now += AgeNs / 10
			for range 2 { // twice as much as one worker can do
				task := Task{Priority: 1, Submitted: p.now}
				q := policy.Place(p, task, rnd)
				p.queues[q] = append(p.queues[q], waiting{"high", task, policy.Rank(task)})
			}
			taken, _ := p.find(policy, 1, rnd)
			ran = ran || slices.ContainsFunc(taken[:1], func(w waiting) bool { return w.name == "low" })
		}
		if ran != want {
			t.Errorf("%s: the low one ran: %v", name, ran)
		}
	}
}

// Whatever the number of workers, one that looks everywhere visits each queue
// once, its own first and the master's next.
func TestStealingVisitsEveryQueueOnce(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 9; n++ {
		p := newPool(n)
		for a := range n {
			for b := range a {
				p.distance[[2]Slot{Slot(b + 1), Slot(a + 1)}] = (a * b) % 4
			}
		}
		policy, rnd := NewWorkStealing(), rand.New(rand.NewPCG(3, uint64(n)))
		for w := Slot(1); int(w) <= n; w++ {
			_, seen := p.find(policy, w, rnd)
			visited := map[Slot]int{}
			for _, s := range seen {
				visited[s]++
			}
			if len(seen) != n+1 || len(visited) != n+1 || seen[0] != w || seen[1] != Master {
				t.Errorf("worker %d of %d looks at %v", w, n, seen)
			}
			near := func(a, b Slot) int { return p.Distance(w, a) - p.Distance(w, b) }
			if !slices.IsSortedFunc(seen[2:], near) {
				t.Errorf("worker %d of %d looks at %v, not nearest first", w, n, seen)
			}
		}
	}
}

// Among victims that are equally near each comes first sometimes.
func TestStealingDrawsAmongTheNear(t *testing.T) {
	t.Parallel()
	p := newPool(5)
	for s := Slot(4); s <= 5; s++ {
		p.distance[[2]Slot{1, s}] = 3
	}
	policy, rnd := NewWorkStealing(), rand.New(rand.NewPCG(3, 4))
	first := map[Slot]int{}
	for range 200 {
		_, seen := p.find(policy, 1, rnd)
		first[seen[2]]++
		first[seen[4]]++
	}
	for s := Slot(2); s <= 5; s++ {
		if first[s] < 50 {
			t.Errorf("of 200 rounds each of two equals began %v", first)
			break
		}
	}
}

// Data stays with its worker while workers come and go, but for what was the
// dead one's.
func TestLocalityMovesOnlyWhatTheDeadHad(t *testing.T) {
	t.Parallel()
	p := newPool(8)
	rnd := rand.New(rand.NewPCG(1, 1))
	home := func(key uint64) Slot { return (&Locality{}).Place(p, Task{Locality: key}, rnd) }
	before, used := map[uint64]Slot{}, map[Slot]int{}
	for key := uint64(1); key <= 800; key++ {
		before[key] = home(key)
		used[before[key]]++
	}
	for w := Slot(1); w <= 8; w++ {
		if used[w] < 60 || used[w] > 140 {
			t.Errorf("worker %d has %d of 800", w, used[w])
		}
	}
	p.down[3] = true
	for key, was := range before {
		if now := home(key); (now != was) != (was == 3) {
			t.Errorf("data %d went from %d to %d", key, was, now)
		}
	}
}

func TestUnknownPolicy(t *testing.T) {
	t.Parallel()
	own := Registry{"mine": func() Policy { return NewRoundRobin() }, "nothing": func() Policy { return nil }}
	for name, want := range map[string]string{
		"fair":           "aged-priority, earliest-deadline, least-loaded, least-work, locality, longest-first, mine, nothing, round-robin, shortest-first, two-choices, work-stealing,",
		"round robin":    "did you mean round-robin?",
		"Work-Stealin":   "did you mean work-stealing?",
		"nothing":        "must return a new policy",
		"leastloaded":    "did you mean least-loaded?",
		"a b":            `"a b"; there are`,
		"shortest-firts": "did you mean shortest-first?",
	} {
		if _, err := New(name, own); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%s): %v, want an error with %q", name, err, want)
		}
	}
	for _, name := range Names(own) {
		if name == "nothing" {
			continue
		}
		if p, err := New(name, own); err != nil || p.Name() != name && name != "mine" {
			t.Errorf("New(%s): %v, %v", name, p, err)
		}
	}
	if p, err := New("", nil); err != nil || p.Name() != Default {
		t.Errorf("the default: %v, %v", p, err)
	}
}

// Two values of a policy never share state.
func TestPoliciesAreSeparate(t *testing.T) {
	t.Parallel()
	eachPolicy(t, func(t *testing.T, name string) {
		p, rnd := newPool(3), rand.New(rand.NewPCG(1, 1))
		a := newPolicy(t, name)
		first := a.Place(p, Task{}, rand.New(rand.NewPCG(9, 9)))
		for range 5 {
			a.Place(p, Task{}, rnd)
		}
		if got := newPolicy(t, name).Place(p, Task{}, rand.New(rand.NewPCG(9, 9))); got != first {
			t.Errorf("a new one places at %d, the first one placed at %d", got, first)
		}
	})
}

// Priorities, lengths and times beyond all bounds keep their order and never wrap.
func TestRanksDoNotWrap(t *testing.T) {
	t.Parallel()
	const huge = int64(1) << 62
	for name, tasks := range map[string][]Task{ // first to leave first
		"longest-first":     {{Priority: 1 << 40}, {Priority: 1, Expected: huge}, {Expected: huge}, {Expected: 5}, {}, {Priority: -1, Expected: huge}, {Priority: -1 << 40}},
		"shortest-first":    {{Priority: 1 << 40}, {Priority: 1, Expected: huge}, {Expected: 5}, {Expected: 6}, {}, {Priority: -1, Expected: 1}, {Priority: -1 << 40}},
		"aged-priority":     {{Priority: 1 << 50, Submitted: 9}, {Submitted: 5}, {Submitted: 6}, {Priority: -1, Submitted: 5}, {Priority: -1 << 50}},
		"earliest-deadline": {{Deadline: 5}, {Deadline: 6, Priority: 9}, {Deadline: huge + huge/2}, {Submitted: 5}, {Submitted: huge / 2}},
	} {
		p := newPolicy(t, name)
		for i := range tasks[1:] {
			if a, b := p.Rank(tasks[i]), p.Rank(tasks[i+1]); a >= b {
				t.Errorf("%s: %+v has rank %d, %+v has %d", name, tasks[i], a, tasks[i+1], b)
			}
		}
	}
}
