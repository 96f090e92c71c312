package tutti

import (
	"testing"
	"time"

	"github.com/tutti-run/tutti/topo"
)

// A pool polls only where workers leave a CPU free for it, or where it was told to.
func TestSpinOnlyWhereACPUIsFree(t *testing.T) {
	t.Parallel()
	const measure, never = -1, 0
	for _, c := range []struct {
		cpus    int
		quota   float64
		workers int // 0: one for each
		spin    time.Duration
		want    int64
	}{
		{4, 0, 0, 0, never},
		{4, 0, 4, 0, never},
		{4, 0, 5, 0, never},
		{4, 0, 3, 0, measure},
		{4, 0, 1, 0, measure},
		{1, 0, 1, 0, never},
		{4, 2, 2, 0, never},
		{4, 2, 1, 0, measure},
		{4, 1.5, 1, 0, measure},
		{4, 0.5, 1, 0, never},
		{4, 0, 4, 7 * time.Microsecond, 7_000},
		{4, 0, 1, 7 * time.Microsecond, 7_000},
		{4, 0, 1, -1, never},
	} {
		m := &topo.Machine{Quota: c.quota, MemoryBytes: 1 << 30}
		for id := range c.cpus {
			m.CPUs = append(m.CPUs, topo.CPU{ID: id, Core: id, Capacity: 1024})
		}
		cfg, err := Config{Workers: c.workers, Spin: c.spin}.engine(m, nil)
		if err != nil || cfg.SpinNs != c.want {
			t.Errorf("%+v: %d (%v)", c, cfg.SpinNs, err)
		}
	}
}
