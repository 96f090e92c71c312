package engine

import (
	"fmt"
	"testing"
)

// passings is how often each point is passed before it strikes: the first time a
// process comes there, and twice more, when caches and queues are in use.
const passings = 3

// runnerPoints are those that a worker passes that runs what others submit.
var runnerPoints = []Point{PointTaken, PointBatched, PointBegun, PointReturned, PointEnded, PointMarked, PointRung}

// submitterPoints are those that a worker passes while a task in it submits
// others, runs them in place and collects them.
var submitterPoints = []Point{
	PointAcquired, PointFilled, PointQueued, PointHinted, PointWoken,
	PointBegun, PointReturned, PointEnded, PointMarked, PointRung, PointRead, PointReleased,
}

// Between the two lists no point is missing: a new one needs a place in one.
func TestEveryPointIsListed(t *testing.T) {
	t.Parallel()
	listed := map[Point]bool{}
	for _, p := range append(append([]Point{}, runnerPoints...), submitterPoints...) {
		listed[p] = true
	}
	for p := range numPoints {
		if !listed[p] || pointNames[p] == "" {
			t.Errorf("point %d (%s) is in no list", p, p)
		}
	}
}

// A worker is killed at each point while it runs tasks. Each result comes once,
// and the table is as new afterwards.
func TestKillRunnerAtEveryPoint(t *testing.T) {
	skipUnderRace(t)
	for _, point := range runnerPoints {
		t.Run(point.String(), func(t *testing.T) { killRunner(t, point, nil) })
	}
}

// killRunner kills workers of pools that edit may have changed.
func killRunner(t *testing.T, point Point, edit func(*Config)) {
	t.Parallel()
	// A pool a point: a worker that dies idle again and again is started later and later.
	p := openTest(t, edit)
	for nth := 1; nth <= passings; nth++ {
		p.strikeWhile(point, nth, strikeAny, "ordered", func() { p.doubles(60, true) })
		p.strikeWhile(point, nth, strikeAny, "unordered", func() { p.doubles(60, false) })
		p.strikeWhile(point, nth, strikeAny, "several callers", func() { p.callers(4, 20) })
	}
	p.metAll([]Point{point})
	p.empty()
}

// A worker is killed at each point while its task submits others. The task runs
// again; what its first attempt had submitted is cancelled and freed.
func TestKillSubmitterAtEveryPoint(t *testing.T) {
	skipUnderRace(t)
	for _, workers := range []int{1, 3} {
		t.Run(fmt.Sprint(workers, " workers"), func(t *testing.T) {
			t.Parallel()
			p := openTest(t, func(c *Config) { c.Workers, c.Lanes, c.Tasks = workers, workers, 128 })
			for _, point := range submitterPoints {
				for nth := 1; nth <= passings; nth++ {
					p.strikeWhile(point, nth, strikeSubmitting, "nested", func() { p.nested(2, 12) })
				}
			}
			p.metAll(submitterPoints)
			p.empty()
		})
	}
}

// inPlacePoints are those that a worker passes that makes calls in place.
var inPlacePoints = []Point{PointAcquired, PointFilled, PointBegun, PointReturned, PointEnded, PointReleased}

// A worker is killed at each point while its task makes calls in place. The task
// makes them again, and the reserve is whole afterwards.
func TestKillInPlaceAtEveryPoint(t *testing.T) {
	skipUnderRace(t)
	t.Parallel()
	p := openTest(t, func(c *Config) { c.Workers, c.Lanes, c.Tasks = 2, 2, 64 })
	for _, point := range inPlacePoints {
		for nth := 1; nth <= passings; nth++ {
			p.strikeWhile(point, nth, strikeSubmitting, "in place", func() {
				if got := p.value(p.task(Spec{Fn: fnCrowd, MaxAttempts: MaxAttempts}, []byte{5})); got != 20 {
					t.Errorf("the calls add up to %d", got)
				}
			})
		}
	}
	p.metAll(inPlacePoints)
	p.empty()
}

// strikeWhile does some work again and again until a worker was struck at its
// nth passing of point, and checks that nothing is left.
func (p *testPool) strikeWhile(point Point, nth int, role uint32, what string, work func()) {
	p.tb.Helper()
	p.ready()
	p.ctl.arm(point, nth, role, strikeKill)
	defer func() {
		if p.tb.Failed() {
			p.tb.Logf("%s: killed at passing %d of %v", what, nth, point)
		}
	}()
	for rounds := 1; p.ctl.struck.Load() == 0; rounds++ {
		work()
		if rounds == 1000 {
			p.tb.Fatalf("%s: nobody passes %v for the %d. time", what, point, nth)
		}
	}
	work() // with what the death left behind
	p.idle()
}

// metAll checks that points were met in workers at all.
func (p *testPool) metAll(points []Point) {
	p.tb.Helper()
	for _, point := range points {
		if p.ctl.met[point].Load() == 0 {
			p.tb.Errorf("point %v was never met", point)
		}
	}
}

// callers has several goroutines wait for tasks, each for its own.
func (p *testPool) callers(goroutines, calls int) {
	p.tb.Helper()
	errs := make(chan error, goroutines)
	for g := range goroutines {
		go func() {
			var err error
			for i := 0; i < calls && err == nil; i++ {
				v := int64(g*calls + i)
				var got int64
				got, err = callOnce(p.tb.Context(), p.sub, &Spec{Fn: fnDouble, MaxAttempts: MaxAttempts}, v)
				if err == nil && got != 2*v {
					err = fmt.Errorf("%d doubled is %d", v, got)
				}
			}
			errs <- err
		}()
	}
	for range goroutines {
		if err := <-errs; err != nil {
			p.tb.Error(err)
		}
	}
}

// nested runs tasks that submit width children of each kind.
func (p *testPool) nested(tasks, width int) {
	p.tb.Helper()
	var all []*Pending
	for i := range tasks {
		all = append(all, p.task(Spec{Fn: fnNest, MaxAttempts: MaxAttempts}, []byte{byte(width), byte(i)}))
	}
	for i, f := range all {
		if got, want := p.value(f), nestSum(width, i); got != want {
			p.tb.Errorf("task %d: children add up to %d, want %d", i, got, want)
		}
	}
}
