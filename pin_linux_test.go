package tutti_test

import (
	"context"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/topo"
)

// Bound stands at a gate and tells which CPUs its process may use.
var Bound = tutti.NewFunc("test.bound", func(ctx context.Context, v Visit) ([]int, error) {
	if err := stand(ctx, v); err != nil {
		return nil, err
	}
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, err
	}
	var cpus []int
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
})

// boundTo runs a task in each of the pool's workers and returns their CPUs.
func boundTo(t *testing.T, pool *tutti.Pool) (all [][]int) {
	t.Helper()
	g := newGate(t)
	var futures []*tutti.Future[[]int]
	for i := range pool.Workers() {
		f, err := Bound.Go(t.Context(), pool, g.visit(i))
		if err != nil {
			t.Fatal(err)
		}
		futures = append(futures, f)
	}
	for _, guest := range g.await(pool.Workers()) { // one a worker: all are there at once
		guest.letGo()
	}
	for _, f := range futures {
		cpus, err := f.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, cpus)
	}
	return all
}

func TestPinnedWorkersHaveACPUEach(t *testing.T) {
	t.Parallel()
	allowed, err := topo.Affinity()
	if err != nil {
		t.Fatal(err)
	}
	for _, workers := range []int{min(len(allowed), 8), min(len(allowed), 8) + 1} {
		used := map[int]int{}
		for _, cpus := range boundTo(t, open(t, tutti.Config{Workers: workers, Pin: true})) {
			if len(cpus) != 1 || !slices.Contains(allowed, cpus[0]) {
				t.Fatalf("a pinned worker may use CPUs %v of %v", cpus, allowed)
			}
			used[cpus[0]]++
		}
		if want := min(workers, len(allowed)); len(used) != want {
			t.Errorf("%d workers on %d CPUs use %v", workers, len(allowed), used)
		}
	}
	for _, cpus := range boundTo(t, open(t, tutti.Config{})) {
		if !slices.Equal(cpus, allowed) {
			t.Errorf("a worker that is not pinned may use CPUs %v of %v", cpus, allowed)
		}
	}
}
