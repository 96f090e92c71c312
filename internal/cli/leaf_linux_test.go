package cli

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/proc"
)

func TestCourse(t *testing.T) {
	t.Parallel()
	fine, failed := result{}, result{Exit: 3}
	rule := func(s string) core.HaltState {
		h, err := core.ParseHalt(s)
		if err != nil {
			t.Fatal(err)
		}
		return core.HaltState{Halt: h}
	}
	for _, c := range []struct {
		name    string
		course  course
		r       result
		attempt int64
		want    verdict
		exit    int
	}{
		{"success", course{tries: 1}, fine, 1, verdict{deliver: true}, 0},
		{"failure", course{tries: 1}, failed, 1, verdict{deliver: true}, 1},
		{"again", course{tries: 2}, failed, 1, verdict{again: true}, 0},
		{"not again", course{tries: 2}, failed, 2, verdict{deliver: true}, 1},
		{"not again once stopped", course{tries: 2, stopped: true}, failed, 1, verdict{deliver: true}, 1},
		{"lost", course{tries: 1}, result{How: lost, Exit: -1}, 1, verdict{deliver: true}, 1},
		{"lost and again", course{tries: 2}, result{How: lost, Exit: -1}, 1, verdict{again: true}, 0},
		{"cancelled", course{tries: 2}, result{How: stopped, Exit: 143}, 1, verdict{}, 0},
		{"never begun", course{tries: 2}, result{How: notStarted, Exit: -1}, 1, verdict{}, 0},
		{"halt", course{tries: 1, halt: rule("now,fail=1")}, failed, 1, verdict{deliver: true, halt: core.Now}, 3},
		{"timed out", course{tries: 1, halt: rule("soon,fail=1")}, result{How: timedOut, Exit: 143}, 1, verdict{deliver: true, halt: core.Soon}, 255},
		{"output lost", course{tries: 1}, result{Fault: "disk full"}, 1, verdict{deliver: true}, 1},
	} {
		if got := c.course.ended(&c.r, c.attempt); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		if got := c.course.exitCode(reason{}); got != c.exit {
			t.Errorf("%s: exit code %d, want %d", c.name, got, c.exit)
		}
	}
}

func TestExitCode(t *testing.T) {
	t.Parallel()
	var c course
	for _, e := range []struct {
		why  reason
		want int
	}{
		{reason{}, 0}, {reason{signal: 2}, 130}, {reason{fault: os.ErrClosed}, 255}, {reason{pipe: true}, 141},
		{reason{signal: 15, fault: os.ErrClosed, pipe: true}, 143},
	} {
		if got := c.exitCode(e.why); got != e.want {
			t.Errorf("%+v: %d, want %d", e.why, got, e.want)
		}
	}
}

func TestLogged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		r            result
		exit, signal int
	}{
		{result{}, 0, 0}, {result{Exit: 3}, 3, 0}, {result{Exit: 137, Signal: 9}, 0, 9}, {result{Exit: 137}, 137, 0},
		{result{How: timedOut, Exit: 143, Signal: 15}, -1, 15}, {result{How: lost, Exit: -1}, -1, 0},
		{result{Fault: "disk full"}, -1, 0}, {result{Exit: 127, Fault: "not found"}, 127, 0},
	} {
		if exit, signal := c.r.logged(); exit != c.exit || signal != c.signal {
			t.Errorf("%+v: %d %d, want %d %d", c.r, exit, signal, c.exit, c.signal)
		}
	}
}

// Jobs in any order come out in theirs, whether they waited in memory or in files.
func TestSequence(t *testing.T) {
	t.Parallel()
	for _, heldMax := range []int64{0, 5000, heldMax} {
		const n = 3000
		rnd := rand.New(rand.NewPCG(1, 2))
		order := rnd.Perm(n)
		s := newSequence(t.TempDir())
		s.heldMax = heldMax
		made := func(seq int64) *finished {
			return &finished{Seq: seq, Key: fmt.Sprint("job ", seq, "\xff"), Tag: "\xfe", Result: result{
				Exit: int(seq % 7), Stdout: captured{Head: bytes.Repeat([]byte{byte(seq)}, int(seq%5000))},
				Stderr: captured{Rest: []proc.Extent{{Off: seq, Len: 1}}},
			}}
		}
		want := int64(1)
		check := func(f *finished, err error) bool {
			if err != nil {
				t.Fatal(err)
			}
			if f == nil {
				return false
			}
			m := made(want)
			if f.Seq != want || f.Key != m.Key || f.Tag != m.Tag || f.Result.Exit != m.Result.Exit ||
				!bytes.Equal(f.Result.Stdout.Head, m.Result.Stdout.Head) || !slices.Equal(f.Result.Stderr.Rest, m.Result.Stderr.Rest) {
				t.Fatalf("got job %d, want %d, or what it holds differs", f.Seq, want)
			}
			want++
			return true
		}
		for _, i := range order {
			if err := s.put(made(int64(i + 1))); err != nil {
				t.Fatal(err)
			}
			for check(s.take()) {
			}
		}
		if want != n+1 || s.filed != 0 || len(s.held) != 0 || s.bytes != 0 {
			t.Errorf("%d of %d came out; %d in files, %d in memory", want-1, n, s.filed, len(s.held))
		}
	}
}

// What waits for jobs that never come is given all the same.
func TestSequenceWithGaps(t *testing.T) {
	t.Parallel()
	for _, heldMax := range []int64{0, heldMax} {
		s := newSequence(t.TempDir())
		s.heldMax = heldMax
		for _, seq := range []int64{2, 9, 5} {
			if err := s.put(&finished{Seq: seq}); err != nil {
				t.Fatal(err)
			}
		}
		var got []int64
		for {
			f, err := s.takeAny()
			if err != nil {
				t.Fatal(err)
			}
			if f == nil {
				break
			}
			got = append(got, f.Seq)
		}
		if !slices.Equal(got, []int64{2, 5, 9}) {
			t.Errorf("got %v", got)
		}
	}
}

