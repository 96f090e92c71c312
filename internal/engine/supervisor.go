package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/proc"
	"github.com/tutti-run/tutti/shm"
)

// ErrNotAttached says that a started worker never became one.
var ErrNotAttached = errors.New("a worker process did not become a worker: is tutti.Main() the first thing that main (and TestMain) calls?")

// supervisor starts, watches, limits and replaces workers. Its loop is the thin
// shell around core.Worker and core.Stop: it waits for an event, steps the
// machine that it concerns, and does what comes out.
type supervisor struct {
	m    *memory
	sub  *Submitter
	cfg  Config
	rnd  *rand.Rand
	kids []*child // by slot; 0 is nil
	life *lifelines
	stop []*stopping

	places     *places        // of pinned workers; nil: none are
	assigner   *assigner      // nil in SMP
	alone      core.Time      // until then others wait for the first worker
	obituaries map[int]string // by group that has no workers any more; with mu

	mu      sync.Mutex
	news    []news
	closing bool
	pouring sync.WaitGroup // what workers have written and was not copied yet

	lastDeath error // for the error of a pool that gave up
	fatal     error
	ready     chan struct{} // closed when all workers have attached once
	readyOnce sync.Once
	done      chan struct{} // closed when the loop has ended
}

// news is what other goroutines have to tell the loop.
type news struct {
	slot   int
	ev     core.Event
	proc   *proc.Process
	status proc.Status
	err    error
}

// stopping is a task that is being ended.
type stopping struct {
	core.Stop
	id    TaskID
	slot  int
	epoch uint32
	timer core.Time
}

func newSupervisor(p *Master, cfg Config) (*supervisor, error) {
	s := &supervisor{
		m: p.m, sub: p.sub, cfg: cfg, rnd: rand.New(rand.NewPCG(1, uint64(now()))),
		kids: make([]*child, cfg.Workers+1), obituaries: map[int]string{}, ready: make(chan struct{}), done: make(chan struct{}),
	}
	var err error
	if s.life, err = newLifelines(p.seg); err != nil {
		return nil, err
	}
	s.places = newPlaces(&cfg)
	limits := core.DefaultWorkerLimits
	limits.Attach = cfg.Attach
	limits.Leave = cfg.Limits.Grace + cfg.Limits.QuitGrace
	deaths := cfg.deaths()
	for i := 1; i <= cfg.Workers; i++ {
		g, _ := groupOf(cfg.Groups, i)
		s.kids[i] = &child{slot: i, core: core.NewWorker(limits, deaths[g])}
	}
	return s, nil
}

// tell hands news to the loop.
func (s *supervisor) tell(n news) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.news = append(s.news, n)
	s.m.ringSupervisor() // with the lock: the loop may unmap the bell once it has heard
}

// close asks the loop to end the pool.
func (s *supervisor) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	s.m.ringSupervisor()
}

