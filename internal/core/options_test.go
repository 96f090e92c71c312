package core

import (
	"slices"
	"strings"
	"testing"
)

func TestParseRetries(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int64{"0": MaxTries, "1": 1, "3": 3, "2147483648": MaxTries} {
		if got, err := ParseRetries(in); err != nil || got != want {
			t.Errorf("ParseRetries(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "-1", "+1", "x", "1.5", "2147483649", "99999999999999999999"} {
		if got, err := ParseRetries(in); err == nil || !strings.Contains(err.Error(), "how often in all") {
			t.Errorf("ParseRetries(%q) = %d, %v; want an error that says what is right", in, got, err)
		}
	}
}

func TestTryAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		attempt, tries int64
		end            CommandEnd
		want           bool
	}{
		{1, 1, CommandFailed, false},
		{1, 1, CommandLost, false},
		{1, 3, CommandOK, false},
		{1, 3, CommandFailed, true},
		{2, 3, CommandTimedOut, true},
		{2, 3, CommandLost, true},
		{3, 3, CommandFailed, false},
		{4, 3, CommandFailed, false},
		{1, 3, CommandStopped, false},
		{1 << 30, MaxTries, CommandFailed, true},
	} {
		if got := TryAgain(c.attempt, c.tries, RetryOn{}, AttemptEnd{End: c.end}); got != c.want {
			t.Errorf("TryAgain(%d, %d, %d) = %v", c.attempt, c.tries, c.end, got)
		}
	}
}

func TestParseTermSeq(t *testing.T) {
	t.Parallel()
	ms := Millisecond
	for in, want := range map[string][]TermStep{
		DefaultTermSeq:     {{15, 200 * ms}, {15, 100 * ms}, {15, 50 * ms}, {9, 25 * ms}},
		"KILL":             {{9, 0}},
		"sigint,1000,9":    {{2, 1000 * ms}, {9, 0}},
		"SIGTERM,0.5,31,1": {{15, ms / 2}, {31, ms}},
		"HUP,86400000":     {{1, Day}},
	} {
		if got, err := ParseTermSeq(in); err != nil || !slices.Equal(got, want) {
			t.Errorf("ParseTermSeq(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for in, says := range map[string]string{
		"":                           "is no signal",
		"TERM,":                      "not a number of milliseconds",
		"TERM,10,":                   "is no signal",
		"TERM,KILL":                  "not a number of milliseconds",
		"TERM,-1":                    "not a number of milliseconds",
		"TERM,86400001":              "up to a day",
		"200,TERM":                   "is no signal",
		"NOPE,1":                     "is no signal",
		"0,1":                        "is no signal",
		"SIG,1":                      "is no signal",
		"SIGSIGTERM,1":               "is no signal",
		strings.Repeat("HUP,1,", 65): "more than 64 steps",
	} {
		if got, err := ParseTermSeq(in); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), DefaultTermSeq) {
			t.Errorf("ParseTermSeq(%q) = %v, %v; want %q and an example", in, got, err, says)
		}
	}
}

