package core

import (
	"strings"
	"testing"
)

func TestParseHalt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		want Halt
	}{
		{"never", Halt{}},
		{"0", Halt{}},
		{"1", Halt{HaltSoon, HaltFail, 1, false}},
		{"2", Halt{HaltNow, HaltFail, 1, false}},
		{"-1", Halt{HaltSoon, HaltSuccess, 1, false}},
		{"-2", Halt{HaltNow, HaltSuccess, 1, false}},
		{"5%", Halt{HaltSoon, HaltFail, 5, true}},
		{"now,fail=1", Halt{HaltNow, HaltFail, 1, false}},
		{"soon,success=30%", Halt{HaltSoon, HaltSuccess, 30, true}},
		{"now,done=12", Halt{HaltNow, HaltDone, 12, false}},
		{"soon,done=100%", Halt{HaltSoon, HaltDone, 100, true}},
	} {
		got, err := ParseHalt(c.in)
		if err != nil || got != c.want {
			t.Errorf("ParseHalt(%q) = %+v, %v; want %+v", c.in, got, err, c.want)
		}
	}
	for in, says := range map[string]string{
		"":                                 "must begin with never, soon or now",
		"3":                                "must begin with",
		"later,fail=1":                     "must begin with",
		"never,fail=1":                     "stands alone",
		"now":                              "must be followed by ,fail=",
		"now,":                             "must be followed by ,fail=",
		"now,lose=1":                       "must be followed by ,fail=",
		"now,fail":                         "must be followed by =",
		"now,fail=":                        "must be followed by =",
		"now,fail=x":                       "whole number or a percentage",
		"now,fail=+1":                      "whole number or a percentage",
		"now,fail=1.5%":                    "whole number or a percentage",
		"now,fail=0":                       "at least 1",
		"0%":                               "at least 1",
		"soon,done=101%":                   "at most 100",
		"now,fail=99999999999999999999999": "whole number",
	} {
		_, err := ParseHalt(in)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "now,fail=1") {
			t.Errorf("ParseHalt(%q): %v; want %q and an example", in, err, says)
		}
	}
}

// TestHaltState's exit codes are those that GNU parallel 20221122 gave for the
// same jobs with -j1, but for the one case named.
func TestHaltState(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		halt      string
		statuses  []int
		total     int64 // 0: their number
		decisions string
		exit      int
	}{
		{"never", []int{0, 0}, 0, "cc", 0},
		{"never", []int{4, 0, 3, 9}, 0, "cccc", 3},
		{"now,fail=1", []int{0, 7, 3}, 0, "cnn", 7},
		{"soon,fail=1", []int{0, 7, 0, 3}, 0, "csss", 7},
		{"now,fail=1", []int{0, 137}, 0, "cn", 137},
		{"now,fail=1", []int{-1}, 0, "n", 255},
		{"now,fail=1", []int{0, 0}, 0, "cc", 0},
		{"now,fail=2", []int{0, 7, 3}, 0, "ccn", 2},
		{"now,fail=5", []int{0, 7, 3}, 0, "ccc", 2},
		{"now,success=1", []int{4, 0}, 0, "cn", 0},
		{"now,success=2", []int{4, 0, 3, 9}, 0, "cccc", 3},
		{"soon,success=1", []int{4, 0, 3, 9}, 0, "csss", 0},
		{"now,done=2", []int{4, 0}, 0, "cn", 1},
		{"now,done=1", []int{4}, 4, "n", 4},
		{"now,done=1", []int{0}, 4, "n", 0},
		{"now,fail=50%", []int{4, 0, 3}, 4, "ccn", 50},
		{"now,fail=90%", []int{4, 0, 3, 9}, 0, "cccc", 75},
		{"now,success=50%", []int{4, 0, 3, 0}, 0, "cccn", 0},
		{"now,success=90%", []int{4, 0, 3, 0}, 0, "cccc", 50},
		{"now,done=50%", []int{4, 0}, 4, "cn", 25},
		{"10%", []int{4}, 4, "s", 25},
		{"25%", []int{4}, 4, "s", 25}, // GNU parallel says 4, its manual 25
		{"now,fail=1%", []int{0, 0, 1}, 300, "ccc", 34},
		{"now,fail=1%", []int{1, 1, 1}, 300, "ccn", 1},
		{"now,done=1%", []int{0, 0, 1}, -1, "ccc", 34},
		{"now,done=100%", []int{0, 0, 0}, 0, "ccn", 0},
	} {
		halt, err := ParseHalt(c.halt)
		if err != nil {
			t.Fatal(err)
		}
		total := c.total
		if total == 0 {
			total = int64(len(c.statuses))
		}
		h := HaltState{Halt: halt}
		var decisions strings.Builder
		failed := int64(0)
		for _, status := range c.statuses {
			if status != 0 {
				failed++
			}
			d := h.Ended(status, total)
			decisions.WriteByte("csn"[d])
			if h.Halted() != (d != Continue) {
				t.Errorf("%s %v: decision %d, halted: %v", c.halt, c.statuses, d, h.Halted())
			}
		}
		if decisions.String() != c.decisions || h.ExitCode() != c.exit || h.Failed() != failed {
			t.Errorf("%s %v of %d: decides %s, exit %d, failed %d; want %s, %d, %d",
				c.halt, c.statuses, total, &decisions, h.ExitCode(), h.Failed(), c.decisions, c.exit, failed)
		}
	}
}

