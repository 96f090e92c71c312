package proc

import (
	"strings"
	"syscall"
	"testing"
)

const statTail = " 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 1 2 3"

func TestParseStat(t *testing.T) {
	t.Parallel()
	full := func(pid, comm string) string {
		return pid + " (" + comm + ") S 7 8 9 0 -1" + statTail + "\n"
	}
	for _, c := range []struct {
		line, comm string
		ok         bool
	}{
		{full("42", "sh"), "sh", true},
		{full("42", "a b"), "a b", true},
		{full("42", ") R 1 ("), ") R 1 (", true},
		{full("42", "a\n) S"), "a\n) S", true},
		{full("42", ""), "", true},
		{full("x", "sh"), "", false},
		{"42 (sh) S 7 8 9", "", false},
		{"42 (sh) Sleep 7 8 9 0 -1" + statTail, "", false},
		{"42 (sh) S 7 8 nine 0 -1" + statTail, "", false},
		{"42 )sh( S", "", false},
		{"", "", false},
	} {
		p, err := parseStat([]byte(c.line))
		want := procStat{pid: 42, comm: c.comm, state: 'S', ppid: 7, pgrp: 8, session: 9, start: 4711}
		if !c.ok {
			want = procStat{}
		}
		if (err == nil) != c.ok || p != want {
			t.Errorf("parseStat(%q) = %+v, %v", c.line, p, err)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("42 (sh) S 7 8 9 0 -1" + statTail)
	f.Add("1 (a) b) Z 0 0 0")
	f.Fuzz(func(t *testing.T, line string) {
		p, err := parseStat([]byte(line))
		if err != nil && p != (procStat{}) {
			t.Errorf("an error and a value: %+v", p)
		}
		if err == nil && !strings.Contains(line, "("+p.comm+")") {
			t.Errorf("name %q is not in %q", p.comm, line)
		}
	})
}

func TestAppendPIDs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"": 0, "12 ": 1, "12 13 14 ": 3, "x 0 -4 5": 1} {
		if got := appendPIDs(nil, []byte(text)); len(got) != want {
			t.Errorf("appendPIDs(%q) = %v", text, got)
		}
	}
}

func TestVariable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		block, want string
		ok          bool
	}{
		{"A=1\x00TUTTI_JOB=x/y\x00", "x/y", true},
		{"TUTTI_JOB=", "", true},
		{"TUTTI_JOBS=1\x00XTUTTI_JOB=2\x00A=TUTTI_JOB=3", "", false},
		{"TUTTI_JOB", "", false},
		{"", "", false},
	} {
		if got, ok := variable([]byte(c.block), MarkVariable); got != c.want || ok != c.ok {
			t.Errorf("variable(%q) = %q, %v", c.block, got, ok)
		}
	}
}

func TestCounter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want uint64
		ok   bool
	}{
		{"low 0\noom 4\noom_kill 3\noom_group_kill 9\n", 3, true},
		{"oom_kill_disable 0\nunder_oom 0\noom_kill 12", 12, true},
		{"oom_kill_disable 0\n", 0, false},
		{"oom_kill x\n", 0, false},
		{"", 0, false},
	} {
		if got, ok := counter([]byte(c.text), "oom_kill"); got != c.want || ok != c.ok {
			t.Errorf("counter(%q) = %d, %v", c.text, got, ok)
		}
	}
}

func TestStatusString(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]Status{
		"exit status 0":     {},
		"exit status 3":     {Exit: 3},
		"signal 9 (killed)": {Exit: 137, Signal: syscall.SIGKILL},
		"signal 11 (segmentation fault), core dumped": {Exit: 139, Signal: syscall.SIGSEGV, CoreDumped: true},
		"killed: out of memory":                       {Exit: 137, Signal: syscall.SIGKILL, OOM: true},
		"no status":                                   {Exit: -1},
	} {
		if got := s.String(); got != want {
			t.Errorf("%+v: %q, want %q", s, got, want)
		}
	}
}
