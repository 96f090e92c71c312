package sim

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/sched"
)

// task is a task that has been submitted and has not ended.
type task struct {
	Task
	number    int // in the order of submission
	rank      int64
	class     int
	submitted Time
	attempt   int
	alone     bool
	stolen    bool // from another worker, by the one that has it now
	returned  int
	failed    int  // attempts that came to their ends in vain
	begun     bool // an attempt was made
	lines     taskLines
}

// process is one slot: the master, or a worker with the processes that it holds
// one after another.
type process struct {
	submitting, looking sched.Policy
	rnd                 *rand.Rand
	queue               [sched.Classes]queue
	free                Time // when it has submitted what it was given
	lines               slotLines
	owes                Span // see touch

	// Workers only, what follows.
	core    *core.Worker
	alive   bool // its process lives and has attached
	running *task
	began   Time    // of running, its dispatch included
	batch   []*task // taken and not begun
	class   int     // of batch
	waking  bool    // a Woken is on its way

	waits    int   // tasks in queue and batch
	expected int64 // of these, where known
	known    int
}

// world is a run under way.
type world struct {
	*Config
	agenda   agenda
	now      Time
	slots    []process
	sleeping []uint64
	assigner Time               // when the master has served who has asked, with Costs.Assign
	waiting  [sched.Classes]int // tasks in queues and batches
	deaths   *core.Deaths
	course   core.Course
	retries  core.Waits[*task]
	rnd      *rand.Rand // of faults and restarts

	next    func() (Task, bool)
	coming  Task
	more    bool  // coming is to be submitted
	numbers int   // tasks submitted
	open    int   // tasks that have not ended
	begun   int   // tasks of which an attempt was made
	running int   // in living workers
	memory  int64 // of these
	idle    int   // events since a task was last begun or came
	res     Result
	actions []core.Action
	taken   []*task
	spare   []*task // to be used again
	err     error

	threads   map[int][]sched.Slot // workers by core, with SharedCore
	caches    *caches              // nil without Coherence; then like what follows
	sleepers  []*line
	words     *line // of the tasks made last
	tasksMade int
}

func newWorld(c *Config, next func() (Task, bool)) (*world, error) {
	n := len(c.CPUs)
	w := &world{Config: c, next: next, slots: make([]process, n+1), sleeping: make([]uint64, n/64+1), rnd: source(c.Seed, 1<<32)}
	w.res.Workers, w.res.Hash = make([]WorkerResult, n), hashStart
	if c.Restart == (Intensity{}) {
		c.Restart = core.DefaultIntensity(n)
	}
	if c.Limits == (WorkerLimits{}) {
		c.Limits = core.DefaultWorkerLimits
	}
	if c.SharedCore > 1 {
		w.threads = map[int][]sched.Slot{}
		for i, cpu := range c.CPUs {
			w.threads[cpu.Core] = append(w.threads[cpu.Core], sched.Slot(i+1))
		}
	}
	w.deaths = core.NewDeaths(c.Restart)
	w.course = core.Course{Halt: core.HaltState{Halt: c.Halt}, Tries: int64(max(1, c.Tries)), Total: -1}
	if c.Total > 0 {
		w.course.Total = int64(c.Total)
	}
	w.layOut()
	for s := range w.slots {
		p := &w.slots[s]
		p.submitting, p.looking, p.rnd = c.Policy(), c.Policy(), source(c.Seed, uint64(s))
		if p.submitting == nil || p.looking == nil {
			return nil, fmt.Errorf("Config.Policy returned nil: it must return a new policy each time")
		}
		if s > 0 { // as a pool that is open: all have attached
			p.core = core.NewWorker(c.Limits, w.deaths)
			w.step(sched.Slot(s), core.Event{Kind: core.Start})
		}
	}
	for _, d := range c.Faults.Deaths {
		w.agenda.push(Event{At: d.At, Kind: Die, Worker: d.Worker, Task: -1})
	}
	return w, w.read()
}

