package core

import (
	"math"
	"strings"
	"testing"
)

func TestParseDelay(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Delay{
		"0": {}, "2": {Span: 2 * Second}, ".2": {Span: 200 * Millisecond}, "13m3sauto": {13*Minute + 3*Second, true},
		"2auto": {2 * Second, true}, "0auto": {0, true},
	} {
		if got, err := ParseDelay(in); err != nil || got != want {
			t.Errorf("ParseDelay(%q) = %+v, %v; want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "auto", "x", "autoauto", "2Auto", "-1", "3%"} {
		if got, err := ParseDelay(in); err == nil || !strings.HasPrefix(err.Error(), "--delay ") {
			t.Errorf("ParseDelay(%q) = %+v, %v; want an error that names the option", in, got, err)
		}
	}
}

func TestParseLoad(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]float64{
		"0": 0.01, "1": 1, "1.5": 1.5, "100%": 4, "50.5%": 2.02, "+2": 6, "-1": 3, "-9": 0.01,
	} {
		got, err := ParseLoadRule(in, 4, true)
		if err != nil || got.File != "" || math.Abs(got.Max-want) > 1e-9 {
			t.Errorf("ParseLoadRule(%q) = %+v, %v; want %v", in, got, err, want)
		}
		if got, err := ParseLoadFile("f", in+"\n", 4); err != nil || math.Abs(got-want) > 1e-9 {
			t.Errorf("ParseLoadFile(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "x", "1.", "+1.5", "+50%", "%", "NaN", "Inf", "1e3", "-"} {
		if got, err := ParseLoadRule(in, 4, false); err == nil || !strings.Contains(err.Error(), "no file of that name") {
			t.Errorf("ParseLoadRule(%q) = %+v, %v; want an error", in, got, err)
		}
		if got, err := ParseLoadRule(in, 4, true); err != nil || got.File != in || got.Max != 0 {
			t.Errorf("ParseLoadRule(%q) with a file = %+v, %v", in, got, err)
		}
		if got, err := ParseLoadFile("conf", in, 4); err == nil || !strings.Contains(err.Error(), "the file conf: ") {
			t.Errorf("ParseLoadFile(%q) = %v, %v; want an error that names the file", in, got, err)
		}
	}
}

func TestParseNice(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int{"0": 0, "19": 19, "-20": -20, "+5": 5, "-0": 0} {
		if got, err := ParseNice(in); err != nil || got != want {
			t.Errorf("ParseNice(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "20", "-21", "1.5", "x", "+-5", "99999999999999999999", " 1"} {
		if got, err := ParseNice(in); err == nil || !strings.Contains(err.Error(), "from -20 to 19") {
			t.Errorf("ParseNice(%q) = %d, %v; want an error", in, got, err)
		}
	}
}

func TestParseLimit(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Limit{
		"load 4":     {Kind: LimitLoad, Value: 4},
		" io  50.5 ": {Kind: LimitIO, Value: 50.5},
		"mem 1.5G":   {Kind: LimitMem, Value: 1.5 * (1 << 30)},
		"./check a":  {Kind: LimitCommand, Command: "./check a"},
		"memory 4":   {Kind: LimitCommand, Command: "memory 4"},
		"/bin/mem":   {Kind: LimitCommand, Command: "/bin/mem"},
	} {
		if got, err := ParseLimit(in); err != nil || got != want {
			t.Errorf("ParseLimit(%q) = %+v, %v; want %+v", in, got, err, want)
		}
	}
	for in, says := range map[string]string{
		"": "empty", "  ": "empty", "mem": "takes one number", "load 1 2": "takes one number", "mem x": "--limit mem",
		"io x": "is no number", "io -5": "is no number", "load .": "is no number",
	} {
		if got, err := ParseLimit(in); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("ParseLimit(%q) = %+v, %v; want %q", in, got, err, says)
		}
	}
}

func FuzzGateRules(f *testing.F) {
	for _, s := range []string{"0", "2auto", "1.5", "+2", "-2", "50%", "-20", "mem 1G", "io 5", "load 2", "sh -c x"} {
		f.Add(s, 4)
	}
	f.Fuzz(func(t *testing.T, s string, cpus int) {
		if d, err := ParseDelay(s); err == nil && (d.Span < 0 || d.Span > maxTimeout) {
			t.Errorf("ParseDelay(%q) = %+v", s, d)
		}
		if l, err := ParseLoadRule(s, cpus, false); err == nil && !(l.Max >= leastLoad) {
			t.Errorf("ParseLoadRule(%q, %d) = %+v", s, cpus, l)
		}
		if n, err := ParseNice(s); err == nil && (n < minNice || n > maxNice) {
			t.Errorf("ParseNice(%q) = %d", s, n)
		}
		if l, err := ParseLimit(s); err == nil && (l.Kind == LimitNone || !(l.Value >= 0) || l.Kind == LimitCommand && l.Command != s) {
			t.Errorf("ParseLimit(%q) = %+v", s, l)
		}
		if after, err := ParseTimeoutRule(s); err == nil && (after.After < 0 || !(after.Percent >= 0) || after.After > 0 && after.Percent > 0) {
			t.Errorf("ParseTimeoutRule(%q) = %+v", s, after)
		}
	})
}
