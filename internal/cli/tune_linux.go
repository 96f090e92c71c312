package cli

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/tutti-run/tutti/internal/core"
	"github.com/tutti-run/tutti/internal/proc"
	"github.com/tutti-run/tutti/internal/tune"
	"github.com/tutti-run/tutti/topo"
)

// tuner changes how many commands of a run are out at once, and measures. It is a run
// like any other: what dies is replaced, Ctrl-C ends it, and output takes the same way.
// A nil tuner does nothing.
//
// A goroutine of its own conducts, and is in one of these states:
//
//	warming    one worker, nothing counts       -> settling: two commands ended
//	settling   a new number; commands of the    -> measuring: the last of them ended
//	           earlier one still run
//	measuring  a trial is open                  -> settling, or done: its time is over and
//	                                               each worker may have ended a command
//	done       what comes of it is reported
//
// Whoever collects the results calls ended, which alone adds to the meter. Each wait is
// for a command's end, the clock or the run's end, so it cannot outlast the run. A worker
// that dies ends its command as lost: it counts in no trial, since nobody knows when it
// ended, but is not waited for either. When the master dies all is lost but nothing runs
// on, as of any run: nothing is written before the end.
type tuner struct {
	*tuning
	chance  *rand.Rand
	changed chan struct{} // full when a command has ended
	done    chan struct{} // closed when nothing more is measured

	mu       sync.Mutex // over what follows
	meter    tune.Meter
	count    int64     // commands that ended
	inTrial  int       // of those, started in the open trial or before it
	boundary uint64    // the last ticket of an earlier number
	pending  int64     // commands up to it that have not ended
	once     core.Span // what the quickest command of the warm-up took
	fault    error     // of the first command
	whole    bool      // every round was measured
}

// runTune measures, and reports.
func runTune(p *plan, t *tuning) error {
	handed, err := proc.TakeInherited() // before anything is opened here
	if err != nil {
		return err
	}
	r := &mapRun{plan: p, screen: newScreen(p), handed: handed, early: quitEarly()}
	shop, err := newWorkshop(p)
	if err != nil {
		return err
	}
	if err := shop.count(shop.command.NeedsTotal()); err != nil {
		return err
	}
	shop.stdin.keep(nil)
	r.course.Total = -1
	r.tuner = &tuner{
		tuning: t, chance: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		changed: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if err := r.open(shop); err != nil {
		return err
	}
	ended := r.run(cycled(shop.jobs))
	<-r.tuner.done
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.reason.signal != 0 || r.reason.fault != nil || r.reason.pipe:
		return ended
	case !r.tuner.whole:
		return fmt.Errorf("there was nothing to measure: the inputs ended before a command had run: give some, as in ::: *.log")
	}
	return r.tuner.report(os.Stdout)
}

// silent reports whether what commands write is thrown away.
func (t *tuner) silent() bool { return t != nil && !t.output }

// begin begins to conduct, with one worker.
func (t *tuner) begin(r *mapRun) {
	if t == nil {
		return
	}
	r.supply.slots.resize(1)
	go func() {
		defer close(t.done)
		if err := t.conduct(r); err != nil {
			r.fail(err)
			return
		}
		r.stop(draining)
	}()
}

