package proc

import (
	"math"
	"slices"
	"testing"
)

func TestNumberAfter(t *testing.T) {
	t.Parallel()
	const text = "pswpin 7\nxpswpout 1\npswpout 8\nMemFree:\t  12 kB\nlast 9"
	for _, c := range []struct {
		key  string
		want uint64
		ok   bool
	}{
		{"pswpin ", 7, true}, {"pswpout ", 8, true}, {"MemFree:", 12, true}, {"last ", 9, true},
		{"swpin ", 0, false}, {"none", 0, false}, {"pswpin 7\nx", 0, false},
	} {
		if got, ok := numberAfter([]byte(text), c.key); got != c.want || ok != c.ok {
			t.Errorf("numberAfter(%q) = %d, %v; want %d, %v", c.key, got, ok, c.want, c.ok)
		}
	}
	if n, ok := numberAfter(nil, "x"); ok {
		t.Errorf("found %d in nothing", n)
	}
	if n, ok := numberAfter([]byte("x 99999999999999999999"), "x"); ok {
		t.Errorf("a number that does not fit is %d", n)
	}
}

func TestRunLoad(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want float64
		ok   bool
	}{
		{"intr 5 0 0\nprocs_running 1\nprocs_blocked 0\nsoftirq 1\n", 0, true},
		{"procs_running 9\nprocs_blocked 3\n", 11, true},
		{"procs_running 0\nprocs_blocked 2\n", 2, true},
		{"procs_running 9\n", 8, false},
		{"", 0, false},
	} {
		if got, ok := runLoad([]byte(c.text)); got != c.want || ok != c.ok {
			t.Errorf("runLoad(%q) = %v, %v; want %v, %v", c.text, got, ok, c.want, c.ok)
		}
	}
}

func TestReadMemory(t *testing.T) {
	t.Parallel()
	var s MachineSample
	if !readMemory([]byte("MemTotal:  8 kB\nMemFree: 1 kB\nMemAvailable:  5 kB\nSwapTotal: 2 kB\n"), &s) {
		t.Error("not read")
	}
	if s != (MachineSample{Free: 5 << 10, Total: 8 << 10, SwapTotal: 2 << 10}) {
		t.Errorf("read as %+v", s)
	}
	for _, text := range []string{"", "MemTotal: 8 kB\n", "MemAvailable: 8 kB\n", "MemTotal: 8 kB\nMemAvailable: 18446744073709551615 kB\n"} {
		if readMemory([]byte(text), &s) {
			t.Errorf("%q read as %+v", text, s)
		}
	}
}

func TestNarrowMemory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		free, total         int64
		limit, used, cached uint64
		wantFree, wantTotal int64
	}{
		{50, 100, 80, 20, 0, 50, 80},  // the machine has less than the group may have
		{50, 100, 40, 20, 0, 20, 40},  // the group is the tighter
		{50, 100, 40, 30, 10, 20, 40}, // its page cache gives way
		{50, 100, 40, 30, 99, 40, 40}, // counters that do not fit together
		{50, 100, 40, 60, 0, 0, 40},   // over its limit, as memory.high allows
		{50, 100, 200, 10, 0, 50, 100},
		{50, 100, noMemoryLimit, 10, 0, 50, 100},
		{50, 100, math.MaxInt64 - 4095, 10, 0, 50, 100}, // "none" in version 1
		{50, 100, 40, math.MaxUint64, math.MaxUint64, 40, 40},
	} {
		s := MachineSample{Free: c.free, Total: c.total}
		narrowMemory(&s, c.limit, c.used, c.cached)
		if s.Free != c.wantFree || s.Total != c.wantTotal {
			t.Errorf("%+v: %d free of %d", c, s.Free, s.Total)
		}
	}
}

func TestDisks(t *testing.T) {
	t.Parallel()
	const before = "   7 0 loop0 0 0 0 0 0 0 0 0 0 0 0 0\n 254 0 vda 1 2 3 4 5 6 7 8 0 4294967290 9 0 0 0\n 254 1 vda1 1 2 3 4 5 6 7 8 0 100 9\n"
	const after = "   7 0 loop0 0 0 0 0 0 0 0 0 0 0 0 0\n 254 0 vda 1 2 3 4 5 6 7 8 0 44 9 0 0 0\n 254 1 vda1 1 2 3 4 5 6 7 8 0 120 9\n"
	was, is := appendDisks(nil, []byte(before)), appendDisks(nil, []byte(after))
	if want := []diskTicks{{7, 0, 0}, {254, 0, 44}, {254, 1, 120}}; !slices.Equal(is, want) {
		t.Errorf("read as %+v, want %+v", is, want)
	}
	for _, c := range []struct {
		before, after []diskTicks
		ms            float64
		want          float64
	}{
		{was, is, 100, 50}, // 50 ms over the counter's end
		{was, is, 10, 100},
		{was, is, 0, -1},
		{nil, is, 100, -1},
		{is, is, 100, 0},
		{is[1:], is, 100, -1}, // one came: all moved by a place
		{is, is[:1], 100, 0},  // the last went
		{nil, nil, 100, -1},
	} {
		if got := busiest(c.before, c.after, c.ms); got != c.want {
			t.Errorf("busiest(%v, %v, %v) = %v, want %v", c.before, c.after, c.ms, got, c.want)
		}
	}
	for _, text := range []string{"", "x", "7 0 loop0 0 0", "7 x loop0 0 0 0 0 0 0 0 0 0 0 0", "7 0 a 0 0 0 0 0 0 0 0 0 x 0"} {
		if got := appendDisks(nil, []byte(text)); len(got) > 0 {
			t.Errorf("%q read as %+v", text, got)
		}
	}
}

func FuzzMachine(f *testing.F) {
	f.Add([]byte("procs_running 9\nprocs_blocked 3\n"))
	f.Add([]byte("MemTotal: 8 kB\nMemAvailable: 5 kB\n"))
	f.Add([]byte(" 254 0 vda 1 2 3 4 5 6 7 8 0 44 9\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if load, _ := runLoad(text); load < 0 {
			t.Errorf("load %v", load)
		}
		var s MachineSample
		if readMemory(text, &s) && (s.Free < 0 || s.Total < 0 || s.SwapTotal < 0) {
			t.Errorf("memory %+v", s)
		}
		disks := appendDisks(nil, text)
		if b := busiest(disks, disks, 5); b > 0 {
			t.Errorf("busy %v", b)
		}
	})
}
