package engine

import (
	"testing"

	"github.com/tutti-run/tutti/internal/core"
)

// What was measured is some time in bounds, however slow the machine is, and
// follows the median of what was seen.
func TestCalibrate(t *testing.T) {
	t.Parallel()
	if ns := calibrate(); ns < spinLeast || ns > spinMost {
		t.Errorf("measured %d ns of spinning, not %d to %d", ns, spinLeast, spinMost)
	}
	for _, c := range []struct {
		ns   []int64
		want int64
	}{
		{[]int64{0}, spinLeast},
		{[]int64{1, 2, 3}, spinLeast},
		{[]int64{90_000, 4_000, 3_000}, spinFactor * 4_000},
		{[]int64{20_000, 10_000, 1 << 40}, spinFactor * 20_000},
		{[]int64{1 << 40, 1 << 41, 1 << 42}, spinMost},
	} {
		if got := spinFor(c.ns); got != c.want {
			t.Errorf("%v: %d ns, want %d", c.ns, got, c.want)
		}
	}
}

// A pool spins as long as it was told, measures where it was told to, and its
// workers take what they find.
func TestSpinIsWhatWasAsked(t *testing.T) {
	for asked, bounds := range map[int64][2]int64{-1: {spinLeast, spinMost}, 0: {0, 0}, 7_000: {7_000, 7_000}} {
		p := openTest(t, func(c *Config) { c.SpinNs, c.Attach = asked, 30*core.Second })
		if ns := p.m.head.spinNs; ns < bounds[0] || ns > bounds[1] {
			t.Errorf("asked for %d ns: spins %d ns", asked, ns)
		}
		if n, err := callOnce(t.Context(), p.sub, &Spec{Fn: fnDouble}, 21); n != 42 || err != nil {
			t.Errorf("asked for %d ns: %d, %v", asked, n, err)
		}
	}
}
