package cli

import (
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/tutti-run/tutti/internal/history"
	"github.com/tutti-run/tutti/internal/progress"
)

// arranged is a foresight that jobs pass through, and its ends.
type arranged struct {
	*foresight
	ahead   chan *job
	in      chan *job
	supply  *supply
	dropped []int64
	known   int
	done    chan struct{}
}

func newArranged(o history.Order, patient bool) *arranged {
	a := &arranged{
		foresight: &foresight{arranges: true, patient: patient, most: windowJobs, out: map[int64]history.Guess{}, window: history.NewWindow[*job](o, nil)},
		in:        make(chan *job), done: make(chan struct{}),
		supply: newSupply(false, nil, nil),
	}
	a.supply.inputs = make(chan *job)
	a.supply.dropped = func(j *job) { a.dropped = append(a.dropped, j.seq) }
	go func() {
		defer close(a.done)
		a.arrange(a.ahead, a.in, a.supply, func() { a.known++ })
	}()
	return a
}

// give gives jobs in and ends them.
func (a *arranged) give(jobs ...*job) {
	for _, j := range jobs {
		a.in <- j
	}
	close(a.in)
}

// all are the numbers of the jobs that come out.
func (a *arranged) all() (seqs []int64) {
	for j := range a.supply.inputs {
		seqs = append(seqs, j.seq)
	}
	<-a.done
	return seqs
}

// ofSizes are jobs of sizes.
func ofSizes(sizes ...int64) (jobs []*job) {
	for i, s := range sizes {
		jobs = append(jobs, &job{seq: int64(i + 1), size: s})
	}
	return jobs
}

func TestArrange(t *testing.T) {
	t.Parallel()
	skip := &job{seq: 3, skip: true}
	for _, c := range []struct {
		name string
		o    history.Order
		jobs []*job
		want []int64
	}{
		{"the longest first", history.Longest, ofSizes(1, 3, 2), []int64{2, 3, 1}},
		{"as they came", history.Input, ofSizes(1, 3, 2), []int64{1, 2, 3}},
		{"none", history.Longest, nil, nil},
		{"what is done already goes by", history.Longest, append(ofSizes(1, 3), skip), []int64{3, 2, 1}},
		{"what ends the inputs comes last", history.Shortest, append(ofSizes(1, 3), &job{fault: errors.New("a broken file")}), []int64{1, 2, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newArranged(c.o, true)
			go a.give(c.jobs...)
			if got := a.all(); !slices.Equal(got, c.want) || a.known != 1 || len(a.dropped) != 0 {
				t.Errorf("%v, want %v; known %d times, dropped %v", got, c.want, a.known, a.dropped)
			}
		})
	}
}

// What was read before the order was known is brought into it with the rest, and dropped
// with it.
func TestArrangeWhatWasReadAhead(t *testing.T) {
	t.Parallel()
	for _, stopped := range []bool{false, true} {
		all := ofSizes(1, 3, 2, 9)
		s := newSupply(false, nil, nil)
		var dropped, got []int64
		s.dropped = func(j *job) { dropped = append(dropped, j.seq) }
		for _, j := range all {
			s.inputs <- j
		}
		close(s.inputs)
		if n := s.look(2); n != 2 {
			t.Fatalf("%d jobs were read ahead", n)
		}
		if stopped {
			close(s.stop)
		}
		f := &foresight{patient: true, most: windowJobs, out: map[int64]history.Guess{}, window: history.NewWindow[*job](history.Longest, nil)}
		ahead, read := s.arranged()
		go f.arrange(ahead, read, s, func() {})
		for j := range s.inputs {
			got = append(got, j.seq)
		}
		want := []int64{4, 2, 3, 1}
		if stopped { // some may have gone before that was seen
			want = []int64{1, 2, 3, 4}
			got = append(got, dropped...)
			dropped = nil
			slices.Sort(got)
		}
		if len(dropped) != 0 || !slices.Equal(got, want) {
			t.Errorf("stopped %v: %v, and dropped %v", stopped, got, dropped)
		}
	}
}

// TestReadGoesWhereArrangeTakes has the reading begin no sooner than somebody has put
// himself between it and who asks for jobs: they must still pass through him.
func TestReadGoesWhereArrangeTakes(t *testing.T) {
	t.Parallel()
	for range 100 {
		r := &mapRun{plan: &plan{}, screen: &screen{}, supply: newSupply(false, nil, nil)}
		r.read(slices.Values(ofSizes(1)))
		_, read := r.supply.arranged()
		select {
		case j := <-read:
			if j == nil || j.seq != 1 {
				t.Fatalf("got %v, want job 1", j)
			}
		case <-r.supply.inputs:
			t.Fatal("a job passed by who arranges them")
		}
		if j, ok := <-read; ok {
			t.Fatalf("got %v, want the end", j)
		}
	}
}

