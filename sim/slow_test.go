package sim

import (
	"math"
	"testing"

	"github.com/tutti-run/tutti/sched"
)

// One of four CPUs becomes four times as slow: what another program on it or a throttled
// clock do. Its proportional share is from then on one task of 13. Where tasks come as
// time goes by, at 95 % of what the CPUs can still do, every policy that looks at the
// workers gives it that, or a little more where it looks at how many wait and not at how
// long they do. Of tasks that were all there before, those get it right that leave the
// choice to the worker that is free; what was dealt out stays dealt out.
func TestSlowWorkersGetLess(t *testing.T) {
	t.Parallel()
	const proportional, equal = 1.0 / 13, 1.0 / 4
	shares := map[string]struct{ stream, backlog float64 }{
		"round-robin":  {equal, equal},
		"least-loaded": {proportional, equal},
		"least-work":   {proportional, equal},
		"two-choices":  {proportional, equal},
	}
	for _, policy := range sched.Names(nil) {
		want, dealt := shares[policy]
		if !dealt {
			want.stream, want.backlog = proportional, proportional
		}
		stream, longest := slowShare(t, policy, Millisecond*100/(325*95/100))
		backlog, _ := slowShare(t, policy, 0)
		near := func(got, want float64) bool { return math.Abs(got-want) < want/12 }
		if !near(stream, want.stream) || !near(backlog, want.backlog) {
			t.Errorf("%s: the slow one gets %.4f of what comes after it has become slow, and %.4f of what was there before; want %.4f and %.4f", policy, stream, backlog, want.stream, want.backlog)
		}
		if late := longest > Second; late != (want.stream == equal) {
			t.Errorf("%s: a task that comes after one has become slow waits %d ns", policy, longest)
		}
	}
}

// slowShare is which part of the tasks worker 1 of four does once it is slow: of those
// that are submitted then, one each every, or with 0 of those that are begun then where
// all have been there from the start; and the longest wait of these.
func slowShare(t *testing.T, policy string, every Span) (share float64, longest Span) {
	const from = Time(500 * Millisecond)
	tasks := make([]Task, 8000)
	for i := range tasks {
		tasks[i] = Task{At: Time(every) * Time(i), Length: Millisecond, Expected: Millisecond, Deadline: Time(Hour), Locality: uint64(i%61 + 1)}
	}
	all, its := 0, 0
	c := Config{CPUs: Grid(1, 1, 4, 1), Policy: named(t, policy), Costs: usual, Faults: Faults{Slow: []Slow{{Worker: 1, From: from, To: Time(Hour), Factor: 4}}}}
	c.Ended = func(a Attempt) {
		if every > 0 && a.Submitted < from || a.Began < from {
			return
		}
		all++
		if a.Worker == 1 {
			its++
		}
		longest = max(longest, Span(a.Began-a.Submitted))
	}
	simulate(t, c, Slice(tasks))
	return float64(its) / float64(all), longest
}