// However output is cut into pieces, the lines come out with their tags.
func FuzzLiner(f *testing.F) {
	f.Add("a\nb", "t\t", uint8(1))
	f.Add("\n\n", "", uint8(0))
	f.Add("long line without end", "x", uint8(3))
	f.Fuzz(func(t *testing.T, text, tag string, size uint8) {
		if len(text) > 4096 {
			text = text[:4096]
		}
		if len(tag) > 8 {
			tag = tag[:8]
		}
		s := sink{fd: -1} // it never fills up
		l := liner{to: &s, tag: []byte(tag)}
		for rest := text; rest != ""; {
			n := min(len(rest), int(size)+1)
			l.write([]byte(rest[:n]))
			rest = rest[n:]
		}
		got := string(s.buf)
		want := ""
		for line := range strings.Lines(text) {
			want += tag + line
		}
		if got != want {
			t.Errorf("%q tagged %q in pieces of %d: %q, want %q", text, tag, int(size)+1, got, want)
		}
	})
}

func TestSpoolRegions(t *testing.T) {
	t.Parallel()
	f, err := openUnlinked(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var c control
	a, b := spool{file: f, tail: &c.spoolTail}, spool{file: f, tail: &c.spoolTail}
	var took [2][]proc.Extent
	piece := bytes.Repeat([]byte("x"), 64<<10)
	for range 100 {
		for i, s := range []*spool{&a, &b} {
			e, err := s.Write(piece)
			if err != nil {
				t.Fatal(err)
			}
			took[i] = append(took[i], e)
		}
	}
	all := slices.Concat(took[0], took[1])
	slices.SortFunc(all, func(x, y proc.Extent) int { return int(x.Off - y.Off) })
	for i := range all[1:] {
		if all[i].Off+all[i].Len > all[i+1].Off {
			t.Fatalf("%v and %v overlap", all[i], all[i+1])
		}
	}
	if joined := 0; true {
		for i := range took[0][1:] {
			if took[0][i].Off+took[0][i].Len == took[0][i+1].Off {
				joined++
			}
		}
		if joined < 90 {
			t.Errorf("only %d of 99 writes of one command lie behind the one before", joined)
		}
	}
}

func TestCountArgs(t *testing.T) {
	t.Parallel()
	args := func(n int) command.SourceSpec {
		return command.SourceSpec{Kind: command.Args, Args: make([]string, n)}
	}
	for _, c := range []struct {
		sources []command.SourceSpec
		n       int64
		ok      bool
	}{
		{nil, 0, false}, {[]command.SourceSpec{args(3)}, 3, true}, {[]command.SourceSpec{args(3), args(4)}, 12, true},
		{[]command.SourceSpec{args(0)}, 0, true}, {[]command.SourceSpec{args(0), args(4)}, 4, true},
		{[]command.SourceSpec{args(3), {Kind: command.File}}, 0, false},
	} {
		if n, ok := countArgs(c.sources); n != c.n || ok != c.ok {
			t.Errorf("%v: %d %v, want %d %v", c.sources, n, ok, c.n, c.ok)
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	for jobs := 1; jobs <= core.MaxJobs; jobs *= 2 {
		w := workersFor(jobs, 2)
		if w > jobs || w > 8 || w < 1 {
			t.Errorf("%d jobs: %d workers", jobs, w)
		}
		window := windowFor(jobs, w)
		if n := tasksFor(window); n%64 != 0 || n/4 < window || n > 1<<16 {
			t.Errorf("%d jobs: a table of %d for a window of %d", jobs, n, window)
		}
		if m := memoryPerStream(jobs); m < 64<<10 || m > 1<<20 {
			t.Errorf("%d jobs: %d bytes a stream", jobs, m)
		}
	}
}

func TestSummaryLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		jobs, failed int64
		elapsed      time.Duration
		cpu          int64
		want         string
	}{
		{24, 2, 3100 * time.Millisecond, 6014 * int64(time.Millisecond), "24 jobs in 3.1 s, 2 failed, 1.94 of 2 CPUs busy"},
		{1, 0, 20 * time.Millisecond, 0, "1 job in 20 ms, 0.00 of 2 CPUs busy"},
		{9, 0, 90 * time.Second, int64(180 * time.Second), "9 jobs in 1m30s, 2.00 of 2 CPUs busy"},
	} {
		if got := summaryLine(c.jobs, c.failed, c.elapsed, c.cpu, 2); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestProgressLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		jobs, failed, total int64
		elapsed             time.Duration
		width               int
		want                string
	}{
		{0, 0, 8, 100 * time.Millisecond, 100, "[                        ] 0/8 jobs, 100 ms"},
		{2, 0, 8, 2 * time.Second, 100, "[======                  ] 2/8 jobs, 2.0 s, about 6.0 s left"},
		{8, 1, 8, 2 * time.Second, 100, "[========================] 8/8 jobs, 1 failed, 2.0 s"},
		{9, 0, -1, 90 * time.Second, 100, "9 jobs, 1m30s"},
		{2, 0, 8, 2 * time.Second, 60, "2/8 jobs, 2.0 s, about 6.0 s left"},
		{2, 0, 8, 2 * time.Second, 10, "2/8 jobs,"},
		{2, 0, 8, 2 * time.Second, 0, ""},
		{9, 0, 8, 2 * time.Second, 100, "[========================] 9/8 jobs, 2.0 s"},
	} {
		if got := progressLine(c.jobs, c.failed, c.total, c.elapsed, c.width); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
