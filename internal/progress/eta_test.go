package progress

import (
	"container/heap"
	"testing"
	"time"
)

// start is when the runs of the tests begin.
var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestEstimateString(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		left time.Duration
		want string
	}{
		{0, "about 1 s"},
		{8200 * time.Millisecond, "about 9 s"},
		{12 * time.Second, "about 15 s"},
		{55 * time.Second, "about 55 s"},
		{56 * time.Second, "about 1 min"},
		{185 * time.Second, "about 3 min"},
		{99 * time.Minute, "about 99 min"},
		{119 * time.Minute, "about 2 h 00 min"},
		{130 * time.Minute, "about 2 h 10 min"},
		{50 * time.Hour, "about 2 d 2 h"},
	} {
		if got := (Estimate{c.left, true}).String(); got != c.want {
			t.Errorf("%v: %q, want %q", c.left, got, c.want)
		}
	}
	if got := (Estimate{}).String(); got != "unknown" {
		t.Errorf("nothing known: %q", got)
	}
}

// flight is the jobs that run, by the time at which they end.
type flight []Job

func (f flight) Len() int           { return len(f) }
func (f flight) Less(i, j int) bool { return f[i].Since.Add(f[i].CPU).Before(f[j].Since.Add(f[j].CPU)) }
func (f flight) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *flight) Push(x any)        { *f = append(*f, x.(Job)) }
func (f *flight) Pop() any {
	j := (*f)[len(*f)-1]
	*f = (*f)[:len(*f)-1]
	return j
}

// play runs jobs on slots, one started each delay at the most, and asks for the
// time left as soon as so many jobs ended as marks say. It returns what was said
// and how long it really took from then on.
func play(durations []time.Duration, slots int, delay time.Duration, marks ...int64) (said []Estimate, truth []time.Duration) {
	var e Estimator
	var f flight
	s := State{Begin: start, Now: start, Total: int64(len(durations)), Slots: slots}
	free := start // when the next job may start
	var asked []time.Time
	next := 0
	for next < len(durations) || len(f) > 0 {
		for next < len(durations) && len(f) < slots && (!free.After(s.Now) || len(f) == 0) {
			if free.After(s.Now) {
				s.Now = free
			}
			// The duration goes along in CPU.
			heap.Push(&f, Job{Seq: int64(next), Since: s.Now, CPU: durations[next]})
			next++
			free = s.Now.Add(delay)
		}
		end := f[0].Since.Add(f[0].CPU)
		if next < len(durations) && len(f) < slots && free.Before(end) {
			s.Now = free
			continue
		}
		s.Now = end
		e.Ended(end, heap.Pop(&f).(Job).CPU)
		s.Done++
		s.Running, s.Jobs = int64(len(f)), f
		if len(marks) > 0 && s.Done == marks[0] {
			marks = marks[1:]
			said, asked = append(said, e.Left(s)), append(asked, s.Now)
		}
	}
	for _, at := range asked {
		truth = append(truth, s.Now.Sub(at))
	}
	return said, truth
}

func repeat(n int, d ...time.Duration) []time.Duration {
	var all []time.Duration
	for range n {
		all = append(all, d...)
	}
	return all
}

func TestEstimator(t *testing.T) {
	t.Parallel()
	const ms, sec = time.Millisecond, time.Second
	for _, c := range []struct {
		name      string
		durations []time.Duration
		slots     int
		delay     time.Duration
		within    float64 // of the truth
		marks     []int64
	}{
		{"one slot, all alike", repeat(100, sec), 1, 0, 0.02, []int64{1, 2, 50, 99}},
		{"eight slots, all alike", repeat(100, sec), 8, 0, 0.15, []int64{1, 8, 9, 50, 90}},
		{"64 slots, the first has just ended", repeat(640, sec), 64, 0, 0.15, []int64{1, 64, 65, 300}},
		{"one round only", repeat(64, sec), 64, 0, 0, []int64{1, 2, 60}},
		{"mixed", repeat(50, sec, 3*sec, 2*sec), 4, 0, 0.2, []int64{10, 40, 75, 120}},
		{"first slow, then fast", append(repeat(40, 10*sec), repeat(400, 100*ms)...), 4, 0, 0.1, []int64{200, 300}},
		{"first from a cache, then slow", append(repeat(300, ms), repeat(300, 5*sec)...), 4, 0, 0.1, []int64{330, 400, 500}},
		{"held back by --delay", repeat(100, 100*ms), 8, sec, 0.1, []int64{10, 30, 90}},
		{"starting costs as much as the job", repeat(5000, ms), 2, ms, 0.1, []int64{20, 1000, 4000}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			said, truth := play(c.durations, c.slots, c.delay, c.marks...)
			for i, e := range said {
				off := float64(e.Left-truth[i]) / float64(max(truth[i], 1))
				if truth[i] == 0 {
					off = float64(e.Left)
				}
				t.Logf("after %d: said %v, was %v", c.marks[i], e.Left, truth[i])
				if !e.Known || off > c.within || off < -c.within {
					t.Errorf("after %d jobs: said %v, was %v", c.marks[i], e, truth[i])
				}
			}
		})
	}
}

func TestEstimatorUnknown(t *testing.T) {
	t.Parallel()
	var e Estimator
	s := State{Begin: start, Now: start.Add(time.Second), Total: 10, Slots: 2, Running: 2}
	if got := e.Left(s); got.Known {
		t.Errorf("before the first end: %v", got)
	}
	e.Ended(s.Now, time.Second)
	s.Done = 1
	if got := e.Left(s); !got.Known {
		t.Error("after the first end nothing is known")
	}
	s.Total = -1
	if got := e.Left(s); got.Known {
		t.Errorf("without a total: %v", got)
	}
	s.Total, s.Running = 2, 1
	s.Jobs = []Job{{Seq: 2, Since: s.Now.Add(-1500 * time.Millisecond)}}
	if got := e.Left(s); !got.Known || got.Left != 0 {
		t.Errorf("the last job is a little late: %v", got)
	}
	s.Jobs[0].Since = s.Now.Add(-3 * time.Second)
	if got := e.Left(s); got.Known {
		t.Errorf("the last job takes three times as long as others: %v", got)
	}
	s.Done, s.Running = 2, 0
	if got := e.Left(s); !got.Known || got.Left != 0 {
		t.Errorf("all done: %v", got)
	}
	s.Total, s.Skipped, s.Slots, s.Done = 12, 5, 0, 0
	if got := e.Left(s); !got.Known || got.Left <= 0 {
		t.Errorf("any number of slots, and none in use: %v", got)
	}
	var zero Estimator
	zero.Ended(s.Begin, 0)
	s.Now = s.Begin
	if got := zero.Left(s); !got.Known {
		t.Errorf("jobs that take no time: %v", got)
	}
}
