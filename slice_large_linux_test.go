package tutti_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/topo"
)

// Share is a worker's part of a large slice, and the gate where it is begun.
type Share struct {
	At   Visit
	Part tutti.View[float64]
}

var (
	FillFloats = tutti.NewFunc("test.fillfloats", func(_ context.Context, v tutti.View[float64]) (int, error) {
		data, err := v.Data()
		for i := range data {
			data[i] = float64(i & 1023)
		}
		return len(data), err
	})
	SumFloats = tutti.NewFunc("test.sumfloats", func(ctx context.Context, s Share) (sum float64, err error) {
		if err := stand(ctx, s.At); err != nil {
			return 0, err
		}
		data, err := s.Part.Data()
		for _, x := range data {
			sum += x
		}
		return sum, err
	})
)

// room skips a test that needs so many bytes of memory where they are not there.
func room(t *testing.T, machine *topo.Machine, bytes int64) {
	t.Helper()
	if machine.MemoryLimit > 0 && machine.MemoryLimit < bytes {
		t.Skipf("the cgroup has %d bytes of memory", machine.MemoryLimit)
	}
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Skip(err)
	}
	_, rest, _ := strings.Cut(string(info), "MemAvailable:")
	kib := int64(0)
	if _, err := fmt.Sscan(rest, &kib); err != nil || kib<<10 < bytes {
		t.Skipf("the machine has %d KiB of memory left (%v)", kib, err)
	}
}

// A GiB of numbers is summed by all workers at once, who copy none of it.
func TestAGiBIsSummedByAllWorkers(t *testing.T) {
	const numbers, shares = 1 << 27, 1 << 10 // shares are whole periods of the numbers
	machine, err := topo.Detect()
	if err != nil {
		t.Fatal(err)
	}
	if testing.Short() || raceDetector {
		t.Skip("it is long")
	}
	room(t, machine, 3<<30)
	pool, g := open(t, tutti.Config{Workers: min(machine.Parallelism(), 64), Memory: 2 << 30}), newGate(t)
	s, err := tutti.NewSlice[float64](pool, numbers)
	if err != nil {
		t.Fatal(err)
	}
	workers := pool.Workers()
	part := func(i int) tutti.View[float64] {
		return s.Slice(numbers/shares*(shares*i/workers), numbers/shares*(shares*(i+1)/workers))
	}
	filled := 0
	for n, err := range FillFloats.Map(t.Context(), pool, func(yield func(tutti.View[float64]) bool) {
		for i := range workers {
			if !yield(part(i)) {
				return
			}
		}
	}) {
		if err != nil {
			t.Fatal(err)
		}
		filled += n
	}
	var futures []*tutti.Future[float64]
	for i := range workers {
		f, err := SumFloats.Go(t.Context(), pool, Share{g.visit(i), part(i)})
		if err != nil {
			t.Fatal(err)
		}
		futures = append(futures, f)
	}
	for _, guest := range g.await(workers) { // one in each worker
		guest.letGo()
	}
	sum := 0.0
	for _, f := range futures {
		x, err := f.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sum += x
	}
	if want := float64(numbers / 1024 * (1023 * 1024 / 2)); filled != numbers || sum != want {
		t.Errorf("%d numbers were written, the sum is %v, not %v", filled, sum, want)
	}
	if err := s.Free(); err != nil {
		t.Error(err)
	}
}
