package core

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestParseRetryOn(t *testing.T) {
	t.Parallel()
	failed := func(exit int) AttemptEnd { return AttemptEnd{End: CommandFailed, Exit: exit} }
	killed := func(n int) AttemptEnd { return AttemptEnd{End: CommandFailed, Exit: 128 + n, Signal: n} }
	oom := AttemptEnd{End: CommandFailed, Exit: 137, Signal: 9, OOM: true}
	timedOut := AttemptEnd{End: CommandTimedOut, Exit: 143, Signal: 15}
	lost := AttemptEnd{End: CommandLost, Exit: -1}
	unfit := AttemptEnd{End: CommandFailed, Exit: -1}
	for in, c := range map[string]struct{ again, not []AttemptEnd }{
		"75":                {[]AttemptEnd{failed(75)}, []AttemptEnd{failed(74), failed(76), timedOut, lost, oom, unfit}},
		"1-5":               {[]AttemptEnd{failed(1), failed(5)}, []AttemptEnd{failed(6), killed(5)}},
		"75,2-3":            {[]AttemptEnd{failed(75), failed(2), failed(3)}, []AttemptEnd{failed(1)}},
		"1-255":             {[]AttemptEnd{failed(1), failed(255), killed(9), oom}, []AttemptEnd{timedOut, lost, unfit}},
		"SIGKILL":           {[]AttemptEnd{killed(9), failed(137), oom}, []AttemptEnd{failed(9), killed(11), lost}},
		"segv":              {[]AttemptEnd{killed(11), failed(139)}, []AttemptEnd{failed(11)}},
		"SIG9":              {[]AttemptEnd{killed(9)}, []AttemptEnd{failed(9)}},
		"sig64":             {[]AttemptEnd{killed(64)}, []AttemptEnd{killed(63), failed(64)}},
		"137":               {[]AttemptEnd{killed(9), failed(137)}, []AttemptEnd{failed(9)}},
		"timeout":           {[]AttemptEnd{timedOut}, []AttemptEnd{killed(15), lost}},
		"TERM":              {[]AttemptEnd{killed(15)}, []AttemptEnd{timedOut}},
		"oom":               {[]AttemptEnd{oom, {End: CommandFailed, OOM: true}}, []AttemptEnd{killed(9)}},
		"lost":              {[]AttemptEnd{lost}, []AttemptEnd{failed(1), unfit}},
		"Timeout,OOM,LOST":  {[]AttemptEnd{timedOut, oom, lost}, []AttemptEnd{failed(1)}},
		"75,SIGKILL,oom,75": {[]AttemptEnd{failed(75), killed(9), oom}, []AttemptEnd{failed(1), timedOut}},
	} {
		on, err := ParseRetryOn(in)
		if err != nil {
			t.Errorf("ParseRetryOn(%q): %v", in, err)
			continue
		}
		for _, e := range append(c.not, AttemptEnd{}, AttemptEnd{End: CommandStopped, Exit: 75, Signal: 9}) {
			if TryAgain(1, 2, on, e) {
				t.Errorf("--retry-on %s tries %+v again", in, e)
			}
		}
		for _, e := range c.again {
			if !TryAgain(1, 2, on, e) || TryAgain(2, 2, on, e) {
				t.Errorf("--retry-on %s: %+v is to be tried again once", in, e)
			}
		}
	}
	for in, says := range map[string]string{
		"": `"" is none of them`, "75,": `"" is none of them`, "0": "not among the exit codes", "256": "not among the exit codes",
		"0-3": "not among the exit codes", "5-300": "not among the exit codes", "5-1": "ends before it begins", "1-": "none of them",
		"-3": "none of them", "SIGNOPE": "none of them", "SIG0": "no signal", "SIG65": "no signal", "crash": "none of them", " 75": "none of them",
		"99999999999999999999": "not among the exit codes", "SIG99999999999999999999": "no signal",
	} {
		if _, err := ParseRetryOn(in); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "as in 75 or 1-5") {
			t.Errorf("ParseRetryOn(%q): %v; want %q and what is right", in, err, says)
		}
	}
}

func TestParseRetryDelay(t *testing.T) {
	t.Parallel()
	for in, want := range map[[2]string]RetryDelay{
		{"", ""}: {}, {"0", ""}: {0, retryMost}, {"1s", ""}: {Second, retryMost}, {"0.5", "2m"}: {Second / 2, 2 * Minute},
		{"1h", ""}: {Hour, Hour}, {"3", "3"}: {3 * Second, 3 * Second},
	} {
		if got, err := ParseRetryDelay(in[0], in[1]); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", in, got, err, want)
		}
	}
	for in, says := range map[[2]string]string{
		{"", "1m"}: "add --retry-delay", {"x", ""}: "--retry-delay", {"1", "x"}: "--retry-max-delay", {"2m", "1m"}: "shorter than --retry-delay", {"1", ""}: "",
	} {
		if _, err := ParseRetryDelay(in[0], in[1]); says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%q: %v; want %q", in, err, says)
		}
	}
}

