package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/tutti-run/tutti"
	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/history"
	"github.com/tutti-run/tutti/internal/journal"
	"github.com/tutti-run/tutti/internal/proc"
	"github.com/tutti-run/tutti/internal/progress"
	"github.com/tutti-run/tutti/internal/spool"
)

// mapRun is one run of tutti map: the shell around course. Jobs flow from supply
// through the engine's workers to ended, and from there to delivery.
type mapRun struct {
	plan     *plan
	supply   *supply
	delivery *delivery
	screen   *screen
	control  *control
	store    *spool.Store
	gate     *gatekeeper // nil: every command may start
	data     *data       // what jobs read, with --pipe; else nil
	programs *programs   // of --persistent; else nil
	files    []*os.File  // that workers inherit
	handed   []int       // descriptors that we were started with, for commands
	log      *journal.Log
	notes    *notes  // in the journal; nil: none are kept
	tasks    *tasks  // of a graph; nil: inputs
	tokens   *tokens // that others share; nil: none
	stock    *stock  // what jobs take beside a slot; nil: nothing
	tuner    *tuner  // tries out how many run at once; nil: nobody does
	lent     []lent  // files for commands
	early    func()  // ends the watch for signals before the run

	foresight *foresight

	mu     sync.Mutex // over what follows
	course course
	median core.Median // of the run times
	reason reason
}

// workersFor is how many workers serve jobs commands at once.
func workersFor(jobs, cpus int) int { return max(1, min(jobs, workersPerCPU*cpus)) }

// runPlan carries a plan out.
func runPlan(p *plan) error {
	if err := p.refuseToForget(); err != nil {
		return err
	}
	handed, err := proc.TakeInherited() // before anything is opened here
	if err != nil {
		return err
	}
	r := &mapRun{plan: p, screen: newScreen(p), handed: handed, early: quitEarly()}
	defer func() { r.stock.close() }() // where run does not
	if err := r.enlist(); err != nil {
		return err
	}
	if err := p.rotate(); err != nil {
		return err
	}
	shop, err := newWorkshop(p)
	if err != nil {
		return err
	}
	switch {
	case p.ShowLimits:
		return showLimits(os.Stdout)
	case p.ShellQuote > 0:
		return shop.quoted(os.Stdout)
	}
	if err := p.mayAsk(); err != nil {
		return err
	}
	if err := shop.count(p.needsTotal(shop.templates)); err != nil {
		return err
	}
	jobs := iter.Seq[*job](shop.jobs)
	if err := r.records(shop); err != nil {
		return err
	}
	if !p.DryRun {
		if shop.keep, err = newKeeping(p, shop); err != nil {
			return err
		}
	}
	switch {
	case p.RetryFailed:
		jobs, err = failedJobs(p)
	case p.piped():
		r.data, jobs, err = newData(shop)
	}
	if err != nil {
		return err
	}
	if p.DryRun {
		shop.stdin.keep(nil)
		return dryRun(jobs, p.jobs, r.data.discard, os.Stdout)
	}
	r.expect(shop.total)
	if err := r.open(shop); err != nil {
		return err
	}
	if err := r.begin(shop); err != nil {
		return err
	}
	shop.sizes = r.notes != nil || r.screen.how != showNothing || p.order != history.Input
	r.foresee()
	return r.run(jobs)
}

// expect notes how many jobs there are; 0: it is not known.
func (r *mapRun) expect(total int64) {
	if r.course.Total = total; total > 0 {
		r.screen.total.Store(total)
	} else {
		r.course.Total = -1
	}
}

