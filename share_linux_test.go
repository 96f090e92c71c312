package tutti_test

import (
	"context"
	"testing"

	"github.com/tutti-run/tutti"
)

// MeetAll maps over visits to a gate and returns how many there were.
var MeetAll = tutti.NewFunc("test.meetall", func(ctx context.Context, visits []Visit) (n int, err error) {
	for _, err := range Meet.Map(ctx, tutti.FromContext(ctx), func(yield func(Visit) bool) {
		for _, v := range visits {
			if !yield(v) {
				return
			}
		}
	}) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
})

// A task that maps over others and a worker that comes to help do not run after each
// other: the worker begins where the task comes last.
func TestNestedMapIsShared(t *testing.T) {
	t.Parallel()
	const visits, guard = 32, 100
	pool, g := open(t, tutti.Config{Workers: 2}), newGate(t)
	hold, err := Meet.Go(t.Context(), pool, g.visit(guard))
	if err != nil {
		t.Fatal(err)
	}
	busy := g.await(1)[0]
	var all []Visit
	for i := range visits {
		all = append(all, g.visit(i))
	}
	mapped, err := MeetAll.Go(t.Context(), pool, all)
	if err != nil {
		t.Fatal(err)
	}
	first := g.await(1)[0]
	if first.note.N != 0 || first.note.Worker == busy.note.Worker {
		t.Fatalf("first comes %+v, in place of 0 in the other worker than %d", first.note, busy.note.Worker)
	}
	for waiting := 0; waiting != visits-1; {
		waiting = 0
		for _, n := range pool.Stats().Queued {
			waiting += n
		}
	}
	busy.letGo() // it comes to help
	helper := g.await(1)[0]
	if helper.note.Worker != busy.note.Worker || helper.note.N < visits/8 {
		t.Errorf("the other worker begins with %+v", helper.note)
	}
	first.letGo()
	for i := 1; i < helper.note.N; i++ { // and while it is held up the task runs on
		v := g.await(1)[0]
		if v.note.N != i || v.note.Worker != first.note.Worker {
			t.Errorf("%+v in place of %d in worker %d", v.note, i, first.note.Worker)
		}
		v.letGo()
	}
	helper.letGo()
	for range visits - 1 - helper.note.N {
		g.await(1)[0].letGo()
	}
	if n, err := mapped.Wait(t.Context()); n != visits || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := hold.Wait(t.Context()); n != guard || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}
