package proc

import (
	"errors"
	"io"
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

// memorySpool keeps everything in one buffer; after limit bytes it fails with err.
type memorySpool struct {
	data  []byte
	limit int
	err   error
	calls int
}

func (s *memorySpool) Write(p []byte) (Extent, error) {
	s.calls++
	if s.err != nil && len(s.data)+len(p) > s.limit {
		return Extent{}, s.err
	}
	ref := Extent{int64(len(s.data)), int64(len(p))}
	s.data = append(s.data, p...)
	return ref, nil
}

func (s *memorySpool) text(o Output) string {
	text := string(o.Head)
	for _, e := range o.Rest {
		text += string(s.data[e.Off : e.Off+e.Len])
	}
	return text
}

func TestCapture(t *testing.T) {
	t.Parallel()
	spool := &memorySpool{}
	all := &sink{spool: spool}
	out, errs := capture{max: 4, sink: all}, capture{max: 2, sink: all}
	for _, p := range []string{"ab", "", "cdef", "gh"} {
		out.add([]byte(p))
	}
	errs.add([]byte("12345"))
	out.add([]byte("ij"))
	if got := spool.text(out.out); got != "abcdefghij" || len(out.out.Rest) != 2 {
		t.Errorf("stdout %q in %v", got, out.out.Rest)
	}
	if got := spool.text(errs.out); got != "12345" || string(errs.out.Head) != "12" {
		t.Errorf("stderr %q", got)
	}
}

func TestCaptureErrors(t *testing.T) {
	t.Parallel()
	full := errors.New("full")
	for _, c := range []struct {
		spool Spool
		want  error
	}{
		{nil, ErrNoSpool},
		{&memorySpool{limit: 3, err: full}, full},
		{shortSpool{}, io.ErrShortWrite},
	} {
		s := &sink{spool: c.spool}
		out := capture{max: 1, sink: s}
		for range 5 {
			out.add([]byte("xyz"))
		}
		if !errors.Is(s.err, c.want) || string(out.out.Head) != "x" {
			t.Errorf("error %v, want %v; head %q", s.err, c.want, out.out.Head)
		}
	}
	failing := &memorySpool{err: full}
	out := capture{sink: &sink{spool: failing}}
	out.add([]byte("a"))
	out.add([]byte("b"))
	if failing.calls != 1 {
		t.Errorf("the spool was called %d times after an error", failing.calls-1)
	}
}

type shortSpool struct{}

func (shortSpool) Write(p []byte) (Extent, error) { return Extent{Len: int64(len(p)) - 1}, nil }