// ended takes a command's end into account. The commands' workers are not waited for.
func (t *tuner) ended(j *job, res *result) {
	if t == nil {
		return
	}
	d := tune.Done{Start: core.Time(res.Start), End: core.Time(res.Start + res.Runtime), OK: res.ok()}
	if res.Usage != nil {
		d.Usage = *res.Usage
	}
	t.mu.Lock()
	t.meter.Ended(d)
	if t.count == 0 && !res.ok() {
		t.fault = fmt.Errorf("the first command failed (%s), and only what works is worth measuring: %s; --output shows what it prints", how(res), j.rendered.Text(res.Slot))
	}
	t.count++
	t.inTrial++ // one that was lost, too, or a trial might never end
	if j.ticket <= t.boundary {
		t.pending--
	}
	if took := core.Span(res.Runtime); res.ok() && (t.once == 0 || took < t.once) {
		t.once = took
	}
	t.mu.Unlock()
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

// errTuneStopped ends the measuring, since the run has ended.
var errTuneStopped = errors.New("the run has ended")

// warmUpLeast is how long commands run before anything counts, so that files are in
// memory and the processor at its clock.
const warmUpLeast = 300 * time.Millisecond

// conduct runs the trials. The run's end, for which there may be any reason, ends it
// with no error of its own.
func (t *tuner) conduct(r *mapRun) error {
	err := t.trials(r)
	if err == errTuneStopped {
		return nil
	}
	return err
}

func (t *tuner) trials(r *mapRun) error {
	// The first command finds nothing in memory; so how long one takes is asked of a
	// second one, unless that would cost more than it tells.
	err := t.until(r, min(warmUpLeast, time.Duration(t.budget)/10), func() bool {
		return t.count > 1 || t.count == 1 && (t.fault != nil || t.once*core.Span(len(t.numbers)) > t.budget)
	})
	if err != nil {
		return err
	}
	t.mu.Lock()
	once, fault := t.once, t.fault
	t.mu.Unlock()
	if fault != nil {
		return fault
	}
	s, err := tune.NewSchedule(t.numbers, t.budget, once)
	if err != nil {
		return err
	}
	for round := range s.Rounds {
		for _, n := range s.Order(t.chance) {
			if err := t.try(r, n, round, time.Duration(s.Trial)); err != nil {
				return err
			}
		}
	}
	t.whole = true
	return nil
}

// try measures n workers: after the commands that were started under another number
// have ended, until the time is over and each worker may have ended a command.
func (t *tuner) try(r *mapRun, n, round int, long time.Duration) error {
	r.supply.slots.resize(n)
	t.mu.Lock()
	t.boundary = r.supply.last()
	t.pending = int64(t.boundary) - t.count
	t.mu.Unlock()
	if err := t.until(r, 0, func() bool { return t.pending <= 0 }); err != nil {
		return err
	}
	host, err := sampleHost()
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.meter.Begin(n, round, core.Time(time.Now().UnixNano()), host)
	t.inTrial = 0
	t.mu.Unlock()
	if err := t.until(r, long, func() bool { return t.inTrial >= n }); err != nil {
		return err
	}
	if host, err = sampleHost(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.meter.End(core.Time(time.Now().UnixNano()), host)
	return nil
}

// until waits until at least long has passed and enough, under the lock, says so.
func (t *tuner) until(r *mapRun, long time.Duration, enough func() bool) error {
	over := time.NewTimer(long)
	defer over.Stop()
	elapsed := false
	for {
		t.mu.Lock()
		ok := elapsed && enough()
		t.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-over.C:
			elapsed = true
		case <-t.changed:
		case <-r.supply.stop:
			return errTuneStopped
		}
	}
}

// report prints what the trials come to, and draws it.
func (t *tuner) report(to *os.File) error {
	trials := t.meter.Trials()
	for _, trial := range trials {
		if trial.Done <= 0 {
			return fmt.Errorf("with %s no command came to its end, as their workers died: see with tutti map what becomes of it", plural(trial.Workers, "worker"))
		}
	}
	report := tune.Judge(t.cpus, trials, t.chance)
	if err := t.print(to, &report); err != nil {
		return err
	}
	if t.chart == "" {
		return nil
	}
	return drawTune(t.chart, t.command, &report) // last: it may fail, and the measuring took long
}

func (t *tuner) print(to *os.File, report *tune.Report) error {
	if t.json {
		return printJSON(to, struct {
			Command string `json:"command"`
			*tune.Report
		}{t.command, report})
	}
	_, err := to.WriteString(tuneText(report))
	return err
}

// usageOf is what the kernel says that a command used.
func usageOf(u *syscall.Rusage) *tune.Usage {
	return &tune.Usage{
		User: core.Span(u.Utime.Nano()), System: core.Span(u.Stime.Nano()),
		Faults: u.Majflt, Switches: u.Nvcsw, Blocks: u.Inblock + u.Oublock,
	}
}

// last is the ticket of the job that was handed out last; 0 none.
func (s *supply) last() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uint64(s.given)
}

// sampleHost reads the machine's counters, of the CPUs that this process may use.
func sampleHost() (tune.Host, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return tune.Host{}, fmt.Errorf("see what other programs do: %w", err)
	}
	own, err := topo.Affinity()
	if err != nil {
		return tune.Host{}, err
	}
	h := tune.Host{Busy: busyOf(string(stat), func(cpu int) bool { return slices.Contains(own, cpu) }), Known: true}
	for name, to := range map[string]*core.Span{"cpu": &h.CPU, "io": &h.IO, "memory": &h.Memory} {
		text, err := os.ReadFile("/proc/pressure/" + name)
		if err != nil { // the kernel has it only if it was built and started so
			h.Known = false
			continue
		}
		*to = stalledOf(string(text))
	}
	return h, nil
}
