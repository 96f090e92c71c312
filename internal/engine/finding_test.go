package engine

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/sched"
	"github.com/tutti-run/tutti/shm"
)

// A call is known by its family, function and input; a finding serves one call an
// attempt, and its entry another task when its own has ended.
func TestFindings(t *testing.T) {
	t.Parallel()
	l, err := Geometry{Slots: 2, Tasks: 64, Spans: 16}.layout()
	if err != nil {
		t.Fatal(err)
	}
	m, err := create(shm.HeapSegment(l.size), l)
	if err != nil {
		t.Fatal(err)
	}
	sub := newSubmitter(m, 0, sched.NewWorkStealing())
	s := &supervisor{m: m, sub: sub}
	w := newWorker(m, 1, sched.NewWorkStealing(), sched.NewWorkStealing(), nil)
	submit := func(parent TaskID, fn uint32, input int64) (uint32, TaskID) {
		i, ok := sub.TryAcquire()
		p, err := sub.Input(t.Context(), i, 8)
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		*(*int64)(p) = input
		return i, sub.Submit(i, &Spec{Fn: fn, Parent: parent})
	}
	_, root := submit(0, 1, 0)
	i, _ := submit(root, 2, 7)
	s.keep(i, Word(m.words[i].Load()), root, 3, core.FailCrash, Crash{Status: "exit", Trace: strings.Repeat("x", 9000)})

	for _, c := range []struct {
		what   string
		parent TaskID
		fn     uint32
		input  int64
		known  bool
	}{
		{"another input", root, 2, 8, false},
		{"another function", root, 3, 7, false},
		{"another family", 0, 2, 7, false},
		{"the same call", root, 2, 7, true},
		{"one like it, after it", root, 2, 7, false},
	} {
		i, id := submit(c.parent, c.fn, c.input)
		f := w.claim(i, id)
		if known := f != nil; known != c.known {
			t.Errorf("%s: known %v", c.what, known)
		}
		if f == nil {
			continue
		}
		var crash Crash
		if err := json.Unmarshal(f.data[:f.len], &crash); err != nil || crash.Attempt != 3 || crash.Trace == "" || Kind(f.kind) != KindCrash {
			t.Errorf("%+v, %v", crash, err)
		}
		if w.claim(i, id) != f || m.deathsBefore(id) != 3 {
			t.Error("who has claimed it is to find it again")
		}
	}
	m.tidyFindings(root) // as when root is begun again
	if i, id := submit(root, 2, 7); w.claim(i, id) == nil {
		t.Error("the next attempt is to find it")
	}
	i, _ = submit(root, 2, 9)
	for n := range 2 * findingsMax {
		s.keep(i, Word(m.words[i].Load()), root, n, core.Retry, Crash{})
	}
	if m.freeFinding() != nil || !m.strays(root) {
		t.Error("the table is to be full")
	}
	sub.Cancel(root)
	m.tidyFindings(0)
	if n := m.head.findings.Load(); n != 0 {
		t.Errorf("entries %#x are in use though their task has ended", n)
	}
	if m.freeFinding() == nil {
		t.Error("they are to serve others")
	}
}
