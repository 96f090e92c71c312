package cli

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/options"
)

// planOf reads a command line of map as the program does, on a machine with four
// CPUs where the files jobs, load and broken are.
func planOf(t *testing.T, args ...string) (*plan, error) {
	t.Helper()
	line, err := options.Expand(args, options.Sources{
		Getenv: func(string) string { return "" }, ReadFile: func(string) ([]byte, error) { return nil, os.ErrNotExist },
	})
	if err != nil {
		return nil, err
	}
	o := new(options.Map)
	var words []string
	cmd := newMap("tutti map")
	cmd.ResetFlags()
	options.Define(cmd.Flags(), o)
	if err := cmd.Flags().Parse(line); err != nil {
		return nil, err
	}
	words = cmd.Flags().Args()
	if err := o.Check(); err != nil {
		return nil, err
	}
	files := map[string]string{"jobs": "3\n", "load": "150%", "broken": "x"}
	return newPlan(o, words, facts{
		cpus: 4, isFile: func(name string) bool { return files[name] != "" },
		readFile: func(name string) (string, error) {
			if text, ok := files[name]; ok {
				return text, nil
			}
			return "", errors.New("no file")
		},
	})
}

func TestPlan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args  []string
		check func(*plan) bool // nil: an error is expected
	}{
		{nil, func(p *plan) bool { return p.jobs == 4 && p.tries == 1 && p.timeout == core.Timeout{} && !p.gated() }},
		{[]string{"-j+2"}, func(p *plan) bool { return p.jobs == 6 }},
		{[]string{"-j", "jobs"}, func(p *plan) bool { return p.jobs == 3 && p.jobsFile == "jobs" && p.gated() }},
		{[]string{"-j", "broken"}, nil},
		{[]string{"-j", "many"}, nil},
		{[]string{"--timeout", "1.5"}, func(p *plan) bool { return time.Duration(p.timeout.After) == 1500*time.Millisecond }},
		{[]string{"--timeout", "200%"}, func(p *plan) bool { return p.timeout.Percent == 200 && p.gated() }},
		{[]string{"--timeout", "-1"}, nil},
		{[]string{"--retries", "x"}, nil},
		{[]string{"--retry-on", "75,oom"}, func(p *plan) bool { return p.tries == core.TriesImplied && p.gated() && !p.live() }},
		{[]string{"--retry-on", "75", "--retries", "0"}, func(p *plan) bool { return p.tries == core.MaxTries }},
		{[]string{"--retry-on", "0"}, nil},
		{[]string{"--retries", "2", "--retry-delay", "1s"}, func(p *plan) bool { return p.retry.First == core.Second && p.retry.Most == 5*core.Minute }},
		{[]string{"--retries", "2", "--retry-delay", "soon"}, nil},
		{[]string{"--retry-max-delay", "1m"}, nil},
		{[]string{"--halt", "now"}, nil},
		{[]string{"--halt", "now,fail=1"}, func(p *plan) bool { return p.gated() }},
		{[]string{"--termseq", ""}, nil},
		{[]string{"--strays", "some"}, nil},
		{[]string{"--load", "load"}, func(p *plan) bool { return p.gate.Load == 6 && p.loadFile == "load" }},
		{[]string{"--memfree", "1k"}, func(p *plan) bool { return p.gate.MemFree == 1000 }},
		{[]string{"--memsuspend", "2k", "--noswap", "--delay", "2", "--limit", "io 50"}, func(p *plan) bool {
			return p.gate.MemSuspend == 2000 && p.gate.NoSwap && p.gate.Delay.Span == 2*core.Second && p.gate.Limit.Kind == core.LimitIO
		}},
		{[]string{"--memfree", "lots"}, nil},
		{[]string{"--delay", "x"}, nil},
		{[]string{"--limit", "io x"}, nil},
		{[]string{"--nice", "7"}, func(p *plan) bool { return p.nice != nil && *p.nice == 7 }},
		{[]string{"echo", ":::", "a", "b"}, func(p *plan) bool { return len(p.words) == 1 && len(p.sources) == 1 && !p.readsStdin() }},
		{[]string{"echo"}, func(p *plan) bool { return p.readsStdin() }},
		{[]string{"-a", "x", "echo"}, func(p *plan) bool { return !p.readsStdin() && len(p.files()) == 1 }},
		{[]string{"-a", "-", "echo"}, func(p *plan) bool { return p.readsStdin() }},
		{[]string{"echo", ":::", "a", "::::", "-"}, func(p *plan) bool { return p.readsStdin() }},
		{[]string{"--pipe", "cat"}, func(p *plan) bool { return !p.readsStdin() && p.piped() }},
		{[]string{"-k", "echo"}, func(p *plan) bool { return p.live() }},
		{[]string{"--lb", "echo"}, func(p *plan) bool { return p.live() }},
	} {
		p, err := planOf(t, c.args...)
		if (err == nil) != (c.check != nil) {
			t.Errorf("%q: error %v", c.args, err)
		}
		if err == nil && c.check != nil && !c.check(p) {
			t.Errorf("%q: %+v", c.args, p)
		}
	}
}

func TestLastLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "", "a": "a", "a\n": "a", "a\nb": "b", "a\nb\n\n": "b", "\n": ""} {
		if got := lastLine([]byte(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestSurplusText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answers, open int
		proven        bool
		says          string
	}{
		{1, 0, true, "although nothing was asked"}, {3, 2, true, "answered 3 times where 2"}, {1, 1, true, "before it had read an input"},
		{1, 1, false, "before it had read its first input"},
	} {
		if got := surplusText(c.answers, c.open, c.proven); !strings.Contains(got, c.says) || !strings.Contains(got, "one answer for each input") {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

func TestDeathText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		r               result
		halfway, closed bool
		says            string
	}{
		{result{Exit: 3}, false, false, "before it answered (exit status 3)"},
		{result{Exit: 137, Signal: 9}, false, false, "killed by signal 9"},
		{result{Exit: 137, Signal: 9, OOM: true, Fault: "memory"}, false, false, "as memory ran out"},
		{result{Exit: 0}, true, false, "in the middle of its answer (exit status 0)"},
		{result{Exit: 143}, false, true, "closed its standard output"},
		{result{Exit: 127, Fault: "not found"}, false, false, "the program: not found"},
	} {
		if got := deathText(&c.r, c.halfway, c.closed); !strings.Contains(got, c.says) {
			t.Errorf("%+v: %q, want %q", c, got, c.says)
		}
	}
}