// run handles events until all tasks have ended or the run has. Each was made by one before it,
// and tasks end after a bounded number of attempts, so the loop ends with next.
func (w *world) run() error {
	for w.err == nil && (w.open > 0 || w.more) && !w.res.GaveUp && !w.drained() {
		e, ok := w.agenda.pop()
		if w.idle++; !ok || w.idle > w.idleMax() && w.running == 0 && !w.more && w.retries.Len() == 0 {
			return w.stuck()
		}
		if w.now = e.At; w.now > Time(2*longest) {
			return fmt.Errorf("the run takes more than %d years: are its times in ns?", 2*longest/(365*24*Hour))
		}
		w.res.Events++
		w.res.Hash = hash(w.res.Hash, &e)
		if w.Observe != nil {
			w.Observe(e)
		}
		w.handle(e)
	}
	w.res.Submitted, w.res.Left, w.res.Unbegun = w.numbers, w.open, w.numbers-w.begun
	return w.err
}

// stuck says why tasks wait and nobody begins one.
func (w *world) stuck() error {
	if !slices.ContainsFunc(w.slots, func(p process) bool { return p.alive }) {
		return fmt.Errorf("%d tasks wait and no worker lives for long enough to begin one: lower Faults.DeathsPerHour, or Costs.Start below Limits.Attach (%d ns), or let Restart give up sooner",
			w.open, w.Limits.Attach)
	}
	return fmt.Errorf("%d tasks wait where no worker looks: policy %s must look at every queue in which it places tasks",
		w.open, w.slots[0].submitting.Name())
}

// idleMax is how many events may pass in which workers come and go and nobody
// begins a task: more than all of them need to die once, wait, and look again.
func (w *world) idleMax() int { return 64 * (len(w.slots) + 64) }

func (w *world) handle(e Event) {
	switch e.Kind {
	case Arrive:
		if !w.course.Stopped {
			w.err = w.arrive()
		}
	case Woken:
		p := &w.slots[e.Worker]
		p.waking = false
		if p.alive && p.running == nil {
			w.touch(e.Worker, p.lines.park, false)
			w.work(e.Worker, 0)
		}
	case End:
		if p := &w.slots[e.Worker]; p.alive && p.running != nil && p.core.Epoch() == e.Epoch { // none: it was killed
			w.end(e.Worker)
		}
	case Die:
		if p := &w.slots[e.Worker]; p.alive && (e.Epoch == 0 || p.core.Epoch() == e.Epoch) {
			w.die(e.Worker)
		}
	case Gone:
		w.step(e.Worker, core.Event{Kind: core.Exited, Epoch: e.Epoch})
	case Attach:
		w.attach(e.Worker, e.Epoch)
	case Timer:
		w.step(e.Worker, core.Event{Kind: core.TimerFired})
	case Again:
		w.goOn()
	}
}

// read asks for the task after the one that was submitted last, and for the event
// of its arrival.
func (w *world) read() error {
	last := w.coming.At
	if w.coming, w.more = w.next(); !w.more {
		w.allSubmitted()
		return nil
	}
	if err := w.coming.check(w.numbers, len(w.CPUs), last); err != nil {
		return err
	}
	at := max(w.coming.At, w.slots[w.coming.Submitter].free)
	w.agenda.push(Event{At: max(at, w.now), Kind: Arrive, Task: -1})
	return nil
}

// arrive submits the next task, and all others that come at this very moment: so
// workers that are woken for the first see all.
func (w *world) arrive() error {
	w.idle = 0
	for {
		t := w.newTask()
		t.Task, t.number, t.submitted, t.attempt = w.coming, w.numbers, w.now, 1
		if t.MaxAttempts == 0 {
			t.MaxAttempts = 3
		}
		w.numbers++
		w.open++
		from := &w.slots[t.Submitter]
		w.touch(t.Submitter, t.lines.word, true)
		w.touch(t.Submitter, t.lines.descriptor, true)
		st := sched.Task{
			Submitter: t.Submitter, Priority: t.Priority, Affinity: t.Affinity, Submitted: int64(w.now),
			Deadline: int64(t.Deadline), Expected: int64(t.Expected), Locality: t.Locality,
		}
		t.rank = from.submitting.Rank(st)
		t.class = sched.Class(t.rank)
		w.queueUp(t, from, st)
		from.free = max(w.now, from.free) + Time(w.Costs.Submit+from.pays())
		last := w.coming.At
		if w.coming, w.more = w.next(); !w.more {
			w.allSubmitted()
			return nil
		}
		if err := w.coming.check(w.numbers, len(w.CPUs), last); err != nil {
			return err
		}
		if at := max(w.coming.At, w.slots[w.coming.Submitter].free); at > w.now {
			w.agenda.push(Event{At: at, Kind: Arrive, Task: -1})
			return nil
		}
	}
}