// run runs the jobs.
func (r *mapRun) run(jobs iter.Seq[*job]) error {
	p := r.plan
	if err := r.tokens.keep(); err != nil {
		return err
	}
	unwatch := r.watchSignals()
	r.early()
	defer unwatch()
	if r.data != nil {
		go r.data.feed(r.fail)
	}
	if r.tasks == nil {
		r.read(jobs)
	} else {
		close(r.supply.inputs)
	}
	atOnce := p.jobs
	if p.jobsFile != "" {
		atOnce = max(atOnce, jobsRoom(p.cpus))
	} else if r.tasks != nil {
		atOnce = min(atOnce, len(r.tasks.graph.Tasks))
	} else if r.neverBlocks() {
		atOnce = min(atOnce, max(r.supply.look(atOnce), 1))
	}
	stop := r.background()
	go r.delivery.run()
	r.tuner.begin(r)
	if r.programs != nil {
		r.programs.work(atOnce)
	} else {
		r.work(atOnce)
	}
	stop()
	r.supply.halt()
	r.stock.close()
	if err := r.tokens.close(); err != nil {
		r.note(fmt.Errorf("give the jobserver's tokens back: %w", err))
	}
	if r.data != nil {
		r.data.halt()
	}
	if r.data != nil {
		if err := r.data.close(); err != nil {
			r.note(err)
		}
	}
	close(r.delivery.quit)
	<-r.delivery.done
	o := r.outcome()
	if r.tuner == nil || o.Why != "" {
		r.screen.summary(o)
	} else {
		r.screen.clear() // the report has more to say than how many there were
	}
	return r.notes.close(r.leave(), o.Why, r.foresight, r.screen.say)
}

// read has the inputs read, and brought into their order.
func (r *mapRun) read(jobs iter.Seq[*job]) {
	to := r.supply.inputs
	if r.foresight.arranges {
		to = make(chan *job, cap(r.supply.inputs))
		go r.foresight.arrange(to, r.supply, func() {
			if r.foresight.knows {
				s := r.screen.state(false)
				r.foresight.say(&s)
			}
		})
	}
	go r.supply.read(jobs, to, func(total int64) {
		r.screen.total.Store(total)
		r.notes.total(total)
		if n := r.plan.before.unseen(); n > 0 {
			r.screen.say("jobs that failed in run %d but are no longer among its inputs, and so were not run: %d", r.plan.before.ID, n)
		}
	})
}

// neverBlocks reports whether all inputs are there: on the command line and in
// plain files. Then a look ahead costs no waiting.
func (r *mapRun) neverBlocks() bool {
	p := r.plan
	if r.data != nil {
		return r.data.blocks != nil && p.PipePart
	}
	if p.RetryFailed {
		return true
	}
	if p.readsStdin() && !isPlainFile("-") {
		return false
	}
	for _, name := range p.files() {
		if name != "-" && !isPlainFile(name) {
			return false
		}
	}
	return true
}

// records opens what is written down about the run, and reads what was.
func (r *mapRun) records(shop *workshop) error {
	p := r.plan
	if p.JobLog == "" || p.DryRun && !p.Resume && !p.ResumeFailed {
		return nil
	}
	if !p.Resume && !p.ResumeFailed && !p.RetryFailed {
		var err error
		if p.appendLog || p.before.resumes() {
			r.log, _, err = journal.Open(p.jobLog, journal.Options{})
			return err
		}
		r.log, err = journal.Create(p.jobLog)
		return err
	}
	if _, err := os.Stat(p.jobLog); p.RetryFailed && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--retry-failed: there is no job log %s, so nothing is known to have failed; name the one that an earlier run wrote", p.jobLog)
	}
	log, done, err := journal.Open(p.jobLog, journal.Options{RetryFailed: p.ResumeFailed || p.RetryFailed})
	if err != nil {
		return err
	}
	if done.Torn != nil {
		complain("%s: %v: cut off; that job counts as not run", p.jobLog, done.Torn)
	}
	r.log = log
	if !p.RetryFailed {
		shop.done = func(j *job, command string) bool { return done.Has(j.seq, command) }
	}
	return nil
}