// attemptsOf runs jobs that always end so in virtual time, and writes down when each
// attempt began.
func attemptsOf(jobs int, tries int64, on RetryOn, d RetryDelay, end AttemptEnd, seed uint64) string {
	rnd := rand.New(rand.NewPCG(seed, 0))
	type try struct {
		job     int
		attempt int64
	}
	var w Waits[try]
	for j := range jobs {
		w.Add(0, try{j, 1})
	}
	var log strings.Builder
	for {
		now, ok := w.Next()
		if !ok {
			return log.String()
		}
		for {
			x, ok := w.Take(now)
			if !ok {
				break
			}
			fmt.Fprintf(&log, "%d:%d@%d ", x.job, x.attempt, int64(now)/int64(Millisecond))
			if TryAgain(x.attempt, tries, on, end) {
				w.Add(now+Time(d.After(x.attempt, rnd)), try{x.job, x.attempt + 1})
			}
		}
	}
}

func TestRetriesInVirtualTime(t *testing.T) {
	t.Parallel()
	on, err := ParseRetryOn("75")
	if err != nil {
		t.Fatal(err)
	}
	fail := AttemptEnd{End: CommandFailed, Exit: 75}
	d := RetryDelay{Second, 4 * Second}
	for _, c := range []struct {
		name  string
		jobs  int
		tries int64
		delay RetryDelay
		end   AttemptEnd
		want  string
	}{
		{"no delay", 2, 3, RetryDelay{}, fail, "0:1@0 1:1@0 0:2@0 1:2@0 0:3@0 1:3@0 "},
		{"another end", 1, 3, d, AttemptEnd{End: CommandFailed, Exit: 1}, "0:1@0 "},
		{"success", 1, 3, d, AttemptEnd{}, "0:1@0 "},
		{"once", 1, 1, d, fail, "0:1@0 "},
		{"delays", 2, 5, d, fail, "0:1@0 1:1@0 0:2@700 1:2@955 0:3@1985 1:3@2931 0:4@4582 1:4@5820 0:5@6961 1:5@8640 "},
	} {
		got := attemptsOf(c.jobs, c.tries, on, c.delay, c.end, 1)
		if got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, c.want)
		}
		if again := attemptsOf(c.jobs, c.tries, on, c.delay, c.end, 1); again != got {
			t.Errorf("%s: the same seed gave\n%s and\n%s", c.name, got, again)
		}
	}
}

// Each wait is between half and all of what is due, and what is due doubles up to
// its bound, however many attempts there were.
func TestRetryDelayBounds(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	d := RetryDelay{Second, 60 * Second}
	for attempt, due := range map[int64]Span{1: Second, 2: 2 * Second, 3: 4 * Second, 6: 32 * Second, 7: 60 * Second, 100: 60 * Second, MaxTries: 60 * Second} {
		least, most := Span(1<<62), Span(0)
		for range 1000 {
			s := d.After(attempt, rnd)
			least, most = min(least, s), max(most, s)
		}
		if least < due/2 || most > due || most-least < due/4 {
			t.Errorf("attempt %d: from %d to %d, want half to all of %d", attempt, least, most, due)
		}
	}
	huge := RetryDelay{maxTimeout, maxTimeout}
	if s := huge.After(9, rnd); s < maxTimeout/2 || s > maxTimeout {
		t.Errorf("the longest delay: %d", s)
	}
}

// Waits against a plain slice that is searched.
func TestWaits(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	type entry struct {
		at Time
		n  int
	}
	var w Waits[int]
	var all []entry
	now := Time(0)
	for n := range 3000 {
		if rnd.IntN(2) == 0 {
			at := now + Time(rnd.IntN(20))
			w.Add(at, n)
			all = append(all, entry{at, n})
		}
		now += Time(rnd.IntN(3))
		best := -1
		for i, e := range all {
			if e.at <= now && (best < 0 || e.at < all[best].at) {
				best = i
			}
		}
		got, ok := w.Take(now)
		if ok != (best >= 0) || ok && got != all[best].n {
			t.Fatalf("took %d %v, want %v of %v", got, ok, best, all)
		}
		if ok {
			all = append(all[:best], all[best+1:]...)
		}
		if w.Len() != len(all) {
			t.Fatalf("%d wait, want %d", w.Len(), len(all))
		}
	}
}
