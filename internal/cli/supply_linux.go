package cli

import (
	"iter"
	"strings"
	"sync"

	"github.com/tutti-run/tutti/internal/command"
)

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
	dropped func(*job)    // told of jobs that were read in vain
	call    func(*job) call
	tasks   *tasks          // in place of inputs; else nil
	retry   bool            // jobs may come again
	slots   *slots          // where each start is looked at one by one; else nil
	admit   func(*job) bool // the last word before a start, false: none any more; nil: yes

	mu    sync.Mutex
	out   map[int]*job // at the workers, by place in the order of handing out
	given int
	open  int  // jobs that may come again
	ended bool // the inputs have
}

func newSupply(window int, retry bool, unrun func(*job), toCall func(*job) call) *supply {
	return &supply{
		inputs: make(chan *job, 64), again: make(chan *job, window+1), retry: retry,
		stop: make(chan struct{}), idle: make(chan struct{}), out: map[int]*job{}, unrun: unrun, call: toCall,
	}
}

// read reads jobs until they or the run end. all is told how many there are, once
// that is known.
func (s *supply) read(jobs iter.Seq[*job], all func(int64)) {
	defer close(s.inputs)
	n := int64(0)
	for j := range jobs {
		if j.seq > 0 && !j.absent {
			n++
		}
		select {
		case s.inputs <- j:
		case <-s.stop:
			s.dropped(j)
			return
		}
	}
	all(n)
}

// drain drops the jobs that were read and will not be handed out, until read has
// ended. What jobs that run are given may wait for it.
func (s *supply) drain() {
	for j := range s.inputs {
		s.dropped(j)
	}
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
func (s *supply) halt() {
	s.stopped.Do(func() {
		close(s.stop)
		if s.slots != nil {
			s.slots.stop()
		}
		go s.drain()
	})
}

// calls is the sequence that the engine reads.
func (s *supply) calls(yield func(call) bool) {
	for s.enter() {
		j := s.next()
		if j == nil {
			return
		}
		s.count(j)
		if j.skip || j.fault != nil {
			s.unrun(j)
			s.leave()
			continue
		}
		if s.slots != nil {
			j.slot = s.slots.number()
		}
		if s.admit != nil && !s.admit(j) {
			return
		}
		if j.skip || j.fault != nil { // a person said no, or it cannot be set up
			s.unrun(j)
			s.slots.vacate(j.slot)
			s.leave()
			continue
		}
		if !yield(s.hand(j)) {
			return
		}
	}
}

// hand notes that a job goes out.
func (s *supply) hand(j *job) call {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out[s.given] = j
	s.given++
	j.ticket = uint64(s.given)
	return s.call(j)
}

// count notes a job that is taken for the first time; close takes it off again.
func (s *supply) count(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j.attempt <= 1 && j.seq > 0 {
		s.open++
	}
}

// enter waits until there is room for another job; false when nothing more is to
// be started. Where starts are not looked at one by one, a worker has its next
// command at hand.
func (s *supply) enter() bool { return s.slots == nil || s.slots.enter() }

// leave says that the end of a job has been looked at.
func (s *supply) leave() {
	if s.slots != nil {
		s.slots.leave()
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
	if s.tasks != nil {
		return s.tasks.wait(s.stop, s.again)
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
	if s.slots != nil {
		s.slots.vacate(j.slot)
	}
	return j
}

// title is what people know a job by.
type title struct {
	command string
	args    string
}

// titles gives the jobs that are out, by the ticket of their start. Where the workers
// choose the slots these are open in the commands.
func (s *supply) titles() map[uint64]title {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := make(map[uint64]title, len(s.out))
	for _, j := range s.out {
		text := j.rendered.Display
		if j.slot > 0 {
			text = command.FillSlot(text, j.slot)
		}
		m[j.ticket] = title{text, strings.Join(j.args, " ")}
	}
	return m
}

// title is what is printed before the output of the command started under ticket.
func (s *supply) title(ticket uint64, slot int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.out {
		if j.ticket == ticket {
			if j.slot > 0 {
				slot = j.slot
			}
			return command.FillSlot(j.mark.Before, slot) + j.rendered.Text(slot) + j.mark.After
		}
	}
	return ""
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