// open makes what master and workers share.
func (r *mapRun) open(shop *workshop) error {
	p := r.plan
	var err error
	if r.stock, err = openStock(p, spaceNamed(""), r.screen.holds); err != nil {
		return err
	}
	if p.Persistent != "" {
		if r.programs, err = newPrograms(r); err != nil {
			return err
		}
	}
	if err := r.share(); err != nil {
		return err
	}
	r.course.Halt, r.course.Tries, r.course.RetryOn = core.HaltState{Halt: p.halt}, p.tries, p.retryOn
	r.supply = newSupply(p.tries > 1 || r.programs != nil, r.unrun, r.callOf)
	r.supply.dropped, r.supply.tasks = r.data.discard, r.tasks
	if p.gated() {
		r.supply.slots = newSlots(p.jobs)
	}
	if p.rotates() {
		r.supply.rotor = newRotor(p, r.store, r.control, r.supply)
	}
	if r.tasks != nil {
		r.tasks.stock = r.stock
	}
	if p.gated() || p.WorkDir != "" || len(p.Templates) > 0 {
		r.supply.admit = r.admit
	}
	if p.gate != (core.GateRules{}) {
		if r.gate, err = newGatekeeper(p.gate, r.store, r.control); err != nil {
			return err
		}
		r.gate.never = func(reason string) { r.fail(errors.New(reason)) }
		r.gate.say = r.screen.holds
	}
	r.delivery = &delivery{
		queue: make(chan *finished, deliveryQueue), quit: make(chan struct{}), done: make(chan struct{}),
		printer: newPrinter(r.store, p.Print > 0, p.LatestLine), log: r.log, screen: r.screen, failed: r.undelivered,
		title: r.supply.title,
	}
	if p.ColorFailed {
		r.delivery.printer.failed = mark{progress.ColorFailed, progress.Off}
	}
	if isTerminal(os.Stdout) {
		r.delivery.printer.out.turn = r.screen.turn
	}
	if r.screen.person {
		r.delivery.printer.err.turn = r.screen.turn
	}
	r.screen.store, r.screen.titles, r.screen.waiting = r.store, r.supply.titles, r.supply.waiting
	if r.programs != nil {
		r.screen.titles = r.programs.titles
	}
	if p.KeepOrder {
		r.delivery.order = newSequence(os.TempDir())
	}
	r.delivery.keep = shop.keep
	return nil
}

// share makes the memory and files that workers inherit.
func (r *mapRun) share() error {
	p := r.plan
	s := setup{
		Master: os.Getpid(), Direct: p.Ungroup, Lines: p.LineBuffer, KillLeft: p.Strays == "kill",
		Nice: p.nice, SlotVar: p.SlotVar, Terminal: p.TTY || p.OpenTTY, Kills: proc.OOMCounter(), Usage: p.tuned,
	}
	for _, t := range p.term {
		s.Term = append(s.Term, termStep{t.Signal, int64(t.Wait)})
	}
	file, flaw := spool.OpenUnnamed(os.TempDir())
	if flaw != nil {
		// Only much output needs it.
		s.Flaw = fmt.Sprintf("%v; set TMPDIR to a folder that can be written to", flaw)
		flaw = errors.New(s.Flaw)
	}
	lanes := max(p.jobs, p.grouped())
	if p.jobsFile != "" {
		lanes = max(lanes, jobsRoom(p.cpus))
	}
	var err error
	r.store, err = spool.Create(spool.Config{Lanes: lanes, Memory: p.memory, File: file, Flaw: flaw, Live: p.live(), Compress: p.Compress})
	if err != nil {
		return err
	}
	var blocks *os.File
	var streams []*os.File
	if r.data != nil {
		blocks, s.Files, streams = r.data.shared()
	}
	if r.programs != nil {
		streams = r.programs.sockets()
	}
	s.Handed, s.HandedAt = slices.Clone(r.handed), fdPipes+len(streams)
	for _, fd := range r.handed {
		streams = append(streams, os.NewFile(uintptr(fd), "inherited"))
	}
	for _, l := range r.lent {
		s.Handed, streams = append(s.Handed, l.as), append(streams, l.file)
	}
	if r.tokens != nil {
		streams = append(streams, r.tokens.lifeline)
	}
	if r.stock != nil && r.stock.locks != nil {
		streams = append(streams, r.stock.locks)
	}
	page, pageFile, err := newControl(s)
	if err != nil {
		return err
	}
	r.control = page
	if err := proc.BecomeSubreaper(); err != nil {
		return fmt.Errorf("watch the processes of commands: %w", err)
	}
	var stdout, stderr *os.File
	if s.Direct {
		stdout, stderr = os.Stdout, os.Stderr
	}
	r.files = append([]*os.File{pageFile, os.NewFile(uintptr(r.store.FD()), "output"), file, blocks, stdout, stderr}, streams...)
	return nil
}

