package tutti_test

import (
	"context"
	"testing"
	"time"

	"github.com/tutti-run/tutti"
)

// start begins n visits and returns what ends when all have.
func start(t *testing.T, pool *tutti.Pool, g *gate, n int, opts ...tutti.Option) (all []*tutti.Future[int]) {
	t.Helper()
	for i := range n {
		f, err := Meet.Go(t.Context(), pool, g.visit(i), opts...)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return all
}

func finish(t *testing.T, all []*tutti.Future[int]) {
	t.Helper()
	for i, f := range all {
		if n, err := f.Wait(t.Context()); n != i || err != nil {
			t.Errorf("visit %d: %d, %v", i, n, err)
		}
	}
}

// All places of a pool are filled at once, and each has its number.
func TestTasksRunAtOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config tutti.Config
		lanes  []int // by worker
	}{
		"eight in one": {tutti.Config{Workers: 1, TasksPerWorker: 8}, []int{8}},
		"two each":     {tutti.Config{Workers: 3, TasksPerWorker: 2}, []int{2, 2, 2}},
		"a remainder":  {tutti.Config{Workers: 3, Concurrency: 8}, []int{3, 3, 2}},
		"one each":     {tutti.Config{Workers: 2}, []int{1, 1}},
		"shared out":   {tutti.Config{Workers: 2, TasksPerWorker: 9, Concurrency: 3}, []int{2, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, g := open(t, c.config), newGate(t)
			places := 0
			for _, n := range c.lanes {
				places += n
			}
			for range 3 {
				all := start(t, pool, g, places+2)
				guests := g.await(places)
				lane, worker := map[int]bool{}, map[int]int{}
				for _, guest := range guests {
					lane[guest.note.Lane] = true
					worker[guest.note.Worker]++
					if guest.note.Lane < 0 || guest.note.Lane >= places {
						t.Errorf("lane %d of %d", guest.note.Lane, places)
					}
				}
				for i, n := range c.lanes {
					if worker[i+1] != n {
						t.Errorf("worker %d runs %d tasks, want %d", i+1, worker[i+1], n)
					}
				}
				if len(lane) != places {
					t.Errorf("lanes %v of %d", lane, places)
				}
				select {
				case guest := <-g.arrivals:
					t.Errorf("one more task runs than there are places: %+v", guest.note)
				default:
				}
				for _, guest := range guests {
					guest.letGo()
				}
				for _, guest := range g.await(2) {
					guest.letGo()
				}
				finish(t, all)
			}
		})
	}
}

// Tasks that run at most once have a worker to themselves, unless they are
// contained.
func TestAtMostOnceRunsAlone(t *testing.T) {
	t.Parallel()
	pool, g := open(t, tutti.Config{Workers: 2, TasksPerWorker: 4}), newGate(t)
	all := start(t, pool, g, 10, tutti.AtMostOnce())
	for round := 0; round < 10; round += 2 {
		guests := g.await(2)
		if guests[0].note.Worker == guests[1].note.Worker {
			t.Errorf("both run in worker %d", guests[0].note.Worker)
		}
		select {
		case guest := <-g.arrivals:
			t.Errorf("a third runs: %+v", guest.note)
		default:
		}
		guests[0].letGo()
		guests[1].letGo()
	}
	finish(t, all)
	all = start(t, pool, g, 8, tutti.AtMostOnce(), tutti.Contained())
	for _, guest := range g.await(8) {
		guest.letGo()
	}
	finish(t, all)
}

// A task of a worker that runs several leaves the others alone when it ends by
// force: they are begun again.
func TestNeighboursOfAStubbornTask(t *testing.T) {
	t.Parallel()
	pool := open(t, tutti.Config{Workers: 1, TasksPerWorker: 3, Grace: 10 * time.Millisecond, Stderr: new(lines)})
	g, calm := newGate(t), newGate(t)
	all := start(t, pool, calm, 2)
	first := calm.await(2)
	stubborn, err := Stubborn.Go(t.Context(), pool, g.visit(0))
	if err != nil {
		t.Fatal(err)
	}
	guest := g.await(1)[0]
	stubborn.Cancel()
	guest.gone()
	if _, err := stubborn.Wait(t.Context()); err == nil {
		t.Error("the stubborn task has no error")
	}
	for _, guest := range first {
		guest.gone()
	}
	for _, guest := range calm.await(2) {
		if guest.note.Attempt != 1 {
			t.Errorf("a neighbour was charged: attempt %d", guest.note.Attempt)
		}
		guest.letGo()
	}
	finish(t, all)
}

func TestPriorityAndAffinity(t *testing.T) {
	t.Parallel()
	pool, g := open(t, tutti.Config{Workers: 1}), newGate(t)
	hold := start(t, pool, g, 1)
	holder := g.await(1)[0]
	var waiting []*tutti.Future[int]
	for i, p := range []int{-1, 0, 5, -7, 1, 0} {
		f, err := Meet.Go(t.Context(), pool, g.visit(i), tutti.Priority(p))
		if err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, f)
	}
	holder.letGo()
	finish(t, hold)
	class := map[int]int{2: 0, 4: 0, 1: 1, 5: 1, 0: 2, 3: 2}
	last := 0
	for range waiting {
		guest := g.await(1)[0]
		if c := class[guest.note.N]; c < last {
			t.Errorf("task %d comes after one of a lower priority", guest.note.N)
		} else {
			last = c
		}
		guest.letGo()
	}
	finish(t, waiting)
	two := open(t, tutti.Config{Workers: 2, Policy: "round-robin"})
	for worker := 1; worker <= 2; worker++ {
		there := 0 // another one may take it, but not as a rule
		for range 20 {
			got, err := Where.Call(t.Context(), two, 0, tutti.Affinity(worker))
			if err != nil {
				t.Errorf("at worker %d: %v", worker, err)
			}
			if got.Worker == worker {
				there++
			}
		}
		if there <= 10 {
			t.Errorf("%d of 20 tasks ran at worker %d", there, worker)
		}
	}
	if _, err := Where.Call(t.Context(), pool, 0, tutti.Affinity(0)); err != nil {
		t.Errorf("at any worker: %v", err)
	}
}

var Where = tutti.NewFunc("test.where", func(ctx context.Context, _ int) (tutti.TaskInfo, error) {
	info, _ := tutti.Info(ctx)
	return info, nil
})