func (w *world) newTask() *task {
	if n := len(w.spare); n > 0 {
		t := w.spare[n-1]
		w.spare = w.spare[:n-1]
		*t = task{lines: t.lines}
		return t
	}
	return &task{lines: w.newTaskLines()}
}

// queueUp puts a task where the policy of a submitter says, and wakes a worker.
func (w *world) queueUp(t *task, from *process, st sched.Task) {
	q := from.submitting.Place(w, st, from.rnd)
	if q < 0 || int(q) >= len(w.slots) {
		q = st.Submitter
	}
	w.slots[q].queue[t.class].add(t)
	w.count(&w.slots[q], t, 1)
	w.touch(st.Submitter, w.slots[q].lines.queue[t.class], true)
	w.wakeFor(q, st.Submitter)
}

// count keeps the figures of a slot that a task comes to or leaves.
func (w *world) count(p *process, t *task, by int) {
	w.waiting[t.class] += by
	p.waits += by
	if t.Expected > 0 {
		p.known += by
		p.expected += int64(by) * min(int64(t.Expected), math.MaxInt64/(1<<20)) // as the engine
	}
}

// wakeFor wakes the worker whose queue it is, if it sleeps, else any that does.
func (w *world) wakeFor(q, by sched.Slot) {
	if q > 0 && w.wake(q, by) {
		return
	}
	w.wakeAny(by)
}

func (w *world) wakeAny(by sched.Slot) {
	for i, set := range w.sleeping {
		if set != 0 {
			w.wake(sched.Slot(i<<6+bits.TrailingZeros64(set)), by)
			return
		}
		w.touchSleepers(by, sched.Slot(i<<6), false)
	}
}

func (w *world) wake(s, by sched.Slot) bool {
	p, word, bit := &w.slots[s], &w.sleeping[s>>6], uint64(1)<<(s&63)
	w.touchSleepers(by, s, false)
	if *word&bit == 0 {
		return false
	}
	*word &^= bit
	w.touchSleepers(by, s, true)
	w.touch(by, p.lines.park, true)
	if !p.waking {
		p.waking = true
		w.agenda.push(Event{At: w.now + Time(w.Costs.Wake), Kind: Woken, Worker: s, Task: -1})
	}
	return true
}

// The world as policies see it.

func (w *world) Workers() int { return len(w.CPUs) }
func (w *world) Now() int64   { return int64(w.now) }

// nobody is the slot that a policy names and that is not there.
var nobody process

func (w *world) slot(s sched.Slot) *process {
	if s < 0 || int(s) >= len(w.slots) {
		return &nobody
	}
	return &w.slots[s]
}

func (w *world) isWorker(s sched.Slot) bool { return s > 0 && int(s) < len(w.slots) }

func (w *world) Len(q sched.Slot) int { return w.slot(q).waits }
func (w *world) Up(s sched.Slot) bool { return w.slot(s).alive }

func (w *world) Running(s sched.Slot) int {
	if w.slot(s).running != nil {
		return 1
	}
	return 0
}

func (w *world) Speed(s sched.Slot) int {
	if !w.isWorker(s) {
		return fullSpeed
	}
	return w.CPUs[s-1].Speed
}

// Work takes tasks of unknown length for the mean of the others, as the engine does.
func (w *world) Work(q sched.Slot) int64 {
	p := w.slot(q)
	sum := int64(0)
	if p.known > 0 {
		sum = p.expected / int64(p.known) * int64(p.waits)
	}
	if p.running != nil && p.running.Expected > 0 {
		sum += max(0, int64(p.began)+int64(p.running.Expected)-int64(w.now))
	}
	return sum
}

func (w *world) Distance(a, b sched.Slot) int {
	if !w.isWorker(a) || !w.isWorker(b) {
		return 0
	}
	return distance(int(a-1), int(b-1), w.CPUs)
}
