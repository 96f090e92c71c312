package sim

import (
	"runtime"
	"testing"

	"github.com/tutti-run/tutti/sched"
)

// A run takes memory for the tasks that are open and not for those that have ended, so
// a workload that is made as it goes may be of any length. This test is not parallel:
// it counts what the whole process allocates.
func TestMemoryOfTasks(t *testing.T) {
	allocates := func(run func()) (times, bytes uint64) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		run()
		runtime.ReadMemStats(&after)
		return after.Mallocs - before.Mallocs, after.TotalAlloc - before.TotalAlloc
	}
	for _, policy := range sched.Names(nil) {
		stream := func(n int) func() {
			return func() {
				simulate(t, Config{CPUs: Grid(1, 1, 4, 1), Policy: named(t, policy), Costs: usual},
					poisson(1, n, meanLength/(0.5*4), exponential))
			}
		}
		few, _ := allocates(stream(2_000))
		if many, _ := allocates(stream(20_000)); many > few+500 {
			t.Errorf("%s: 2,000 tasks that come and go allocate %d times, 20,000 %d times", policy, few, many)
		}
		heap := func(n int) func() {
			return func() {
				simulate(t, Config{CPUs: Grid(1, 1, 4, 1), Policy: named(t, policy), Costs: usual},
					poisson(1, n, 0, exponential))
			}
		}
		_, few = allocates(heap(2_000))
		if _, many := allocates(heap(20_000)); (many-few)/18_000 > 400 {
			t.Errorf("%s: a task that waits takes %d bytes", policy, (many-few)/18_000)
		}
	}
}
