package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/internal/command"
	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/journal"
	"github.com/tutti-run/tutti/internal/proc"
)

// mapRun is one run of tutti map: the shell around course. Jobs flow from supply
// through the engine's workers to ended, and from there to delivery.
type mapRun struct {
	plan     *mapPlan
	cpus     int
	supply   *supply
	delivery *delivery
	screen   *screen
	control  *control

	mu     sync.Mutex // over what follows
	course course
	reason reason
}

// workersPerCPU bounds the worker processes: more commands at once than that
// share workers.
const workersPerCPU = 4

// workersFor is how many workers serve jobs commands at once.
func workersFor(jobs, cpus int) int { return max(1, min(jobs, workersPerCPU*cpus)) }

// runMap runs a command for each input.
func runMap(f *mapFlags, p *mapPlan, spec command.InputSpec, cpus int) error {
	log, done, err := openLog(f)
	if err != nil {
		return &exitError{exitMapUsage, err}
	}
	window := windowFor(p.jobs, workersFor(p.jobs, cpus))
	r := &mapRun{plan: p, cpus: cpus, screen: newScreen(f.ungroup)}
	r.course = course{halt: core.HaltState{Halt: p.halt}, tries: p.tries, total: -1}
	r.supply = newSupply(window, p.tries > 1, r.unrun)
	if p.halt != (core.Halt{}) {
		r.supply.gate = make(chan struct{}, p.jobs)
	}
	files, err := r.open(f, log)
	if err != nil {
		return &exitError{exitMapUsage, err}
	}
	unwatch := r.watchSignals()
	defer unwatch()
	if total, ok, err := countInputs(p, &spec); err != nil {
		return &exitError{exitMapUsage, err}
	} else if ok {
		r.course.total = total
		r.screen.total.Store(total)
	}
	go r.supply.read(p.template, spec, done)
	jobs := p.jobs
	if neverBlocks(p.sources) {
		jobs = min(jobs, max(r.supply.look(jobs), 1))
	}
	go r.delivery.run()
	r.work(files, jobs)
	close(r.delivery.quit)
	<-r.delivery.done
	r.mu.Lock()
	signal := r.reason.signal
	r.mu.Unlock()
	r.screen.summary(signal, r.course.cpu, cpus)
	return r.leave()
}

// openLog opens the job log and reads what earlier runs did.
func openLog(f *mapFlags) (log *journal.Log, done *journal.Done, err error) {
	switch {
	case f.jobLog == "":
		return nil, nil, nil
	case f.resume || f.resumeFailed:
		log, done, err = journal.Open(f.jobLog, journal.Options{RetryFailed: f.resumeFailed})
		if err == nil && done.Torn != nil {
			complain("%s: %v: cut off; that job counts as not run", f.jobLog, done.Torn)
		}
	default:
		log, err = journal.Create(f.jobLog)
	}
	return log, done, err
}

// memoryPerStream bounds what a worker keeps of each stream, so that all commands
// at once keep no more than memoryAll.
func memoryPerStream(jobs int) int {
	const memoryAll, least = 256 << 20, 64 << 10
	return max(least, min(proc.DefaultMemoryMax, memoryAll/(2*jobs)))
}

// open makes what master and workers share, and returns the files to inherit.
func (r *mapRun) open(f *mapFlags, log *journal.Log) ([]*os.File, error) {
	p := r.plan
	s := setup{
		Master: os.Getpid(), TimeoutNs: int64(p.timeout), Direct: f.ungroup, KillLeft: p.killLeft,
		MemoryMax: memoryPerStream(p.jobs),
	}
	for _, t := range p.term {
		s.Term = append(s.Term, termStep{t.Signal, int64(t.Wait)})
	}
	spoolFile, err := openUnlinked(os.TempDir())
	if err != nil {
		// Only a command with much output needs it.
		s.SpoolFlaw = fmt.Sprintf("%v; set TMPDIR to a folder that can be written to", err)
	}
	page, pageFile, err := newControl(s)
	if err != nil {
		return nil, err
	}
	if err := proc.BecomeSubreaper(); err != nil {
		return nil, fmt.Errorf("watch the processes of commands: %w", err)
	}
	r.control = page
	r.delivery = &delivery{
		queue: make(chan *finished, deliveryQueue), quit: make(chan struct{}), done: make(chan struct{}),
		printer: newPrinter(f.tag, spoolFile), log: log, screen: r.screen, failed: r.undelivered,
	}
	if f.keepOrder {
		r.delivery.order = newSequence(os.TempDir())
	}
	files := []*os.File{pageFile, spoolFile}
	if f.ungroup {
		files = append(files, os.Stdout, os.Stderr)
	}
	return files, nil
}

