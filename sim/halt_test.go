package sim

import (
	"testing"

	"github.com/tutti-run/tutti/internal/core"
)

// rule is a halt rule as --halt has it.
func rule(t *testing.T, s string) Halt {
	t.Helper()
	h, err := core.ParseHalt(s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// outcome is what became of the tasks of a run.
type outcome struct{ done, failed, killed, left, unbegun int }

func outcomeOf(r *Result) outcome { return outcome{r.Done, r.Failed, r.Killed, r.Left, r.Unbegun} }

// Halts that can be worked out by hand: two CPUs on which nothing costs anything, tasks
// of 5, 1, 2, 1 and 1 seconds in the order of submission, of which numbers 1 and 2 fail.
// The first CPU has the long one.
func TestHaltsByHand(t *testing.T) {
	t.Parallel()
	tasks := []Task{{Length: 5 * Second}, {Length: Second, Fails: 1}, {Length: 2 * Second, Fails: 1}, {Length: Second}, {Length: Second}}
	for _, c := range []struct {
		name     string
		halt     Halt
		tries    int
		want     outcome
		halted   Span // 0: not
		makespan Span
		lost     Span
	}{
		{"never", Halt{}, 1, outcome{done: 3, failed: 2}, 0, 5 * Second, 3 * Second},
		{"now, the first that fails", rule(t, "now,fail=1"), 1, outcome{0, 1, 1, 3, 3}, Second, Second, 2 * Second},
		{"soon, the first that fails", rule(t, "soon,fail=1"), 1, outcome{1, 1, 0, 3, 3}, Second, 5 * Second, Second},
		{"now, the second that fails", rule(t, "now,fail=2"), 1, outcome{0, 2, 1, 2, 2}, 3 * Second, 3 * Second, 6 * Second},
		{"a third of all, which is two of five", rule(t, "now,fail=33%"), 1, outcome{0, 2, 1, 2, 2}, 3 * Second, 3 * Second, 6 * Second},
		{"soon, the first success", rule(t, "soon,success=1"), 1, outcome{2, 2, 0, 1, 1}, 4 * Second, 5 * Second, 3 * Second},
		{"now, three of any kind", rule(t, "now,done=3"), 1, outcome{1, 2, 1, 1, 1}, 4 * Second, 4 * Second, 7 * Second},
		{"what is tried again has not failed", rule(t, "now,fail=1"), 2, outcome{done: 5}, 0, 7 * Second, 3 * Second},
	} {
		got := simulate(t, Config{CPUs: Grid(1, 1, 2, 1), Policy: named(t, "aged-priority"), Halt: c.halt, Tries: c.tries}, Slice(tasks))
		if o := outcomeOf(&got); o != c.want || got.Halted != (c.halted > 0) ||
			Span(got.HaltedAt) != c.halted || got.Makespan != c.makespan || got.Lost != c.lost || got.Submitted != len(tasks) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// What a halt meets that is neither running nor waiting for its first turn.
func TestHaltsMeetTrouble(t *testing.T) {
	t.Parallel()
	second := func(n float64) Time { return Time(n * float64(Second)) }
	for _, c := range []struct {
		name     string
		cpus     int // 0: 2
		c        Config
		tasks    []Task
		want     outcome
		makespan Span // 0: not looked at
	}{
		{
			"a task that waits to be tried again is left, and its wait not waited for", 0,
			Config{Tries: 2, Retry: RetryDelay{First: 100 * Second, Most: 100 * Second}, Halt: rule(t, "soon,success=1")},
			[]Task{{Length: Second, Fails: 1}, {Length: 2 * Second}, {Length: 3 * Second}},
			outcome{done: 2, left: 1}, 4 * Second,
		},
		{
			"a task that fails while the run drains is not tried again", 0,
			Config{Tries: 2, Halt: rule(t, "soon,success=1")},
			[]Task{{Length: 2 * Second, Fails: 1}, {Length: Second}},
			outcome{done: 1, failed: 1}, 2 * Second,
		},
		{
			"nor is one whose worker dies", 0,
			Config{Halt: rule(t, "soon,success=1"), Faults: Faults{Deaths: []Death{{1, second(1.5)}, {2, second(1.5)}}}, Costs: Costs{Notice: Second}},
			[]Task{{Length: 2 * Second}, {Length: Second}, {Length: Second}},
			outcome{done: 1, failed: 1, left: 1, unbegun: 1}, 2500 * Millisecond,
		},
		{
			"a death that is not certain yet is no kill: the task fails when it is", 3,
			Config{Halt: rule(t, "now,success=1"), Faults: Faults{Deaths: []Death{{1, second(0.5)}, {2, second(0.5)}}}, Costs: Costs{Notice: Second}},
			[]Task{{Length: 2 * Second, AtMostOnce: true}, {Length: 2 * Second, AtMostOnce: true}, {Length: Second}, {At: 2}},
			outcome{done: 1, failed: 2, left: 1, unbegun: 1}, 1500 * Millisecond,
		},
		{
			"tasks that were to come are not submitted", 0,
			Config{Halt: rule(t, "soon,fail=1")},
			[]Task{{Length: Second, Fails: 1}, {At: second(0.5), Length: 20 * Second}, {At: second(9)}, {At: second(9)}},
			outcome{done: 1, failed: 1}, 20500 * Millisecond,
		},
		{
			"a part of tasks whose number is not known yet is not judged", 0,
			Config{Halt: rule(t, "now,fail=50%")},
			[]Task{{Length: Second, Fails: 1}, {At: second(9), Length: Second}, {At: second(9), Length: 2 * Second}, {At: second(9), Length: 2 * Second}},
			outcome{done: 3, failed: 1}, 12 * Second,
		},
		{
			"workers that come and go while a task waits are no sign that nobody looks", 0,
			Config{Tries: 2, Retry: RetryDelay{First: Hour, Most: Hour}, Faults: Faults{DeathsPerHour: 20_000}, Restart: Intensity{Max: 1 << 30, Period: 1}, Costs: Costs{Start: 1}, Seed: 1},
			[]Task{{Fails: 1}},
			outcome{done: 1}, 0,
		},
		{
			"nor are those that do while none has come", 0,
			Config{Faults: Faults{DeathsPerHour: 20_000}, Restart: Intensity{Max: 1 << 30, Period: 1}, Costs: Costs{Start: 1}, Seed: 1},
			[]Task{{At: Time(Hour)}},
			outcome{done: 1}, 0,
		},
		{
			"where it is known it is", 0,
			Config{Halt: rule(t, "now,fail=25%"), Total: 4},
			[]Task{{Length: Second, Fails: 1}, {At: second(9), Length: Second}, {At: second(9), Length: 2 * Second}, {At: second(9), Length: 2 * Second}},
			outcome{failed: 1}, Second,
		},
	} {
		c.c.CPUs, c.c.Policy = Grid(1, 1, max(2, c.cpus), 1), named(t, "aged-priority") // one queue, in the order of submission
		got := simulate(t, c.c, Slice(c.tasks))
		if outcomeOf(&got) != c.want || c.makespan > 0 && got.Makespan != c.makespan {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// A task that fails is tried again as often as it may be, with waits that double.
func TestTriedAgain(t *testing.T) {
	t.Parallel()
	c := Config{CPUs: Grid(1, 1, 1, 1), Policy: named(t, ""), Tries: 4, Retry: RetryDelay{First: 8 * Second, Most: 20 * Second}}
	var began []Time
	c.Ended = func(a Attempt) {
		if a.Failed != (len(began) < 3) || a.Died || a.Killed {
			t.Errorf("attempt %d: %+v", len(began), a)
		}
		began = append(began, a.Began)
	}
	r := simulate(t, c, Slice([]Task{{Length: Second, Fails: 3}}))
	if r.Done != 1 || r.Failed != 0 || r.Lost != 3*Second || len(began) != 4 {
		t.Fatalf("%+v, attempts at %d", r, began)
	}
	for i, most := range []Span{8 * Second, 16 * Second, 20 * Second} {
		if wait := Span(began[i+1]-began[i]) - Second; wait < most/2 || wait > most {
			t.Errorf("before attempt %d it waited %d ns, which should be half of %d to all of it", i+2, wait, most)
		}
	}
	c.Ended, c.Tries = nil, 3
	if r := simulate(t, c, Slice([]Task{{Length: Second, Fails: 3}})); r.Done != 0 || r.Failed != 1 || r.Lost != 3*Second {
		t.Errorf("one attempt fewer: %+v", r)
	}
}
