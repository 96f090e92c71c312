package cli

import (
	"testing"
	"time"

	"github.com/tutti-run/tutti/internal/command"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	words := []string{"jobs", "joblog", "keep-order", "dry-run", "timeout", "retries"}
	for _, c := range []struct{ word, want string }{
		{"jbos", "jobs"}, {"job", "jobs"}, {"job-log", "joblog"}, {"dryrun", "dry-run"}, {"keeporder", "keep-order"},
		{"time", "timeout"}, {"xyzzy", ""}, {"", ""}, {"q", ""},
	} {
		got := ""
		if n := nearest(c.word, words); len(n) > 0 {
			got = n[0]
		}
		if got != c.want {
			t.Errorf("nearest(%q) = %q, want %q", c.word, got, c.want)
		}
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"map", "map", 0}, {"mpa", "map", 2}, {"mapp", "map", 1}, {"kitten", "sitting", 3},
	} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	good := mapFlags{jobs: "100%", timeout: "0", retries: "1", halt: "never", termSeq: "TERM,200", strays: "keep"}
	for _, c := range []struct {
		name   string
		change func(*mapFlags)
		ok     bool
		check  func(mapPlan) bool
	}{
		{"defaults", func(*mapFlags) {}, true, func(p mapPlan) bool { return p.jobs == 4 && p.tries == 1 && p.timeout == 0 && !p.killLeft }},
		{"jobs", func(f *mapFlags) { f.jobs = "+2" }, true, func(p mapPlan) bool { return p.jobs == 6 }},
		{"timeout", func(f *mapFlags) { f.timeout = "1.5" }, true, func(p mapPlan) bool { return p.timeout == 1500*time.Millisecond }},
		{"strays", func(f *mapFlags) { f.strays = "kill" }, true, func(p mapPlan) bool { return p.killLeft }},
		{"bad jobs", func(f *mapFlags) { f.jobs = "many" }, false, nil},
		{"bad timeout", func(f *mapFlags) { f.timeout = "-1" }, false, nil},
		{"bad retries", func(f *mapFlags) { f.retries = "x" }, false, nil},
		{"bad halt", func(f *mapFlags) { f.halt = "now" }, false, nil},
		{"bad termseq", func(f *mapFlags) { f.termSeq = "" }, false, nil},
		{"bad strays", func(f *mapFlags) { f.strays = "" }, false, nil},
		{"ungrouped tags", func(f *mapFlags) { f.ungroup, f.tag = true, true }, false, nil},
		{"ungrouped order", func(f *mapFlags) { f.ungroup, f.keepOrder = true, true }, false, nil},
		{"resume what", func(f *mapFlags) { f.resume = true }, false, nil},
		{"resume failed of what", func(f *mapFlags) { f.resumeFailed = true }, false, nil},
		{"resume", func(f *mapFlags) { f.resume, f.jobLog = true, "log" }, true, nil},
	} {
		f := good
		c.change(&f)
		p, err := f.plan(4)
		if (err == nil) != c.ok {
			t.Errorf("%s: error %v", c.name, err)
		}
		if c.check != nil && !c.check(p) {
			t.Errorf("%s: %+v", c.name, p)
		}
	}
}

func TestReadsStdin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sources []command.SourceSpec
		want    bool
	}{
		{nil, true},
		{[]command.SourceSpec{{Kind: command.Args}}, false},
		{[]command.SourceSpec{{Kind: command.File, File: "x"}}, false},
		{[]command.SourceSpec{{Kind: command.Args}, {Kind: command.File, File: "-"}}, true},
	} {
		if got := readsStdin(c.sources); got != c.want {
			t.Errorf("readsStdin(%v) = %v", c.sources, got)
		}
	}
}
