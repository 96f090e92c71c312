package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/progress"
	"github.com/tutti-run/tutti/internal/resource"
	"github.com/tutti-run/tutti/internal/spool"
)

// callOf is what a worker is told of a job.
func (r *mapRun) callOf(j *job) call {
	c := r.plan.callOf(j)
	c.Env = replaced(c.Env, r.envOf(j))
	if r.plan.timeout.Percent > 0 {
		r.mu.Lock()
		defer r.mu.Unlock()
		if limit, ok := r.plan.timeout.Limit(&r.median); ok {
			c.TimeoutNs = int64(limit)
		}
	}
	if r.plan.Verbose && !r.plan.Interactive { // the question has said it
		r.screen.announce(j.rendered.Text(j.slot))
	}
	return c
}

// showLimits tells how long a command may be.
func showLimits(to io.Writer) error {
	_, err := fmt.Fprintf(to, "Maximal size of one argument, or of a command that needs a shell: %d\nMaximal size of a command line: %d\n",
		command.ArgBytesMax, command.ArgsBytesMax)
	return err
}

// admit is the last word before a start: a person's, and the gate's.
func (r *mapRun) admit(j *job) bool {
	if r.plan.Interactive {
		switch r.ask(j.rendered.Text(j.slot)) {
		case replyNo:
			j.skip, j.absent = true, true
			return true
		case replyNone:
			return false
		}
	}
	if r.stock != nil && r.tasks == nil { // tasks come with it
		var ok bool
		if j.grant, ok = r.stock.acquire(r.plan.units(r.plan.each, r.plan.takes), r.supply.stop); !ok {
			return false
		}
	}
	if r.gate != nil && !r.gate.pass(r.supply.stop) {
		return false
	}
	ok, err := r.tokens.enter(r.supply.stop)
	if err != nil {
		r.fail(err)
	}
	if !ok {
		return false
	}
	if err := j.setUp(); err != nil {
		j.fault = err
		r.vacate(&result{Exit: -1, Fault: err.Error()})
	}
	return true
}

// envOf tells a job what it takes beside a slot, before its other variables.
func (r *mapRun) envOf(j *job) []string {
	env := r.stock.env(j.grant, j.ticket)
	cpus := r.plan.each
	said := r.plan.Given("cpus")
	if r.tasks != nil {
		if own := r.tasks.graph.Tasks[j.seq-1].CPUs; own > 0 {
			cpus, said = own, true
		}
	}
	if said {
		env = append(env, cpusVariable+"="+resource.CPUsText(cpus))
	}
	return env
}

// vacate notes that a command which was admitted runs no more.
func (r *mapRun) vacate(res *result) {
	if r.gate != nil {
		r.gate.tell(event{ended: true, ok: res.ok()})
	}
	if err := r.tokens.leave(len(res.Strays) > 0); err != nil {
		r.fail(fmt.Errorf("give a token of the jobserver back: %w", err))
	}
}

// unrun settles a job that goes to no worker. The supply calls it.
func (r *mapRun) unrun(j *job) {
	switch {
	case j.skip:
		r.supply.close()
		r.data.discard(j)
		if !j.absent {
			r.screen.skipped.Add(1 + j.span)
		}
		r.deliver(&finished{Seq: j.seq, Span: j.span, Skip: true})
	case j.seq == 0: // what was read before is run
		r.note(j.fault)
	default:
		fault := strings.TrimPrefix(j.fault.Error(), fmt.Sprintf("job %d: ", j.seq))
		r.ended(j, &result{Exit: -1, Start: time.Now().UnixNano(), Fault: fault})
	}
}

// ended does what follows from the end of a job's command.
func (r *mapRun) ended(j *job, res *result) {
	r.stock.give(j.grant)
	j.grant = nil
	r.mu.Lock()
	v := r.course.ended(res, j.attempt)
	failed := r.course.Halt.Failed()
	met := v.halt != core.Continue && r.reason.last.Seq == 0
	if met {
		r.reason.last = progress.Failure{Seq: j.seq, How: how(res), Command: j.rendered.Text(res.Slot)}
	}
	if res.ok() && r.plan.timeout.Percent > 0 {
		r.median.Add(core.Span(res.Runtime))
	}
	r.mu.Unlock()
	f := &finished{
		Seq: j.seq, Args: j.args, Key: j.rendered.Text(res.Slot), Result: *res, Ticket: j.ticket,
		Path: command.FillSlot(j.results, res.Slot), Mark: j.mark, Dir: j.dir, Attempt: j.attempt,
		Size: j.size, Guess: j.guessNs(),
	}
	if v.again {
		r.drop(f, res)
		r.supply.repeat(j, r.plan.retry)
		return
	}
	r.foresight.over(j, res)
	r.supply.close()
	j.tearDown(r.plan)
	if r.data != nil && j.input != nil {
		if n := r.data.release(j.input, len(res.Strays) > 0); n > 0 && res.ok() {
			r.screen.say("job %d ended before it had read all that was for it: %d bytes of the input nobody has read", j.seq, n)
		}
	}
	r.tuner.ended(j, res)
	if v.deliver {
		f.Done = r.screen.jobs.Add(1)
		r.screen.failed.Store(failed)
		skipped := r.settle(j, f)
		if r.tuner.silent() {
			r.drop(f, res)
		} else {
			r.deliver(f)
		}
		for _, u := range skipped {
			r.deliver(u)
		}
	} else {
		r.drop(f, res)
	}
	switch v.halt {
	case core.Soon:
		r.stop(draining)
		if met {
			r.waits("--halt " + r.plan.Halt)
		}
	case core.Now:
		r.cuts("--halt " + r.plan.Halt)
		r.stop(ending)
	}
}