func TestParseTimeout(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Span{
		"0":               0,
		"10":              10 * Second,
		"1.5":             1500 * Millisecond,
		"0.000000001":     1,
		"2m":              2 * Minute,
		"1h30m":           90 * Minute,
		"1d3.5h16.6m4s":   100000 * Second, // from GNU parallel's manual
		"1H1h":            2 * Hour,
		"2S":              2 * Second,
		"1m1.5s":          61*Second + 500*Millisecond,
		"36500d":          36500 * Day,
		"000000000000007": 7 * Second,
		".5":              500 * Millisecond,
		"1.":              Second,
		"1m30":            90 * Second, // as GNU parallel reads it
		"1h.5m2":          Hour + 32*Second,
	} {
		if got, err := ParseTimeout(in); err != nil || got != want {
			t.Errorf("ParseTimeout(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for in, says := range map[string]string{
		"":                      "is no number",
		" 3":                    "is no number",
		"-1":                    "is no number",
		"1e3":                   "is no number",
		".":                     "is no number",
		".m":                    "is no number",
		"1..5":                  "is no number",
		"s":                     "is no number",
		"1mm":                   "is no number",
		"300%":                  "percentage",
		"1m/3":                  "is no number",
		"36501d":                "longer than 36500d",
		"36500d1s":              "longer than 36500d",
		strings.Repeat("9", 99): "is no number",
		"1ns":                   "is no number",
	} {
		if got, err := ParseTimeout(in); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "1h30m") {
			t.Errorf("ParseTimeout(%q) = %d, %v; want %q and an example", in, got, err, says)
		}
	}
}

func TestParseTimeoutRule(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Timeout{
		"0": {}, "10": {After: 10 * Second}, "1h30m": {After: 90 * Minute}, "300%": {Percent: 300}, "150.5%": {Percent: 150.5},
	} {
		if got, err := ParseTimeoutRule(in); err != nil || got != want {
			t.Errorf("ParseTimeoutRule(%q) = %+v, %v; want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "x", "%", "0%", "-5%", "1e3%", "NaN%", "5s%", "9999999999%", "1.%"} {
		if got, err := ParseTimeoutRule(in); err == nil || !strings.HasPrefix(err.Error(), "--timeout ") {
			t.Errorf("ParseTimeoutRule(%q) = %+v, %v; want an error that names the option", in, got, err)
		}
	}
}

func TestParseJobsRule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in     string
		isFile bool
		want   Jobs
	}{
		{"3", false, Jobs{Count: 3}}, {"3", true, Jobs{Count: 3}}, {"200%", true, Jobs{Count: 8}}, {"-1", true, Jobs{Count: 3}},
		{"conf", true, Jobs{File: "conf"}}, {"1.5", true, Jobs{File: "1.5"}}, {"+x", true, Jobs{File: "+x"}},
	} {
		if got, err := ParseJobsRule(c.in, 4, c.isFile); err != nil || got != c.want {
			t.Errorf("ParseJobsRule(%q, %v) = %+v, %v; want %+v", c.in, c.isFile, got, err, c.want)
		}
	}
	for _, c := range []struct {
		in     string
		isFile bool
	}{{"conf", false}, {"1.5", false}, {"", false}, {"8193", true}} {
		if got, err := ParseJobsRule(c.in, 4, c.isFile); err == nil || !strings.Contains(err.Error(), "a file that holds") {
			t.Errorf("ParseJobsRule(%q, %v) = %+v, %v; want an error", c.in, c.isFile, got, err)
		}
	}
	for text, want := range map[string]int{"3": 3, "50%\n": 2, " +2 \r\n": 6, "0\n": MaxJobs} {
		if got, err := ParseJobsFile("conf", text, 4); err != nil || got != want {
			t.Errorf("ParseJobsFile(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "\n", "3\n4", "other"} {
		if got, err := ParseJobsFile("conf", text, 4); err == nil || !strings.Contains(err.Error(), "the file conf: ") {
			t.Errorf("ParseJobsFile(%q) = %d, %v; want an error that names the file", text, got, err)
		}
	}
}

func TestParseJobs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		cpus int
		want int
	}{
		{"1", 4, 1}, {"12", 4, 12}, {"0", 4, MaxJobs}, {"00", 4, MaxJobs}, {"8192", 4, MaxJobs},
		{"+3", 4, 7}, {"-3", 4, 1}, {"-1", 4, 3}, {"-4", 4, 1}, {"-9", 4, 1}, {"+0", 4, 4}, {"-0", 4, 4},
		{"100%", 4, 4}, {"50%", 4, 2}, {"50%", 3, 2}, {"150%", 3, 5}, {"10.5%", 100, 11}, {"0%", 4, 1}, {"1%", 0, 1},
		{"-99999999999999999999", 4, 1},
	} {
		if got, err := ParseJobs(c.in, c.cpus); err != nil || got != c.want {
			t.Errorf("ParseJobs(%q, %d) = %d, %v; want %d", c.in, c.cpus, got, err, c.want)
		}
	}
	for in, says := range map[string]string{
		"": "not a number", "x": "not a number", "-": "not a number", "+": "not a number", "%": "not a number",
		"1.5": "not a number", "+1%": "not a number", "1.%": "not a number", "--1": "not a number", " 4": "not a number",
		"8193": "at most 8192", "+8192": "at most 8192", "999999%": "at most 8192",
	} {
		if got, err := ParseJobs(in, 4); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "as many as possible (8192)") {
			t.Errorf("ParseJobs(%q) = %d, %v; want %q and what is right", in, got, err, says)
		}
	}
}

func FuzzOptions(f *testing.F) {
	for _, s := range []string{"0", "10", "1.5", "1h30m", "300%", "+2", "-2", "50%", DefaultTermSeq, "KILL", "sigint,1,9", "1d3.5h16.6m4s"} {
		f.Add(s, 4)
	}
	f.Fuzz(func(t *testing.T, s string, cpus int) {
		if d, err := ParseTimeout(s); err == nil && (d < 0 || d > maxTimeout) {
			t.Errorf("ParseTimeout(%q) = %d", s, d)
		}
		if n, err := ParseJobs(s, cpus); err == nil && (n < 1 || n > MaxJobs) {
			t.Errorf("ParseJobs(%q, %d) = %d", s, cpus, n)
		}
		if n, err := ParseRetries(s); err == nil && (n < 1 || n > MaxTries) {
			t.Errorf("ParseRetries(%q) = %d", s, n)
		}
		steps, err := ParseTermSeq(s)
		if err == nil && (len(steps) == 0 || len(steps) > maxTermSteps) {
			t.Errorf("ParseTermSeq(%q) = %v", s, steps)
		}
		for _, step := range steps {
			if step.Signal < 1 || step.Signal >= len(signals) || step.Wait < 0 || step.Wait > maxTermWait {
				t.Errorf("ParseTermSeq(%q): step %+v", s, step)
			}
		}
	})
}
