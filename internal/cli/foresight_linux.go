package cli

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/history"
	"github.com/tutti-run/tutti/internal/journal"
	"github.com/tutti-run/tutti/internal/progress"
)

// foresight is what a run expects of its jobs: how long each takes, in which order they
// are best started, when all will be over. It is told of each job that ends. Its methods
// may be called by several goroutines.
//
// Jobs pass through it (arrange) where there is a use for that: an order other than that
// of the inputs, earlier runs to guess from, or a person who watches.
type foresight struct {
	knows    bool      // earlier runs
	arranges bool      // jobs pass through it
	patient  bool      // the window is full before the first job is given out
	slots    int       // that brief jobs are given to before that; 0: to none
	begin    time.Time // of taking jobs in
	most     int       // jobs in the window
	identity journal.Identity
	chance   *rand.Rand

	mu      sync.Mutex
	model   history.Model
	window  *history.Window[*job]
	bytes   int                     // about what is in it takes
	early   float64                 // seconds that the jobs are expected to take that went before it was full
	out     map[int64]history.Guess // of jobs that were given out and have not ended, by number
	allRead bool
	ended   int64
	worked  time.Duration // by those that ended
	said    *journal.RunGuess
	saidAt  time.Time
}

// windowJobs and windowBytes bound the jobs that are known at once. Of more inputs, the
// order holds among those; the next comes in when one is given out. aheadJobs does where
// there is no order to bring them into and no earlier run: what is known of those is
// their sizes, which a person's view of the time left is the better for.
const windowJobs, windowBytes, aheadJobs = 1 << 14, 16 << 20, 1 << 12

// foresee makes the run's foresight, which knows of no earlier run yet.
func (r *mapRun) foresee() {
	p := r.plan
	seed := p.Seed
	if !p.Given("seed") {
		seed = rand.Uint64()
	}
	f := &foresight{out: map[int64]history.Guess{}, chance: rand.New(rand.NewPCG(seed, 0))}
	f.window = history.NewWindow[*job](p.order, f.chance)
	r.foresight, r.screen.left = f, f.left
}

// learn has the foresight know what earlier runs of the template took, once that has been
// read, and decide on the order of the jobs, of which it has none yet.
func (r *mapRun) learn() {
	p, f := r.plan, r.foresight
	order := p.order
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.notes != nil {
		f.identity = r.notes.identity
		for _, j := range <-r.notes.past {
			f.model.Ended(history.Task{Key: history.Key(j.Key), Size: j.Size}, j.Runtime.Seconds(), false)
		}
	}
	f.knows = f.model.Known()
	if f.knows && p.mayReorder() {
		order = history.Longest
		f.window = history.NewWindow[*job](order, f.chance)
	}
	f.arranges = !p.piped() && r.tasks == nil && (order != history.Input || f.knows || r.screen.how != showNothing)
	f.patient = order != history.Input && r.neverBlocks()
	if f.begin = time.Now(); f.patient && p.mayReorder() {
		f.slots = p.jobs
	}
	if f.most = windowJobs; order == history.Input && !f.knows {
		f.most = aheadJobs
	}
}

// arrange takes jobs in and gives them out in their order, until the inputs and the
// window are empty, or the run ends. ahead holds those that were read before the others.
// known is called when all inputs are known.
//
//	the run ends      what is in the window is dropped, and what is still read
//	inputs block      what is there is given out meanwhile
//	nobody takes any  inputs are read until the window is full
func (f *foresight) arrange(ahead, in <-chan *job, s *supply, known func()) {
	defer close(s.inputs)
	var passing, last *job // goes past the window; ends the inputs
	for {
		first := passing
		from := in
		if len(ahead) > 0 {
			from = ahead
		}
		if first == nil {
			first = f.first()
		}
		if f.full() || passing != nil {
			from = nil
		}
		if first == nil && in == nil {
			if first, last = last, nil; first == nil {
				return
			}
			passing = first
		}
		to := s.inputs
		if first == nil || f.patient && passing == nil && from != nil {
			to = nil
		}
		select {
		case <-s.stop:
			f.drop(s.dropped, passing, last)
			for len(ahead) > 0 {
				s.dropped(<-ahead)
			}
			if in != nil {
				for j := range in {
					s.dropped(j)
				}
			}
			return
		case j, ok := <-from:
			switch {
			case !ok:
				in = nil
				f.setAllRead()
				known()
			case j.seq == 0:
				last = j
			case j.skip:
				passing = j
			default:
				if f.expect(j); !f.brief(j) || !f.goes(j, s.inputs) {
					f.push(j)
				}
			}
		case to <- first:
			if passing == nil {
				f.popped(first)
			}
			passing = nil
		}
	}
}

// cost is about what a job takes while it waits.
func (j *job) cost() int {
	const overhead = 512
	n := overhead + 2*len(j.rendered.Display) + len(j.line)
	for _, a := range j.args {
		n += len(a)
	}
	return n
}

