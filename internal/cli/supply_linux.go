package cli

import (
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/core"
)

// supply hands the engine one command after the other: what is to run again
// first, then the inputs, which a goroutine of their own reads, since reading may
// block for ever.
type supply struct {
	inputs  chan *job     // guarded by mu until the first job is asked for
	ahead   []*job        // read already, to know how many there are
	more    chan struct{} // full when a job was put into again
	begin   time.Time
	stop    chan struct{} // closed: nothing more is started
	stopped sync.Once
	idle    chan struct{} // closed: the inputs have ended and no job is out
	unrun   func(*job)    // told of jobs that go to no worker
	dropped func(*job)    // told of jobs that were read in vain
	call    func(*job) call
	tasks   *tasks          // in place of inputs; else nil
	retry   bool            // jobs may come again
	slots   *slots          // where each start is looked at one by one; else nil
	rotor   *rotor          // where commands take turns, or some are more urgent; else nil
	admit   func(*job) bool // the last word before a start, false: none any more; nil: yes

	mu     sync.Mutex
	again  core.Waits[*job] // to be run once more, in ns since begin
	jitter *rand.Rand       // of the delays before that
	out    map[int]*job     // at the workers, by place in the order of handing out
	given  int
	open   int  // jobs that may come again
	ended  bool // the inputs have
}

// againMax bounds the jobs that wait to be tried again: while there are so many no
// input is begun.
const againMax = 10_000

func newSupply(retry bool, unrun func(*job), toCall func(*job) call) *supply {
	return &supply{
		inputs: make(chan *job, 64), more: make(chan struct{}, 1), begin: time.Now(), retry: retry,
		jitter: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		stop:   make(chan struct{}), idle: make(chan struct{}), out: map[int]*job{}, unrun: unrun, call: toCall,
	}
}

// read reads jobs into a channel until they or the run end. all is told how many there
// are, once that is known.
func (s *supply) read(jobs iter.Seq[*job], to chan<- *job, all func(int64)) {
	defer close(to)
	n := int64(0)
	for j := range jobs {
		if j.seq > 0 && !j.absent {
			n += 1 + j.span
		}
		select {
		case to <- j:
		case <-s.stop:
			s.dropped(j)
			return
		}
		if len(to) <= 1 {
			handOver() // to read on may block, and somebody waits for this job
		}
	}
	all(n)
}

// drain drops the jobs that were read and will not be handed out, until read has
// ended. What jobs that run are given may wait for it.
func (s *supply) drain() {
	s.mu.Lock()
	inputs := s.inputs
	s.mu.Unlock()
	for j := range inputs {
		s.dropped(j)
	}
}

// arranged has the jobs come from somebody who is given them as they are read, and those
// that were read ahead. It is called before the first one is asked for.
func (s *supply) arranged() (ahead, read <-chan *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := make(chan *job, len(s.ahead))
	for _, j := range s.ahead {
		first <- j
	}
	read = s.inputs
	s.inputs, s.ahead = make(chan *job, cap(s.inputs)), nil
	return first, read
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
	next := s.counted
	if s.rotor != nil {
		go s.rotor.feed(s.counted)
		next = s.rotor.take
	}
	for s.enter() {
		j := next()
		if j == nil {
			return
		}
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
			s.rotor.ended(j)
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

// counted is next, and notes a job that is taken for the first time; close takes it off
// again.
func (s *supply) counted() *job {
	j := s.next()
	s.mu.Lock()
	defer s.mu.Unlock()
	if j != nil && j.attempt <= 1 && j.seq > 0 {
		s.open++
	}
	return j
}

// ticketOf is the ticket under which a job went out last; 0: it has not yet.
func (s *supply) ticketOf(j *job) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return j.ticket
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
	inputs := s.inputs
	for {
		select {
		case <-s.stop:
			return nil
		default:
		}
		j, wait, full := s.due()
		if j != nil && s.tasks != nil { // it needs what others may have by now
			s.tasks.repeat(j)
			continue
		}
		if j != nil {
			return j
		}
		if len(s.ahead) > 0 && !full {
			j := s.ahead[0]
			s.ahead = s.ahead[1:]
			return j
		}
		from := inputs
		if full || s.tasks != nil {
			from = nil
		}
		var changed, freed <-chan struct{}
		var look <-chan time.Time
		if s.tasks != nil && !full {
			j, left := s.tasks.take()
			if j != nil || !left {
				return j
			}
			changed, freed, look = s.tasks.changed, s.tasks.stock.freed(), s.tasks.stock.look()
		}
		select {
		case <-changed:
		case <-freed:
		case <-look:
		case <-s.stop:
			return nil
		case <-s.idle:
			return nil
		case <-s.more:
		case <-wait:
		case j, ok := <-from:
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

// due gives the job that is to run once more now; or when the next one is to, and
// whether so many wait that no input may be begun.
func (s *supply) due() (j *job, wait <-chan time.Time, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := core.Time(time.Since(s.begin))
	if j, ok := s.again.Take(now); ok {
		return j, nil, false
	}
	if at, ok := s.again.Next(); ok {
		wait = time.After(time.Duration(at - now))
	}
	return nil, wait, s.again.Len() >= againMax
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
	s.rotor.ended(j)
	if s.slots != nil {
		s.slots.vacate(j.slot)
	}
	return j
}

// title is what people know a job by.
type title struct {
	command string
	args    string
	seq     int64     // of the job, where another is at it than at the start; 0: none
	since   time.Time // with seq: when it began
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
		m[j.ticket] = title{command: text, args: strings.Join(j.args, " ")}
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

// repeat has a job that failed run once more, after its delay.
func (s *supply) repeat(j *job, delay core.RetryDelay) {
	s.mu.Lock()
	after := delay.After(j.attempt, s.jitter)
	j.attempt++
	s.again.Add(core.Time(time.Since(s.begin))+core.Time(after), j)
	s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// waiting is how many jobs wait to be run once more.
func (s *supply) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.again.Len()
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
