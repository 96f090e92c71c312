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

// The zero Config's memory is what this process can map, and can have.
func TestMemoryThatIsThere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ machine, limit, mappable, want int64 }{
		{64 << 30, 0, 0, 32 << 30},
		{64 << 30, 4 << 30, 0, 2 << 30},
		{64 << 30, 128 << 30, 0, 32 << 30},
		{64 << 30, 0, 4 << 30, 1 << 29},
		{64 << 30, 1 << 29, 4 << 30, 1 << 28},
	} {
		m := &topo.Machine{MemoryBytes: c.machine, MemoryLimit: c.limit, AddressSpace: c.mappable}
		cfg, err := Config{Workers: 1}.engine(m, nil)
		if cfg.Memory != c.want || err != nil {
			t.Errorf("%+v: %d, %v", c, cfg.Memory, err)
		}
		if cfg, err := (Config{Workers: 1, Memory: 7 << 30}).engine(m, nil); cfg.Memory != 7<<30 || err != nil {
			t.Errorf("%+v: asked for 7 GiB: %d, %v", c, cfg.Memory, err)
		}
	}
}

// Workers share the CPUs; one that is bound to a CPU has threads for no more.
func TestThreadsForItsCPUs(t *testing.T) {
	t.Parallel()
	m := &topo.Machine{MemoryBytes: 1 << 30}
	for id := range 8 {
		m.CPUs = append(m.CPUs, topo.CPU{ID: id, Core: id, Capacity: 1024})
	}
	for pin, want := range map[bool]int{false: 4, true: 1} {
		cfg, err := Config{Workers: 2, Pin: pin, Env: []string{}}.engine(m, nil)
		if cfg.Threads != want || err != nil {
			t.Errorf("pin %v: %d threads, %v", pin, cfg.Threads, err)
		}
	}
}
