package sim

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/tutti-run/tutti/sched"
)

// An access to a line, as one cache sees it.
const (
	ownReadAlone = iota // it reads, and no other cache has the line
	ownRead             // it reads, and another has it
	ownWrite
	otherRead
	otherWrite
	numAccesses
)

// mesi is the protocol's table: from the state of a line in a cache to the next one.
var mesi = [NumLineStates][numAccesses]LineState{
	Invalid:   {ownReadAlone: Exclusive, ownRead: Shared, ownWrite: Modified, otherRead: Invalid, otherWrite: Invalid},
	Shared:    {ownReadAlone: Shared, ownRead: Shared, ownWrite: Modified, otherRead: Shared, otherWrite: Invalid},
	Exclusive: {ownReadAlone: Exclusive, ownRead: Exclusive, ownWrite: Modified, otherRead: Shared, otherWrite: Invalid},
	Modified:  {ownReadAlone: Modified, ownRead: Modified, ownWrite: Modified, otherRead: Shared, otherWrite: Invalid},
}

// All caches go by the table whatever is read and written, each transition of it is
// seen, and what is counted is what the table says.
func TestLinesAgainstTheTable(t *testing.T) {
	t.Parallel()
	const slots = 5
	cpus := Grid(2, 1, 2, 1)
	costs := &Coherence{Transfer: [5]Span{100, 1, 10, 40, 200}}
	seen := [NumLineStates][numAccesses]bool{}
	for seed := range uint64(40) {
		rnd := source(seed, 11)
		c := &caches{Coherence: costs, cpus: cpus}
		l := c.newLine()
		var ref [slots]LineState
		var want Traffic
		for range 60 {
			by, write := sched.Slot(rnd.IntN(slots)), rnd.IntN(3) == 0
			own, other := ownReadAlone, otherRead
			over := 0 // where the line comes from, or how far a write reaches
			for s, state := range ref {
				if s := sched.Slot(s); s == by || state == Invalid {
					continue
				} else if d := c.distance(s, by); own == ownReadAlone || write == (d > over) {
					over = d
				}
				own = ownRead
			}
			if write {
				own, other = ownWrite, otherWrite
			}
			want.Found[ref[by]]++
			moves := ref[by] == Invalid || write && ref[by] == Shared
			if ref[by] == Invalid {
				want.Transfers[over]++
			}
			for s, state := range ref {
				access := other
				if sched.Slot(s) == by {
					access = own
				} else if write && state != Invalid {
					want.Invalidations++
				} else if state == Modified {
					want.WriteBacks++
				}
				ref[s] = mesi[state][access]
				seen[state][access] = true
			}
			cost := c.access(l, by, write, l.busy)
			if moves != (cost > 0) || moves && cost != costs.Transfer[over] {
				t.Fatalf("seed %d: slot %d took %d over distance %d, moved: %v", seed, by, cost, over, moves)
			}
			want.Cost += cost
			for s, state := range ref {
				if got := l.in(sched.Slot(s)); got != state {
					t.Fatalf("seed %d: slot %d has it in state %d, the table says %d", seed, s, got, state)
				}
			}
		}
		if c.traffic != want {
			t.Fatalf("seed %d: counted %+v, the table says %+v", seed, c.traffic, want)
		}
	}
	for state, row := range seen {
		for access, was := range row {
			// A cache that has a line alone, or shares it, is not the reader of one that
			// another has, or nobody.
			impossible := state == int(Shared) && access == ownReadAlone || state > int(Shared) && access == ownRead
			if was == impossible {
				t.Errorf("state %d, access %d: seen %v", state, access, was)
			}
		}
	}
}

// Who wants a line while it is under way waits for it; who has it does not.
func TestLinesAreFetchedOneAfterTheOther(t *testing.T) {
	t.Parallel()
	c := &caches{Coherence: &Coherence{Transfer: [5]Span{100, 1, 10, 40, 200}}, cpus: Grid(1, 1, 4, 1)}
	l := c.newLine()
	for i, want := range []Span{100, 109, 118, 0} { // the third begins a nanosecond later again
		by := sched.Slot(1 + min(i, 2))
		if got := c.access(l, by, true, Time(i)); got != want {
			t.Errorf("the %d. access took %d, want %d", i, got, want)
		}
	}
	if want := Span(99 + 108); c.traffic.Waited != want {
		t.Errorf("waited %d, want %d", c.traffic.Waited, want)
	}
}

