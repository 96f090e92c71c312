package engine

import (
	"context"
	"runtime/pprof"
	"slices"
	"testing"

	"github.com/tutti-run/tutti/sched"
)

// elsewhere runs f in a goroutine that the present one starts.
func elsewhere(f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	<-done
}

// A goroutine belongs to the task that runs in the one that started it, also with
// labels of the function's own on top, and to none without ours.
func TestWhoseGoroutine(t *testing.T) {
	t.Parallel()
	var l labels
	var a, b, c Caller
	l.give(&a)
	l.give(&b)
	is := func(what string, want *Caller) {
		t.Helper()
		if got := l.whose(); got != want {
			t.Errorf("%s: it is taken for that of %p, not %p; a is %p, b %p, c %p", what, got, want, &a, &b, &c)
		}
	}
	elsewhere(func() {
		is("of no task", nil)
		setLabels(a.label.raw)
		is("of a", &a)
		elsewhere(func() {
			elsewhere(func() { is("started by one of a", &a) })
			before := getLabels()
			setLabels(b.label.raw)
			is("while b runs in a call", &b)
			setLabels(before)
			is("after b", &a)
		})
		pprof.Do(a.label.ctx, pprof.Labels("a", "1", "z", "2"), func(context.Context) { is("with labels on top", &a) })
		is("without them again", &a)
		pprof.Do(context.Background(), pprof.Labels("a", "1"), func(context.Context) { is("with others instead", nil) })
		for _, text := range []string{"", "x", "-1", "2", "99999999999999999999"} {
			pprof.Do(context.Background(), pprof.Labels(labelKey, text), func(context.Context) { is("with "+text, nil) })
		}
		setLabels(a.label.raw)
		l.take(&a)
		is("left behind", nil)
		l.give(&c)
		is("left behind when its number is another's", &c)
	})
	if len(l.all) != 2 {
		t.Errorf("%d numbers for two at once", len(l.all))
	}
}

// A task that takes its goroutine's labels away takes them from no task that runs there
// after it.
func TestLabelsLastForATask(t *testing.T) {
	t.Parallel()
	s, w := onePool(t, sched.NewWorkStealing(), 64)
	var got []*Caller
	w.handlers[0] = func(*Run) {
		got = append(got, w.labels.whose())
		pprof.Do(context.Background(), pprof.Labels("a", "1"), func(context.Context) {})
	}
	run := &Run{w: w, single: true}
	elsewhere(func() {
		for range 2 {
			w.runOne(run, submit(t, s, Hints{}))
		}
	})
	if want := []*Caller{&w.top, &w.top}; !slices.Equal(got, want) {
		t.Errorf("the tasks' goroutine was taken for that of %p, not %p", got, want)
	}
}
