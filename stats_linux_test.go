package tutti_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tutti-run/tutti"
)

func TestStatsCount(t *testing.T) {
	t.Parallel()
	for _, lanes := range []int{1, 3} {
		pool := open(t, tutti.Config{Workers: 2, TasksPerWorker: lanes})
		for range Echo.Map(t.Context(), pool, count(1_000)) {
		}
		for i := range 500 {
			if _, err := Echo.Call(t.Context(), pool, i); err != nil {
				t.Fatal(err)
			}
		}
		var st tutti.Stats
		quiet := func() (n uint64, busy int) {
			st = pool.Stats()
			for _, w := range st.Workers {
				n, busy = n+w.Run, busy+w.Running
			}
			return n, busy
		}
		n, busy := quiet()
		for range 2_000_000 { // a worker writes its figures when it has nothing to do
			if n == 1_500 && busy == 0 {
				break
			}
			n, busy = quiet()
		}
		if n != 1_500 || busy != 0 {
			t.Errorf("%d lanes: %d tasks have run, %d run", lanes, n, busy)
		}
		for _, w := range st.Workers {
			if w.PID <= 0 || !w.Ready || w.Crashes+w.Restarts != 0 || w.BusyNs < 0 || w.Stolen > w.Run {
				t.Errorf("%+v", w)
			}
		}
		for _, p := range []tutti.Percentiles{st.Wait, st.Run} {
			if p.Samples < 500 || p.Samples > 1_500 || p.P50 < 0 || p.P50 > p.P90 || p.P90 > p.P99 || p.P99 > p.Max || p.Max > int64(time.Minute) {
				t.Errorf("%+v", p)
			}
		}
		if len(st.Queued) != 3 || st.Queued[0]+st.Queued[1]+st.Queued[2] != 0 {
			t.Errorf("%v wait", st.Queued)
		}
	}
}

func TestStatsOfWhatWaitsAndRuns(t *testing.T) {
	t.Parallel()
	const tasks = 11
	for _, lanes := range []int{1, 2} {
		pool, g := open(t, tutti.Config{Workers: 1, TasksPerWorker: lanes}), newGate(t)
		all := start(t, pool, g, tasks)
		guests := g.await(lanes)
		for ended := 0; ; ended++ {
			st := pool.Stats()
			w, queued := st.Workers[0], 0
			for _, n := range st.Queued {
				queued += n
			}
			if w.Run != uint64(ended) || w.Running != lanes || w.PID != guests[0].note.PID || queued != tasks-lanes-ended {
				t.Errorf("%d lanes, %d of %d have ended: %+v, %d wait", lanes, ended, tasks, w, queued)
			}
			// A task that is shorter than some milliseconds may be counted later.
			for begun := w.BusyNs; w.BusyNs < begun+5_000_000; w = pool.Stats().Workers[0] {
			}
			guests[0].letGo()
			if guests = guests[1:]; ended+lanes == tasks {
				break
			}
			guests = append(guests, g.await(1)...)
		}
		for _, guest := range guests {
			guest.letGo()
		}
		finish(t, all)
	}
}

// cpuTicks is what processes have used, in clock ticks of 10 ms.
func cpuTicks(t *testing.T, pids ...int) (ticks int) {
	t.Helper()
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		var user, system int
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')'):]))
		if _, err := fmt.Sscan(fields[12], &user); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(fields[13], &system); err != nil {
			t.Fatal(err)
		}
		ticks += user + system
	}
	return ticks
}

// An idle pool uses no CPU: not parallel, since the master is looked at, too.
func TestAnIdlePoolUsesNoCPU(t *testing.T) {
	for name, c := range map[string]tutti.Config{"plain": {}, "lanes": {TasksPerWorker: 4}, "spinning": {Spin: 50 * time.Microsecond}} {
		pool := open(t, c)
		if _, err := Echo.Call(t.Context(), pool, 1); err != nil {
			t.Fatal(err)
		}
		pids := []int{os.Getpid()}
		for _, w := range pool.Stats().Workers {
			pids = append(pids, w.PID)
		}
		// What the tests before have left to Go's collector may take some time of this
		// process. A pool that polls takes it in every window.
		for window := 0; ; window++ {
			before := cpuTicks(t, pids...)
			<-time.After(300 * time.Millisecond)
			used := cpuTicks(t, pids...) - before
			if used < 2 {
				break
			}
			if window == 9 {
				t.Errorf("%s: %d ticks of 10 ms in 300 ms", name, used)
				break
			}
		}
	}
}
