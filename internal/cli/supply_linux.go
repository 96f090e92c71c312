package cli

import (
	"strings"
	"sync"

	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/journal"
)

// job is one input on its way through a run.
type job struct {
	seq      int64
	attempt  int64 // from 1
	tag      string
	rendered command.Rendered
	skip     bool  // done by an earlier run
	fault    error // why it cannot be started; or, of number 0, why the inputs end here
}

// supply hands the engine one command after the other: what is to run again
// first, then the inputs, which a goroutine of their own reads, since reading may
// block for ever.
type supply struct {
	inputs  chan *job
	ahead   []*job // read already, to know how many there are
	again   chan *job
	stop    chan struct{} // closed: nothing more is started
	stopped sync.Once
	idle    chan struct{} // closed: the inputs have ended and no job is out
	unrun   func(*job)    // told of jobs that go to no worker
	retry   bool          // jobs may come again
	gate    chan struct{} // a token for each job out, where every end may stop the run; else nil

	mu    sync.Mutex
	out   map[int]*job // at the workers, by place in the order of handing out
	given int
	open  int  // jobs that may come again
	ended bool // the inputs have
}

func newSupply(window int, retry bool, unrun func(*job)) *supply {
	return &supply{
		inputs: make(chan *job, 64), again: make(chan *job, window+1), retry: retry,
		stop: make(chan struct{}), idle: make(chan struct{}), out: map[int]*job{}, unrun: unrun,
	}
}

// read reads inputs until they or the run end. done tells what earlier runs did.
func (s *supply) read(t *command.Template, spec command.InputSpec, done *journal.Done) {
	defer close(s.inputs)
	for in, err := range command.Inputs(spec) {
		j := &job{attempt: 1, fault: err}
		if err == nil {
			j = prepare(t, in)
			j.skip = done.Has(j.seq, j.rendered.Key())
		}
		select {
		case s.inputs <- j:
		case <-s.stop:
			return
		}
	}
}

// prepare makes a job of an input.
func prepare(t *command.Template, in command.Job) *job {
	j := &job{seq: in.Seq, attempt: 1, tag: strings.Join(in.Args, " ")}
	j.rendered, j.fault = t.Render(in)
	return j
}

// look reads up to n jobs ahead and returns how many there are: fewer than n if
// these are all.
func (s *supply) look(n int) int {
	for len(s.ahead) < n {
		j, ok := <-s.inputs
		if !ok {
			break
		}
		s.ahead = append(s.ahead, j)
	}
	return len(s.ahead)
}

// halt has nothing more handed out.
func (s *supply) halt() { s.stopped.Do(func() { close(s.stop) }) }

// calls is the sequence that the engine reads.
func (s *supply) calls(yield func(call) bool) {
	for s.enter() {
		j := s.next()
		if j == nil {
			return
		}
		if j.skip || j.fault != nil {
			s.unrun(j)
			s.leave()
			continue
		}
		s.mu.Lock()
		s.out[s.given] = j
		s.given++
		if j.attempt == 1 {
			s.open++
		}
		s.mu.Unlock()
		if !yield(callOf(j)) {
			return
		}
	}
}

// enter waits until there is room for another job at the gate; false when
// nothing more is to be started. Without a gate a worker has its next command at
// hand, and might start it before a failed one has stopped the run.
func (s *supply) enter() bool {
	if s.gate == nil {
		return true
	}
	select {
	case s.gate <- struct{}{}:
		return true
	case <-s.stop:
		return false
	}
}

// leave says that the end of a job has been looked at.
func (s *supply) leave() {
	if s.gate != nil {
		<-s.gate
	}
}

// next waits for the next job; nil at the end.
func (s *supply) next() *job {
	select {
	case <-s.stop:
		return nil
	case j := <-s.again:
		return j
	default:
	}
	if len(s.ahead) > 0 {
		j := s.ahead[0]
		s.ahead = s.ahead[1:]
		return j
	}
	inputs := s.inputs
	for {
		select {
		case <-s.stop:
			return nil
		case <-s.idle:
			return nil
		case j := <-s.again:
			return j
		case j, ok := <-inputs:
			if ok {
				return j
			}
			if !s.retry {
				return nil
			}
			inputs = nil
			s.inputsEnded()
		}
	}
}

func (s *supply) inputsEnded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.ended = true
		if s.open == 0 {
			close(s.idle)
		}
	}
}

// take gives the job that was handed out as number index.
func (s *supply) take(index int) *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.out[index]
	delete(s.out, index)
	return j
}

// repeat has a job run once more.
func (s *supply) repeat(j *job) {
	j.attempt++
	s.again <- j // has room for all that are out
}

// close notes that a job will not come again.
func (s *supply) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	if s.open == 0 && s.ended {
		close(s.idle)
	}
}

// callOf is what a worker is told of a job.
func callOf(j *job) call {
	r := &j.rendered
	c := call{Seq: j.seq, Argv: r.Argv, Path: r.Path, Shell: r.Shell}
	if r.Key() != r.Display { // {%} is in it
		c.Display = r.Display
	}
	return c
}
