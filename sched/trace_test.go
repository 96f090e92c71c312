package sched

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the expected part of the traces")

// waiting is a task in a queue of a test's pool.
type waiting struct {
	name string
	task Task
	rank int64
}

// pool is a machine in a test: queues, and workers that are up or down.
type pool struct {
	queues   map[Slot][]waiting
	running  map[Slot]int
	down     map[Slot]bool
	speed    map[Slot]int
	distance map[[2]Slot]int
	n        int
	now      int64
}

func newPool(n int) *pool {
	return &pool{n: n, queues: map[Slot][]waiting{}, running: map[Slot]int{}, down: map[Slot]bool{},
		speed: map[Slot]int{}, distance: map[[2]Slot]int{}}
}

func (p *pool) Workers() int       { return p.n }
func (p *pool) Now() int64         { return p.now }
func (p *pool) Len(q Slot) int     { return len(p.queues[q]) }
func (p *pool) Running(w Slot) int { return p.running[w] }
func (p *pool) Up(w Slot) bool     { return !p.down[w] }

func (p *pool) Work(q Slot) (ns int64) {
	for _, w := range p.queues[q] {
		ns += w.task.Expected
	}
	return ns
}

func (p *pool) Speed(w Slot) int {
	if s, ok := p.speed[w]; ok {
		return s
	}
	return FullSpeed
}

func (p *pool) Distance(a, b Slot) int { return p.distance[[2]Slot{min(a, b), max(a, b)}] }

// take removes what a worker gets for a look, as the engine does: tasks of one
// class, in the order in which they came or by rank.
func (p *pool) take(t Take, class int) (taken []waiting) {
	queue := p.queues[t.From]
	in := func(w waiting) bool { return Class(w.rank) == class }
	if t.Ranked {
		best := -1
		for i, w := range queue {
			if in(w) && (t.Least == 0 || w.rank-w.task.Expected >= t.Least) && (best < 0 || w.rank < queue[best].rank) {
				best = i
			}
		}
		if best >= 0 {
			taken = append(taken, queue[best])
			p.queues[t.From] = slices.Delete(queue, best, best+1)
		}
		return taken
	}
	there := 0
	for _, w := range queue {
		if in(w) {
			there++
		}
	}
	most := t.Max
	if t.Half {
		most = min(most, (there+1)/2)
	}
	p.queues[t.From] = slices.DeleteFunc(queue, func(w waiting) bool {
		if !in(w) || len(taken) == most {
			return false
		}
		taken = append(taken, w)
		return true
	})
	return taken
}

// find has a worker look until it finds something, as the engine does.
func (p *pool) find(policy Policy, w Slot, rnd *rand.Rand) (taken []waiting, looked []Slot) {
	for class := range Classes {
		looked = looked[:0]
		for look := 0; look < LooksMax(p.n); look++ {
			take, ok := policy.Look(p, w, look, rnd)
			if !ok {
				break
			}
			looked = append(looked, take.From)
			if taken = p.take(take, class); len(taken) > 0 {
				return taken, looked
			}
		}
	}
	return nil, looked
}

// Traces: commands, "----", what the policy decided. A pool has three workers.
//
//	add NAME [from=N] [affinity=N] [priority=N] [deadline=N] [expected=N] [locality=N]
//	                      NAME waits where Place says
//	idle N                worker N looks and takes
//	down N, up N          worker N dies, comes back
//	running N M           worker N runs M tasks
//	speed N M             worker N has speed M
//	distance N M D        workers N and M are so far apart
//	at N                  it is N now
func TestTraces(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no traces: ", err)
	}
	traced := map[string]bool{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		traced[name] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			commands, want, _ := strings.Cut(string(text), "----\n")
			policy, err := New(name, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, policy, commands)
			if *update {
				if err := os.WriteFile(file, []byte(commands+"----\n"+got), 0o666); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
	for _, name := range Names(nil) {
		if !traced[name] {
			t.Errorf("%s has no trace", name)
		}
	}
}

func replay(t *testing.T, policy Policy, commands string) string {
	t.Helper()
	p := newPool(3)
	rnd := rand.New(rand.NewPCG(1, 2))
	var out strings.Builder
	for line := range strings.SplitSeq(strings.TrimSpace(commands), "\n") {
		f := strings.Fields(line)
		if f[0] == "add" {
			task := parseTask(t, f[2:])
			task.Submitted = p.now
			q, rank := policy.Place(p, task, rnd), policy.Rank(task)
			p.queues[q] = append(p.queues[q], waiting{f[1], task, rank})
			fmt.Fprintf(&out, "%s waits at %d, class %d\n", f[1], q, Class(rank))
			continue
		}
		var n [3]int
		for i, text := range f[1:] {
			if _, err := fmt.Sscan(text, &n[i]); err != nil {
				t.Fatal(line, err)
			}
		}
		w := Slot(n[0])
		switch f[0] {
		case "idle":
			fmt.Fprintln(&out, idle(policy, p, w, rnd))
		case "down", "up":
			p.down[w] = f[0] == "down"
		case "running":
			p.running[w] = n[1]
		case "speed":
			p.speed[w] = n[1]
		case "distance":
			p.distance[[2]Slot{w, Slot(n[1])}] = n[2]
		case "at":
			p.now = int64(n[0])
		default:
			t.Fatalf("unknown command %q", line)
		}
	}
	return out.String()
}

func parseTask(t *testing.T, options []string) (task Task) {
	t.Helper()
	for _, option := range options {
		name, value, _ := strings.Cut(option, "=")
		var n int
		if _, err := fmt.Sscan(value, &n); err != nil {
			t.Fatal(option, err)
		}
		switch name {
		case "from":
			task.Submitter = Slot(n)
		case "affinity":
			task.Affinity = Slot(n)
		case "priority":
			task.Priority = n
		case "deadline":
			task.Deadline = int64(n)
		case "expected":
			task.Expected = int64(n)
		case "locality":
			task.Locality = uint64(n)
		default:
			t.Fatalf("unknown option %q", option)
		}
	}
	return task
}

func idle(policy Policy, p *pool, w Slot, rnd *rand.Rand) string {
	taken, looked := p.find(policy, w, rnd)
	var names, places []string
	for _, task := range taken {
		names = append(names, task.name)
	}
	for _, q := range looked {
		places = append(places, fmt.Sprint(q))
	}
	if len(taken) == 0 {
		return fmt.Sprintf("%d finds nothing at %s", w, strings.Join(places, " "))
	}
	return fmt.Sprintf("%d takes %s from %s", w, strings.Join(names, " "), places[len(places)-1])
}
