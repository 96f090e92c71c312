package cli

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/proc"
	"github.com/tutti-run/tutti/internal/spool"
)

// slots lets as many commands out at once as there are job slots, a number that
// may change while the run goes on.
type slots struct {
	mu      sync.Mutex
	free    sync.Cond
	limit   int
	out     int
	taken   []bool // by slot, from 0
	stopped bool
}

// number gives the lowest job slot that nobody has, from 1. It is asked for once
// for each enter.
func (s *slots) number() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, taken := range s.taken {
		if !taken {
			s.taken[i] = true
			return i + 1
		}
	}
	s.taken = append(s.taken, true)
	return len(s.taken)
}

// vacate gives a number back; 0 is none.
func (s *slots) vacate(number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if number > 0 {
		s.taken[number-1] = false
	}
}

func newSlots(limit int) *slots {
	s := &slots{limit: limit}
	s.free.L = &s.mu
	return s
}

// enter waits for a slot; false when nothing more is to be started.
func (s *slots) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.out >= s.limit && !s.stopped {
		s.free.Wait()
	}
	if s.stopped {
		return false
	}
	s.out++
	return true
}

// leave gives a slot back.
func (s *slots) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out--
	s.free.Signal()
}

func (s *slots) resize(limit int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = limit
	s.free.Broadcast()
}

func (s *slots) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.free.Broadcast()
}

// gatekeeper asks the gate before each start, and carries out what the gate has
// running commands do. One goroutine is it; pass and the rest may be called by any.
type gatekeeper struct {
	gate    *core.Gate
	limit   string // the command to ask, of --limit
	machine *proc.Machine
	store   *spool.Store
	control *control
	never   func(reason string) // told why nothing can ever start
	say     func(reason string) // told why nothing starts now; "" when it does

	want   chan chan bool // who waits to start a command
	events chan event
	answer chan int // exit status of the limit's command
	quit   chan struct{}

	held map[uint64]bool // suspended, by ticket
	out  int             // commands that run
}

// event is the end of a command, or a change of the load that is allowed.
type event struct {
	ended bool
	ok    bool
	load  float64
}

func newGatekeeper(rules core.GateRules, store *spool.Store, page *control) (*gatekeeper, error) {
	k := &gatekeeper{
		gate: core.NewGate(rules), limit: rules.Limit.Command, store: store, control: page, held: map[uint64]bool{},
		want: make(chan chan bool), events: make(chan event, 64), answer: make(chan int, 1), quit: make(chan struct{}),
	}
	var err error
	k.machine, err = proc.OpenMachine(proc.MachineLooks(k.gate.Looks()))
	return k, err
}

// pass waits until a command may start; false when none may any more.
func (k *gatekeeper) pass(stop <-chan struct{}) bool {
	reply := make(chan bool, 1)
	select {
	case k.want <- reply:
	case <-stop:
		return false
	case <-k.quit:
		return false
	}
	select {
	case ok := <-reply:
		return ok
	case <-stop:
		return false
	}
}

// tell notes an event.
func (k *gatekeeper) tell(e event) {
	select {
	case k.events <- e:
	case <-k.quit:
	}
}

// run keeps the gate until quit is closed.
func (k *gatekeeper) run() {
	defer k.machine.Close()
	begin := time.Now()
	var waiting chan bool
	asking := false // the limit's command runs
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for {
		now := core.Time(time.Since(begin))
		jobs := core.GateJobs{Running: k.out, Suspended: len(k.held), Waiting: waiting != nil}
		if !asking && k.gate.WantsLimit(now, jobs) {
			asking = true
			go k.askLimit(ctx)
		}
		var sample proc.MachineSample
		if s, err := k.machine.Sample(); err == nil {
			sample = s
		}
		a := k.gate.Ask(now, core.Machine(sample), jobs)
		switch a.Act {
		case core.GateStart:
			k.gate.Started(now)
			k.out++
			waiting <- true
			waiting = nil
			k.say("")
			continue
		case core.GateNever:
			waiting <- false
			waiting = nil
			k.never(a.Reason)
			continue
		case core.GateKill, core.GateSuspend, core.GateResume:
			if k.order(a) {
				continue
			}
			a.Again = core.Span(10 * time.Millisecond) // its start is under way
		}
		k.say(a.Reason)
		var timer <-chan time.Time
		if a.Again > 0 {
			timer = time.After(time.Duration(a.Again))
		}
		want := k.want
		if waiting != nil {
			want = nil
		}
		select {
		case <-k.quit:
			return
		case waiting = <-want:
		case e := <-k.events:
			k.note(e)
		case exit := <-k.answer:
			asking = false
			k.gate.LimitAnswered(core.Time(time.Since(begin)), exit)
		case <-timer:
		}
	}
}

func (k *gatekeeper) note(e event) {
	if !e.ended {
		k.gate.SetLoad(e.load)
		return
	}
	k.out--
	k.gate.Ended(e.ok)
	runs := map[uint64]bool{}
	k.store.Views(func(v spool.View) { runs[v.Ticket] = true })
	for ticket := range k.held {
		if !runs[ticket] {
			delete(k.held, ticket)
		}
	}
}

// order tells commands what the gate decided; false where there is none to tell.
func (k *gatekeeper) order(a core.Admission) bool {
	told := 0
	for range a.Count {
		v, ok := k.choose(a.Act)
		if !ok {
			break
		}
		told++
		switch a.Act {
		case core.GateKill:
			k.control.tell(v.Slot, v.Ticket, orderEvict)
		case core.GateSuspend:
			k.held[v.Ticket] = true
			k.control.tell(v.Slot, v.Ticket, orderHold)
		case core.GateResume:
			delete(k.held, v.Ticket)
			k.control.tell(v.Slot, v.Ticket, orderGoOn)
		}
	}
	return told > 0
}

// choose finds the youngest command to end or suspend, or the oldest to resume.
func (k *gatekeeper) choose(act core.GateAct) (best spool.View, found bool) {
	k.store.Views(func(v spool.View) {
		switch {
		case act == core.GateResume && !k.held[v.Ticket]:
		case act == core.GateSuspend && k.held[v.Ticket]:
		case !found,
			act == core.GateResume && v.Seq < best.Seq,
			act != core.GateResume && v.Seq > best.Seq:
			best, found = v, true
		}
	})
	return best, found
}

// askLimit runs the command of --limit.
func (k *gatekeeper) askLimit(ctx context.Context) {
	res := proc.Run(ctx, proc.Command{Argv: []string{"/bin/sh", "-c", k.limit}, Stderr: os.Stderr})
	exit := res.Status.Exit
	if res.StartErr != nil {
		exit = 127
	}
	k.answer <- exit
}
