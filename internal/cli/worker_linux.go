package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/proc"
	"github.com/tutti-run/tutti/internal/spool"
)

// runCommand is the one function of the command door: it runs in a worker.
var runCommand = tutti.NewFunc("tutti.command", func(ctx context.Context, c call) (result, error) {
	w, err := worker()
	if err != nil {
		return result{}, err
	}
	return w.run(ctx, &c), nil
})

// The descriptors that a worker inherits from tutti map.
const (
	fdControl = 6 + iota
	fdStore
	fdSpool
	fdBlocks
	fdStdout
	fdStderr
	fdPipes // and up: of slots that read one each, then setup.Handed
)

// runner runs commands in a worker process.
type runner struct {
	*control
	setup
	store          *spool.Store
	intakes        intakes
	stdout, stderr *os.File // of the master, for direct commands
	term           []proc.TermStep
	env            []string
	handed         []proc.Handed
	end            context.CancelFunc // of ended
	ended          context.Context    // done when what runs is to end

	mu     sync.Mutex
	active map[int]*attempt // by lane
}

// attempt is a command that runs here.
type attempt struct {
	ticket  uint64
	cancel  context.CancelCauseFunc
	running *proc.Running // nil: not started yet
	obeyed  order         // the last order that was carried out
	held    bool          // by an order
	stopped time.Duration // for so long it was held
	since   time.Time     // it is held, or not
	left    time.Duration // of its time limit, when it was held last
	alarm   *time.Timer   // ends it then; nil: there is no limit
}

// What an order ends a command for.
var (
	errTimeout = errors.New("it takes too long")
	errEvicted = errors.New("memory is short")
)

// worker is this process's runner, made by the first command.
var worker = sync.OnceValues(func() (*runner, error) {
	page, s, err := attachControl(fdControl)
	if err != nil {
		return nil, err
	}
	proc.TakeOOMCounter(s.Kills)
	if err := proc.BecomeSubreaper(); err != nil {
		return nil, fmt.Errorf("watch the processes of commands: %w", err)
	}
	w := &runner{control: page, setup: s, active: map[int]*attempt{}}
	var file *os.File
	if s.Flaw == "" {
		file = os.NewFile(fdSpool, "spool")
	}
	if w.store, err = spool.Attach(fdStore, file, errors.New(s.Flaw)); err != nil {
		return nil, err
	}
	w.intakes = intakes{blocks: os.NewFile(fdBlocks, "blocks"), names: s.Files}
	if s.Direct {
		w.stdout, w.stderr = os.NewFile(fdStdout, "stdout"), os.NewFile(fdStderr, "stderr")
	}
	for _, t := range s.Term {
		w.term = append(w.term, proc.TermStep{Signal: syscall.Signal(t.Signal), Wait: time.Duration(t.WaitNs)})
	}
	for i, fd := range s.Handed {
		w.handed = append(w.handed, proc.Handed{FD: s.HandedAt + i, As: fd})
	}
	w.env = append(foreignEnv(os.Environ(), s.SlotVar), "PARALLEL_PID="+strconv.Itoa(s.Master))
	w.ended, w.end = context.WithCancel(context.Background())
	go w.follow()
	return w, nil
})

// foreignEnv is env without what each command is given anew: the first of two
// variables of one name would be seen, which inside another run is that one's.
func foreignEnv(env []string, slotVar string) []string {
	return slices.DeleteFunc(env, func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return name == "PARALLEL_PID" || name == "PARALLEL_SEQ" || name == "PARALLEL_JOBSLOT" || name == slotVar
	})
}

// replaced is env with the variables of others, NAME=value, in place of its own. The
// slice returned has no room that env has, too.
func replaced(env, others []string) []string {
	if len(others) == 0 {
		return env[:len(env):len(env)]
	}
	all := slices.Clone(others)
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		if !slices.ContainsFunc(others, func(o string) bool { return strings.HasPrefix(o, name+"=") }) {
			all = append(all, kv)
		}
	}
	return all
}

// follow does what the control page says, for as long as this process lives.
func (w *runner) follow() {
	held := false
	for {
		bell := atomic.LoadUint32(&w.bell)
		if hold := w.paused.Load() != 0; hold != held {
			held = hold
			w.holdAll(hold)
		}
		switch w.now() {
		case ending:
			w.end()
		case killing:
			w.end()
			// What may not be killed is waited for by proc.Run.
			_ = proc.KillAllChildren()
		}
		w.obey()
		w.await(bell)
	}
}