// expect notes how long a job is expected to take.
func (f *foresight) expect(j *job) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.model.Known() && j.fault == nil && !command.SlotOpen(j.rendered.Display) {
		j.key = history.Key(f.identity.Key(j.seq, j.dir, j.rendered.Display))
	}
	if j.fault == nil {
		j.guess = f.model.Guess(history.Task{Key: j.key, Size: j.size})
	}
}

// windowFew is how many jobs are in the window before a brief one goes past it: fewer are
// read in no time, and their order is the one that people see.
const windowFew = 256

// brief reports whether a job may go before the window is full: one that is expected to
// take no longer than inputs have been read for, and with those that went before it no
// more than the slots would have done meanwhile. So a long job that comes behind it starts
// later by no more than the reading took.
func (f *foresight) brief(j *job) bool {
	if f.slots == 0 || f.window.Len() < windowFew || j.guess.Basis == history.ByNothing {
		return false
	}
	read := time.Since(f.begin).Seconds()
	return j.guess.Seconds <= read && f.early+j.guess.Seconds <= read*float64(f.slots)
}

// goes gives a brief job out if somebody can take it now.
func (f *foresight) goes(j *job, to chan<- *job) bool {
	select {
	case to <- j:
	default:
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.early += j.guess.Seconds
	f.isOut(j)
	return true
}

func (f *foresight) push(j *job) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.window.Push(j, j.size, j.guess)
	j.waits = j.cost()
	f.bytes += j.waits
}

func (f *foresight) first() *job {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.window.Len() == 0 {
		return nil
	}
	j, _ := f.window.First()
	return j
}

// popped notes that the first job of the window has been given out. It may be over by
// now.
func (f *foresight) popped(j *job) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.window.Pop()
	f.bytes -= j.waits
	f.isOut(j)
}

func (f *foresight) isOut(j *job) {
	if !j.over {
		f.out[j.seq] = j.guess
	}
}

func (f *foresight) full() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.window.Len() >= f.most || f.bytes >= windowBytes
}

func (f *foresight) setAllRead() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.allRead = true
}

// drop drops what was taken in, and some more.
func (f *foresight) drop(dropped func(*job), more ...*job) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.window.Len() > 0 {
		j, _ := f.window.First()
		f.window.Pop()
		more = append(more, j)
	}
	for _, j := range more {
		if j != nil {
			dropped(j)
		}
	}
}

// over notes the end of a job.
func (f *foresight) over(j *job, res *result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j.over = true
	delete(f.out, j.seq)
	if res.Start == 0 || res.How != endedItself {
		return
	}
	f.ended++
	f.worked += time.Duration(res.Runtime)
	if res.ok() {
		f.model.Ended(history.Task{Key: j.key, Size: j.size}, time.Duration(res.Runtime).Seconds(), true)
	}
}

// endsLeast is how many ends say how many slots are in use on the mean.
const endsLeast = 16

// left tells how long a run will still take that stands as s says.
func (f *foresight) left(s *progress.State) progress.Estimate {
	f.mu.Lock()
	defer f.mu.Unlock()
	left := s.JobsLeft()
	if left < 0 {
		return progress.Estimate{}
	}
	scene := history.Scene{Slots: max(1, s.Slots)}
	atHand := maps.Clone(f.out) // given out, and not running
	worked := f.worked.Seconds()
	for _, j := range s.Jobs {
		age := max(s.Now.Sub(j.Since).Seconds(), 0)
		worked += age
		scene.Running = append(scene.Running, history.Running{Guess: atHand[j.Seq], Age: age})
		delete(atHand, j.Seq)
	}
	for _, seq := range slices.Sorted(maps.Keys(atHand)) {
		scene.First = append(scene.First, atHand[seq])
	}
	known := len(atHand) + f.window.Len()
	first, between, last := f.window.Outlook()
	scene.First, scene.Between, scene.Last = append(scene.First, first...), between, last
	if !f.allRead {
		scene.More = max(left-s.Running-int64(known), 0)
	}
	if passed := s.Now.Sub(s.Begin).Seconds(); f.ended >= endsLeast && passed > 0 {
		scene.Busy = worked / passed
	}
	c := f.model.Forecast(scene, rand.New(rand.NewPCG(1, 1))) // the same chance each time: it is not to flicker
	return progress.Estimate{Left: seconds(c.Seconds), Within: seconds(c.Within), Known: c.Known}
}

// say notes what a run that earlier ones are known of was expected to take.
func (f *foresight) say(s *progress.State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.Left.Known {
		f.said = &journal.RunGuess{Left: s.Left.Left.Seconds(), Within: s.Left.Within.Seconds()}
		f.saidAt = s.Now
	}
}

// held holds what was said against what came; nil if nothing was said.
func (f *foresight) held(end time.Time) *journal.RunGuess {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.said != nil {
		f.said.Took = end.Sub(f.saidAt).Seconds()
	}
	return f.said
}