// awaitReady waits until every worker has attached, with Config.Early one, or none will.
func (s *supervisor) awaitReady(ctx context.Context) error {
	select {
	case <-s.ready:
		return nil
	case <-s.sub.closing:
		return s.sub.closeErr
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// run is the loop. It sleeps until somebody rings, a lifeline breaks, or a time
// has come.
func (s *supervisor) run() {
	defer close(s.done)
	unborn := s.kids[1:]
	told := false
	for {
		bell := s.m.head.bell.Load()
		s.m.head.nextWake.Store(math.MaxInt64) // who sets a limit while we look, rings
		s.mu.Lock()
		list, closing := s.news, s.closing
		s.news = nil
		s.mu.Unlock()
		for _, n := range list {
			s.hear(n)
		}
		if closing && !told {
			told = true
			s.closeWorkers()
		}
		s.checkSlots()
		next := core.Time(math.MaxInt64)
		if !told {
			unborn, next = s.begin(unborn, core.Time(now()))
		}
		next = min(next, s.checkTasks(), s.fireTimers(), s.checkPlaces())
		if told && s.vacant() {
			s.life.close()
			s.awaitLastWords()
			return
		}
		s.m.head.nextWake.Store(int64(next)) // SYNC deadline: pairs with Worker.startTimer
		s.sleep(bell, next)
	}
}

// awaitLastWords waits until what the workers wrote has reached the caller, but
// for no more than a moment if the caller does not take it.
func (s *supervisor) awaitLastWords() {
	poured := make(chan struct{})
	go func() {
		s.pouring.Wait()
		close(poured)
	}()
	select {
	case <-poured:
	case <-time.After(lastWords):
	}
}

// sleep waits for the bell, a lifeline, or the time.
func (s *supervisor) sleep(bell uint32, until core.Time) {
	words := []shm.WaitWord{{Addr: addr(&s.m.head.bell), Val: bell}}
	for _, k := range s.kids[1:] {
		life := s.m.slot[k.slot].lifeline.Load()
		if k.core.State() == core.Ready && life != 0 && !shm.LifelineDead(life) && len(words) < shm.MaxWaitWords {
			words = append(words, shm.WaitWord{Addr: addr(&s.m.slot[k.slot].lifeline), Val: life})
		}
	}
	timeout := time.Duration(0)
	if until != math.MaxInt64 {
		timeout = max(time.Duration(int64(until)-now()), 1)
	}
	if _, err := shm.WaitAny(words, timeout); err != nil {
		s.giveUp(fmt.Errorf("supervise workers: %w", err))
	}
}

// hear applies what another goroutine had to tell.
func (s *supervisor) hear(n news) {
	k := s.kids[n.slot]
	switch {
	case n.proc != nil:
		k.started(s, n.proc, n.ev.Epoch)
		return
	case n.ev.Kind == core.StartFailed:
		s.lastDeath = n.err
	case n.ev.Kind == core.Exited:
		s.lookIn(k) // it may have attached, and died, since the last look
		k.status = n.status
		n.ev.Busy = s.m.anyRunning(k.slot)
		s.lastDeath = k.describe()
	}
	s.step(k, n.ev)
}

// checkSlots looks at what workers write themselves: that they have attached,
// and, by the kernel's hand, that they are dying.
func (s *supervisor) checkSlots() {
	ready := len(s.kids) - 1
	if s.cfg.Early {
		ready = 1
	}
	for _, k := range s.kids[1:] {
		b := &s.m.slot[k.slot]
		switch k.core.State() {
		case core.Starting:
			s.lookIn(k)
		case core.Ready, core.Stopping, core.Killing:
			if !k.lost && shm.LifelineDead(b.lifeline.Load()) {
				k.lost = true
				s.step(k, core.Event{Kind: core.LifelineLost, Epoch: k.core.Epoch(), Busy: s.m.anyRunning(k.slot)})
			}
		}
		if k.core.State() == core.Ready {
			ready--
		}
	}
	if ready <= 0 {
		s.readyOnce.Do(func() { close(s.ready) })
	}
}

// lookIn notices that a process has attached. It may be faster than the news of its
// start.
func (s *supervisor) lookIn(k *child) {
	b := &s.m.slot[k.slot]
	if k.core.State() == core.Starting && b.state.Load() == slotReady && k.proc != nil {
		s.step(k, core.Event{Kind: core.Attached, Epoch: uint32(b.epoch.Load())})
	}
}

// checkTasks looks for running tasks that are past their time or were
// cancelled, and returns the next time limit.
func (s *supervisor) checkTasks() core.Time {
	next, at := int64(math.MaxInt64), now()
	for i := range s.m.inUse() {
		w := Word(s.m.words[i].Load())
		if w.state() != Running {
			continue
		}
		d := &s.m.descs[i]
		if limit := d.deadlineNs.Load(); limit != 0 && d.timeoutNs != 0 && !w.has(flagCancel) {
			if limit > at {
				next = min(next, limit)
				continue
			}
			w, _ = s.m.flag(uint32(i), w.gen(), flagCancel|flagTimedOut)
		}
		if w.has(flagCancel) && w.state() == Running && w.owner() > 0 && w.owner() < s.m.Slots {
			s.end(taskID(uint32(i), w), w.owner())
		}
	}
	return core.Time(next)
}

// end begins to end a running task, unless that has begun.
func (s *supervisor) end(id TaskID, slot int) {
	if slices.ContainsFunc(s.stop, func(st *stopping) bool { return st.id == id && st.slot == slot }) {
		return
	}
	st := &stopping{id: id, slot: slot, epoch: s.kids[slot].core.Epoch(), timer: math.MaxInt64}
	st.Limits = s.cfg.Limits
	s.stop = append(s.stop, st)
	s.stepStop(st, core.EndAsked)
}

// stepStop steps a task's ending and does what comes out. It reports whether
// that is over.
func (s *supervisor) stepStop(st *stopping, ev core.StopEvent) (over bool) {
	k := s.kids[st.slot]
	for _, a := range st.Step(core.Time(now()), ev, nil) {
		switch a.Kind {
		case core.CancelContext:
			s.m.ringControl(st.slot)
		case core.SendQuit:
			k.forTask = true
			k.hush(s)
			k.signal(sigQuit)
		case core.KillWorker:
			k.forTask = true
			s.step(k, core.Event{Kind: core.KillAsked})
		case core.ArmStopTimer:
			st.timer = a.At
		case core.StopDone:
			over = true
		}
	}
	return over
}

// fireTimers steps every machine whose time has come and returns the next time.
func (s *supervisor) fireTimers() core.Time {
	at, next := core.Time(now()), core.Time(math.MaxInt64)
	for i := 0; i < len(s.stop); {
		st := s.stop[i]
		w := Word(s.m.words[st.id.index()].Load())
		over := false
		switch {
		case s.kids[st.slot].core.Epoch() != st.epoch:
			over = s.stepStop(st, core.WorkerGone)
		case w.gen() != st.id.gen() || w.state() != Running || w.owner() != st.slot:
			over = s.stepStop(st, core.TaskFinished)
		case st.timer <= at:
			st.timer = math.MaxInt64
			over = s.stepStop(st, core.StopTimer)
		}
		if over {
			s.stop = slices.Delete(s.stop, i, i+1)
			continue
		}
		next = min(next, st.timer)
		i++
	}
	for _, k := range s.kids[1:] {
		if k.timer <= at && k.timer != 0 {
			k.timer = 0
			s.step(k, core.Event{Kind: core.TimerFired})
		}
		if k.timer != 0 {
			next = min(next, k.timer)
		}
	}
	return next
}

// step steps a worker's machine and does what comes out.
func (s *supervisor) step(k *child, ev core.Event) {
	actions := k.core.Step(core.Time(now()), ev, s.rnd, nil)
	for _, a := range actions {
		s.do(k, a)
	}
}

// do carries out one action for a worker slot.
func (s *supervisor) do(k *child, a core.Action) {
	cause := core.Crash
	if k.forTask {
		cause = core.KilledForTask
	}
	switch a.Kind {
	case core.RecoverPlain:
		s.m.slot[k.slot].state.Store(slotDead)
		s.recoverPlain(k.slot, cause)
	case core.SendStop:
		s.m.slot[k.slot].stop.Store(1)
		s.m.ringControl(k.slot)
	case core.SendKill:
		k.signal(sigKill)
	case core.ReportUnattached:
		s.giveUp(fmt.Errorf("%w (worker %d, process %d, did not attach in time)", ErrNotAttached, k.slot, k.pid()))
	case core.ReportStuck:
		s.say("tutti: worker %d (process %d) does not end after SIGKILL; is it waiting for a device or a network file system?\n", k.slot, k.pid())
	case core.RecoverAll:
		if s.cfg.Adopt && !k.left(s.m) {
			s.endOrphans(k)
		}
		s.recoverAll(k.slot, cause, k.crash(s.m))
	case core.Release:
		k.release(s)
	case core.GiveUp:
		s.bury(k)
	case core.Spawn:
		k.spawn(s, a.Epoch)
	case core.ArmTimer:
		k.timer = a.At
	}
}

// endOrphans ends what a dead worker left running, before any of it is retried.
func (s *supervisor) endOrphans(k *child) {
	if _, err := proc.KillOrphans(func(int) bool { return false }); err != nil {
		s.say("tutti: what worker %d left running could not be ended: %v\n", k.slot, err)
	}
}

// giveUp ends the pool with an error that every caller sees.
func (s *supervisor) giveUp(err error) {
	if s.fatal == nil {
		s.fatal = err
	}
	s.sub.close(err)
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.m.head.bell.Add(1)
}

// closeWorkers cancels what runs and asks every worker to leave.
func (s *supervisor) closeWorkers() {
	for i := range s.m.inUse() {
		if w := Word(s.m.words[i].Load()); w.state() == Running {
			s.m.flag(uint32(i), w.gen(), flagCancel)
		}
	}
	for _, k := range s.kids[1:] {
		s.step(k, core.Event{Kind: core.PoolClosing})
	}
}

// vacant reports whether no process is left.
func (s *supervisor) vacant() bool {
	for _, k := range s.kids[1:] {
		if k.core.State() != core.Vacant {
			return false
		}
	}
	return true
}

func (s *supervisor) say(format string, args ...any) {
	fmt.Fprintf(s.cfg.Stderr, format, args...)
}