// work starts the workers and has them run all jobs.
func (r *mapRun) work(jobs int) {
	workers := workersFor(jobs, r.plan.cpus)
	window := r.plan.windowFor(jobs, workers)
	ctx := context.Background()
	config := tutti.Config{
		Workers: workers, Concurrency: jobs, Tasks: tasksFor(window), Env: os.Environ(), Files: r.files,
		Adopt: true, Grace: graceFor(r.plan.term), Spin: -1, InOrder: true, Arch: tutti.Arch(r.plan.Arch),
	}
	if r.plan.groups != nil {
		config.Workers, config.Concurrency, config.Groups = 0, 0, r.plan.groups
	}
	pool, err := tutti.Open(ctx, config)
	if err != nil {
		r.fail(fmt.Errorf("start workers: %w", err))
		return
	}
	r.notes.kept() // a job that begins belongs to a run that is known
	pace := pacer{able: !r.plan.gated() && window > jobs+workers}
	for c, err := range runCommand.MapCompleted(ctx, pool, r.supply.calls,
		tutti.AtMostOnce(), tutti.Contained(), tutti.Window(window)) {
		if c.Index < 0 {
			r.fail(err)
			break
		}
		nap := pace.ended(time.Now(), time.Duration(c.Value.Runtime))
		j, res := r.supply.take(c.Index), c.Value
		if err != nil {
			res = r.resultOfError(j, err)
		}
		r.vacate(&res)
		r.ended(j, &res)
		r.supply.leave()
		if nap > 0 {
			time.Sleep(nap)
		}
		pace.waits(time.Now())
	}
	if err := pool.Close(); err != nil {
		r.fail(err)
	}
}

// atHand is how many commands wait at the workers for each of them, so that short
// ones follow each other while the master looks after what has ended: with one at
// hand two workers started 1,750 a second, with fourteen 1,970.
const atHand = 14

// windowFor is how many jobs are at the workers at once: those that run, and
// those at hand. Where a job may have to be run again, only one a worker is at
// hand, for it is run again before those that were not handed out.
func (p *plan) windowFor(jobs, workers int) int {
	if p.tries > 1 {
		return jobs + workers
	}
	return jobs + atHand*workers
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

// resultOfError is the result of a command whose worker gave none. What it wrote
// until its worker died is still there.
func (r *mapRun) resultOfError(j *job, err error) result {
	res := result{How: lost, Exit: -1, Start: time.Now().UnixNano(), Fault: err.Error()}
	if crash, ok := errors.AsType[*tutti.CrashError](err); ok {
		res.Fault = fmt.Sprintf("its worker (process %d) died: %s; what it ran was ended", crash.PID, crash.Status)
	}
	if v, ok := r.store.Find(j.ticket); ok {
		res.Out.Ref, res.Err.Ref = v.Shown[spool.Stdout], v.Shown[spool.Stderr]
		res.Start, res.Slot, res.Wrote = v.Start.UnixNano(), v.Slot+1, res.Out.size()
	}
	return res
}
