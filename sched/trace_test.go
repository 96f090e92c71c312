package sched

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the expected part of the traces")

// pool is a machine in a test: queues of names, and workers that are up or down.
type pool struct {
	queues map[Slot][]string
	up     map[Slot]bool
	n      int
}

func (p *pool) Workers() int            { return p.n }
func (p *pool) Len(q Slot) int          { return len(p.queues[q]) }
func (p *pool) Running(Slot) int        { return 0 }
func (p *pool) Up(w Slot) bool          { return p.up[w] }
func (p *pool) Distance(Slot, Slot) int { return 0 }
func (p *pool) say(q Slot, n string)    { p.queues[q] = append(p.queues[q], n) }
func (p *pool) take(q Slot, n int) []string {
	taken := p.queues[q][:n]
	p.queues[q] = p.queues[q][n:]
	return taken
}

// Traces: commands, "----", what the policy decided. A pool has three workers.
//
//	add NAME [from=N] [affinity=N] [priority=N]   NAME waits where Place says
//	idle N                                        worker N looks and takes
//	down N, up N                                  worker N dies, comes back
func TestTraces(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no traces: ", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			commands, want, _ := strings.Cut(string(text), "----\n")
			policy, err := New(strings.TrimSuffix(filepath.Base(file), ".txt"))
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
}

func replay(t *testing.T, policy Policy, commands string) string {
	t.Helper()
	p := &pool{queues: map[Slot][]string{}, up: map[Slot]bool{1: true, 2: true, 3: true}, n: 3}
	rnd := rand.New(rand.NewPCG(1, 2))
	var out strings.Builder
	for line := range strings.SplitSeq(strings.TrimSpace(commands), "\n") {
		f := strings.Fields(line)
		switch f[0] {
		case "add":
			var task Task
			for _, option := range f[2:] {
				name, value, _ := strings.Cut(option, "=")
				var n int
				if _, err := fmt.Sscan(value, &n); err != nil {
					t.Fatal(line, err)
				}
				switch name {
				case "from":
					task.Submitter = Slot(n)
				case "affinity":
					task.Affinity = Slot(n)
				case "priority":
					task.Priority = n
				}
			}
			q := policy.Place(p, task, rnd)
			p.say(q, f[1])
			fmt.Fprintf(&out, "%s waits at %d, class %d\n", f[1], q, Class(policy.Rank(task)))
		case "idle", "down", "up":
			var w Slot
			if _, err := fmt.Sscan(f[1], &w); err != nil {
				t.Fatal(line, err)
			}
			if f[0] != "idle" {
				p.up[w] = f[0] == "up"
				continue
			}
			fmt.Fprintln(&out, idle(policy, p, w, rnd))
		default:
			t.Fatalf("unknown command %q", line)
		}
	}
	return out.String()
}

// idle has a worker look until it finds something, as the engine does.
func idle(policy Policy, p *pool, w Slot, rnd *rand.Rand) string {
	var looked []string
	for look := 0; ; look++ {
		take, ok := policy.Look(p, w, look, rnd)
		if !ok {
			return fmt.Sprintf("%d finds nothing at %s", w, strings.Join(looked, " "))
		}
		looked = append(looked, fmt.Sprint(take.From))
		n := min(take.Max, p.Len(take.From))
		if take.Half {
			n = min(n, (p.Len(take.From)+1)/2)
		}
		if n > 0 {
			return fmt.Sprintf("%d takes %s from %d", w, strings.Join(p.take(take.From, n), " "), take.From)
		}
	}
}

// Whatever the number of workers, one that looks everywhere visits each queue
// once, its own first and the master's next.
func TestStealingVisitsEveryQueueOnce(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 9; n++ {
		p := &pool{queues: map[Slot][]string{}, n: n}
		policy, rnd := NewWorkStealing(), rand.New(rand.NewPCG(3, uint64(n)))
		for w := Slot(1); int(w) <= n; w++ {
			var seen []Slot
			visited := map[Slot]int{}
			for look := 0; ; look++ {
				take, ok := policy.Look(p, w, look, rnd)
				if !ok {
					break
				}
				seen = append(seen, take.From)
				visited[take.From]++
			}
			if len(seen) != n+1 || len(visited) != n+1 || seen[0] != w || seen[1] != Master {
				t.Errorf("worker %d of %d looks at %v", w, n, seen)
			}
		}
	}
}

func TestUnknownPolicy(t *testing.T) {
	t.Parallel()
	if _, err := New("fair"); err == nil || !strings.Contains(err.Error(), "work-stealing") {
		t.Errorf("New(fair): %v, want an error that names what there is", err)
	}
}