// drop frees the output of an attempt that is not printed. Of a live run some of
// it may have been: then the printer, in its own goroutine, frees the rest.
func (r *mapRun) drop(f *finished, res *result) {
	if r.plan.live() {
		r.deliver(&finished{Ticket: f.Ticket, Result: *res, Again: true})
		return
	}
	for _, c := range []*captured{&res.Out, &res.Err} {
		at := c.Ref.At(f.Ticket)
		r.store.Free(&at)
	}
	if res.How == lost { // its worker is certainly gone
		r.store.Reclaim(f.Ticket)
	}
}

func (r *mapRun) deliver(f *finished) {
	select {
	case r.delivery.queue <- f:
		return
	default: // the reader of the output is slow
	}
	send := func() { r.delivery.queue <- f }
	if r.programs == nil {
		send()
		return
	}
	r.programs.inlet.holdUp(send)
}

// stop ends the run as far as to says.
func (r *mapRun) stop(to stage) {
	r.mu.Lock()
	r.course.Stopped = true
	r.mu.Unlock()
	r.control.raise(to)
	r.supply.halt()
	if r.data != nil {
		r.data.halt()
	}
}

// note keeps the first error of the run's own, which it will leave with.
func (r *mapRun) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reason.fault == nil {
		r.reason.fault = err
	}
}

// fail ends the run because of an error of its own: nothing more is started.
func (r *mapRun) fail(err error) {
	r.note(err)
	r.stop(draining)
}

// undelivered ends the run because what it does can no longer be told: commands
// that run are ended too, since their output could go nowhere.
func (r *mapRun) undelivered(err error) {
	r.mu.Lock()
	if errors.Is(err, errPipe) {
		r.reason.pipe = true
	} else if r.reason.fault == nil {
		r.reason.fault = err
	}
	r.mu.Unlock()
	r.stop(ending)
}

// outcome is how the run went, at its end.
func (r *mapRun) outcome() progress.Outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.screen
	o := progress.Outcome{
		Done: s.jobs.Load(), Failed: s.failed.Load(), Skipped: s.skipped.Load(), Unmet: s.unmet.Load(), Cut: r.course.cut, CutBy: r.reason.cutBy,
		Elapsed: time.Since(s.begin), CPU: time.Duration(r.course.cpu), CPUs: r.plan.cpus, Failures: s.failures,
		Program: r.plan.program, JobLog: r.plan.JobLog, Run: r.notes.number(), Again: "--retry-failed",
	}
	if r.plan.graph {
		o.Again = "--resume"
	}
	switch {
	case r.reason.signal != 0:
		o.Why = unix.SignalName(syscall.Signal(r.reason.signal))
	case r.reason.fault == nil && !r.reason.pipe && r.reason.last.Seq > 0:
		o.Why, o.Last = "--halt "+r.plan.Halt, r.reason.last
	}
	o.Waiting = int64(r.supply.waiting())
	if total := s.total.Load(); total >= 0 {
		o.NotStarted = max(total-o.Done-o.Skipped-o.Unmet-o.Cut-o.Waiting, 0)
	} else if r.course.Stopped {
		o.NotStarted = -1
	}
	return o
}

// leave says why the run ended early, and with which exit code.
func (r *mapRun) leave() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	code := r.course.exitCode(r.reason)
	if code == 0 && r.reason.fault == nil {
		return nil
	}
	return &exitError{code, r.reason.fault}
}

// background starts what goes on beside the jobs, and returns what ends it.
func (r *mapRun) background() (stop func()) {
	quit := make(chan struct{})
	if r.gate != nil {
		go r.gate.run()
	}
	if r.supply.rotor != nil {
		go r.supply.rotor.run(quit)
	}
	if r.plan.live() {
		r.delivery.shown = make(chan struct{}, 1)
		if r.delivery.order == nil {
			r.store.WatchAll()
		} else {
			r.store.Watch(r.delivery.order.next)
		}
		go listen(r.store, r.delivery.shown, quit)
	}
	if r.plan.timeout.Percent > 0 {
		go r.watchTimeouts(quit)
	}
	if r.plan.jobsFile != "" || r.plan.loadFile != "" {
		go r.watchFiles(quit)
	}
	go watchReader(os.Stdout, quit, r.readerGone)
	return func() {
		close(quit)
		r.store.Ring()
		if r.gate != nil {
			close(r.gate.quit)
		}
	}
}

// readerGone is told that nobody reads our output any more, and reports whether
// that is the end of the run: it is where commands write something. Those that
// write nothing may have another purpose.
func (r *mapRun) readerGone() bool {
	writes := false
	r.store.Views(func(v spool.View) { writes = writes || v.Shown[spool.Stdout].Size > 0 })
	if writes {
		r.undelivered(errPipe)
	}
	return writes
}

// listen hands the bell of the store on.
func listen(store *spool.Store, shown chan<- struct{}, quit <-chan struct{}) {
	for {
		bell := store.Bell()
		select {
		case <-quit:
			return
		case shown <- struct{}{}:
		default:
		}
		store.Await(bell)
	}
}