// holdAll stops all commands, or lets go on those that no order holds.
func (w *runner) holdAll(hold bool) {
	if hold {
		proc.SignalCommands(syscall.SIGSTOP)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.active {
		if a.running != nil && !a.held {
			a.running.Signal(syscall.SIGCONT)
		}
	}
}

// obey carries out the orders to what runs here.
func (w *runner) obey() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for lane, a := range w.active {
		o := order(w.orders[lane].Load())
		if o.ticket() != a.ticket || o == a.obeyed {
			continue
		}
		a.obeyed = o
		switch o.act() {
		case orderTimeout:
			a.cancel(errTimeout)
		case orderEvict:
			a.cancel(errEvicted)
		case orderHold:
			a.hold(time.Now())
		case orderGoOn:
			a.goOn(time.Now(), w.paused.Load() != 0)
		}
	}
}

// hold stops the command, and its clock.
func (a *attempt) hold(now time.Time) {
	if a.held {
		return
	}
	a.held = true
	if a.alarm != nil && a.alarm.Stop() {
		a.left -= now.Sub(a.since)
	}
	a.since = now
	if a.running != nil {
		a.running.Signal(syscall.SIGSTOP)
	}
}

// goOn lets the command go on, unless all are paused.
func (a *attempt) goOn(now time.Time, paused bool) {
	if !a.held {
		return
	}
	a.held = false
	a.stopped += now.Sub(a.since)
	a.since = now
	if a.alarm != nil {
		a.alarm.Reset(max(a.left, 0))
	}
	if a.running != nil && !paused {
		a.running.Signal(syscall.SIGCONT)
	}
}

// run runs one command to its end.
func (w *runner) run(task context.Context, c *call) result {
	if !w.awaitStart() {
		return result{How: notStarted, Exit: -1}
	}
	n := 0 // of the lane
	if info, ok := tutti.Info(task); ok {
		n = info.Lane
	}
	slot := c.Slot
	if slot == 0 {
		slot = n + 1
	}
	unfit := func(err error) result {
		return result{Exit: -1, Start: time.Now().UnixNano(), Slot: slot, Fault: err.Error()}
	}
	lane, err := w.store.Lane(n)
	if err != nil {
		return unfit(err)
	}
	spec, err := w.spec(c, slot)
	if err != nil {
		return unfit(err)
	}
	feed, err := w.intakes.open(c.Input, w.ended.Done())
	switch {
	case errors.Is(err, errEnded):
		return result{How: notStarted, Exit: -1}
	case err != nil:
		return unfit(err)
	}
	if feed != nil {
		feed.attach(&spec)
	}
	var ends *programEnds
	if c.Talks {
		if ends, err = receiveEnds(fdPipes+slot-1, c.Ticket); err != nil {
			return unfit(err)
		}
		defer ends.close()
		ends.attach(&spec)
	}
	// What ends the run ends the command; so do the pool's end and an order.
	ctx, cancel := context.WithCancelCause(w.ended)
	defer cancel(nil)
	defer context.AfterFunc(task, func() { cancel(nil) })()
	a := &attempt{ticket: c.Ticket, cancel: cancel, since: time.Now()}
	if c.TimeoutNs > 0 {
		a.left = time.Duration(c.TimeoutNs)
		a.alarm = time.AfterFunc(a.left, func() { cancel(errTimeout) })
		defer a.alarm.Stop()
	}
	w.enter(n, a)
	spec.Started = func(p *proc.Running) {
		ends.close() // or their end would never be seen
		lane.Started(p.PID())
		w.started(a, p)
	}
	lane.Begin(c.Ticket, c.Seq, time.Now())
	r := w.perform(ctx, lane, spec, c.Mark, slot)
	r.Runtime -= int64(w.leave(n, a))
	if feed != nil {
		r.Sent = feed.close(&r)
	}
	if spec.Terminal != nil {
		_ = spec.Terminal.Close() // it was only read
	}
	return r
}

// perform runs a command and keeps what it writes.
func (w *runner) perform(ctx context.Context, lane spool.Lane, spec proc.Command, m mark, slot int) result {
	out, errs := w.writer(lane, spool.Stdout), w.writer(lane, spool.Stderr)
	if spec.Stdout == nil {
		spec.Out, spec.Err = marked(&out, m, slot), marked(&errs, m, slot)
	}
	done := proc.Run(ctx, spec)
	lane.End()
	for _, s := range []proc.Sink{spec.Out, spec.Err} {
		if m, ok := s.(*marker); ok {
			m.end()
		}
	}
	r := w.report(&done, context.Cause(ctx))
	r.Slot = slot
	r.take(&out, &r.Out)
	r.take(&errs, &r.Err)
	r.Wrote = r.Out.size()
	if m, ok := spec.Out.(*marker); ok {
		r.Wrote = m.took
	}
	return r
}

