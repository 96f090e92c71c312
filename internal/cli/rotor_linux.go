package cli

import (
	"sync"
	"time"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/spool"
)

// rotor has commands run in turns, or the most urgent first: the shell around
// core.Rotation. Jobs come from ask and leave by ready when they may start; commands
// that give their slot away are suspended by an order to their worker, with all that
// they have started.
type rotor struct {
	store   *spool.Store
	control *control
	ticket  func(*job) uint64 // of its start, 0: it has not gone out yet
	dropped func(*job)        // told of jobs that were asked for in vain
	stop    <-chan struct{}   // closed: nothing more is started
	begin   time.Time
	line    chan struct{} // has one for each job that waits
	ready   chan *job     // may start; closed when no more will
	idle    chan *job     // is not to be run
	changed chan struct{} // full: step is to be taken

	mu       sync.Mutex
	rotation core.Rotation
	turns    map[uint64]*turn // by what the rotation knows them by
	last     uint64
	fed      bool // no more will ask
	closed   bool // ready is
}

// turn is a job in a rotor.
type turn struct {
	job  *job
	out  bool // it may start, or has
	hold bool // it is to be suspended
	held bool // its worker was told so
}

// lineMax bounds the jobs that wait: of so many the most urgent is next.
const lineMax = 4096

// orderAgain is when an order is tried again to a command whose start is under way.
const orderAgain = 10 * time.Millisecond

func newRotor(p *plan, store *spool.Store, page *control, s *supply) *rotor {
	return &rotor{
		store: store, control: page, ticket: s.ticketOf, dropped: s.dropped, stop: s.stop, begin: time.Now(),
		line: make(chan struct{}, lineMax), ready: make(chan *job, p.jobs), idle: make(chan *job), changed: make(chan struct{}, 1),
		rotation: core.Rotation{Slots: p.running, Most: p.jobs, Quantum: p.quantum, Preempt: p.Preempt}, turns: map[uint64]*turn{},
	}
}

// feed asks for each job that next gives, until it gives nil. What needs no slot passes.
func (r *rotor) feed(next func() *job) {
	for j := next(); j != nil; j = next() {
		if j.skip || j.fault != nil {
			select {
			case r.idle <- j:
			case <-r.stop:
				r.dropped(j)
			}
			continue
		}
		select {
		case r.line <- struct{}{}:
		case <-r.stop:
			r.dropped(j)
			continue
		}
		r.mu.Lock()
		r.last++
		j.turn = r.last
		r.turns[j.turn] = &turn{job: j}
		r.rotation.Ask(j.turn, j.priority)
		r.mu.Unlock()
		r.ring()
	}
	r.mu.Lock()
	r.fed = true
	r.mu.Unlock()
	r.ring()
}

// take waits for a job that may start; nil when none will.
func (r *rotor) take() *job {
	select {
	case <-r.stop:
		return nil
	case j := <-r.idle:
		return j
	case j := <-r.ready: // nil when it is closed
		return j
	}
}

// ended tells that a job's command has ended, or is not started after all.
func (r *rotor) ended(j *job) {
	if r == nil {
		return
	}
	r.mu.Lock()
	if _, known := r.turns[j.turn]; known {
		delete(r.turns, j.turn)
		r.rotation.Ended(j.turn)
	}
	r.mu.Unlock()
	r.ring()
}

func (r *rotor) ring() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// run takes steps until quit is closed.
func (r *rotor) run(quit <-chan struct{}) {
	stop := r.stop
	for {
		wait := r.step()
		var timer <-chan time.Time
		if wait > 0 {
			timer = time.After(wait)
		}
		select {
		case <-quit:
			return
		case <-stop:
			stop = nil // heard once; what runs goes on taking turns
		case <-r.changed:
		case <-timer:
		}
	}
}

// step does what is to be done now, and returns after what time to look again; 0: when
// something changes.
func (r *rotor) step() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.stop:
		r.clear()
	default:
	}
	moves, again := r.rotation.Step(core.Time(time.Since(r.begin)))
	for _, m := range moves {
		switch t := r.turns[m.ID]; m.Kind {
		case core.MoveStart:
			t.out = true
			<-r.line
			r.ready <- t.job // there is room for all that may be started
		case core.MoveHold:
			t.hold = true
		case core.MoveGoOn:
			t.hold = false
		}
	}
	if r.fed && !r.closed && len(r.line) == 0 {
		r.closed = true
		close(r.ready)
	}
	wait := time.Duration(again)
	for _, t := range r.turns {
		if t.hold != t.held && !r.tell(t) && (wait == 0 || wait > orderAgain) {
			wait = orderAgain
		}
	}
	return wait
}

// clear forgets the jobs that wait: nothing more is started.
func (r *rotor) clear() {
	for id, t := range r.turns {
		if !t.out {
			delete(r.turns, id)
			r.rotation.Ended(id)
			r.dropped(t.job)
			<-r.line
		}
	}
}

// tell gives a worker its order; false while the command is not to be seen there.
func (r *rotor) tell(t *turn) bool {
	v, ok := r.store.Find(r.ticket(t.job))
	if !ok {
		return false
	}
	act := orderGoOn
	if t.hold {
		act = orderHold
	}
	r.control.tell(v.Slot, v.Ticket, act)
	t.held = t.hold
	return true
}