// Of many jobs the brief ones go while the others are still read, but no more of them than
// the slots would have done meanwhile, and the long ones wait for their order.
func TestArrangeGivesOutBriefJobs(t *testing.T) {
	t.Parallel()
	const slots, hour = 2, time.Hour
	f := &foresight{patient: true, slots: slots, begin: time.Now().Add(-hour), most: windowJobs,
		out: map[int64]history.Guess{}, window: history.NewWindow[*job](history.Longest, nil)}
	key := func(n byte) history.Key { return history.Key{n} }
	for n, took := range []time.Duration{1: 50 * time.Minute, 2: 2 * hour} {
		if took > 0 {
			f.model.Ended(history.Task{Key: key(byte(n))}, took.Seconds(), false)
		}
	}
	s := newSupply(false, nil, nil)
	s.inputs = make(chan *job, 10)
	seq := int64(0)
	guessed := func(n byte) *job {
		seq++
		j := &job{seq: seq, key: key(n)}
		j.guess = f.model.Guess(history.Task{Key: j.key})
		return j
	}
	brief, long := byte(1), byte(2)
	for range windowFew {
		if j := guessed(brief); f.brief(j) {
			t.Fatalf("job %d goes past a window with few", j.seq)
		} else {
			f.push(j)
		}
	}
	if f.brief(guessed(long)) {
		t.Error("a job goes early that takes longer than the reading took")
	}
	for n := range 3 {
		j := guessed(brief)
		if goes := f.brief(j) && f.goes(j, s.inputs); goes != (n < slots) {
			t.Errorf("brief job %d goes early: %v", n, goes)
		}
	}
	if len(f.out) != slots || f.window.Len() != windowFew {
		t.Errorf("%d jobs are out and %d wait", len(f.out), f.window.Len())
	}
	f.early, s.inputs = 0, make(chan *job)
	if j := guessed(brief); !f.brief(j) || f.goes(j, s.inputs) {
		t.Error("a job went that nobody took")
	}
}

// A brief job comes out while inputs are still taken in.
func TestArrangeGivesOutWhileItReads(t *testing.T) {
	t.Parallel()
	f := &foresight{patient: true, slots: 1, begin: time.Now().Add(-time.Hour), most: windowJobs,
		out: map[int64]history.Guess{}, window: history.NewWindow[*job](history.Longest, nil)}
	f.model.Ended(history.Task{}, 1, false) // all are expected to take a second
	s := newSupply(false, nil, nil)
	in := make(chan *job)
	go f.arrange(nil, in, s, func() {})
	for n := range int64(windowFew + 1) {
		in <- &job{seq: n + 1}
	}
	if j := <-s.inputs; j.seq != windowFew+1 {
		t.Errorf("job %d came first", j.seq)
	}
	close(in)
	got := 0
	for range s.inputs {
		got++
	}
	if got != windowFew {
		t.Errorf("%d of %d jobs came behind it", got, windowFew)
	}
}

// Inputs that come slowly are given out as they come.
func TestArrangeDoesNotWait(t *testing.T) {
	t.Parallel()
	a := newArranged(history.Longest, false)
	for _, j := range ofSizes(5, 9, 1) {
		a.in <- j
		if got := <-a.supply.inputs; got != j {
			t.Errorf("job %d came, and %d went", j.seq, got.seq)
		}
	}
	a.give()
	a.all()
}

// The window is bounded, and whatever the run's end leaves in it is dropped.
func TestArrangeIsBoundedAndStops(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		jobs int
		cost int
	}{
		{"jobs", windowJobs, 0},
		{"bytes", 16, windowBytes / 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newArranged(history.Longest, true)
			text := make([]byte, c.cost)
			n := int64(0)
			next := func() *job { n++; return &job{seq: n, line: string(text)} }
			for range c.jobs {
				a.in <- next()
			}
			extra := next()
			for range 1000 {
				select {
				case a.in <- extra:
					t.Fatalf("more than %d jobs were taken in", c.jobs)
				default:
					runtime.Gosched()
				}
			}
			if first := <-a.supply.inputs; first.seq != 1 {
				t.Errorf("job %d", first.seq)
			}
			a.in <- extra // there is room again
			close(a.supply.stop)
			close(a.in)
			<-a.done
			if len(a.dropped) != c.jobs || a.window.Len() != 0 {
				t.Errorf("%d of %d were dropped, %d left", len(a.dropped), c.jobs, a.window.Len())
			}
		})
	}
}

// What is left is told from what runs, what is at hand, what is in the window, and what
// nobody has read yet.
func TestLeft(t *testing.T) {
	t.Parallel()
	f := &foresight{out: map[int64]history.Guess{}, window: history.NewWindow[*job](history.Longest, nil)}
	begin := time.Now()
	s := progress.State{Begin: begin, Now: begin.Add(4 * time.Second), Total: 14, Slots: 2}
	if e := f.left(&s); e.Known {
		t.Errorf("nothing has ended yet: %+v", e)
	}
	for range 50 {
		f.model.Ended(history.Task{}, 10, false)
	}
	for seq := range int64(8) {
		f.push(&job{seq: seq + 1})
	}
	for range 4 { // two run, two are at hand
		f.popped(f.first())
	}
	s.Running = 2
	for _, seq := range []int64{1, 2} {
		s.Jobs = append(s.Jobs, progress.Job{Seq: seq, Since: begin})
	}
	about := func(what string, want time.Duration) {
		t.Helper()
		e := f.left(&s)
		if !e.Known || e.Left < want*7/10 || e.Left > want*13/10 || e.Within <= 0 {
			t.Errorf("%s: %+v, want about %v", what, e, want)
		}
	}
	about("14 jobs, of which 6 are not read yet", 66*time.Second)
	f.setAllRead()
	about("8 jobs after all", 36*time.Second)
	for _, seq := range []int64{1, 2} {
		f.over(&job{seq: seq}, &result{Start: 1, Runtime: int64(10 * time.Second)})
	}
	s.Running, s.Jobs, s.Now = 0, nil, begin.Add(10*time.Second)
	about("two less", 30*time.Second)
	s.Total = -1
	if e := f.left(&s); e.Known {
		t.Errorf("of how many is not known: %+v", e)
	}
}