// work starts the workers and has them run all jobs.
func (r *mapRun) work(files []*os.File, jobs int) {
	workers := workersFor(jobs, r.cpus)
	window := windowFor(jobs, workers)
	ctx := context.Background()
	pool, err := tutti.Open(ctx, tutti.Config{
		Workers: workers, Concurrency: jobs, Tasks: tasksFor(window), Env: os.Environ(), Files: files,
		Adopt: true, Grace: graceFor(r.plan.term), Spin: -1,
	})
	if err != nil {
		r.fail(fmt.Errorf("start workers: %w", err))
		return
	}
	for c, err := range runCommand.MapCompleted(ctx, pool, r.supply.calls,
		tutti.AtMostOnce(), tutti.Contained(), tutti.Window(window)) {
		if c.Index < 0 {
			r.fail(err)
			break
		}
		res := c.Value
		if err != nil {
			res = resultOfError(err)
		}
		r.ended(r.supply.take(c.Index), &res)
		r.supply.leave()
	}
	if err := pool.Close(); err != nil {
		r.fail(err)
	}
}

// windowFor is how many jobs are at the workers at once: those that run, and one
// more a worker, at hand when it has ended one. Among the few that wait the engine
// keeps no order, so one job at a time waits for the one before: -j1 is in order.
func windowFor(jobs, workers int) int {
	if jobs == 1 {
		return 1
	}
	return jobs + workers
}

// tasksFor is a size of the task table that holds a window four times, as the
// engine wants it.
func tasksFor(window int) int {
	const lot, least, most = 64, 1024, 1 << 16
	return min(max((4*window+lot-1)/lot*lot, least), most)
}

// graceFor is how long a worker may take to end its commands.
func graceFor(term []core.TermStep) time.Duration {
	grace := 5 * time.Second // to kill and to clear up
	for _, t := range term {
		grace += time.Duration(t.Wait)
	}
	return grace
}

// resultOfError is the result of a command whose worker gave none.
func resultOfError(err error) result {
	crash, ok := errors.AsType[*tutti.CrashError](err)
	if !ok {
		return result{How: lost, Exit: -1, Start: time.Now().UnixNano(), Fault: err.Error()}
	}
	return result{
		How: lost, Exit: -1, Start: time.Now().UnixNano(),
		Fault: fmt.Sprintf("its worker (process %d) died: %s; what it ran was ended", crash.PID, crash.Status),
	}
}

// unrun settles a job that goes to no worker. The supply calls it.
func (r *mapRun) unrun(j *job) {
	switch {
	case j.skip:
		if r.screen.total.Load() > 0 {
			r.screen.total.Add(-1)
		}
		r.deliver(&finished{Seq: j.seq, Skip: true})
	case j.seq == 0: // what was read before is run
		r.note(j.fault)
	default:
		r.ended(j, &result{Exit: -1, Start: time.Now().UnixNano(), Fault: j.fault.Error()})
	}
}

// ended does what follows from the end of a job's command.
func (r *mapRun) ended(j *job, res *result) {
	r.mu.Lock()
	v := r.course.ended(res, j.attempt)
	failed := r.course.halt.Failed()
	r.mu.Unlock()
	if v.again {
		r.delivery.printer.discard(res)
		r.supply.repeat(j)
		return
	}
	r.supply.close()
	if v.deliver {
		r.screen.jobs.Add(1)
		r.screen.failed.Store(failed)
		r.deliver(&finished{Seq: j.seq, Tag: j.tag, Key: j.rendered.Key(), Result: *res})
	}
	switch v.halt {
	case core.Soon:
		r.stop(draining)
	case core.Now:
		r.stop(ending)
	}
}

func (r *mapRun) deliver(f *finished) { r.delivery.queue <- f }

// stop ends the run as far as to says.
func (r *mapRun) stop(to stage) {
	r.mu.Lock()
	r.course.stopped = true
	r.mu.Unlock()
	r.control.raise(to)
	r.supply.halt()
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
