package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"slices"
	"sync"

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
	handed, err := p.head.inherited()
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
	if r.notes != nil || r.screen.how != showNothing || p.order != history.Input {
		shop.sizes = &sizes{each: p.order != history.Input}
	}
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
	r.foresee()
	watched := make(chan func(), 1)
	go func() { // beside the start of workers: Go takes a millisecond for it
		unwatch := r.watchSignals()
		r.early()
		watched <- unwatch
	}()
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
	pool := r.openPool(atOnce)
	r.learn()
	r.arrange()
	stop := r.background()
	unwatch := <-watched // or a signal might end this process by its default, and leave what it began
	defer unwatch()
	go r.delivery.run()
	r.tuner.begin(r)
	if r.programs != nil {
		r.programs.work(atOnce, pool)
	} else {
		r.work(atOnce, pool)
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

// read has the inputs read, into what jobs are taken from as of now: arrange puts another
// channel in its place, perhaps before the goroutine has begun.
func (r *mapRun) read(jobs iter.Seq[*job]) {
	go r.supply.read(jobs, r.supply.inputs, func(total int64) {
		r.screen.total.Store(total)
		r.notes.total(total)
		if n := r.plan.before.unseen(); n > 0 {
			r.screen.say("jobs that failed in run %d but are no longer among its inputs, and so were not run: %d", r.plan.before.ID, n)
		}
	})
}

// arrange has the jobs that are read brought into their order, if they have one.
func (r *mapRun) arrange() {
	f, s := r.foresight, r.supply
	if !f.arranges {
		return
	}
	ahead, read := s.arranged()
	go f.arrange(ahead, read, s, func() {
		if f.knows {
			st := r.screen.state(false)
			f.say(&st)
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
		shop.stdin.from = r.programs.inlet
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