// lined are short tasks on n CPUs in nodes of four.
func lined(t testing.TB, n int, policy string, coherence *Coherence) Result {
	c := Config{CPUs: Grid(n/4, 1, 4, 1), Policy: named(t, policy), Costs: usual, Coherence: coherence}
	tasks := make([]Task, 4000)
	for i := range tasks {
		tasks[i] = Task{Length: 10_000, Expected: 10_000}
	}
	return simulate(t, c, Slice(tasks))
}

// A queue that all CPUs share is what more CPUs contend for: each further task takes
// longer to get, while queues of their own stay as cheap as they are.
func TestContentionOnASharedQueue(t *testing.T) {
	t.Parallel()
	costs := &Coherence{Transfer: [5]Span{90, 10, 30, 60, 150}}
	perTask := func(n int, policy string) float64 {
		return float64(lined(t, n, policy, costs).Traffic.Waited) / 4000
	}
	few, many := perTask(4, "aged-priority"), perTask(64, "aged-priority")
	if own := perTask(64, "round-robin"); few >= many || own >= many {
		t.Errorf("waited %.1f ns a task for lines on 4 CPUs and %.1f on 64; with a queue for each, %.1f", few, many, own)
	}
}

// Lines that cost nothing change nothing but what is counted, a run is still a function
// of its seed, whatever dies, and costs are only ever added.
func TestCoherenceOfRuns(t *testing.T) {
	t.Parallel()
	costs := &Coherence{Transfer: [5]Span{90, 10, 30, 60, 150}}
	for _, policy := range []string{"round-robin", "aged-priority", "least-loaded"} {
		without, free, dear := lined(t, 8, policy, nil), lined(t, 8, policy, &Coherence{}), lined(t, 8, policy, costs)
		if without.Traffic != (Traffic{}) || free.Traffic.Transfers[4] == 0 || free.Traffic.Cost != 0 {
			t.Errorf("%s: without %+v, free %+v", policy, without.Traffic, free.Traffic)
		}
		free.Traffic = Traffic{}
		if !reflect.DeepEqual(without, free) {
			t.Errorf("%s: lines that cost nothing change %+v to %+v", policy, without, free)
		}
		if dear.Makespan <= without.Makespan || dear.Traffic.Cost < dear.Traffic.Waited {
			t.Errorf("%s: took %d with %+v and %d without", policy, dear.Makespan, dear.Traffic, without.Makespan)
		}
	}
	for seed := range uint64(50) {
		c, tasks := faulty(t, seed)
		c.Coherence = costs
		if _, err := runTwice(c, tasks); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
}

func TestImpossibleCoherence(t *testing.T) {
	t.Parallel()
	for says, c := range map[string]Config{
		"at most 4096":           {CPUs: Grid(1, 1, 4097, 1), Coherence: &Coherence{}},
		"-1 ns over distance 3":  {CPUs: Grid(1, 1, 1, 1), Coherence: &Coherence{Transfer: [5]Span{3: -1}}},
		"from 0 to a second are": {CPUs: Grid(1, 1, 1, 1), Coherence: &Coherence{Transfer: [5]Span{2 * Second}}},
	} {
		c.Policy = named(t, "")
		if _, err := Run(c, Slice(nil)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

// BenchmarkLines is the loop with lines, on as many CPUs as its name says.
func BenchmarkLines(b *testing.B) {
	for _, n := range []int{8, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			events := 0
			for b.Loop() {
				events += lined(b, n, "", &Coherence{Transfer: [5]Span{90, 10, 30, 60, 150}}).Events
			}
			b.ReportMetric(float64(events)/b.Elapsed().Seconds()/1e6, "Mevents/s")
		})
	}
}