// spec is what is to be run.
func (w *runner) spec(c *call, slot int) (proc.Command, error) {
	path, argv := c.exec(slot)
	spec := proc.Command{
		Path: path, Argv: argv, Stdout: w.stdout, Stderr: w.stderr, Handed: w.handed, Dir: c.Dir,
		Env: append(replaced(w.env, c.Env),
			"PARALLEL_SEQ="+strconv.FormatInt(c.Seq, 10), "PARALLEL_JOBSLOT="+strconv.Itoa(slot)),
		Term: w.term, Nice: w.Nice,
	}
	if c.Talks && !slices.ContainsFunc(w.env, func(kv string) bool { return strings.HasPrefix(kv, unbuffered) }) {
		spec.Env = append(spec.Env, unbuffered+"1")
	}
	if w.SlotVar != "" {
		spec.Env = append(spec.Env, w.SlotVar+"="+strconv.Itoa(slot-1))
	}
	if w.Terminal {
		tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
		switch {
		case errors.Is(err, syscall.ENXIO) || errors.Is(err, os.ErrNotExist): // there is none, as in a cron job
		case err != nil:
			return spec, fmt.Errorf("--tty: %w", err)
		default:
			spec.Stdin, spec.Terminal = tty, tty
		}
	}
	return spec, nil
}

// unbuffered has Python write each answer out at once, as a program of --persistent
// has to.
const unbuffered = "PYTHONUNBUFFERED="

func (w *runner) writer(lane spool.Lane, st spool.Stream) spool.Writer {
	out := lane.Writer(st)
	out.Lines = w.Lines
	return out
}

func (w *runner) enter(lane int, a *attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.active[lane] = a
}

// leave notes that a command has ended, and returns for how long it was held.
func (w *runner) leave(lane int, a *attempt) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.active, lane)
	if a.held {
		a.stopped += time.Since(a.since)
	}
	return a.stopped
}

// started notes the process, and carries out an order that came before it.
func (w *runner) started(a *attempt, p *proc.Running) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a.running = p
	if a.held || w.paused.Load() != 0 {
		p.Signal(syscall.SIGSTOP)
	}
}

// exec is what to execute, with the slot filled in.
func (c *call) exec(slot int) (path string, argv []string) {
	r := command.Rendered{Path: c.Path, Argv: c.Argv, Shell: c.Shell, Display: c.Display}
	if c.Display != "" {
		r = r.WithSlot(slot)
	}
	return r.Exec()
}

// report makes a result of what is known of a command that has ended; why is
// what ended it, if anything did.
func (w *runner) report(d *proc.Result, why error) result {
	r := result{
		Exit: d.Status.Exit, Signal: int(d.Status.Signal), Start: d.Start.UnixNano(), Runtime: int64(d.Runtime),
		CPU:    d.Status.Rusage.Utime.Nano() + d.Status.Rusage.Stime.Nano(),
		Strays: d.Strays, Memory: memoryOfTree(&d.Status),
	}
	if w.Usage {
		r.Usage = usageOf(&d.Status.Rusage)
	}
	switch {
	case d.Stopped == "" && d.Status.Signal == syscall.SIGKILL && w.now() == killing:
		r.How = stopped // by follow, before the run's end was heard of
	case d.Stopped != "" && why == errTimeout:
		r.How = timedOut
	case d.Stopped != "" && why == errEvicted:
		r.How = evicted
	case d.Stopped != "" && d.StartErr != nil: // the end came before it
		r.How = notStarted
	case d.Stopped != "":
		r.How = stopped
	case d.StartErr != nil:
		r.Fault = d.StartErr.Error()
	case d.Status.OOM:
		r.Fault, r.OOM = "killed, as memory ran out", true
	case d.InputErr != nil:
		r.Fault = "its input is not whole: " + d.InputErr.Error()
	}
	if d.Stopped == "" && w.KillLeft {
		r.Strays = killStrays(d.Strays)
	}
	return r
}

// memoryOfTree is the most memory that the command, or one of the processes that it
// waited for, ever held. The kernel's figure begins with that of the process that forked
// the command, which was this one: what is not above ours says nothing.
func memoryOfTree(s *proc.Status) int64 {
	var own unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &own) != nil || s.Rusage.Maxrss <= own.Maxrss {
		return 0
	}
	return s.Rusage.Maxrss << 10
}

// take ends a stream and notes where its bytes are.
func (r *result) take(w *spool.Writer, to *captured) {
	to.Ref, to.Short = w.End(shortMax)
	if err := w.Err(); err != nil && r.Fault == "" && (r.How == endedItself || r.How == timedOut) {
		r.Fault = "its output is not whole: " + err.Error()
	}
}

// killStrays ends what a command left behind and returns what may not be killed.
func killStrays(strays []proc.Stray) (left []proc.Stray) {
	for _, s := range strays {
		if err := proc.KillTree(s.PID); err != nil {
			left = append(left, s)
		}
	}
	return left
}
