package proc

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// A kill is the reason of one death, soon after it: not of one that comes later,
// and not of a worker that was started after it.
func TestKillsAreSetAgainstDeaths(t *testing.T) {
	t.Parallel()
	type death struct {
		after   time.Duration // since the death before
		kills   uint64        // so far
		since   uint64        // at the worker's start
		suspect bool
		want    bool
	}
	for name, deaths := range map[string][]death{
		"killed":                        {{0, 1, 0, true, true}},
		"not killed":                    {{0, 0, 0, true, false}},
		"another signal, or ours":       {{0, 1, 0, false, false}},
		"started after it":              {{0, 3, 3, true, false}},
		"one kill, two deaths":          {{0, 1, 0, true, true}, {time.Millisecond, 1, 0, true, false}},
		"two kills, two deaths":         {{0, 2, 0, true, true}, {time.Millisecond, 2, 0, true, true}},
		"seen one after the other":      {{0, 1, 0, true, true}, {time.Millisecond, 2, 0, true, true}},
		"elsewhere, long before":        {{0, 1, 0, false, false}, {time.Minute, 1, 0, true, false}},
		"two elsewhere, long before":    {{0, 3, 0, true, true}, {time.Minute, 3, 0, true, false}},
		"long before, and again":        {{0, 1, 0, false, false}, {time.Minute, 2, 0, true, true}},
		"a death with it, then another": {{0, 1, 0, false, false}, {time.Millisecond, 1, 0, true, true}, {time.Minute, 1, 1, true, false}},
		"no count any more":             {{0, 2, 0, true, true}, {time.Minute, 0, 0, true, false}, {time.Minute, 3, 2, true, true}},
	} {
		var kills uint64
		l, at := ledger{count: func() uint64 { return kills }}, time.Unix(1_000_000, 0)
		for i, d := range deaths {
			kills, at = d.kills, at.Add(d.after)
			if got := l.death(at, d.since, d.suspect); got != d.want {
				t.Errorf("%s: death %d: killed for memory is %v", name, i, got)
			}
		}
	}
}

// The count is read from the kernel's file anew at each death.
func TestLedgerReadsTheCounter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "memory.events")
	write := func(kills int) {
		if err := os.WriteFile(path, []byte("oom 9\noom_kill "+strconv.Itoa(kills)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(4)
	s, ok := openCounter(path)
	if !ok {
		t.Fatal("no counter")
	}
	defer s.file.Close()
	l := ledger{count: func() uint64 { n, _ := s.count(); return n }}
	since, now := l.count(), time.Unix(1, 0)
	if l.death(now, since, true) {
		t.Error("a death without a kill")
	}
	write(5)
	if !l.death(now, since, true) {
		t.Error("a death by a kill")
	}
}