// TestHaltLearnsTotal: a percentage is judged from when the total is known.
func TestHaltLearnsTotal(t *testing.T) {
	t.Parallel()
	h := HaltState{Halt: Halt{HaltNow, HaltDone, 50, true}}
	if d := h.Ended(0, -1); d != Continue {
		t.Errorf("total unknown: %d", d)
	}
	if d := h.Ended(1, 4); d != Now {
		t.Errorf("half of four are done: %d", d)
	}
	if h.ExitCode() != 25 {
		t.Errorf("exit code %d, want 25", h.ExitCode())
	}
}

func TestExitFailed(t *testing.T) {
	t.Parallel()
	for failed, want := range map[int64]int{-1: 0, 0: 0, 1: 1, 100: 100, 101: 101, 102: 101, 1 << 40: 101} {
		if got := ExitFailed(failed); got != want {
			t.Errorf("ExitFailed(%d) = %d, want %d", failed, got, want)
		}
	}
	h := HaltState{}
	for range 150 {
		h.Ended(1, -1)
	}
	if h.ExitCode() != 101 {
		t.Errorf("150 failed jobs: exit code %d", h.ExitCode())
	}
}

func FuzzParseHalt(f *testing.F) {
	for _, s := range []string{"never", "-2", "7%", "now,fail=1", "soon,done=100%", "now,,=", "now,fail=1=2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseHalt(s)
		if err != nil {
			return
		}
		if again, err := ParseHalt(h.String()); err != nil || again != h {
			t.Errorf("ParseHalt(%q) = %v, which reads back as %v, %v", s, h, again, err)
		}
		if h.When != HaltNever && (h.Count < 1 || h.Percent && h.Count > 100) {
			t.Errorf("ParseHalt(%q) = %+v is out of bounds", s, h)
		}
	})
}

// What was not run since others failed is in the exit status, and meets no rule.
func TestUnmet(t *testing.T) {
	t.Parallel()
	h := HaltState{Halt: mustHalt(t, "soon,fail=2")}
	h.Ended(1, 9)
	h.Unmet(4)
	if d := h.Ended(0, 9); d != Continue || h.ExitCode() != 5 || h.Failed() != 1 {
		t.Errorf("%v, exit code %d, %d failed", d, h.ExitCode(), h.Failed())
	}
	if d := h.Ended(3, 9); d != Soon || h.ExitCode() != 2 {
		t.Errorf("%v, exit code %d", d, h.ExitCode())
	}
	h = HaltState{Halt: mustHalt(t, "soon,fail=100%")}
	h.Ended(1, 4)
	h.Ended(0, 4)
	h.Unmet(2)
	if h.ExitCode() != 75 {
		t.Errorf("exit code %d", h.ExitCode())
	}
	h = HaltState{}
	h.Ended(1, 200)
	h.Unmet(150)
	if h.ExitCode() != 101 {
		t.Errorf("exit code %d", h.ExitCode())
	}
}

func mustHalt(t *testing.T, rule string) Halt {
	t.Helper()
	h, err := ParseHalt(rule)
	if err != nil {
		t.Fatal(err)
	}
	return h
}
