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

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/spool"
	"github.com/tutti-run/tutti/ipc"
)

func TestCourse(t *testing.T) {
	t.Parallel()
	fine, failed := result{}, result{Exit: 3}
	on := func(s string) core.RetryOn {
		o, err := core.ParseRetryOn(s)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
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
		{"success", course{Course: core.Course{Tries: 1}}, fine, 1, verdict{deliver: true}, 0},
		{"failure", course{Course: core.Course{Tries: 1}}, failed, 1, verdict{deliver: true}, 1},
		{"again", course{Course: core.Course{Tries: 2}}, failed, 1, verdict{again: true}, 0},
		{"not again", course{Course: core.Course{Tries: 2}}, failed, 2, verdict{deliver: true}, 1},
		{"not again once stopped", course{Course: core.Course{Tries: 2, Stopped: true}}, failed, 1, verdict{deliver: true}, 1},
		{"lost", course{Course: core.Course{Tries: 1}}, result{How: lost, Exit: -1}, 1, verdict{deliver: true}, 1},
		{"lost and again", course{Course: core.Course{Tries: 2}}, result{How: lost, Exit: -1}, 1, verdict{again: true}, 0},
		{"its code again", course{Course: core.Course{Tries: 3, RetryOn: on("3")}}, failed, 1, verdict{again: true}, 0},
		{"another code not", course{Course: core.Course{Tries: 3, RetryOn: on("4")}}, failed, 1, verdict{deliver: true}, 1},
		{"memory again", course{Course: core.Course{Tries: 3, RetryOn: on("oom")}}, result{How: evicted, Exit: 143, Signal: 15}, 1, verdict{again: true}, 0},
		{"eviction is no signal", course{Course: core.Course{Tries: 3, RetryOn: on("TERM")}}, result{How: evicted, Exit: 143, Signal: 15}, 1, verdict{deliver: true}, 1},
		{"OOM again", course{Course: core.Course{Tries: 3, RetryOn: on("oom")}}, result{Exit: 137, Signal: 9, OOM: true, Fault: "memory"}, 1, verdict{again: true}, 0},
		{"time again", course{Course: core.Course{Tries: 3, RetryOn: on("timeout")}}, result{How: timedOut, Exit: 143, Signal: 15}, 1, verdict{again: true}, 0},
		{"output lost is no code", course{Course: core.Course{Tries: 3, RetryOn: on("1-255")}}, result{Fault: "disk full"}, 1, verdict{deliver: true}, 1},
		{"cancelled", course{Course: core.Course{Tries: 2}}, result{How: stopped, Exit: 143}, 1, verdict{}, 0},
		{"never begun", course{Course: core.Course{Tries: 2}}, result{How: notStarted, Exit: -1}, 1, verdict{}, 0},
		{"halt", course{Course: core.Course{Tries: 1, Halt: rule("now,fail=1")}}, failed, 1, verdict{deliver: true, halt: core.Now}, 3},
		{"timed out", course{Course: core.Course{Tries: 1, Halt: rule("soon,fail=1")}}, result{How: timedOut, Exit: 143}, 1, verdict{deliver: true, halt: core.Soon}, 255},
		{"output lost", course{Course: core.Course{Tries: 1}}, result{Fault: "disk full"}, 1, verdict{deliver: true}, 1},
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
			return &finished{Seq: seq, Key: fmt.Sprint("job ", seq, "\xff"), Args: []string{"\xfe"}, Result: result{
				Exit: int(seq % 7), Out: captured{Short: bytes.Repeat([]byte{byte(seq)}, int(seq%5000))},
				Err: captured{Ref: spool.Ref{First: 1, Size: seq}},
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
			if f.Seq != want || f.Key != m.Key || !slices.Equal(f.Args, m.Args) || f.Result.Exit != m.Result.Exit ||
				!bytes.Equal(f.Result.Out.Short, m.Result.Out.Short) || f.Result.Err.Ref != m.Result.Err.Ref {
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

// However output is cut into pieces, the lines come out marked.
func FuzzMarker(f *testing.F) {
	f.Add("a\nb", "t\t", "", uint8(1))
	f.Add("\n\n", "", "off", uint8(0))
	f.Add("long line without end", "x", "y", uint8(3))
	f.Fuzz(func(t *testing.T, text, before, after string, size uint8) {
		if before+after == "" || strings.Contains(before, "\x00") {
			t.Skip()
		}
		store, err := spool.Create(spool.Config{Lanes: 1, Memory: 64 << 20})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		lane, _ := store.Lane(0)
		lane.Begin(1, 1, time.Now())
		w := lane.Writer(spool.Stdout)
		m := marked(&w, mark{before, after}, 1)
		for rest := text; rest != ""; {
			n := min(len(rest), int(size)+1)
			m.Took(copy(m.Room(), rest[:n]))
			rest = rest[n:]
		}
		m.(*marker).end()
		ref, _ := w.End(0)
		at, got := ref.At(1), ""
		err = store.Read(&at, ref.Size, true, func(b []byte) error {
			got += string(b)
			return nil
		})
		want := ""
		for line := range strings.Lines(text) {
			line, ended := strings.CutSuffix(line, "\n")
			want += before + line + after
			if ended {
				want += "\n"
			}
		}
		if got != want || err != nil {
			t.Errorf("%q marked %q %q in pieces of %d: %q, want %q (%v)", text, before, after, int(size)+1, got, want, err)
		}
	})
}

func TestBounds(t *testing.T) {
	t.Parallel()
	for jobs := 1; jobs <= core.MaxJobs; jobs *= 2 {
		w := workersFor(jobs, 2)
		if w > jobs || w > 8 || w < 1 {
			t.Errorf("%d jobs: %d workers", jobs, w)
		}
		window := new(plan).windowFor(jobs, w)
		if n := tasksFor(window); n%64 != 0 || n/4 < window || n > 1<<16 {
			t.Errorf("%d jobs: a table of %d for a window of %d", jobs, n, window)
		}
	}
}

// A lock whose holder was killed is not forgotten with its space, also if nobody has
// buried the dead yet when the last one leaves.
func TestLockOfTheUnburied(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		exclusive, gone, forgettable bool
	}{{true, true, false}, {false, true, true}, {true, false, true}} {
		st := ipc.Stat{
			Members: []ipc.MemberStat{{PID: 7}},
			Objects: []ipc.ObjectStat{{Kind: "rwmutex", Name: "a", Holders: []ipc.ClaimStat{{PID: 7, Exclusive: c.exclusive}}}},
		}
		buryDead(&st, func(int) bool { return c.gone })
		if got := forgettable(st); got != c.forgettable || (len(st.Members) == 0) != c.gone {
			t.Errorf("%+v: %v, %+v", c, got, st)
		}
	}
}
